import StreamRuntime

/// Aggregates all rows of a key and gives the updated result after every row, in row order.
///
/// - Shape: a row out for each row in, in the same order: `insert` for a key's first result, then
///   `updateAfter`, with the result it replaces before it as `updateBefore` where that is asked for.
public final class UpdatingAggregate: Operator {
    private let core: AggregateCore
    private let withBefore: Bool
    private var state: KeyedState?
    private var round: [Int32] = []

    /// The result after a row depends on the rows before it.
    public var needsOrderedInput: Bool { true }

    init(_ spec: AggregateSpec, withBefore: Bool) throws(JobFailure) {
        core = try AggregateCore(spec, countsRows: true)
        self.withBefore = withBefore
    }

    /// Opens the totals.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        core.open(context)
        state = try context.state.state("totals", of: context.stepId, layout: core.layout.state)
    }

    /// Updates the totals of the rows' keys and emits each after each row.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let (rows, arguments) = try core.evaluate(batch, into: output)
        guard rows.count > 0, let keys = rows.keys, let state else { return }
        core.reserve(rows.count)
        let entries = core.entries
        try state.table(0).resolve(keys, rows: nil, count: rows.count, into: entries)
        for row in 0..<rows.count { core.values[row] = entries[row].value }
        var pieces: [ColumnBatch] = []
        // Where the result after each row lies, and the one it replaces; batch -1 for none.
        var after = [RowPick](repeating: RowPick(batch: -1, row: 0), count: rows.count)
        var before = after
        for turn in turns(entries, rows.count) {
            if withBefore {
                var failures = RejectedRows()
                pieces.append(result(entries, turn, rows, .updateBefore, &failures))
                let failed = Set(failures.rejects.map(\.row))
                for (slot, row) in turn.enumerated()
                where core.layout.rows(of: entries[Int(row)]) > 0 && !failed.contains(slot) {
                    before[Int(row)] = RowPick(batch: Int32(pieces.count - 1), row: Int32(slot))
                }
            }
            for row in turn {
                core.layout.update(
                    arguments, order: rows.order, entries: entries, values: core.values,
                    range: Int(row)..<(Int(row) + 1))
            }
            var failures = RejectedRows()
            let results = result(entries, turn, rows, .updateAfter, &failures)
            if !failures.rejects.isEmpty {
                _ = try core.settle(failures, of: results, into: output)
            }
            let failed = Set(failures.rejects.map(\.row))
            pieces.append(results)
            for (slot, row) in turn.enumerated() where !failed.contains(slot) {
                after[Int(row)] = RowPick(batch: Int32(pieces.count - 1), row: Int32(slot))
                if core.layout.rows(of: entries[Int(row)]) == 1 {
                    results.changes!.bools[slot] = RowChange.insert.rawValue
                }
            }
        }
        var picks: [RowPick] = []
        for row in 0..<rows.count {
            if before[row].batch >= 0 { picks.append(before[row]) }
            if after[row].batch >= 0 { picks.append(after[row]) }
        }
        if picks.isEmpty { return }
        output.emit(
            BatchBuilder.gather(picks, count: picks.count, from: pieces, schema: core.schema))
    }

    /// The rows in turns in which no key comes twice.
    private func turns(_ entries: UnsafePointer<StateEntry>, _ count: Int) -> [[Int32]] {
        var seen: [UnsafeMutableRawPointer: Int] = [:]
        var turns: [[Int32]] = []
        for row in 0..<count {
            let turn = seen[entries[row].value, default: 0]
            seen[entries[row].value] = turn + 1
            if turn == turns.count { turns.append([]) }
            turns[turn].append(Int32(row))
        }
        return turns
    }

    private func result(
        _ entries: UnsafePointer<StateEntry>, _ turn: [Int32], _ rows: ColumnBatch,
        _ change: RowChange, _ failures: inout RejectedRows
    ) -> ColumnBatch {
        let picked = turn.map { entries[Int($0)] }
        return picked.withUnsafeBufferPointer {
            core.results(
                of: $0.baseAddress!, count: $0.count,
                order: rows.order.gathered(turn, count: turn.count), bounds: [],
                changes: [UInt8](repeating: change.rawValue, count: turn.count), errors: &failures)
        }
    }
}
