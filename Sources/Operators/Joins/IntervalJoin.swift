import Glibc
import StreamRuntime

/// Joins rows of two streams that happen near each other: a right row is a partner of the left rows of its
/// key whose event time is at most `after` before its own and at most `before` after it.
///
/// A pair comes out as soon as both rows are there. Each row waits for partners until event time has passed
/// the last moment at which one could happen; of two rows the later in the total order must come by then.
/// A left row that found none comes out at that moment, where the type asks for it.
///
/// - Shape: input as `JoinSide` makes it, with keys. A pair has the place of the later row in the order, with
///   the later of both event times; a left row without partner has its own place at the moment it is known.
/// - Note: state holds the rows of `before` plus `after` of event time.
public final class IntervalJoin: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let form: JoinForm
    private let before: Int64
    private let after: Int64
    private let leftPacking: RowPacking
    private let rightPacking: RowPacking
    private let pairs: IntervalPairs
    private let expiry: IntervalExpiry
    private let buffer = EntryBuffer()
    private var state: KeyedState?

    /// Blob 0 has left rows, blob 1 right ones, in the order they came; blobs 2 and 3 where each of them begins, as
    /// `TimedRows`. The fixed word is the fields' fingerprint.
    ///
    /// A left row: u32 size, u32 whether it has a partner, i64 event time, i64 last moment, its place (i64
    /// watermark, origin, offset, element), the row. A right row: u32 size, u32 0, i64 event time, i64 last
    /// moment, the row.
    static let layout = StateLayout(fixedBytes: 8, blobs: 4, version: 4)
    static let leftHead = 56
    static let rightHead = 24

    /// Who is a partner depends on who is still there.
    public var needsOrderedInput: Bool { true }

    /// A join of `form` with right rows from `before` a left row to `after` it.
    public init(form: JoinForm, before: Duration, after: Duration) {
        self.form = form
        self.before = before.micros
        self.after = after.micros
        outputSchema = form.outputSchema
        leftPacking = RowPacking(Array(form.input.fields.dropLast()))
        rightPacking = RowPacking(form.right)
        pairs = IntervalPairs(
            form, left: leftPacking, right: rightPacking, held: IntervalJoin.layout)
        expiry = IntervalExpiry(
            span: TimeMath.after(before.micros, after.micros),
            after: after.micros, showsUnmatched: form.type.showsUnmatched, pairs: pairs)
    }

    /// The left rows of a key, by their event times.
    @inline(__always) static func lefts(_ entry: StateEntry) -> TimedRows {
        TimedRows(entry: entry, blob: 2, layout: layout)
    }

    /// The right rows of a key, by their event times.
    @inline(__always) static func rights(_ entry: StateEntry) -> TimedRows {
        TimedRows(entry: entry, blob: 3, layout: layout)
    }

    private var fingerprint: Int64 {
        (leftPacking.fingerprint &* 31 &+ rightPacking.fingerprint) | 1
    }

    /// Opens the rows that wait for partners.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        pairs.open(context)
        let state = try context.state.state(
            "rows", of: context.stepId, layout: IntervalJoin.layout)
        self.state = state
        try JoinMap.check(state, at: 0, fingerprint, context)
        try expiry.open(context, rows: state)
    }

    /// Joins each row with those of the other side that wait for it, and lets it wait itself.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let state, let keys = batch.keys else {
            preconditionFailure("opened, with keys")
        }
        let count = batch.count
        let rights = batch.columns[form.rightColumn]
        let packed = packedLefts(batch, rights)
        buffer.reserve(count)
        try state.table(0).resolve(keys, rows: nil, count: count, into: buffer.entries)
        let entries = buffer.entries
        var left = 0
        for row in 0..<count {
            let entry = entries[row]
            if entry.isNew {
                entry.settle()
                entry.value.storeBytes(of: fingerprint, as: Int64.self)
            }
            if rights.isValid(row) {
                try takeRight(rights.bytes(row), row, batch.order, entry, into: output)
            } else {
                try takeLeft(packed.bytes(left), row, batch.order, entry, into: output)
                left += 1
            }
        }
        try pairs.test(into: output)
        try expiry.note(
            batch,
            last: { row in
                let span = rights.isValid(row) ? self.before : self.after
                return self.last(batch.order, row, span)
            }, isLeft: { !rights.isValid($0) })
    }

    private func packedLefts(_ batch: ColumnBatch, _ rights: Column) -> Column {
        var rows: [Int32] = []
        for row in 0..<batch.count where !rights.isValid(row) {
            rows.append(Int32(truncatingIfNeeded: row))
        }
        let columns = batch.columns.dropLast().map { $0.gathered(rows, count: rows.count) }
        return leftPacking.pack(columns, prefix: nil, count: rows.count)
    }

    /// The last moment at which a partner of a row can come.
    private func last(_ order: RowOrder, _ row: Int, _ span: Int64) -> Int64 {
        max(TimeMath.after(order.eventTimes.int64s[row], span), order.time(row))
    }

    /// Lets a left row wait and joins it with the right rows that are there.
    private func takeLeft(
        _ bytes: UnsafeBufferPointer<UInt8>, _ row: Int, _ order: RowOrder, _ entry: StateEntry,
        into output: any Output
    ) throws(JobFailure) {
        let layout = IntervalJoin.layout
        let event = order.eventTimes.int64s[row]
        let time = order.time(row)
        let element = order.elements?.int64s[row] ?? 0
        let start = entry.blob(0, of: layout).count
        let size = IntervalJoin.leftHead + bytes.count
        let base = entry.resizeBlob(0, to: start + size, of: layout)
        let place = UnsafeMutableRawPointer(base + start)
        place.storeBytes(of: UInt32(size), as: UInt32.self)
        place.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
        place.storeBytes(of: event, toByteOffset: 8, as: Int64.self)
        place.storeBytes(of: last(order, row, after), toByteOffset: 16, as: Int64.self)
        place.storeBytes(of: order.watermarks.int64s[row], toByteOffset: 24, as: Int64.self)
        place.storeBytes(of: order.origins.int64s[row], toByteOffset: 32, as: Int64.self)
        place.storeBytes(of: order.offsets.int64s[row], toByteOffset: 40, as: Int64.self)
        place.storeBytes(of: element, toByteOffset: 48, as: Int64.self)
        if let from = bytes.baseAddress { memcpy(place + IntervalJoin.leftHead, from, bytes.count) }
        IntervalJoin.lefts(entry).insert(event, offset: start)
        let to = TimeMath.after(event, after)
        let others = IntervalJoin.rights(entry)
        var found: Int64 = 0
        var next = others.first(at: TimeMath.before(event, before))
        while next < others.count, let places = others.places {
            let theirs = TimedRows.time(places, next)
            if theirs > to { return }
            let content = entry.blob(1, of: layout)
            let partner = UnsafeRawPointer(
                content.baseAddress! + TimedRows.offset(places, next))
            next &+= 1
            let length = Int(partner.loadUnaligned(as: UInt32.self))
            guard partner.loadUnaligned(fromByteOffset: 16, as: Int64.self) >= time else {
                continue
            }
            let right = UnsafeBufferPointer(
                start: (partner + IntervalJoin.rightHead).assumingMemoryBound(to: UInt8.self),
                count: length - IntervalJoin.rightHead)
            try pairs.add(
                bytes, HeldLeft(entry: entry, offset: start), right,
                PairPlace(
                    // A row that comes out as it is keeps its time.
                    eventTime: form.type == .semi ? event : max(event, theirs),
                    watermark: order.watermarks.int64s[row], origin: order.origins.int64s[row],
                    offset: order.offsets.int64s[row],
                    element: element &* IntervalJoin.elementsMax &+ found), into: output)
            found += 1
        }
    }

    /// Lets a right row wait and joins it with the left rows that are there.
    private func takeRight(
        _ bytes: UnsafeBufferPointer<UInt8>, _ row: Int, _ order: RowOrder, _ entry: StateEntry,
        into output: any Output
    ) throws(JobFailure) {
        let layout = IntervalJoin.layout
        let event = order.eventTimes.int64s[row]
        let time = order.time(row)
        let element = order.elements?.int64s[row] ?? 0
        let start = entry.blob(1, of: layout).count
        let size = IntervalJoin.rightHead + bytes.count
        let base = entry.resizeBlob(1, to: start + size, of: layout)
        let place = UnsafeMutableRawPointer(base + start)
        place.storeBytes(of: UInt32(size), as: UInt32.self)
        place.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
        place.storeBytes(of: event, toByteOffset: 8, as: Int64.self)
        place.storeBytes(of: last(order, row, before), toByteOffset: 16, as: Int64.self)
        if let from = bytes.baseAddress {
            memcpy(place + IntervalJoin.rightHead, from, bytes.count)
        }
        IntervalJoin.rights(entry).insert(event, offset: start)
        let to = TimeMath.after(event, before)
        let others = IntervalJoin.lefts(entry)
        var found: Int64 = 0
        var next = others.first(at: TimeMath.before(event, after))
        while next < others.count, let places = others.places {
            let theirs = TimedRows.time(places, next)
            if theirs > to { return }
            let content = entry.blob(0, of: layout)
            let offset = TimedRows.offset(places, next)
            let partner = UnsafeRawPointer(content.baseAddress! + offset)
            next &+= 1
            let length = Int(partner.loadUnaligned(as: UInt32.self))
            guard partner.loadUnaligned(fromByteOffset: 16, as: Int64.self) >= time else {
                continue
            }
            let left = UnsafeBufferPointer(
                start: (partner + IntervalJoin.leftHead).assumingMemoryBound(to: UInt8.self),
                count: length - IntervalJoin.leftHead)
            try pairs.add(
                left, HeldLeft(entry: entry, offset: offset), bytes,
                PairPlace(
                    eventTime: max(event, theirs), watermark: order.watermarks.int64s[row],
                    origin: order.origins.int64s[row], offset: order.offsets.int64s[row],
                    element: element &* IntervalJoin.elementsMax &+ found), into: output)
            found += 1
        }
    }

    /// Partners a row may have that is itself an element, so that both numbers fit into one.
    private static let elementsMax: Int64 = 1 << 24

    /// Gives out left rows that found no partner, and forgets rows whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress { try expiry.advance(to: watermark, into: output) }
}
