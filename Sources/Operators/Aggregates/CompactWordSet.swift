import StreamRuntime

/// A set of words that are only ever put in, in a quarter of the memory of a `WordSet` while all words fit 32 bits.
///
/// - Shape: word 0 the number of members other than 0; word 1 is below 0, its lowest bit says whether 0 is in, the next
///   one whether members take four bytes each instead of eight. The blob holds the members: up to sixteen just
///   listed, more in a table of open addressing with a power of two of slots, where 0 is a free slot. Words that a
///   `WordSet` has written are taken over; the first word that does not fit four bytes makes all members wide.
struct CompactWordSet {
    private static let listed = 16
    /// Bits of word 1.
    private enum Mark {
        static let zero: Int64 = 1
        static let narrow: Int64 = 2
    }

    let words: UnsafeMutablePointer<Int64>
    let entry: StateEntry
    let place: AccumulatorPlace

    /// The number of members.
    @inline(__always) var count: Int64 {
        words[0] &+ (words[1] < 0 ? words[1] & Mark.zero : (words[1] > 0 ? 1 : 0))
    }

    /// Reads the slot where `word` would be, so that it is in the cache when it is needed soon.
    @inline(__always) func touch(_ word: Int64) -> Int64 {
        let bytes = place.bytes(entry)
        let shift = words[1] & Mark.narrow != 0 ? 2 : 3
        let count = bytes.count &>> shift
        guard count > CompactWordSet.listed, words[1] < 0, let base = bytes.baseAddress else {
            return 0
        }
        let offset = CompactWordSet.home(word, count) &<< shift
        return Int64(UnsafeRawPointer(base).load(fromByteOffset: offset, as: UInt32.self))
    }

    /// Puts `word` in.
    func insert(_ word: Int64) {
        if words[1] >= 0 { takeOver() }
        if word == 0 {
            words[1] |= Mark.zero
            return
        }
        if words[1] & Mark.narrow != 0 {
            if word > 0, word <= Int64(UInt32.max) {
                return put(UInt32(truncatingIfNeeded: word))
            }
            widen()
        }
        put(word)
    }

    /// Calls `body` with every member, in no order.
    func forEach(_ body: (Int64) -> Void) {
        guard words[1] < 0 else {
            return WordSet(words: words, entry: entry, place: place).forEach { word, _ in
                body(word)
            }
        }
        if words[1] & Mark.zero != 0 { body(0) }
        if words[1] & Mark.narrow != 0 {
            forEach(of: UInt32.self) { body(Int64($0)) }
        } else {
            forEach(of: Int64.self, body)
        }
    }

    // MARK: members of one width

    @inline(__always)
    private func put<Member: FixedWidthInteger & BitwiseCopyable>(_ member: Member) {
        let bytes = place.bytes(entry)
        let count = bytes.count / MemoryLayout<Member>.stride
        if count <= CompactWordSet.listed {
            if let base = bytes.baseAddress {
                let members = UnsafeRawPointer(base).assumingMemoryBound(to: Member.self)
                var slot = 0
                while slot < count {
                    if members[slot] == member { return }
                    slot &+= 1
                }
            }
            if count < CompactWordSet.listed {
                slots(count + 1, Member.self)[count] = member
                words[0] &+= 1
                return
            }
            makeTable(of: Member.self)
            return add(member, 64)
        }
        let table = UnsafeMutableRawPointer(mutating: bytes.baseAddress.unsafelyUnwrapped)
            .assumingMemoryBound(to: Member.self)
        let slot = CompactWordSet.find(member, table, count)
        if table[slot] == member { return }
        if (Int(words[0]) &+ 1) &* 4 > count &* 3 {
            double(count, Member.self)
            return add(member, count * 2)
        }
        table[slot] = member
        words[0] &+= 1
    }

    /// Puts a member that is not there into a table of `count` slots.
    private func add<Member: FixedWidthInteger & BitwiseCopyable>(_ member: Member, _ count: Int) {
        let table = slots(count, Member.self)
        table[CompactWordSet.find(member, table, count)] = member
        words[0] &+= 1
    }

    private func slots<Member: BitwiseCopyable>(
        _ count: Int, _: Member.Type
    ) -> UnsafeMutablePointer<Member> {
        UnsafeMutableRawPointer(
            place.resize(entry, to: count * MemoryLayout<Member>.stride)
        ).assumingMemoryBound(to: Member.self)
    }

    private func forEach<Member: FixedWidthInteger & BitwiseCopyable>(
        of type: Member.Type, _ body: (Member) -> Void
    ) {
        let bytes = place.bytes(entry)
        guard let base = bytes.baseAddress else { return }
        let members = UnsafeRawPointer(base).assumingMemoryBound(to: Member.self)
        let count = bytes.count / MemoryLayout<Member>.stride
        for slot in 0..<count where members[slot] != 0 { body(members[slot]) }
    }

    /// Makes the list of members a table.
    private func makeTable<Member: FixedWidthInteger & BitwiseCopyable>(of type: Member.Type) {
        var members: [Member] = []
        forEach(of: type) { members.append($0) }
        let table = slots(64, type)
        table.update(repeating: 0, count: 64)
        for member in members { table[CompactWordSet.find(member, table, 64)] = member }
    }

    /// Doubles the table where it lies: a large set is never in memory twice.
    private func double<Member: FixedWidthInteger & BitwiseCopyable>(
        _ count: Int, _ type: Member.Type
    ) {
        let table = slots(count * 2, type)
        (table + count).update(repeating: 0, count: count)
        // What stands before the first free slot may have come there round the end: it goes in last.
        var first: [Member] = []
        var slot = 0
        while table[slot] != 0 {
            first.append(table[slot])
            table[slot] = 0
            slot &+= 1
        }
        // Any other member stands at or behind its place, in either half: it moves onto slots already seen or
        // `count` further, never onto one that is still to come.
        while slot < count {
            let member = table[slot]
            if member != 0 {
                table[slot] = 0
                table[CompactWordSet.find(member, table, count * 2)] = member
            }
            slot &+= 1
        }
        for member in first { table[CompactWordSet.find(member, table, count * 2)] = member }
    }

    // MARK: other forms

    /// Makes an empty set, or one in the form of a `WordSet`, one of this form.
    private func takeOver() {
        var members: [Int64] = []
        WordSet(words: words, entry: entry, place: place).forEach { word, _ in members.append(word)
        }
        begin(.min | Mark.narrow, members)
    }

    /// Gives each member eight bytes.
    private func widen() {
        var members: [Int64] = []
        forEach(of: UInt32.self) { members.append(Int64($0)) }
        begin(words[1] & ~Mark.narrow, members)
    }

    private func begin(_ marks: Int64, _ members: [Int64]) {
        place.resize(entry, to: 0)
        words[0] = 0
        words[1] = marks
        for member in members { insert(member) }
    }

    @inline(__always) private static func home(_ word: Int64, _ count: Int) -> Int {
        let mixed = UInt64(bitPattern: word) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: (mixed ^ mixed &>> 32) & UInt64(count &- 1))
    }

    @inline(__always)
    private static func find<Member: FixedWidthInteger & BitwiseCopyable>(
        _ member: Member, _ slots: UnsafePointer<Member>, _ count: Int
    ) -> Int {
        var slot = home(Int64(truncatingIfNeeded: member), count)
        while slots[slot] != 0 && slots[slot] != member { slot = (slot &+ 1) & (count &- 1) }
        return slot
    }
}
