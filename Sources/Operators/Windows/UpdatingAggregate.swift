import StreamRuntime

/// Aggregates all rows of a key and gives the updated result after every row, in row order.
///
/// - Shape: a row out for each row in, in the same order: `insert` for a key's first result, then
///   `updateAfter`, with the result it replaces before it as `updateBefore` where that is asked for. A
///   row that takes one back (`updateBefore`, `delete`) is subtracted; with a key's last row its result
///   goes as a `delete`. One that takes back what never came is rejected.
public final class UpdatingAggregate: Operator {
    private let core: AggregateCore
    private let withBefore: Bool
    private var state: KeyedState?
    /// One entry, for rows to be taken back.
    private let scratch: KeyedState
    private var round: [Int32] = []

    /// The result after a row depends on the rows before it.
    public var needsOrderedInput: Bool { true }

    init(_ spec: AggregateSpec, withBefore: Bool) throws(JobFailure) {
        core = try AggregateCore(spec, countsRows: true)
        self.withBefore = withBefore
        scratch = try StateStore().state("scratch", of: "row", layout: core.layout.state)
    }

    /// Opens the totals.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        core.open(context)
        state = try context.state.state("totals", of: context.stepId, layout: core.layout.state)
    }

    /// Updates the totals of the rows' keys and emits each after each row.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let (rows, arguments) = try core.evaluate(batch, into: output, takesBack: true)
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
            var firsts = Set<Int>()
            // Of a key without rows nothing is told but that it goes: its results may well fail.
            var gone = Set<Int>()
            var failures = RejectedRows()
            for (slot, row) in turn.enumerated() {
                let held = core.layout.rows(of: entries[Int(row)])
                if isTakenBack(rows, Int(row)) {
                    if held > 0 {
                        try takeBack(row, of: rows, arguments)
                        if held == 1 { gone.insert(slot) }
                    } else {
                        failures.append(
                            row: slot, column: "", reason: "it takes back a row that never came")
                    }
                } else {
                    if held == 0 { firsts.insert(slot) }
                    core.layout.update(
                        arguments, order: rows.order, entries: entries, values: core.values,
                        range: Int(row)..<(Int(row) + 1))
                }
            }
            let results = result(entries, turn, rows, .updateAfter, &failures)
            failures = failures.leavingOut(gone)
            if !failures.rejects.isEmpty {
                _ = try core.settle(failures, of: results, into: output)
            }
            let failed = Set(failures.rejects.map(\.row))
            pieces.append(results)
            for (slot, row) in turn.enumerated() where !failed.contains(slot) {
                after[Int(row)] = RowPick(batch: Int32(pieces.count - 1), row: Int32(slot))
                if firsts.contains(slot) {
                    results.changes!.bools[slot] = RowChange.insert.rawValue
                } else if gone.contains(slot) {
                    results.changes!.bools[slot] = RowChange.delete.rawValue
                }
            }
        }
        try forgetEmpty(entries, rows)
        var picks: [RowPick] = []
        for row in 0..<rows.count {
            if before[row].batch >= 0 { picks.append(before[row]) }
            if after[row].batch >= 0 { picks.append(after[row]) }
        }
        if picks.isEmpty { return }
        output.emit(
            BatchBuilder.gather(picks, count: picks.count, from: pieces, schema: core.schema))
    }

    private func isTakenBack(_ rows: ColumnBatch, _ row: Int) -> Bool {
        guard let changes = rows.changes else { return false }
        return changes.bools[row] >= RowChange.updateBefore.rawValue
    }

    /// Subtracts a row: what it adds to nothing is taken out of its key's totals.
    private func takeBack(
        _ row: Int32, of rows: ColumnBatch, _ arguments: [PreparedArguments]
    ) throws(JobFailure) {
        let entries = core.entries
        let target = entries[Int(row)]
        let key = KeyEncoder(columns: []).encode([], count: 1)
        var part = target
        try withUnsafeMutablePointer(to: &part) { (pointer) throws(JobFailure) in
            try scratch.table(0).resolve(key, rows: nil, count: 1, into: pointer)
        }
        core.layout.reset(part)
        entries[Int(row)] = part
        core.values[Int(row)] = part.value
        core.layout.update(
            arguments, order: rows.order, entries: entries, values: core.values,
            range: Int(row)..<(Int(row) + 1))
        entries[Int(row)] = target
        core.values[Int(row)] = target.value
        guard core.layout.subtract(part, from: target) else {
            throw JobFailure(
                .step, "a row that takes back an earlier one cannot be taken out of these results",
                at: "step \(core.context!.stepId)",
                remedy: "use count, sum, avg, bool_and and bool_or of all values only")
        }
    }

    /// Gives up the totals of keys whose last row was taken back.
    private func forgetEmpty(
        _ entries: UnsafePointer<StateEntry>, _ rows: ColumnBatch
    ) throws(JobFailure) {
        guard rows.changes != nil, let state else { return }
        var empty: [UnsafeMutableRawPointer: StateEntry] = [:]
        for row in 0..<rows.count where core.layout.rows(of: entries[row]) == 0 {
            empty[entries[row].value] = entries[row]
        }
        for entry in empty.values { try state.table(0).remove(entry) }
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

extension RejectedRows {
    /// The same without what is said of `rows`.
    fileprivate func leavingOut(_ rows: Set<Int>) -> RejectedRows {
        if rows.isEmpty { return self }
        var rest = RejectedRows()
        for reject in rejects where !rows.contains(reject.row) {
            rest.append(row: reject.row, column: reject.column, reason: reject.reason)
        }
        return rest
    }
}
