import Glibc
import StreamRuntime

/// What depends on the order of rows or on one of them, where rows are taken back: all arguments are kept.
///
/// A row that takes one back does not say when that one came: of several equal ones it takes the earliest.
///
/// - Shape: the number of rows. Blob: for each a place in the log (event time, origin, offset, element), a u32
///   length of all that follows, a u32 length of the value, the value's bytes, the rank as key bytes.
/// - Errors: more than `ListAccumulator.elementsMax` rows are not kept; the result is rejected.
struct KeptRowsAccumulator: Accumulator {
    private static let head = 40

    private let function: AggregateFunction
    private let count: Int

    init(_ call: AggregateCall) {
        function = call.function
        count = Int(call.parameter ?? 1)
    }

    var fixedBytes: Int { 8 }
    var blobs: Int { 1 }
    var skipsNulls: Bool {
        switch function {
        case .anyValue, .argumentMinimum, .argumentMaximum: true
        default: false
        }
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        var prepared = PreparedArguments(columns: arguments)
        if arguments.count > 1 {
            prepared.keys = KeyEncoder(columns: []).encode([arguments[1]], count: count)
        }
        return prepared
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let arena = ByteArena()
        for row in range where rows.counts(row) {
            let entry = rows.entries[row]
            place.words(entry)[0] &+= 1
            guard place.words(entry)[0] <= ListAccumulator.elementsMax else {
                place.resize(entry, to: 0)
                continue
            }
            KeptRowsAccumulator.write(row, of: rows, to: arena)
            let held = place.bytes(entry).count
            memcpy(
                place.resize(entry, to: held + arena.count) + held, arena.base, arena.count)
        }
    }

    /// Makes `arena` the element of a row.
    private static func write(_ row: Int, of rows: AggregateRows, to arena: ByteArena) {
        arena.count = 0
        arena.reserve(head)
        arena.count = head
        ValueBytes.append(rows.arguments.columns[0], row, to: arena)
        let value = arena.count - head
        if let rank = rows.arguments.keys?.bytes.bytes(row), let base = rank.baseAddress {
            arena.append(base, rank.count)
        }
        let at = UnsafeMutableRawPointer(arena.base)
        let order = rows.order
        at.storeBytes(of: order.eventTimes.int64s[row], as: Int64.self)
        at.storeBytes(of: order.origins.int64s[row], toByteOffset: 8, as: Int64.self)
        at.storeBytes(of: order.offsets.int64s[row], toByteOffset: 16, as: Int64.self)
        at.storeBytes(of: order.elements?.int64s[row] ?? 0, toByteOffset: 24, as: Int64.self)
        at.storeBytes(of: UInt32(arena.count - head), toByteOffset: 32, as: UInt32.self)
        at.storeBytes(of: UInt32(value), toByteOffset: 36, as: UInt32.self)
    }

    /// A row as the blob has it.
    private struct Element {
        let start: UnsafeRawPointer

        func word(_ offset: Int) -> Int64 {
            start.loadUnaligned(fromByteOffset: offset, as: Int64.self)
        }
        var place: (Int64, Int64, UInt64, Int64) {
            (word(0), word(8), UInt64(bitPattern: word(16)), word(24))
        }
        var contentLength: Int {
            Int(start.loadUnaligned(fromByteOffset: 32, as: UInt32.self))
        }
        var valueLength: Int { Int(start.loadUnaligned(fromByteOffset: 36, as: UInt32.self)) }
        var size: Int { head + contentLength }
        var value: UnsafePointer<UInt8> { (start + head).assumingMemoryBound(to: UInt8.self) }
        var rank: UnsafeBufferPointer<UInt8> {
            UnsafeBufferPointer(start: value + valueLength, count: contentLength - valueLength)
        }

        func precedes(_ other: Element) -> Bool { place < other.place }

        func isEqual(_ other: Element) -> Bool {
            contentLength == other.contentLength && valueLength == other.valueLength
                && memcmp(value, other.value, contentLength) == 0
        }
    }

    private func elements(_ entry: StateEntry, _ place: AccumulatorPlace) -> [Element] {
        let blob = place.bytes(entry)
        guard let base = blob.baseAddress else { return [] }
        var elements: [Element] = []
        var at = 0
        while at < blob.count {
            let element = Element(start: UnsafeRawPointer(base + at))
            elements.append(element)
            at += element.size
        }
        return elements
    }

    func takeBack(
        _ rows: AggregateRows, _ row: Int, _ scratch: StateEntry, at place: AccumulatorPlace
    ) {
        guard rows.counts(row) else { return }
        let arena = ByteArena()
        KeptRowsAccumulator.write(row, of: rows, to: arena)
        remove(Element(start: UnsafeRawPointer(arena.base)), from: rows.entries[row], place)
    }

    private func remove(_ wanted: Element, from entry: StateEntry, _ place: AccumulatorPlace) {
        place.words(entry)[0] &-= 1
        guard
            let found = elements(entry, place).filter({ $0.isEqual(wanted) })
                .min(by: { $0.precedes($1) })
        else { return }
        let length = place.bytes(entry).count
        let size = found.size
        let base = UnsafeMutableRawPointer(place.mutableBytes(entry))
        let at = found.start - UnsafeRawPointer(base)
        memmove(base + at, base + at + size, length - at - size)
        place.resize(entry, to: length - size)
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        place.words(target)[0] &+= place.words(source)[0]
        guard place.words(target)[0] <= ListAccumulator.elementsMax else {
            place.resize(target, to: 0)
            return
        }
        let theirs = place.bytes(source)
        guard let base = theirs.baseAddress else { return }
        let held = place.bytes(target).count
        memcpy(place.resize(target, to: held + theirs.count) + held, base, theirs.count)
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        for element in elements(source, place) { remove(element, from: target, place) }
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count slots: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<slots {
            let held = place.words(entries[slot])[0]
            var elements = elements(entries[slot], place)
            if Int64(elements.count) < held {
                column.appendNull()
                errors.append(
                    row: slot, column: text,
                    reason: "more than \(ListAccumulator.elementsMax) rows cannot be kept")
                continue
            }
            switch function {
            case .first, .anyValue: append(elements.min { $0.precedes($1) }, to: column)
            case .last: append(elements.max { $0.precedes($1) }, to: column)
            case .argumentMinimum, .argumentMaximum: append(best(elements), to: column)
            case .lag:
                elements.sort { $0.precedes($1) }
                let at = elements.count - 1 - count
                append(at < 0 ? nil : elements[at], to: column)
            default:
                guard !elements.isEmpty else {
                    column.appendNull()
                    continue
                }
                elements.sort { $0.precedes($1) }
                let start = column.children[0].count
                let kept = function == .lastOnes ? elements.suffix(count) : elements[...]
                for element in kept {
                    var value = element.value
                    ValueBytes.read(&value, into: column.children[0])
                }
                column.appendList(from: start)
            }
        }
    }

    private func best(_ elements: [Element]) -> Element? {
        let isLargest = function == .argumentMaximum
        return elements.min { left, right in
            let order = ValueBytes.compare(left.rank, right.rank)
            if order == 0 { return left.precedes(right) }
            return isLargest ? order > 0 : order < 0
        }
    }

    private func append(_ element: Element?, to column: Column) {
        guard let element else { return column.appendNull() }
        var value = element.value
        ValueBytes.read(&value, into: column)
    }
}
