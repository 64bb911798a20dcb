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

    /// Bytes that the members take.
    private static func bytes(_ words: [Int64]) throws -> (
        count: Int64, bytes: Int, members: Set<Int64>
    ) {
        let (entry, state) = try entry()
        let set = CompactWordSet(words: place.words(entry), entry: entry, place: place)
        for word in words { set.insert(word) }
        var members: Set<Int64> = []
        set.forEach { members.insert($0) }
        defer { withExtendedLifetime(state) {} }
        return (set.count, place.bytes(entry).count, members)
    }

    @Test func `words below 2^32 take four bytes each, and eight from the first that is not`()
        throws
    {
        let small =
            (1...1000).map { Int64($0) * 4_000_003 }.filter { $0 <= Int64(UInt32.max) }
            + (1...500).map { Int64($0) }
        let narrow = try Self.bytes(small)
        #expect(narrow.members == Set(small))
        #expect(narrow.bytes == 4 * 2048)
        for other in [-1, 1 << 32, Int64.min, .max] {
            let wide = try Self.bytes(small + [other])
            #expect(wide.bytes == 8 * 2048)
            #expect(wide.members == Set(small + [other]))
            #expect(wide.count == Int64(Set(small).count) + 1)
            // From a list, too.
            #expect(try Self.bytes([5, other, 0, 5]).members == [0, 5, other])
        }
    }

    @Test func `a set of the form before, eight bytes a member, goes on`() throws {
        let (entry, state) = try Self.entry()
        let words = Self.place.words(entry)
        let before: [Int64] = [3, 9, 1 << 40]
        let base = Self.place.resize(entry, to: before.count * 8)
        for (slot, word) in before.enumerated() {
            UnsafeMutableRawPointer(base).storeBytes(
                of: word, toByteOffset: slot * 8, as: Int64.self)
        }
        words[0] = 3
        words[1] = .min | 1
        let set = CompactWordSet(words: words, entry: entry, place: Self.place)
        for word in 1...100 as ClosedRange<Int64> { set.insert(word) }
        #expect(set.count == 102)
        var members: Set<Int64> = []
        set.forEach { members.insert($0) }
        #expect(members == Set(0...100).union([1 << 40]))
        withExtendedLifetime(state) {}
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `it finds every member after each doubling, those that went round the end too`(
        seed: UInt64
    )
        throws
    {
        var state = seed
        func next() -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64(state >> 40)
        }
        let (entry, kept) = try Self.entry()
        let set = CompactWordSet(words: Self.place.words(entry), entry: entry, place: Self.place)
        var wanted: Set<Int64> = []
        for _ in 0..<4000 {
            let word = next()
            set.insert(word)
            wanted.insert(word)
        }
        #expect(set.count == Int64(wanted.count), "seed \(seed)")
        // What is in is found, or it would be put in once more.
        for word in wanted { set.insert(word) }
        #expect(set.count == Int64(wanted.count), "seed \(seed)")
        withExtendedLifetime(kept) {}
    }
}
