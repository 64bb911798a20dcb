import Glibc
import StreamRuntime
import Testing

@testable import FeatureServe

/// A directory that goes away with the test.
final class ScratchDirectory {
    let path: String

    init() {
        var name = Array("/tmp/millrace-online-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&name))
    }

    deinit {
        if let listing = opendir(path) {
            while let entry = readdir(listing) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                unlink(path + "/" + name)
            }
            closedir(listing)
        }
        rmdir(path)
    }
}

/// What every kind of rows at rest must do.
@Suite struct OnlineRowsContract {
    enum Kind: CaseIterable { case memory, rocks }

    private func with(_ kind: Kind, _ body: (any OnlineRows) throws -> Void) throws {
        switch kind {
        case .memory: try body(MemoryRows())
        case .rocks:
            let directory = ScratchDirectory()
            try body(try RocksRows(path: directory.path))
        }
    }

    private func put(_ pairs: [(String, String)], to rows: any OnlineRows) throws {
        let batch = OnlineRowBatch()
        for (key, value) in pairs {
            batch.append { arena in
                for byte in (key + value).utf8 { JSONText.append(byte: byte, to: arena) }
                return key.utf8.count
            }
        }
        try rows.put(batch, durable: true)
    }

    private func get(_ key: String, from rows: any OnlineRows) throws -> String? {
        try Array(key.utf8).withUnsafeBytes { try rows.get($0) }
            .map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: Kind.allCases)
    func `a put is got back, a later one replaces it`(kind: Kind) throws {
        try with(kind) { rows in
            try put([("a", "1"), ("b", "2")], to: rows)
            try put([("a", "3")], to: rows)
            #expect(try get("a", from: rows) == "3")
            #expect(try get("b", from: rows) == "2")
            #expect(try get("c", from: rows) == nil)
        }
    }

    @Test(arguments: Kind.allCases)
    func `a scan gives the keys under a prefix in order and stops when told`(kind: Kind) throws {
        try with(kind) { rows in
            try put([("b2", "x"), ("a1", "x"), ("b1", "y"), ("c", "x"), ("b3", "z")], to: rows)
            var seen: [String] = []
            try rows.scan(prefix: Array("b".utf8)) { key, value in
                seen.append(
                    String(decoding: key, as: UTF8.self) + String(decoding: value, as: UTF8.self))
                return seen.count < 2
            }
            #expect(seen == ["b1y", "b2x"])
            var last: [String] = []
            try rows.scan(prefix: [255]) { key, _ in
                last.append(String(decoding: key, as: UTF8.self))
                return true
            }
            #expect(last.isEmpty)
        }
    }
}
