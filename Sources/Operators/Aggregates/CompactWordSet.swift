import StreamRuntime

/// A set of words that are only ever put in, in half the memory of a `WordSet`.
///
/// - Shape: word 0 the number of members other than 0; word 1 is below 0, its lowest bit says whether 0 is in. The
///   blob holds the members: up to sixteen just listed, more in a table of open addressing with a power of two of
///   slots, where 0 is a free slot. Words that a `WordSet` has written are taken over.
struct CompactWordSet {
    private static let listed = 16

    let words: UnsafeMutablePointer<Int64>
    let entry: StateEntry
    let place: AccumulatorPlace

    /// The number of members.
    @inline(__always) var count: Int64 {
        words[0] &+ (words[1] < 0 ? words[1] & 1 : (words[1] > 0 ? 1 : 0))
    }

    /// Reads the slot where `word` would be, so that it is in the cache when it is needed soon.
    @inline(__always) func touch(_ word: Int64) -> Int64 {
        let bytes = place.bytes(entry)
        let count = bytes.count / 8
        guard count > CompactWordSet.listed, words[1] < 0, let base = bytes.baseAddress else {
            return 0
        }
        return UnsafeRawPointer(base).load(
            fromByteOffset: CompactWordSet.home(word, count) &* 8, as: Int64.self)
    }

    /// Puts `word` in.
    func insert(_ word: Int64) {
        if words[1] >= 0 { takeOver() }
        if word == 0 {
            words[1] |= 1
            return
        }
        let bytes = place.bytes(entry)
        let count = bytes.count / 8
        if count <= CompactWordSet.listed {
            if let base = bytes.baseAddress {
                let members = UnsafeRawPointer(base).assumingMemoryBound(to: Int64.self)
                var slot = 0
                while slot < count {
                    if members[slot] == word { return }
                    slot &+= 1
                }
            }
            if count < CompactWordSet.listed {
                slots(count + 1)[count] = word
                words[0] &+= 1
                return
            }
            grow(count, to: 64)
            return insert(word)
        }
        let table = UnsafeMutableRawPointer(mutating: bytes.baseAddress.unsafelyUnwrapped)
            .assumingMemoryBound(to: Int64.self)
        let slot = CompactWordSet.find(word, table, count)
        if table[slot] == word { return }
        if (Int(words[0]) &+ 1) &* 4 > count &* 3 {
            grow(count, to: count * 2)
            return insert(word)
        }
        table[slot] = word
        words[0] &+= 1
    }

    /// Calls `body` with every member, in no order.
    func forEach(_ body: (Int64) -> Void) {
        guard words[1] < 0 else {
            return WordSet(words: words, entry: entry, place: place).forEach { word, _ in
                body(word)
            }
        }
        if words[1] & 1 != 0 { body(0) }
        let bytes = place.bytes(entry)
        guard let base = bytes.baseAddress else { return }
        let members = UnsafeRawPointer(base).assumingMemoryBound(to: Int64.self)
        for slot in 0..<(bytes.count / 8) where members[slot] != 0 { body(members[slot]) }
    }

    /// Makes an empty set, or one in the form of a `WordSet`, one of this form.
    private func takeOver() {
        var members: [Int64] = []
        WordSet(words: words, entry: entry, place: place).forEach { word, _ in members.append(word)
        }
        place.resize(entry, to: 0)
        words[0] = 0
        words[1] = .min
        for word in members { insert(word) }
    }

    private func slots(_ count: Int) -> UnsafeMutablePointer<Int64> {
        UnsafeMutableRawPointer(place.resize(entry, to: count * 8))
            .assumingMemoryBound(to: Int64.self)
    }

    private func grow(_ count: Int, to capacity: Int) {
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: count) { old in
            let before = old.baseAddress!
            before.initialize(from: slots(count), count: count)
            let grown = slots(capacity)
            grown.update(repeating: 0, count: capacity)
            var slot = 0
            while slot < count {
                let word = before[slot]
                if word != 0 { grown[CompactWordSet.find(word, grown, capacity)] = word }
                slot &+= 1
            }
        }
    }

    @inline(__always) private static func home(_ word: Int64, _ count: Int) -> Int {
        let mixed = UInt64(bitPattern: word) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: (mixed ^ mixed &>> 32) & UInt64(count &- 1))
    }

    @inline(__always)
    private static func find(_ word: Int64, _ slots: UnsafePointer<Int64>, _ count: Int) -> Int {
        var slot = home(word, count)
        while slots[slot] != 0 && slots[slot] != word { slot = (slot &+ 1) & (count &- 1) }
        return slot
    }
}
