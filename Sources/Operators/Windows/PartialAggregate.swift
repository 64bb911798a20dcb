import StreamRuntime

/// Sums up the rows of hot keys before they move to the worker of their key, batch by batch.
///
/// A key that very many rows of a batch have becomes one row for each slice of time: what its rows come to, for
/// `WindowAggregate` to merge. All other rows pass as they are, and so do those that may be late or
/// correct a window. As the parts of an aggregate can be merged in any order, results do not change by a byte.
///
/// - Shape: the rows' columns, then `partialColumn`: null for a row that is as it came; otherwise the value of a
///   state entry, the other columns being those of one of its rows.
public final class PartialAggregate: StreamRuntime.Operator {
    /// The column of what rows come to.
    public static let partialColumn = Field("partial_rows", .bytes)

    private let schema: Schema
    private let layout: AggregateLayout
    private let shape: SliceShape
    private let encoder: KeyEncoder
    private let keyTypes: [ColumnType]
    private let keys: [Int]
    private var watch: KeyWatch?
    private var parts = StateStore()
    private let buffer = EntryBuffer()

    /// Rows of a batch that is worth looking at.
    private static let rowsMin = 256
    /// Of so many rows one is looked at.
    private static let sampling = 16
    /// Of the rows looked at, the part a key must have.
    private static let hotPart = 32
    private static let hotMin = 4

    /// Sums up rows of `input` as the aggregate `spec` by the columns `keys` does.
    ///
    /// - Throws: for an aggregate that cannot be computed.
    public init(_ spec: AggregateSpec, input: Schema, keys: [Int]) throws(JobFailure) {
        guard let shape = spec.sliceShape else { preconditionFailure("windows have slices") }
        self.shape = shape
        self.keys = keys
        schema = Schema(input.fields + [PartialAggregate.partialColumn])
        layout = try AggregateLayout(spec.plan.calls, countsRows: !shape.isTumbling)
        encoder = KeyEncoder(columns: keys)
        keyTypes = keys.map { input.fields[$0].type }
    }

    /// Remembers where to tell of hot keys.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        watch = KeyWatch(context.counters.hotKeys, types: keyTypes)
    }

    /// Hands on the rows of `batch`, those of hot keys summed up.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let hot = hotHashes(batch)
        guard !hot.isEmpty else { return output.emit(whole(batch)) }
        let keyColumn = encoder.encode(batch)
        var errors = RejectedRows()
        _ = layout.arguments(of: batch, errors: &errors)
        var isRaw = [Bool](repeating: false, count: batch.count)
        for reject in errors.rejects { isRaw[reject.row] = true }
        if let changes = batch.changes {
            for row in 0..<batch.count where changes.bools[row] != 0 { isRaw[row] = true }
        }
        let order = batch.order
        var summed: [Int32] = []
        var rest: [Int32] = []
        for row in 0..<batch.count {
            let time = order.eventTimes.int64s[row]
            let isOpen =
                !isRaw[row] && hot.contains(keyColumn.hashes.int64s[row]) && shape.contains(time)
                && order.watermarks.int64s[row] < shape.firstEnd(ofSlice: shape.sliceEnd(of: time))
            if isOpen { summed.append(Int32(row)) } else { rest.append(Int32(row)) }
        }
        if summed.isEmpty { return output.emit(whole(batch)) }
        try emit(batch, keyColumn, summed, rest, into: output)
    }

    /// The hashes of keys that many of the rows have, by a sample of them.
    private func hotHashes(_ batch: ColumnBatch) -> Set<Int64> {
        guard batch.count >= PartialAggregate.rowsMin else { return [] }
        let rows = stride(from: 0, to: batch.count, by: PartialAggregate.sampling).map { Int32($0) }
        let sample = KeyEncoder(columns: []).encode(
            keys.map { batch.columns[$0].gathered(rows, count: rows.count) }, count: rows.count)
        watch?.look(sample, every: HotKeys.sampling / PartialAggregate.sampling)
        var counts: [Int64: Int] = [:]
        for row in 0..<rows.count { counts[sample.hashes.int64s[row], default: 0] += 1 }
        let least = max(PartialAggregate.hotMin, rows.count / PartialAggregate.hotPart)
        return Set(counts.filter { $0.value >= least }.keys)
    }

    /// The batch with no row summed up.
    private func whole(_ batch: ColumnBatch) -> ColumnBatch {
        let nulls = Column(.bytes, capacity: batch.count)
        nulls.appendNulls(batch.count)
        return batch.replacingColumns(batch.columns + [nulls], schema: schema)
    }

    private func emit(
        _ batch: ColumnBatch, _ keyColumn: KeyColumn, _ summed: [Int32], _ rest: [Int32],
        into output: any Output
    ) throws(JobFailure) {
        let part = batch.gathered(summed, count: summed.count)
        let partKeys = keyColumn.gathered(summed, count: summed.count)
        var none = RejectedRows()
        let arguments = layout.arguments(of: part, errors: &none)
        // Every batch begins anew: what is summed up leaves with it.
        let state = try parts.state("parts", of: "batch", layout: layout.state)
        let count = part.count
        buffer.reserve(count)
        let entries = buffer.entries
        let values = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: count)
        defer { values.deallocate() }
        var ends: [Int64: [Int32]] = [:]
        for row in 0..<count {
            ends[shape.sliceEnd(of: part.order.eventTimes.int64s[row]), default: []]
                .append(Int32(row))
        }
        var picks: [Int32] = []
        let partials = Column(.bytes, capacity: 16)
        var made: [(row: Int32, entry: StateEntry)] = []
        for (end, rows) in ends {
            let found = UnsafeMutablePointer<StateEntry>.allocate(capacity: rows.count)
            defer { found.deallocate() }
            try state.table(end).resolve(partKeys, rows: rows, count: rows.count, into: found)
            for (slot, row) in rows.enumerated() {
                entries[Int(row)] = found[slot]
                values[Int(row)] = found[slot].value
                if found[slot].isNew {
                    found[slot].settle()
                    made.append((row, found[slot]))
                }
            }
        }
        layout.update(
            arguments, order: part.order, entries: entries, values: values, range: 0..<count)
        made.sort { $0.row < $1.row }
        for (row, entry) in made {
            picks.append(summed[Int(row)])
            let view = entry.appendValue(to: partials.arena!, layout.state)
            partials.reserve(1)
            partials.views[partials.count] = view
            partials.setCount(partials.count + 1)
        }
        for end in ends.keys { try state.drop(end) }
        let sums = batch.gathered(picks, count: picks.count)
        output.emit(sums.replacingColumns(sums.columns + [partials], schema: schema))
        if !rest.isEmpty { output.emit(whole(batch.gathered(rest, count: rest.count))) }
    }
}
