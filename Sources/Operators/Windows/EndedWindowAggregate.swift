import StreamRuntime

/// Aggregates rows by the windows that another step has made: a column says when a row's window ends.
///
/// - Shape: the window's columns are part of the key. A window fires when the watermark reaches its end and
///   gives one row for each key: the keys, the outputs. A row is late iff its time, or what time had come to be
///   by idleness, is at or past the end: what another step made of a window is not late, a correction of it is.
public final class EndedWindowAggregate: Operator {
    private let core: AggregateCore
    private let endColumn: Int
    private var windows: KeyedState?
    private var progress: FiringProgress?
    private var reached = Int64.min
    /// Ends of the windows there are, ascending.
    private var live: [Int64] = []
    private var firing: StateCursor?
    private let buffer = EntryBuffer()
    private let chunk = UnsafeMutablePointer<StateEntry>.allocate(
        capacity: EndedWindowAggregate.firingRows)

    /// Results of one piece of a firing.
    private static let firingRows = 1024

    init(_ spec: AggregateSpec, end: Int) throws(JobFailure) {
        core = try AggregateCore(spec, countsRows: false)
        endColumn = end
    }

    deinit { chunk.deallocate() }

    /// Opens the windows that have not ended.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        core.open(context)
        let state = try context.state.state(
            "windows", of: context.stepId, layout: core.layout.state)
        windows = state
        live = state.namespaces
        let progress = try FiringProgress(context)
        reached = try progress.load()
        self.progress = progress
    }

    /// Adds rows to their windows; hands late ones on.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard batch.count > 0, let windows else { return }
        // What is taken back is late: it comes when its window has ended.
        var (rows, arguments) = try core.evaluate(batch, into: output, takesBack: true)
        let sorted = WindowEnds(rows, column: endColumn, reached: reached)
        core.emitLate(sorted.late, of: rows, into: output)
        if !sorted.endless.isEmpty {
            var errors = RejectedRows()
            for row in sorted.endless {
                errors.append(
                    row: Int(row), column: rows.schema.fields[endColumn].name,
                    reason: "the window has no end")
            }
            _ = try core.settle(errors, of: rows, into: output)
        }
        if sorted.inTime.isEmpty { return }
        if sorted.inTime.count < rows.count {
            rows = rows.gathered(sorted.inTime, count: sorted.inTime.count)
            (rows, arguments) = try core.evaluate(rows, into: output, takesBack: true)
        }
        guard let keys = rows.keys else { preconditionFailure("rows come with their keys") }
        let count = rows.count
        core.reserve(count)
        buffer.reserve(count)
        let ends = rows.columns[endColumn].int64s
        let picks = buffer.rows
        var start = 0
        while start < count {
            let end = ends[start]
            var next = start
            while next < count, ends[next] == end {
                picks[next &- start] = Int32(truncatingIfNeeded: next)
                next &+= 1
            }
            noteLive(end)
            try windows.table(end).resolve(
                keys, rows: picks, count: next &- start, into: core.entries + start)
            start = next
        }
        let entries = core.entries
        let values = core.values
        var row = 0
        while row < count {
            values[row] = entries[row].value
            row &+= 1
        }
        core.layout.update(
            arguments, order: rows.order, entries: entries, values: values, range: 0..<count)
    }

    private func noteLive(_ end: Int64) {
        let at = live.partitionPoint { $0 >= end }
        if at == live.count || live[at] != end { live.insert(end, at: at) }
    }

    /// Fires the windows that have ended, in their order.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let windows else { return .done }
        var emitted = 0
        while let end = live.first, end <= watermark.micros {
            let cursor: StateCursor
            if let firing {
                cursor = firing
            } else {
                cursor = try windows.table(end).cursor()
                firing = cursor
            }
            while true {
                let found = try cursor.next(EndedWindowAggregate.firingRows, into: chunk)
                if found == 0 { break }
                try core.emitWindow(chunk, count: found, start: end, end: end, into: output)
                emitted += found
                output.promise(core.place(of: chunk[found - 1], end: end))
                if emitted >= Limits.firingRows { return .more }
            }
            firing = nil
            try windows.drop(end)
            live.removeFirst()
        }
        reached = max(reached, watermark.micros)
        return .done
    }

    /// Writes down how far windows have fired.
    public func flush() throws(JobFailure) { try progress?.save(reached) }
}
