import StreamRuntime

/// A set of words that knows how often each was put in.
///
/// - Shape: word 0 the number of members other than 0, word 1 how often 0 is in. The blob holds slots of
///   (word, times): up to eight just listed, more in a table of open addressing with a power of two of
///   slots, where times 0 is a free slot.
struct WordSet {
    static let fixedBytes = 16
    private static let listed = 8

    let words: UnsafeMutablePointer<Int64>
    let entry: StateEntry
    let place: AccumulatorPlace

    /// A slot of the blob.
    struct Slot: BitwiseCopyable {
        var word: Int64
        var times: Int64
    }

    /// The number of members.
    @inline(__always) var count: Int64 { words[0] &+ (words[1] > 0 ? 1 : 0) }

    private var slotCount: Int { place.bytes(entry).count / MemoryLayout<Slot>.stride }

    private func slots(_ count: Int) -> UnsafeMutablePointer<Slot> {
        UnsafeMutableRawPointer(place.resize(entry, to: count * MemoryLayout<Slot>.stride))
            .assumingMemoryBound(to: Slot.self)
    }

    /// Reads the slot where `word` would be, so that it is in the cache when it is needed soon.
    @inline(__always) func touch(_ word: Int64) -> Int64 {
        let bytes = place.bytes(entry)
        let count = bytes.count / MemoryLayout<Slot>.stride
        guard count > WordSet.listed, let base = bytes.baseAddress else { return 0 }
        return UnsafeRawPointer(base).load(
            fromByteOffset: WordSet.home(word, count) &* MemoryLayout<Slot>.stride, as: Int64.self)
    }

    /// Puts `word` in `times` times.
    func insert(_ word: Int64, times: Int64 = 1) {
        if word == 0 {
            words[1] &+= times
            return
        }
        let held = Int(words[0])
        let count = slotCount
        let slots = slots(count)
        if count <= WordSet.listed {
            for slot in 0..<count where slots[slot].word == word {
                slots[slot].times &+= times
                return
            }
            if count < WordSet.listed {
                self.slots(count + 1)[count] = Slot(word: word, times: times)
                words[0] &+= 1
                return
            }
            grow(slots, count, to: 32)
            return insert(word, times: times)
        }
        let slot = WordSet.find(word, slots, count)
        if slots[slot].times != 0 {
            slots[slot].times &+= times
            return
        }
        if (held &+ 1) &* 4 > count &* 3 {
            grow(slots, count, to: count * 2)
            return insert(word, times: times)
        }
        slots[slot] = Slot(word: word, times: times)
        words[0] &+= 1
    }

    /// Takes `word`, which is in at least so often, out `times` times.
    func remove(_ word: Int64, times: Int64) {
        if word == 0 {
            words[1] &-= times
            return
        }
        let count = slotCount
        let slots = slots(count)
        if count <= WordSet.listed {
            for slot in 0..<count where slots[slot].word == word {
                slots[slot].times &-= times
                if slots[slot].times == 0 {
                    slots[slot] = slots[count - 1]
                    _ = self.slots(count - 1)
                    words[0] &-= 1
                }
                return
            }
            return
        }
        let slot = WordSet.find(word, slots, count)
        if slots[slot].times == 0 { return }
        slots[slot].times &-= times
        if slots[slot].times == 0 {
            WordSet.close(slot, slots, count)
            words[0] &-= 1
        }
    }

    /// Whether `word` is in.
    func contains(_ word: Int64) -> Bool {
        if word == 0 { return words[1] > 0 }
        let bytes = place.bytes(entry)
        let count = bytes.count / MemoryLayout<Slot>.stride
        guard count > 0, let base = bytes.baseAddress else { return false }
        let slots = UnsafeRawPointer(base).assumingMemoryBound(to: Slot.self)
        if count <= WordSet.listed {
            for slot in 0..<count where slots[slot].word == word { return true }
            return false
        }
        return slots[WordSet.find(word, slots, count)].times != 0
    }

    /// Calls `body` with every member, in no order.
    @inline(__always) func forEach(_ body: (Int64, Int64) -> Void) {
        if words[1] > 0 { body(0, words[1]) }
        let bytes = place.bytes(entry)
        let count = bytes.count / MemoryLayout<Slot>.stride
        guard count > 0, let base = bytes.baseAddress else { return }
        let slots = UnsafeRawPointer(base).assumingMemoryBound(to: Slot.self)
        var slot = 0
        while slot < count {
            if slots[slot].times != 0 { body(slots[slot].word, slots[slot].times) }
            slot &+= 1
        }
    }

    func add(_ other: WordSet) {
        other.forEach { word, times in insert(word, times: times) }
    }

    func subtract(_ other: WordSet) {
        other.forEach { word, times in remove(word, times: times) }
    }

    @inline(__always) private static func home(_ word: Int64, _ count: Int) -> Int {
        let mixed = UInt64(bitPattern: word) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: (mixed ^ mixed &>> 32) & UInt64(count &- 1))
    }

    @inline(__always)
    private static func find(_ word: Int64, _ slots: UnsafePointer<Slot>, _ count: Int) -> Int {
        var slot = home(word, count)
        while slots[slot].times != 0 && slots[slot].word != word {
            slot = (slot &+ 1) & (count &- 1)
        }
        return slot
    }

    /// Frees a slot by moving back what was displaced past it.
    private static func close(_ freed: Int, _ slots: UnsafeMutablePointer<Slot>, _ count: Int) {
        var hole = freed
        var slot = (freed &+ 1) & (count &- 1)
        while slots[slot].times != 0 {
            let home = home(slots[slot].word, count)
            if (slot &- home) & (count &- 1) >= (slot &- hole) & (count &- 1) {
                slots[hole] = slots[slot]
                hole = slot
            }
            slot = (slot &+ 1) & (count &- 1)
        }
        slots[hole] = Slot(word: 0, times: 0)
    }

    private func grow(_ slots: UnsafeMutablePointer<Slot>, _ count: Int, to capacity: Int) {
        withUnsafeTemporaryAllocation(of: Slot.self, capacity: count) { old in
            let before = old.baseAddress!
            before.initialize(from: slots, count: count)
            let grown = self.slots(capacity)
            grown.update(repeating: Slot(word: 0, times: 0), count: capacity)
            for index in 0..<count where before[index].times != 0 {
                grown[WordSet.find(before[index].word, grown, capacity)] = before[index]
            }
        }
    }
}

/// `count(distinct x)` of values that fit a word, exact.
struct DistinctWordAccumulator: Accumulator {
    /// Whether nothing is ever taken out again.
    var isCompact = false
    var fixedBytes: Int { WordSet.fixedBytes }
    var blobs: Int { 1 }

    @inline(__always) func compact(
        _ entry: StateEntry, _ place: AccumulatorPlace
    ) -> CompactWordSet {
        CompactWordSet(words: place.words(entry), entry: entry, place: place)
    }

    @inline(__always) func set(_ entry: StateEntry, _ place: AccumulatorPlace) -> WordSet {
        WordSet(words: place.words(entry), entry: entry, place: place)
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: [WordKernels.words(arguments[0])])
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].int64s)
        if isCompact {
            for row in range where rows.counts(row) {
                compact(rows.entries[row], place).insert(numbers[row])
            }
            return
        }
        for row in range where rows.counts(row) {
            set(rows.entries[row], place).insert(numbers[row])
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        if isCompact {
            let members = compact(target, place)
            return compact(source, place).forEach { members.insert($0) }
        }
        set(target, place).add(set(source, place))
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        if isCompact { return false }
        set(target, place).subtract(set(source, place))
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            column.append(
                isCompact
                    ? compact(entries[slot], place).count : set(entries[slot], place).count)
        }
    }
}
