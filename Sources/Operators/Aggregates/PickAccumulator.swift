import Glibc
import StreamRuntime

/// The place of a row in the log, as an entry keeps it.
///
/// - Shape: event time, origin, offset, then the element in the low half and flags in the high half of a
///   word: 1 there is a row, 2 its value is not null.
struct RowPlace {
    static let words = 4
    let words: UnsafeMutablePointer<Int64>

    @inline(__always) var exists: Bool { words[3] & 1 << 32 != 0 }
    @inline(__always) var hasValue: Bool { words[3] & 2 << 32 != 0 }

    /// Whether row `row` stands before this place.
    @inline(__always)
    func isAfter(
        _ time: Int64, _ origin: Int64, _ offset: Int64, _ element: Int64
    ) -> Bool {
        if words[0] != time { return words[0] > time }
        if words[1] != origin { return words[1] > origin }
        if words[2] != offset {
            return UInt64(bitPattern: words[2]) > UInt64(bitPattern: offset)
        }
        return words[3] & 0xFFFF_FFFF > element
    }

    func isAfter(_ other: RowPlace) -> Bool {
        isAfter(other.words[0], other.words[1], other.words[2], other.words[3] & 0xFFFF_FFFF)
    }

    func equals(_ other: RowPlace) -> Bool {
        words[0] == other.words[0] && words[1] == other.words[1] && words[2] == other.words[2]
            && words[3] == other.words[3]
    }

    @inline(__always)
    func set(_ time: Int64, _ origin: Int64, _ offset: Int64, _ element: Int64, hasValue: Bool) {
        words[0] = time
        words[1] = origin
        words[2] = offset
        words[3] = element | (hasValue ? 3 << 32 : 1 << 32)
    }
}

/// `first`, `last` and `any_value`: the argument of the row that comes first or last in the order of
/// (event time, origin, offset, element). `first` and `last` take nulls, as DuckDB does; `any_value` is the
/// first value that is not null.
///
/// - Shape: the row's place, then the value in 8 or 16 bytes, or in the blob.
struct PickAccumulator: Accumulator {
    enum Which { case first, last }

    /// How many rows before its turn a value that lies in a blob is asked for from memory.
    private static let ahead = 8

    private let which: Which
    private let stride: Int
    let skipsNulls: Bool

    init(_ which: Which, value: ColumnType, skipsNulls: Bool) {
        self.which = which
        self.skipsNulls = skipsNulls
        switch value {
        case .string, .bytes, .list, .structure: stride = 0
        default: stride = value.stride
        }
    }

    var fixedBytes: Int { RowPlace.words * 8 + (stride + 7) / 8 * 8 }
    var blobs: Int { stride == 0 ? 1 : 0 }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let column = rows.arguments.columns[0]
        let arena = ByteArena()
        let times = UnsafePointer(rows.order.eventTimes.int64s)
        let origins = UnsafePointer(rows.order.origins.int64s)
        let offsets = UnsafePointer(rows.order.offsets.int64s)
        let elements = rows.order.elements.map { UnsafePointer($0.int64s) }
        let words = column.type.stride == 8 ? column.int64s : nil
        let validity = column.validity
        let isFirst = which == .first
        let mask = rows.mask
        let values = rows.values
        let stride = stride
        let text = column.type.isBytes ? column : nil
        var row = range.lowerBound
        while row < range.upperBound {
            let current = row
            row &+= 1
            if stride == 0, current &+ PickAccumulator.ahead < range.upperBound {
                rows.entries[current &+ PickAccumulator.ahead].prefetchBlob(
                    place.blob, of: place.layout)
            }
            if let mask, mask[current] == 0 { continue }
            let held = RowPlace(
                words: (values[current] + place.offset).assumingMemoryBound(to: Int64.self))
            let time = times[current]
            let element = elements == nil ? 0 : elements![current]
            if held.exists {
                let isAfter = held.isAfter(time, origins[current], offsets[current], element)
                if isFirst != isAfter { continue }
            }
            let hasValue = validity == nil || validity![current] != 0
            held.set(time, origins[current], offsets[current], element, hasValue: hasValue)
            if stride == 8 {
                held.words[RowPlace.words] = words![current]
            } else if let text, hasValue {
                let bytes = text.bytes(current)
                let blob = place.resize(
                    rows.entries[current], to: ValueBytes.textBytes(bytes.count))
                ValueBytes.write(text: bytes, to: blob)
            } else {
                store(column, current, arena, rows.entries[current], held, place)
            }
        }
    }

    private func store(
        _ column: Column, _ row: Int, _ arena: ByteArena, _ entry: StateEntry, _ held: RowPlace,
        _ place: AccumulatorPlace
    ) {
        if stride > 0 {
            held.words[RowPlace.words] = 0
            memcpy(held.words + RowPlace.words, column.values + row * stride, stride)
        } else {
            arena.count = 0
            ValueBytes.append(column, row, to: arena)
            place.copy(UnsafeBufferPointer(start: arena.base, count: arena.count), to: entry)
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let mine = RowPlace(words: place.words(target))
        let theirs = RowPlace(words: place.words(source))
        guard theirs.exists else { return }
        if mine.exists, (which == .first) != mine.isAfter(theirs) { return }
        mine.words.update(from: theirs.words, count: fixedBytes / 8)
        if stride == 0 { place.copy(place.bytes(source), to: target) }
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let theirs = RowPlace(words: place.words(source))
        return !theirs.exists || !theirs.equals(RowPlace(words: place.words(target)))
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            if stride == 0, slot + PickAccumulator.ahead < count {
                entries[slot + PickAccumulator.ahead].prefetchBlob(place.blob, of: place.layout)
            }
            let held = RowPlace(words: place.words(entries[slot]))
            if !held.exists || !held.hasValue {
                column.appendNull()
            } else if stride == 0 {
                var at = place.bytes(entries[slot]).baseAddress!
                ValueBytes.read(&at, into: column)
            } else {
                FixedValue.append(held.words + RowPlace.words, to: column)
            }
        }
    }
}

/// Values of fixed width as entries keep them.
enum FixedValue {
    static func append(_ words: UnsafeMutablePointer<Int64>, to column: Column) {
        switch column.type {
        case .bool: column.append(words[0] & 0xFF != 0)
        case .float64: column.append(Double(bitPattern: UInt64(bitPattern: words[0])))
        case .decimal: column.append(WideWords.load(words))
        case .interval:
            column.append(UnsafeRawPointer(words).loadUnaligned(as: Interval.self))
        default: column.append(words[0])
        }
    }
}

/// `arg_min` and `arg_max`: the first argument of the row whose second is smallest or largest; of equal
/// ones the first in row order. Rows with a null argument are passed over.
///
/// - Shape: the row's place; the rank as key bytes in the first blob, the value in the second.
struct ArgumentAccumulator: Accumulator {
    private let isLargest: Bool

    init(value: ColumnType, rank: ColumnType, isLargest: Bool) { self.isLargest = isLargest }

    var fixedBytes: Int { RowPlace.words * 8 }
    var blobs: Int { 2 }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        var prepared = PreparedArguments(columns: arguments)
        prepared.keys = KeyEncoder(columns: []).encode([arguments[1]], count: count)
        return prepared
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let order = rows.order
        let ranks = rows.arguments.keys!.bytes
        let arena = ByteArena()
        for row in range where rows.counts(row) {
            let entry = rows.entries[row]
            let held = RowPlace(words: place.words(entry))
            let time = order.eventTimes.int64s[row]
            let origin = order.origins.int64s[row]
            let offset = order.offsets.int64s[row]
            let element = order.elements?.int64s[row] ?? 0
            if held.exists {
                let comparison = ValueBytes.compare(ranks.bytes(row), place.bytes(entry))
                if isLargest ? comparison < 0 : comparison > 0 { continue }
                if comparison == 0, !held.isAfter(time, origin, offset, element) { continue }
            }
            held.set(time, origin, offset, element, hasValue: true)
            place.copy(ranks.bytes(row), to: entry)
            arena.count = 0
            ValueBytes.append(rows.arguments.columns[0], row, to: arena)
            place.copy(UnsafeBufferPointer(start: arena.base, count: arena.count), to: entry, 1)
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let mine = RowPlace(words: place.words(target))
        let theirs = RowPlace(words: place.words(source))
        guard theirs.exists else { return }
        if mine.exists {
            let comparison = ValueBytes.compare(place.bytes(source), place.bytes(target))
            if isLargest ? comparison < 0 : comparison > 0 { return }
            if comparison == 0, !mine.isAfter(theirs) { return }
        }
        mine.words.update(from: theirs.words, count: RowPlace.words)
        place.copy(place.bytes(source), to: target)
        place.copy(place.bytes(source, 1), to: target, 1)
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let theirs = RowPlace(words: place.words(source))
        return !theirs.exists || !theirs.equals(RowPlace(words: place.words(target)))
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            if RowPlace(words: place.words(entries[slot])).exists {
                var at = place.bytes(entries[slot], 1).baseAddress!
                ValueBytes.read(&at, into: column)
            } else {
                column.appendNull()
            }
        }
    }
}
