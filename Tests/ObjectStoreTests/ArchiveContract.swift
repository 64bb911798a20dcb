import Foundation
import StreamRuntime
import Testing

/// What every archive does, whatever it is made of.
struct ArchiveContract {
    let archive: any CheckpointArchive
    /// An empty directory of this test.
    let scratch: String

    func check() throws {
        try objects()
        try names()
        try files()
    }

    private func objects() throws {
        #expect(try archive.list("").objects == [])
        #expect(try archive.read("a/one") == nil)
        #expect(try archive.create("a/one", [1, 2, 3]))
        #expect(try archive.read("a/one") == [1, 2, 3])
        #expect(try archive.create("a/one", [9]) == false, "another's object stays")
        #expect(try archive.read("a/one") == [1, 2, 3])
        #expect(try archive.create("a/empty", []))
        #expect(try archive.read("a/empty") == [])
        try archive.remove("a/one")
        try archive.remove("a/one")
        #expect(try archive.read("a/one") == nil)
        #expect(try archive.create("a/one", [9]))
        try archive.remove("a/one")
        try archive.remove("a/empty")
    }

    private func names() throws {
        let names = ["b/2", "b/10", "b/c/x y+z&<é>", "bb", "c/~%2F"]
        for name in names { #expect(try archive.create(name, Array(name.utf8))) }
        for (prefix, expected) in [
            ("", ["b/10", "b/2", "b/c/x y+z&<é>", "bb", "c/~%2F"]),
            ("b/", ["b/10", "b/2", "b/c/x y+z&<é>"]),
            ("b", ["b/10", "b/2", "b/c/x y+z&<é>", "bb"]),
            ("b/c/", ["b/c/x y+z&<é>"]), ("b/1", ["b/10"]), ("d", []),
        ] {
            let listing = try archive.list(prefix)
            #expect(listing.objects.map(\.name) == expected, "\(prefix)")
            for object in listing.objects {
                #expect(object.bytes == Int64(object.name.utf8.count))
                let age = listing.nowMillis - object.writtenMillis
                #expect(age > -2000 && age < 60_000)
                #expect(try archive.read(object.name) == Array(object.name.utf8))
            }
        }
        for name in names { try archive.remove(name) }
        #expect(try archive.list("").objects == [])
    }

    private func files() throws {
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 3) }
        for (name, count) in [("f/large", 200_000), ("f/small", 10), ("f/none", 0)] {
            let path = scratch + "/from"
            try Data(bytes[..<count]).write(to: URL(fileURLWithPath: path))
            try archive.upload(path, as: name)
            try archive.upload(path, as: name)
            #expect(try archive.list(name).objects.map(\.bytes) == [Int64(count)])
            #expect(try archive.download(name, to: scratch + "/to"))
            let got = try Data(contentsOf: URL(fileURLWithPath: scratch + "/to"))
            #expect([UInt8](got) == Array(bytes[..<count]))
        }
        #expect(try archive.download("f/missing", to: scratch + "/to") == false)
        let failure = #expect(throws: JobFailure.self) {
            try archive.upload(scratch + "/nowhere", as: "f/nowhere")
        }
        #expect(failure?.problem.contains("/nowhere") == true)
        for name in ["f/large", "f/small", "f/none"] { try archive.remove(name) }
    }
}

func scratchDirectory() throws -> String {
    let path = NSTemporaryDirectory() + "millrace-store-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}
