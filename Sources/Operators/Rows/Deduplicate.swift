import StreamRuntime

/// Lets the first row of a key pass and drops its repetitions within a time.
///
/// A row is a repetition iff a row of its key passed less than `within` before it, both taken at the
/// moment they are processed: their event time or, for late rows, their partition's watermark. The
/// row exactly `within` later passes again. Repetitions are counted as duplicates.
///
/// - Shape: rows that pass are unchanged, on port 0. The batches must have keys.
/// - Note: a key that passed is an entry in the table of its time bucket, as wide as `within`: two
///   tables can hold a live entry, and a bucket is forgotten whole once the watermark has passed it.
public final class Deduplicate: StreamRuntime.Operator {
    private let within: Int64
    private let buffer = EntryBuffer()
    private var passed: KeyedState?
    private var buckets: Set<Int64> = []
    private var counters: StepCounters?

    /// Rows must be in order for "first" to mean the same in every run.
    public var needsOrderedInput: Bool { true }

    /// Drops repetitions within `within`, which is more than zero.
    public init(within: Duration) {
        precondition(within > .zero, "a time to look back")
        self.within = within.micros
    }

    /// Opens the state: the time at which each key passed, by bucket.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        counters = context.counters
        let state = try context.state.state(
            "passed", of: context.stepId, layout: StateLayout(fixedBytes: 8))
        passed = state
        buckets = Set(state.namespaces)
    }

    /// Hands on the rows of `batch` that are no repetition.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let passed, let keys = batch.keys else { preconditionFailure("opened, with keys") }
        buffer.reserve(batch.count)
        let events = batch.order.eventTimes.int64s
        let watermarks = batch.order.watermarks.int64s
        var start = 0
        var kept = 0
        while start < batch.count {
            let bucket = TimeMath.bucket(max(events[start], watermarks[start]), within)
            var end = start + 1
            while end < batch.count,
                TimeMath.bucket(max(events[end], watermarks[end]), within) == bucket
            { end &+= 1 }
            kept = try select(start..<end, of: batch.order, keys, bucket, in: passed, kept)
            start = end
        }
        let dropped = batch.count - kept
        if dropped == 0 { return output.emit(batch) }
        counters?.add(.duplicates, dropped)
        if kept > 0 { output.emit(batch.gathered(buffer.rows, count: kept)) }
    }

    /// Adds the rows of `range`, all in one bucket, that pass to the `kept` ones before them.
    private func select(
        _ range: Range<Int>, of order: RowOrder, _ keys: KeyColumn, _ bucket: Int64,
        in passed: KeyedState, _ kept: Int
    ) throws(JobFailure) -> Int {
        let rows = buffer.rows + kept
        let entries = buffer.entries
        let events = order.eventTimes.int64s
        let watermarks = order.watermarks.int64s
        var open = 0
        while open < range.count {
            rows[open] = Int32(truncatingIfNeeded: range.lowerBound &+ open)
            open &+= 1
        }
        if buckets.contains(bucket - 1) {
            try passed.table(bucket - 1).find(keys, rows: rows, count: open, into: entries)
            let within = UInt64(within)
            var left = 0
            var slot = 0
            while slot < open {
                let row = Int(rows[slot])
                var passes = 1
                if entries[slot].exists {
                    let time = max(events[row], watermarks[row])
                    let first = entries[slot].value.load(as: Int64.self)
                    passes = UInt64(bitPattern: time &- first) < within ? 0 : 1
                }
                rows[left] = Int32(truncatingIfNeeded: row)
                left &+= passes
                slot &+= 1
            }
            open = left
        }
        buckets.insert(bucket)
        try passed.table(bucket).resolve(keys, rows: rows, count: open, into: entries)
        var left = 0
        var slot = 0
        while slot < open {
            let entry = entries[slot]
            if entry.isNew {
                entry.settle()
                let row = Int(rows[slot])
                entry.value.storeBytes(of: max(events[row], watermarks[row]), as: Int64.self)
                rows[left] = Int32(truncatingIfNeeded: row)
                left &+= 1
            }
            slot &+= 1
        }
        return kept + left
    }

    /// Forgets the buckets no row to come can look back to.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let passed, watermark != .endOfTime else { return .done }
        let current = TimeMath.bucket(watermark.micros, within)
        for bucket in buckets where bucket < current - 1 {
            try passed.drop(bucket)
            buckets.remove(bucket)
        }
        return .done
    }
}
