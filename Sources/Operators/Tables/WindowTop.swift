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
    private let chunk = UnsafeMutablePointer<StateEntry>.allocate(capacity: WindowTop.chunkRows)
    private var context: OperatorContext?
    private var kept: KeyedState?
    private var progress: FiringProgress?
    private var reached = Int64.min
    /// Ends of the windows there are, ascending.
    private var live: [Int64] = []
    private var firing: StateCursor?

    private static let chunkRows = 256

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

    deinit { chunk.deallocate() }

    /// Opens the rows of windows that have not ended.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        self.context = context
        input.open(context)
        let state = try context.state.state(
            "windows", of: context.stepId, layout: TopList.layout())
        try TopInput.check(state, packing.fingerprint, context)
        kept = state
        live = state.namespaces
        let progress = try FiringProgress(context)
        reached = try progress.load()
        self.progress = progress
    }

    /// Brings the rows among the first of their windows.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let kept else { preconditionFailure("opened first") }
        let (rows, sortKeys) = try input.take(batch, into: output)
        guard rows.count > 0, let keys = rows.keys else { return }
        let count = rows.count
        buffer.reserve(count)
        let picks = buffer.rows
        let sorted = WindowEnds(rows, column: endColumn, reached: reached)
        try settle(sorted, rows, into: output)
        if sorted.inTime.isEmpty { return }
        let layout = kept.layout
        let entries = buffer.entries
        let ends = rows.columns[endColumn].int64s
        var start = 0
        while start < sorted.inTime.count {
            let end = ends[Int(sorted.inTime[start])]
            var next = start
            while next < sorted.inTime.count, ends[Int(sorted.inTime[next])] == end {
                picks[next] = sorted.inTime[next]
                next += 1
            }
            noteLive(end)
            try kept.table(end).resolve(
                keys, rows: picks + start, count: next - start, into: entries + start)
            start = next
        }
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

    private func noteLive(_ end: Int64) {
        let at = live.partitionPoint { $0 >= end }
        if at == live.count || live[at] != end { live.insert(end, at: at) }
    }

    /// Hands out the rows of the windows that have ended, in their order.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let kept else { return .done }
        var emitted = 0
        while let end = live.first, end <= watermark.micros {
            let cursor: StateCursor
            if let firing {
                cursor = firing
            } else {
                cursor = try kept.table(end).cursor()
                firing = cursor
            }
            while true {
                let found = try cursor.next(WindowTop.chunkRows, into: chunk)
                if found == 0 { break }
                emitted += emit(found, end: end, kept.layout, into: output)
                if emitted >= Limits.firingRows { return .more }
            }
            firing = nil
            try kept.drop(end)
            live.removeFirst()
        }
        reached = max(reached, watermark.micros)
        return .done
    }

    private func emit(
        _ found: Int, end: Int64, _ layout: StateLayout, into output: any Output
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
    public func flush() throws(JobFailure) { try progress?.save(reached) }
}

/// The rows of a batch by whether their windows have ended.
struct WindowEnds {
    private(set) var inTime: [Int32] = []
    private(set) var late: [Int32] = []
    private(set) var endless: [Int32] = []

    /// The rows of `rows`, whose windows end where `column` says; time has come to `reached`.
    init(_ rows: ColumnBatch, column: Int, reached: Int64) {
        let ends = rows.columns[column]
        inTime.reserveCapacity(rows.count)
        for row in 0..<rows.count {
            if !ends.isValid(row) {
                endless.append(Int32(row))
            } else if max(rows.order.time(row), reached) >= ends.int64s[row] {
                late.append(Int32(row))
            } else {
                inTime.append(Int32(row))
            }
        }
    }
}
