import Glibc
import StreamRuntime

/// `min` and `max` of values that fit a word, where rows are taken back: all values are kept.
///
/// - Shape: a `WordSet` of the values, complemented for `max`, in the first blob; in the second a binary heap of
///   words in which every member is at least once, and the first one is a member.
struct ExtremeSetAccumulator: Accumulator {
    private let flip: Int64

    init(isLargest: Bool) { flip = isLargest ? -1 : 0 }

    var fixedBytes: Int { WordSet.fixedBytes }
    var blobs: Int { 2 }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: [WordKernels.words(arguments[0])])
    }

    private func set(_ entry: StateEntry, _ place: AccumulatorPlace) -> WordSet {
        WordSet(words: place.words(entry), entry: entry, place: place)
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].int64s)
        for row in range where rows.counts(row) {
            add(numbers[row] ^ flip, times: 1, to: rows.entries[row], place)
        }
    }

    func takeBack(
        _ rows: AggregateRows, _ row: Int, _ scratch: StateEntry, at place: AccumulatorPlace
    ) {
        guard rows.counts(row) else { return }
        remove(rows.arguments.columns[0].int64s[row] ^ flip, times: 1, rows.entries[row], place)
    }

    private func add(_ word: Int64, times: Int64, to entry: StateEntry, _ place: AccumulatorPlace) {
        let set = set(entry, place)
        let before = set.count
        set.insert(word, times: times)
        if set.count > before { push(word, entry, place) }
    }

    private func remove(
        _ word: Int64, times: Int64, _ entry: StateEntry, _ place: AccumulatorPlace
    ) {
        let set = set(entry, place)
        let before = set.count
        set.remove(word, times: times)
        if set.count == before { return }
        let length = place.bytes(entry, 1).count / 8
        if length > 2 * Int(set.count) + 16 { return rebuild(set, entry, place) }
        var held = length
        let heap = UnsafeMutableRawPointer(place.mutableBytes(entry, 1))
            .assumingMemoryBound(to: Int64.self)
        while held > 0, !set.contains(heap[0]) {
            held -= 1
            heap[0] = heap[held]
            ExtremeSetAccumulator.sink(heap, 0, held)
        }
        if held < length { place.resize(entry, 1, to: held * 8) }
    }

    private func push(_ word: Int64, _ entry: StateEntry, _ place: AccumulatorPlace) {
        var at = place.bytes(entry, 1).count / 8
        let heap = UnsafeMutableRawPointer(place.resize(entry, 1, to: (at + 1) * 8))
            .assumingMemoryBound(to: Int64.self)
        while at > 0, heap[(at - 1) / 2] > word {
            heap[at] = heap[(at - 1) / 2]
            at = (at - 1) / 2
        }
        heap[at] = word
    }

    private func rebuild(_ set: WordSet, _ entry: StateEntry, _ place: AccumulatorPlace) {
        let count = Int(set.count)
        let heap = UnsafeMutableRawPointer(place.resize(entry, 1, to: count * 8))
            .assumingMemoryBound(to: Int64.self)
        var at = 0
        set.forEach { word, _ in
            heap[at] = word
            at += 1
        }
        for start in stride(from: count / 2 - 1, through: 0, by: -1) {
            ExtremeSetAccumulator.sink(heap, start, count)
        }
    }

    private static func sink(_ heap: UnsafeMutablePointer<Int64>, _ start: Int, _ count: Int) {
        guard start < count else { return }
        var at = start
        let word = heap[at]
        while true {
            var child = 2 * at + 1
            if child >= count { break }
            if child + 1 < count, heap[child + 1] < heap[child] { child += 1 }
            if heap[child] >= word { break }
            heap[at] = heap[child]
            at = child
        }
        heap[at] = word
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        set(source, place).forEach { word, times in add(word, times: times, to: target, place) }
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        set(source, place).forEach { word, times in remove(word, times: times, target, place) }
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            guard set(entries[slot], place).count > 0,
                let heap = place.bytes(entries[slot], 1).baseAddress
            else {
                column.appendNull()
                continue
            }
            WordKernels.append(UnsafeRawPointer(heap).load(as: Int64.self) ^ flip, to: column)
        }
    }
}

/// `min` and `max` of strings, bytes and decimals, where rows are taken back: all values are kept.
///
/// - Shape: a `BytesSet` of the values as key bytes in two blobs; the first or last of them in the third.
///   When that one goes, the others are looked through.
struct ExtremeBytesSetAccumulator: Accumulator {
    let isLargest: Bool
    private let decoder: KeyDecoder

    init(isLargest: Bool, type: ColumnType) {
        self.isLargest = isLargest
        decoder = KeyDecoder([type])
    }

    var fixedBytes: Int { BytesSet.fixedBytes }
    var blobs: Int { 3 }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        var prepared = PreparedArguments(columns: arguments)
        prepared.keys = DistinctBytesAccumulator.keys(arguments[0], count: count)
        return prepared
    }

    private func set(_ entry: StateEntry, _ place: AccumulatorPlace) -> BytesSet {
        BytesSet(words: place.words(entry), entry: entry, place: place)
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        guard let keys = rows.arguments.keys else { return }
        for row in range where rows.counts(row) {
            add(keys.bytes.bytes(row), keys.hashes.int64s[row], 1, to: rows.entries[row], place)
        }
    }

    func takeBack(
        _ rows: AggregateRows, _ row: Int, _ scratch: StateEntry, at place: AccumulatorPlace
    ) {
        guard rows.counts(row), let keys = rows.arguments.keys else { return }
        remove(
            keys.bytes.bytes(row), keys.hashes.int64s[row], 1, from: rows.entries[row], place)
    }

    private func add(
        _ bytes: UnsafeBufferPointer<UInt8>, _ hash: Int64, _ times: Int64, to entry: StateEntry,
        _ place: AccumulatorPlace
    ) {
        let isFirst = place.words(entry)[0] == 0
        set(entry, place).insert(bytes, hash: hash, times: times)
        if isFirst || isBetter(bytes, place.bytes(entry, 2)) { place.copy(bytes, to: entry, 2) }
    }

    private func remove(
        _ bytes: UnsafeBufferPointer<UInt8>, _ hash: Int64, _ times: Int64,
        from entry: StateEntry, _ place: AccumulatorPlace
    ) {
        let before = place.words(entry)[0]
        let set = set(entry, place)
        set.remove(bytes, hash: hash, times: times)
        if place.words(entry)[0] == before
            || ValueBytes.compare(bytes, place.bytes(entry, 2)) != 0
        {
            return
        }
        place.resize(entry, 2, to: 0)
        set.forEach { other, _, _ in
            let best = place.bytes(entry, 2)
            if best.isEmpty || isBetter(other, best) { place.copy(other, to: entry, 2) }
        }
    }

    private func isBetter(
        _ bytes: UnsafeBufferPointer<UInt8>, _ best: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let order = ValueBytes.compare(bytes, best)
        return isLargest ? order > 0 : order < 0
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        set(source, place).forEach { bytes, hash, times in
            add(bytes, hash, times, to: target, place)
        }
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        set(source, place).forEach { bytes, hash, times in
            remove(bytes, hash, times, from: target, place)
        }
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            if place.words(entries[slot])[0] == 0 {
                column.appendNull()
            } else {
                decoder.decode(place.bytes(entries[slot], 2), into: [column])
            }
        }
    }
}
