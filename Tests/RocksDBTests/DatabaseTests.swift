import Foundation
import RocksDB
import Testing

/// A directory that goes away with the test.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/millrace-rocksdb-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template)!)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct DatabaseTests {
    let directory = TemporaryDirectory()

    @Test func `what is put is read back by get, by lookup and by a bounded cursor`() throws {
        let database = try Database(path: directory.path + "/db")
        for (key, value) in [("a", "1"), ("b", "2"), ("c", ""), ("d", "4")] {
            try database.put(bytes(key), bytes(value))
        }
        try database.delete(bytes("d"))
        #expect(try database.get(bytes("a")) == bytes("1"))
        #expect(try database.get(bytes("c")) == [])
        #expect(try database.get(bytes("d")) == nil)

        var lookup = Lookup(database, capacity: 4)
        let keys = bytes("abxd")
        var found: [String?] = []
        try keys.withUnsafeBytes { keys throws in
            for index in 0..<4 { lookup.add(UnsafeRawBufferPointer(rebasing: keys[index...index])) }
            try lookup.run()
            for index in 0..<4 {
                found.append(lookup.value(index).map { String(decoding: $0, as: UTF8.self) })
            }
            lookup.clear()
        }
        #expect(found == ["1", "2", nil, nil])

        let cursor = database.cursor(from: bytes("b"), to: bytes("d"))
        var seen: [String] = []
        while cursor.isValid {
            seen.append(String(decoding: cursor.key, as: UTF8.self))
            cursor.next()
        }
        try cursor.check()
        #expect(seen == ["b", "c"])
    }

    @Test func `families keep their keys apart and are found again on open`() throws {
        let path = directory.path + "/db"
        do {
            let database = try Database(path: path, families: ["default", "rows"])
            try database.put(bytes("k"), bytes("one"))
            try database.put(bytes("k"), bytes("two"), family: 1)
        }
        let database = try Database(path: path)
        #expect(database.families == ["default", "rows"])
        #expect(try database.get(bytes("k")) == bytes("one"))
        #expect(try database.get(bytes("k"), family: 1) == bytes("two"))
    }

    @Test func `a write with a log survives closing, one without needs a flush`() throws {
        var options = DatabaseOptions()
        options.writeAheadLog = false
        let path = directory.path + "/db"
        do {
            let database = try Database(path: path, options: options)
            try database.put(bytes("kept"), bytes("1"))
            try database.flush()
        }
        #expect(try Database(path: path).get(bytes("kept")) == bytes("1"))
    }

    @Test func `an ingested file is newer than what was there`() throws {
        let database = try Database(path: directory.path + "/db")
        try database.put(bytes("a"), bytes("old"))
        try database.put(bytes("b"), bytes("old"))
        let file = directory.path + "/new.sst"
        let writer = try SortedFileWriter(path: file, options: DatabaseOptions())
        try Array("ac".utf8).withUnsafeBytes { keys throws in
            try writer.put(UnsafeRawBufferPointer(rebasing: keys[0...0]), keys)
            try writer.delete(UnsafeRawBufferPointer(rebasing: keys[1...1]))
        }
        #expect(try writer.finish() > 0)
        try database.ingest([file])
        #expect(try database.get(bytes("a")) == bytes("ac"))
        #expect(try database.get(bytes("b")) == bytes("old"))
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test func `a checkpoint is a database of its own and does not follow later writes`() throws {
        let database = try Database(path: directory.path + "/db")
        try database.put(bytes("k"), bytes("before"))
        try database.checkpoint(to: directory.path + "/copy")
        try database.put(bytes("k"), bytes("after"))
        #expect(try Database(path: directory.path + "/copy").get(bytes("k")) == bytes("before"))
        #expect(throws: RocksDBError.self) { try database.checkpoint(to: directory.path + "/copy") }
    }

    @Test func `a deleted range is gone, its upper bound is not`() throws {
        let database = try Database(path: directory.path + "/db")
        for key in ["a", "b", "c"] { try database.put(bytes(key), bytes("1")) }
        let batch = WriteBatch(database)
        batch.deleteRange(from: bytes("a"), to: bytes("c"))
        try database.write(batch)
        try database.deleteFiles(from: bytes("a"), to: bytes("b"))
        #expect(try database.get(bytes("b")) == nil)
        #expect(try database.get(bytes("c")) == bytes("1"))
    }

    @Test func `a database in use is refused with the remedy`() throws {
        let path = directory.path + "/db"
        let first = try Database(path: path)
        let error = #expect(throws: RocksDBError.self) { _ = try Database(path: path) }
        #expect(error?.kind == .locked)
        #expect(error?.remedy.contains("stop the other process") == true)
        try first.put(bytes("still"), bytes("works"))
    }

    @Test func `a damaged database is refused as corrupt`() throws {
        let path = directory.path + "/db"
        do { try Database(path: path).put(bytes("a"), bytes("1")) }
        try Data("nonsense\n".utf8).write(to: URL(fileURLWithPath: path + "/CURRENT"))
        let error = #expect(throws: RocksDBError.self) { _ = try Database(path: path) }
        #expect(error?.kind == .corrupt)
    }

    @Test(arguments: [
        (
            "IO error: No space left on device: While appending to file: /x/000012.sst",
            RocksDBError.Kind.noSpace
        ),
        ("IO error: While open a file for appending: /x/1.log: Read-only file system", .readOnly),
        ("IO error: While mkdir if missing: /x: Permission denied", .readOnly),
        ("IO error: While lock file: /x/LOCK: Resource temporarily unavailable", .locked),
        ("Corruption: block checksum mismatch", .corrupt),
        ("Invalid argument: /x: does not exist (create_if_missing is false)", .missing),
        ("IO error: While opening a file: Too many open files", .tooManyFiles),
        ("Busy", .other),
    ]) func `what RocksDB says is understood`(message: String, kind: RocksDBError.Kind) {
        #expect(RocksDBError(path: "/x", message: message).kind == kind)
    }
}
