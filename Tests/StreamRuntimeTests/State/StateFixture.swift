import Foundation

@testable import StreamRuntime

/// A directory that goes away with the test.
final class ScratchDirectory {
    let path: String

    init() {
        var template = Array("/tmp/millrace-state-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template)!)
    }

    deinit {
        chmod(path, 0o755)
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// A generator that gives the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The encoded keys of `texts`.
func keys(_ texts: [String]) -> KeyColumn {
    let column = Column(.string, capacity: max(texts.count, 1))
    for text in texts { column.append(text) }
    return KeyEncoder(columns: [0]).encode([column], count: texts.count)
}

extension StateTable {
    /// The entries of `texts`, made where they are not there.
    func resolve(_ texts: [String]) throws -> [StateEntry] {
        try entries(texts.count) {
            try resolve(keys(texts), rows: nil, count: texts.count, into: $0)
        }
    }

    /// The entries of `texts`.
    func find(_ texts: [String]) throws -> [StateEntry] {
        try entries(texts.count) { try find(keys(texts), rows: nil, count: texts.count, into: $0) }
    }

    /// All entries, from a cursor that is asked for `chunk` at a time.
    func all(chunk: Int = 3, _ body: (StateEntry) throws -> Void) throws {
        let cursor = try cursor()
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: chunk)
        defer { entries.deallocate() }
        while true {
            let count = try cursor.next(chunk, into: entries)
            if count == 0 { return }
            for slot in 0..<count { try body(entries[slot]) }
        }
    }

    private func entries(
        _ count: Int, _ body: (UnsafeMutablePointer<StateEntry>) throws -> Void
    ) throws -> [StateEntry] {
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: max(count, 1))
        defer { entries.deallocate() }
        try body(entries)
        return Array(UnsafeBufferPointer(start: entries, count: count))
    }
}

extension StateEntry {
    /// The first eight fixed bytes as a number.
    var number: Int64 {
        get { value.load(as: Int64.self) }
        nonmutating set { value.storeBytes(of: newValue, as: Int64.self) }
    }

    /// The key as the text that was encoded.
    var text: String { String(decoding: key.dropFirst().dropLast(2), as: UTF8.self) }
}
