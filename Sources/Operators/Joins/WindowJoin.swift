import Glibc
import StreamRuntime

/// Joins the rows of two streams that lie in the same tumbling or hopping window and have the same key.
///
/// A window's rows come out together when the watermark reaches its end. A row whose W is at or past the end of all
/// its windows is late: it is counted and left out.
///
/// - Shape: input as `JoinSide` makes it, with keys. Rows come out with the window's end less a microsecond as their
///   event time, keys in the order of their hashes, in a key left rows in their total order and the right ones of each in
///   theirs, then right rows without partner. Behind the columns of the join stand `window_start` and
///   `window_end`, those of them that left rows do not have.
/// - Note: state holds the rows of the windows that are open, a row once for each of its windows.
public final class WindowJoin: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let form: JoinForm
    private let size: Int64
    private let every: Int64
    private let bounds: [String]
    private let leftPacking: RowPacking
    private let rightPacking: RowPacking
    private let matches: WindowMatches
    private let buffer = EntryBuffer()
    private let chunk = UnsafeMutablePointer<StateEntry>.allocate(capacity: WindowJoin.chunkKeys)
    private var state: KeyedState?
    private var progress: FiringProgress?
    private var context: OperatorContext?
    /// Every window that ends at or before this has fired, or had no rows.
    private var fired = Int64.min
    private var firing: (end: Int64, cursor: StateCursor)?
    /// The ends of the windows that have rows, ascending.
    private var live: [Int64] = []
    private var nulls: [UnsafeMutablePointer<UInt8>] = []

    /// Blob 0 has left rows, blob 1 right ones: u32 size, u32 0, its place (i64 time, origin, offset, element), the
    /// row. The fixed word is the fields' fingerprint.
    static let layout = StateLayout(fixedBytes: 8, blobs: 2)
    static let head = 40
    private static let chunkKeys = 256

    /// A join of `form` in windows of `size`, one beginning `every` so often.
    public init(form: JoinForm, size: Duration, every: Duration) {
        self.form = form
        self.size = size.micros
        self.every = every.micros
        bounds = WindowJoin.bounds(form)
        outputSchema = WindowJoin.outputSchema(form)
        leftPacking = RowPacking(Array(form.input.fields.dropLast()))
        rightPacking = RowPacking(form.right)
        matches = WindowMatches(form, left: leftPacking, right: rightPacking)
    }

    deinit { chunk.deallocate() }

    private static func bounds(_ form: JoinForm) -> [String] {
        ["window_start", "window_end"].filter { form.outputSchema.index(of: $0) == nil }
    }

    /// What a join of `form` in windows gives.
    public static func outputSchema(_ form: JoinForm) -> Schema {
        Schema(form.outputSchema.fields + bounds(form).map { Field($0, .timestamp) })
    }

    private var fingerprint: Int64 {
        (leftPacking.fingerprint &* 31 &+ rightPacking.fingerprint) | 1
    }

    /// Opens the rows of the windows that have not fired.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        self.context = context
        matches.open(context)
        let state = try context.state.state(
            "windows", of: context.stepId, layout: WindowJoin.layout)
        try JoinMap.check(state, at: 0, fingerprint, context)
        self.state = state
        live = state.namespaces
        let progress = try FiringProgress(context)
        fired = try progress.load()
        self.progress = progress
    }

    /// Writes down how far windows have fired.
    public func flush() throws(JobFailure) { try progress?.save(fired) }

    // MARK: taking rows

    /// Puts the rows into their windows.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let count = batch.count
        if count == 0 { return }
        let rights = batch.columns[form.rightColumn]
        nulls = form.keys.compactMap { batch.columns[$0].validity }
        let lefts = packedLefts(batch, rights)
        let events = batch.order.eventTimes.int64s
        var starts: [Int64] = []
        starts.reserveCapacity(count)
        // Rows of one window after another are the rule.
        var isPlaced = [Bool](repeating: false, count: count)
        var lower = Int64.max
        var upper = Int64.min
        var row = 0
        while row < count {
            let event = events[row]
            let isFar = event > Int64.max - size || event < Int64.min + size
            let start = isFar ? Int64.max : TimeMath.bucket(event, every) &* every
            starts.append(start)
            if !isFar {
                lower = min(lower, start)
                upper = max(upper, start)
            }
            row &+= 1
        }
        if lower <= upper {
            var start = lower - (size - 1) / every * every
            while start <= upper {
                try add(batch, lefts, rights, to: start, starts, &isPlaced)
                start += every
            }
        }
        var late = 0
        for row in 0..<count where !isPlaced[row] { late += 1 }
        if late > 0 { context?.counters.add(.late, late) }
        withExtendedLifetime((batch, lefts)) {}
    }

    /// Adds the rows that lie in the window from `start` on and are not late for it.
    private func add(
        _ batch: ColumnBatch, _ lefts: Column, _ rights: Column, to start: Int64,
        _ starts: [Int64], _ isPlaced: inout [Bool]
    ) throws(JobFailure) {
        guard let state, let keys = batch.keys else { return }
        let end = start + size
        if end <= fired { return }
        let events = batch.order.eventTimes.int64s
        let marks = batch.order.watermarks.int64s
        buffer.reserve(batch.count)
        let rows = buffer.rows
        var count = 0
        for row in 0..<batch.count
        where starts[row] >= start && starts[row] != .max && events[row] < end && marks[row] < end
            && events[row] >= start
        {
            isPlaced[row] = true
            if isNeeded(row, rights) {
                rows[count] = Int32(truncatingIfNeeded: row)
                count += 1
            }
        }
        if count == 0 { return }
        noteLive(end)
        let entries = buffer.entries
        try state.table(end).resolve(keys, rows: rows, count: count, into: entries)
        let fingerprint = fingerprint
        let leftSlices = RowSlices(lefts)
        let rightSlices = RowSlices(rights)
        let isRight = rights.validity
        let order = batch.order
        let elements = order.elements?.int64s
        var slot = 0
        while slot < count {
            if slot &+ 8 < count {
                entries[slot &+ 8].prefetchBlob(0, of: WindowJoin.layout)
                entries[slot &+ 8].prefetchBlob(1, of: WindowJoin.layout)
            }
            let row = Int(rows[slot])
            let entry = entries[slot]
            if entry.isNew {
                entry.settle()
                entry.value.storeBytes(of: fingerprint, as: Int64.self)
            }
            let isRightRow = isRight == nil || isRight.unsafelyUnwrapped[row] != 0
            let bytes = isRightRow ? rightSlices[row] : leftSlices[Int(leftNumbers[row])]
            let blob = isRightRow ? 1 : 0
            let length = entry.blob(blob, of: WindowJoin.layout).count
            let bytesMore = WindowJoin.head &+ bytes.count
            let base = entry.resizeBlob(blob, to: length &+ bytesMore, of: WindowJoin.layout)
            let place = UnsafeMutableRawPointer(base + length)
            place.storeBytes(of: UInt32(truncatingIfNeeded: bytesMore), as: UInt32.self)
            place.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
            place.storeBytes(of: max(events[row], marks[row]), toByteOffset: 8, as: Int64.self)
            place.storeBytes(of: order.origins.int64s[row], toByteOffset: 16, as: Int64.self)
            place.storeBytes(of: order.offsets.int64s[row], toByteOffset: 24, as: Int64.self)
            place.storeBytes(
                of: elements == nil ? 0 : elements.unsafelyUnwrapped[row], toByteOffset: 32,
                as: Int64.self)
            if let from = bytes.baseAddress { memcpy(place + WindowJoin.head, from, bytes.count) }
            slot &+= 1
        }
    }

    /// Whether a row can come out: one without a value that is compared has no partner.
    private func isNeeded(_ row: Int, _ rights: Column) -> Bool {
        guard nulls.contains(where: { $0[row] == 0 }) else { return true }
        return rights.isValid(row) ? form.type.showsUnmatchedRight : form.type.showsUnmatched
    }

    /// For each left row of the batch which packed row it is.
    private var leftNumbers: [Int32] = []

    private func packedLefts(_ batch: ColumnBatch, _ rights: Column) -> Column {
        leftNumbers.removeAll(keepingCapacity: true)
        guard let isRight = rights.validity else {
            return leftPacking.pack(
                leftPacking.fields.map { Column($0.type, capacity: 0) }, prefix: nil, count: 0)
        }
        var number: Int32 = 0
        for row in 0..<batch.count {
            leftNumbers.append(number)
            number += isRight[row] == 0 ? 1 : 0
        }
        let rows = buffer.rows(of: batch.count, where: isRight, equals: 0)
        var columns = Array(batch.columns.dropLast())
        if rows.count < batch.count {
            columns = columns.map { $0.gathered(rows.start, count: rows.count) }
        }
        return leftPacking.pack(columns, prefix: nil, count: rows.count)
    }

    private func noteLive(_ end: Int64) {
        if live.last == end { return }
        let at = live.partitionPoint { $0 >= end }
        if at == live.count || live[at] != end { live.insert(end, at: at) }
    }

    // MARK: firing

    /// Gives out the windows that ended, in order, and forgets them.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        while true {
            if let current = firing {
                try fire(current.end, current.cursor, into: output)
                return .more
            }
            guard let end = live.first, end <= watermark.micros, let state else { break }
            matches.begin()
            firing = (end, try state.table(end).cursor())
        }
        // The end of input ends no windows to come.
        if watermark != .endOfTime { fired = max(fired, watermark.micros) }
        return .done
    }

    private func fire(
        _ end: Int64, _ cursor: StateCursor, into output: any Output
    ) throws(JobFailure) {
        guard let state, let context else { return }
        let count = try cursor.next(WindowJoin.chunkKeys, into: chunk)
        let origin = RowOrder.derived + context.ordinal
        let emit = { (rows: ColumnBatch) in
            output.emit(self.completed(rows, end: end, origin: origin))
        }
        for slot in 0..<count {
            let hasNull = !nullKeysMatch(chunk[slot])
            try matches.join(chunk[slot], hasNull: hasNull, emit, into: output)
        }
        try matches.finish(emit, into: output)
        if count == WindowJoin.chunkKeys {
            output.promise(
                OrderPlace(time: end - 1, origin: origin, offset: chunk[count - 1].hash))
            return
        }
        firing = nil
        fired = max(fired, end)
        try state.drop(end)
        live.removeFirst()
    }

    /// Whether the rows of a key are partners at all: those without a value that is compared are not.
    private func nullKeysMatch(_ entry: StateEntry) -> Bool {
        let key = entry.key
        var columns: [Column] = []
        // A part that is null begins with a zero byte; keys of one part, the most, tell at once.
        guard form.keys.count > 1 else { return key.first != 0 }
        columns = form.keys.map { Column(form.input.fields[$0].type, capacity: 1) }
        KeyDecoder(columns.map(\.type)).decode(key, into: columns)
        return columns.allSatisfy { $0.isValid(0) }
    }

    /// The rows with the place and the bounds of their window.
    private func completed(_ rows: ColumnBatch, end: Int64, origin: Int64) -> ColumnBatch {
        let count = rows.count
        let order = rows.order
        order.eventTimes.int64s.update(repeating: end - 1, count: count)
        order.origins.int64s.update(repeating: origin, count: count)
        if bounds.isEmpty { return rows }
        let columns = bounds.map { name in
            let column = Column(.timestamp, capacity: count)
            column.int64s.update(
                repeating: name == "window_end" ? end : end - size, count: count)
            column.setCount(count)
            return column
        }
        return ColumnBatch(
            schema: outputSchema, columns: rows.columns + columns, order: order, count: count)
    }
}
