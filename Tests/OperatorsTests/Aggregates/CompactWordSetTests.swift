import StreamRuntime
import Testing

@testable import Operators

@Suite struct CompactWordSetTests {
    private static let layout = StateLayout(
        fixedBytes: 16, blobs: 1, initial: [UInt8](repeating: 0, count: 16))

    /// An entry of the layout of a set, in memory only.
    private static func entry() throws -> (StateEntry, KeyedState) {
        let state = try StateStore().state("set", of: "row", layout: layout)
        let key = KeyEncoder(columns: []).encode([], count: 1)
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
        defer { entries.deallocate() }
        try state.table(0).resolve(key, rows: nil, count: 1, into: entries)
        return (entries[0], state)
    }

    private static let place = AccumulatorPlace(offset: 0, blob: 0, layout: layout)

    @Test(arguments: [1, 15, 16, 17, 48, 49, 1000, 5000])
    func `it holds what was put in, each once, zero and negatives too`(members: Int) throws {
        let (entry, state) = try Self.entry()
        let set = CompactWordSet(words: Self.place.words(entry), entry: entry, place: Self.place)
        #expect(set.count == 0)
        var wanted: Set<Int64> = []
        for turn in 0..<(2 * members) {
            let word = Int64(turn % members) * 7919 % 1_000_003 * (turn % 2 == 0 ? 1 : -1)
            set.insert(word)
            wanted.insert(word)
            #expect(set.count == Int64(wanted.count))
        }
        var found: [Int64] = []
        set.forEach { found.append($0) }
        #expect(found.count == wanted.count)
        #expect(Set(found) == wanted)
        withExtendedLifetime(state) {}
    }

    @Test(arguments: [[], [0], [5], [0, 5, -3], Array(0..<100)] as [[Int64]])
    func `it goes on from what a set that counts has written`(words: [Int64]) throws {
        let (entry, state) = try Self.entry()
        let before = WordSet(words: Self.place.words(entry), entry: entry, place: Self.place)
        for word in words { before.insert(word, times: 2) }
        let set = CompactWordSet(words: Self.place.words(entry), entry: entry, place: Self.place)
        #expect(set.count == Int64(words.count))
        set.insert(7_000)
        for word in words { set.insert(word) }
        #expect(set.count == Int64(words.count + 1))
        withExtendedLifetime(state) {}
    }
}
