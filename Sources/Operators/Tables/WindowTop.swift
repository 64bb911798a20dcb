import StreamRuntime

/// Keeps the first rows of each key and window by an order, and hands them out when the window has ended.
///
/// - Shape: rows in total order, with keys that the window's columns are part of; a column says when the
///   window ends. A row is late iff its time, or what time had come to be by idleness, is at or past that end;
///   what another step made of a window is not late, a correction of it is. Rows come out once, as inserts at
///   the end less a microsecond, in the order of (end, key hash, key, number).
public final class WindowTop: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let spec: TopSpec
    private let endColumn: Int
    private var input: TopInput
    private let packing: RowPacking
    private let changes: TopChanges
    private let buffer = EntryBuffer()
    private let windows = EndedWindows(chunkRows: 256)
    private var context: OperatorContext?
    private var kept: KeyedState?

    /// Rows equal by the order are told apart by who came first.
    public var needsOrderedInput: Bool { true }

    init(_ spec: TopSpec, schema: Schema) {
        guard let end = spec.windowEnd else { preconditionFailure("a window has an end") }
        self.spec = spec
        endColumn = end
        input = TopInput(spec)
        packing = RowPacking(schema.fields)
        changes = TopChanges(spec, schema: schema, packing: packing)
        outputSchema = changes.outputSchema
    }

    /// Opens the rows of windows that have not ended.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        self.context = context
        input.open(context)
        let state = try windows.open(context, TopList.layout())
        try TopInput.check(state, packing.fingerprint, context)
        kept = state
    }

    /// Brings the rows among the first of their windows.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let kept else { preconditionFailure("opened first") }
        let (rows, sortKeys) = try input.take(batch, into: output)
        guard rows.count > 0, let keys = rows.keys else { return }
        let count = rows.count
        buffer.reserve(count)
        let picks = buffer.rows
        let sorted = WindowEnds(rows, column: endColumn, reached: windows.reached)
        try settle(sorted, rows, into: output)
        if sorted.inTime.isEmpty { return }
        let layout = kept.layout
        let entries = buffer.entries
        for (slot, row) in sorted.inTime.enumerated() { picks[slot] = row }
        try windows.resolve(
            keys, rows: picks, count: sorted.inTime.count,
            ends: rows.columns[endColumn].int64s, into: entries)
        let found = candidates(sorted.inTime.count, sortKeys, layout)
        if found == 0 { return }
        let columns =
            found == count ? rows.columns : rows.columns.map { $0.gathered(picks, count: found) }
        let packed = packing.pack(columns, prefix: nil, count: found)
        for slot in 0..<found {
            let list = TopList(entry: entries[slot], layout: layout)
            let view = sortKeys.views[Int(picks[slot])]
            let key = UnsafePointer(sortKeys.arena!.base) + ByteView.start(view)
            let length = ByteView.length(view)
            guard mayEnter(list, key, length) else { continue }
            let place = list.place(of: key, length)
            let bytes = packed.bytes(slot)
            list.insert(
                key, length, bytes.baseAddress!, bytes.count, at: place.at, index: place.index)
            cut(list)
        }
    }

    /// Brings the rows that may come among the first to the front of the buffer: others are behind all of
    /// them already.
    private func candidates(_ count: Int, _ sortKeys: Column, _ layout: StateLayout) -> Int {
        let entries = buffer.entries
        let picks = buffer.rows
        let views = sortKeys.views
        let base = UnsafePointer(sortKeys.arena!.base)
        let fingerprint = packing.fingerprint
        var found = 0
        for slot in 0..<count {
            let entry = entries[slot]
            let row = picks[slot]
            let list = TopList(entry: entry, layout: layout)
            if entry.isNew {
                entry.settle()
                list.fixed[2] = fingerprint
            }
            let view = views[Int(row)]
            guard mayEnter(list, base + ByteView.start(view), ByteView.length(view)) else {
                continue
            }
            entries[found] = entry
            picks[found] = row
            found += 1
        }
        return found
    }

    /// Whether a row is not behind all that are kept, when those are enough.
    @inline(__always)
    private func mayEnter(
        _ list: TopList, _ key: UnsafePointer<UInt8>, _ length: Int
    ) -> Bool {
        if list.count < spec.count || spec.ties == .denseRank { return true }
        let order = list.compareToLast(key, length)
        return spec.ties == .rowNumber ? order < 0 : order <= 0
    }

    /// Takes out the rows of too large a number.
    private func cut(_ list: TopList) {
        guard list.count > spec.count else { return }
        guard spec.ties != .rowNumber, let base = list.base else { return list.cut(to: spec.count) }
        var numbers = TopNumbers(spec.ties)
        var at = 0
        for index in 0..<list.count {
            let row = TopList.Row(start: base + at)
            if numbers.next(row.key, row.keyLength) > spec.count { return list.cut(to: index) }
            at += row.size
        }
    }

    private func settle(
        _ sorted: WindowEnds, _ rows: ColumnBatch, into output: any Output
    ) throws(JobFailure) {
        if !sorted.late.isEmpty {
            context!.counters.add(.late, sorted.late.count)
            if let port = spec.latePort {
                output.emit(rows.gathered(sorted.late, count: sorted.late.count), port: port)
            }
        }
        if !sorted.endless.isEmpty {
            try input.reject(
                sorted.endless, of: rows, column: rows.schema.fields[endColumn].name,
                reason: "the window has no end", into: output)
        }
    }

    /// Hands out the rows of the windows that have ended, in their order.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let layout = kept?.layout else { return .done }
        return try windows.fire(to: watermark) { (chunk, found, end) in
            emit(chunk, found, end: end, layout, into: output)
        }
    }

    private func emit(
        _ chunk: UnsafeMutablePointer<StateEntry>, _ found: Int, end: Int64, _ layout: StateLayout,
        into output: any Output
    ) -> Int {
        var hashes: [Int64] = []
        changes.begin()
        for slot in 0..<found {
            let list = TopList(entry: chunk[slot], layout: layout)
            hashes.append(chunk[slot].hash)
            var numbers = TopNumbers(spec.ties)
            var at = 0
            for _ in 0..<list.count {
                let row = TopList.Row(start: list.base! + at)
                changes.add(
                    changes.copy(row.row, row.rowLength),
                    rank: numbers.next(row.key, row.keyLength), .insert, cause: Int32(slot))
                at += row.size
            }
        }
        let count = changes.count
        let origin = RowOrder.derived + context!.ordinal
        changes.emitInserts(into: output) { causes, elements in
            var order = RowOrder(capacity: count)
            let numbers = Column(.int64, capacity: count)
            for slot in 0..<count {
                order.append(
                    eventTime: end - 1, watermark: .min, origin: origin,
                    offset: hashes[Int(causes[slot])])
                numbers.append(elements[slot])
            }
            order.elements = numbers
            return order
        }
        return count
    }

    /// Writes down how far windows have been handed out.
    public func flush() throws(JobFailure) { try windows.save() }
}
