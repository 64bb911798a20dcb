import Glibc
import StreamRuntime

/// `last_k(x, k)` and `lag(x, n)`: the arguments of the last rows in row order, nulls included.
///
/// - Shape: the number of rows, the number of elements held. Blob: elements as `ListAccumulator` has them,
///   in no order: at least the last k rows, at most twice as many.
struct LastAccumulator: Accumulator {
    /// Rows of one list: as with `ListAccumulator` a list stays small.
    static let countMax: Int64 = 1024

    private let count: Int
    private let isLag: Bool

    /// The last `count` rows; with `isLag` the first of them alone.
    init(count: Int, isLag: Bool) {
        self.count = count
        self.isLag = isLag
    }

    var fixedBytes: Int { 16 }
    var blobs: Int { 1 }
    var skipsNulls: Bool { false }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let arena = ByteArena()
        for row in range where rows.counts(row) {
            let entry = rows.entries[row]
            ListAccumulator.append(row, of: rows, to: entry, at: place, arena)
            let words = place.words(entry)
            words[0] &+= 1
            words[1] &+= 1
            if words[1] >= 2 * Int64(count) { prune(entry, place) }
        }
    }

    /// Forgets all elements but the last `count`.
    private func prune(_ entry: StateEntry, _ place: AccumulatorPlace) {
        var elements = ListAccumulator.elements(place.bytes(entry))
        elements.sort { $0.precedes($1) }
        let kept = elements.suffix(count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(kept.reduce(0) { $0 + $1.size })
        for element in kept {
            bytes.append(
                contentsOf: UnsafeRawBufferPointer(start: element.start, count: element.size))
        }
        bytes.withUnsafeBufferPointer { place.copy($0, to: entry) }
        place.words(entry)[1] = Int64(kept.count)
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let theirs = place.bytes(source)
        guard let base = theirs.baseAddress else { return }
        let start = place.bytes(target).count
        memcpy(place.resize(target, to: start + theirs.count) + start, base, theirs.count)
        place.words(target)[0] &+= place.words(source)[0]
        place.words(target)[1] &+= place.words(source)[1]
        if place.words(target)[1] >= 2 * Int64(count) { prune(target, place) }
    }

    /// Rows leave a window oldest first: either they are not held any more, or all that are left are held.
    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let leaving = ListAccumulator.elements(place.bytes(source))
        let words = place.words(target)
        words[0] &-= place.words(source)[0]
        if !leaving.isEmpty {
            let length = place.bytes(target).count
            let base = UnsafeMutableRawPointer(place.mutableBytes(target))
            var from = 0
            var to = 0
            while from < length {
                let element = ListAccumulator.Element(base + from)
                let size = element.size
                if leaving.contains(where: { memcmp($0.start, element.start, 32) == 0 }) {
                    words[1] &-= 1
                } else {
                    if from != to { memmove(base + to, base + from, size) }
                    to += size
                }
                from += size
            }
            place.resize(target, to: to)
        }
        return words[1] >= min(words[0], Int64(count))
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count slots: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<slots {
            var elements = ListAccumulator.elements(place.bytes(entries[slot]))
            if isLag ? elements.count < count : elements.isEmpty {
                column.appendNull()
                continue
            }
            elements.sort { $0.precedes($1) }
            if isLag {
                var value = elements[elements.count - count].value
                ValueBytes.read(&value, into: column)
                continue
            }
            let start = column.children[0].count
            for element in elements.suffix(count) {
                var value = element.value
                ValueBytes.read(&value, into: column.children[0])
            }
            column.appendList(from: start)
        }
    }
}
