import Glibc
import StreamRuntime

/// `list(x)`: every argument in row order, nulls included; null over no rows.
///
/// - Shape: the number of rows. Blob: for each a place in the log (event time, origin, offset, element), a
///   u32 length and the value's bytes.
/// - Errors: a list of more than `elementsMax` rows is not kept; its result is rejected.
struct ListAccumulator: Accumulator {
    /// Rows of one list: with 100 bytes each a list stays under 2 MiB.
    static let elementsMax: Int64 = 16_384
    static let head = 36

    var fixedBytes: Int { 8 }
    var blobs: Int { 1 }
    var skipsNulls: Bool { false }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let arena = ByteArena()
        for row in range where rows.counts(row) {
            let entry = rows.entries[row]
            place.words(entry)[0] &+= 1
            if place.words(entry)[0] > ListAccumulator.elementsMax {
                place.resize(entry, to: 0)
                continue
            }
            ListAccumulator.append(row, of: rows, to: entry, at: place, arena)
        }
    }

    /// Appends the argument of `row` and its place to the blob.
    static func append(
        _ row: Int, of rows: AggregateRows, to entry: StateEntry, at place: AccumulatorPlace,
        _ arena: ByteArena
    ) {
        let order = rows.order
        arena.count = 0
        ValueBytes.append(rows.arguments.columns[0], row, to: arena)
        let start = place.bytes(entry).count
        let base = place.resize(entry, to: start + head + arena.count)
        let at = UnsafeMutableRawPointer(base + start)
        at.storeBytes(of: order.eventTimes.int64s[row], as: Int64.self)
        (at + 8).storeBytes(of: order.origins.int64s[row], as: Int64.self)
        (at + 16).storeBytes(of: order.offsets.int64s[row], as: Int64.self)
        (at + 24).storeBytes(of: order.elements?.int64s[row] ?? 0, as: Int64.self)
        (at + 32).storeBytes(of: UInt32(arena.count), as: UInt32.self)
        memcpy(at + head, arena.base, arena.count)
    }

    /// The elements of a blob, in the order they lie there.
    static func elements(_ blob: UnsafeBufferPointer<UInt8>) -> [Element] {
        guard let start = blob.baseAddress else { return [] }
        let base = UnsafeRawPointer(start)
        var elements: [Element] = []
        var at = 0
        while at < blob.count {
            let element = Element(base + at)
            elements.append(element)
            at += element.size
        }
        return elements
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        place.words(target)[0] &+= place.words(source)[0]
        if place.words(target)[0] > ListAccumulator.elementsMax {
            place.resize(target, to: 0)
            return
        }
        let theirs = place.bytes(source)
        guard let base = theirs.baseAddress else { return }
        let start = place.bytes(target).count
        memcpy(place.resize(target, to: start + theirs.count) + start, base, theirs.count)
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool { place.words(source)[0] == 0 }

    /// An element as the blob holds it.
    struct Element {
        let time: Int64
        let origin: Int64
        let offset: UInt64
        let element: Int64
        let value: UnsafePointer<UInt8>
        /// Where the element begins, and how many bytes it takes.
        let start: UnsafeRawPointer
        let size: Int

        init(_ at: UnsafeRawPointer) {
            start = at
            size = ListAccumulator.head + Int((at + 32).loadUnaligned(as: UInt32.self))
            time = at.loadUnaligned(as: Int64.self)
            origin = (at + 8).loadUnaligned(as: Int64.self)
            offset = (at + 16).loadUnaligned(as: UInt64.self)
            element = (at + 24).loadUnaligned(as: Int64.self)
            value = (at + ListAccumulator.head).assumingMemoryBound(to: UInt8.self)
        }

        func precedes(_ other: Element) -> Bool {
            (time, origin, offset, element)
                < (other.time, other.origin, other.offset, other.element)
        }
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let rows = place.words(entries[slot])[0]
            if rows == 0 || rows > ListAccumulator.elementsMax {
                column.appendNull()
                if rows > 0 {
                    errors.append(
                        row: slot, column: text,
                        reason: "the list has more than \(ListAccumulator.elementsMax) elements")
                }
                continue
            }
            var elements = ListAccumulator.elements(place.bytes(entries[slot]))
            elements.sort { $0.precedes($1) }
            let start = column.children[0].count
            for element in elements {
                var value = element.value
                ValueBytes.read(&value, into: column.children[0])
            }
            column.appendList(from: start)
        }
    }
}
