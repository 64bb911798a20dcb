import StreamRuntime

/// Aggregates rows by the windows that another step has made: a column says when a row's window ends.
///
/// - Shape: the window's columns are part of the key. A window fires when the watermark reaches its end and
///   gives one row for each key: the keys, the outputs. A row is late iff its time, or what time had come to be
///   by idleness, is at or past the end: what another step made of a window is not late, a correction of it is.
public final class EndedWindowAggregate: Operator {
    private let core: AggregateCore
    private let endColumn: Int
    private let windows = EndedWindows(chunkRows: 1024)
    private let buffer = EntryBuffer()

    init(_ spec: AggregateSpec, end: Int) throws(JobFailure) {
        core = try AggregateCore(spec, countsRows: false)
        endColumn = end
    }

    /// Opens the windows that have not ended.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        core.open(context)
        _ = try windows.open(context, core.layout.state)
    }

    /// Adds rows to their windows; hands late ones on.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard batch.count > 0 else { return }
        // What is taken back is late: it comes when its window has ended.
        var (rows, arguments) = try core.evaluate(batch, into: output, takesBack: true)
        let sorted = WindowEnds(rows, column: endColumn, reached: windows.reached)
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
        let picks = buffer.rows
        for row in 0..<count { picks[row] = Int32(truncatingIfNeeded: row) }
        try windows.resolve(
            keys, rows: picks, count: count, ends: rows.columns[endColumn].int64s,
            into: core.entries)
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

    /// Fires the windows that have ended, in their order.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        try windows.fire(to: watermark) { (chunk, found, end) throws(JobFailure) in
            try core.emitWindow(chunk, count: found, start: end, end: end, into: output)
            output.promise(core.place(of: chunk[found - 1], end: end))
            return found
        }
    }

    /// Writes down how far windows have fired.
    public func flush() throws(JobFailure) { try windows.save() }
}
