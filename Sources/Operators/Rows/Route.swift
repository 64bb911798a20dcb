import StreamRuntime

/// Sends each row one way: to the port of the first condition that is true, or to port 0.
///
/// - Shape: rows are unchanged; condition i leads to port i + 1. A condition is evaluated only for the
///   rows that no earlier one took. Rows it fails on are settled by `onError`.
public final class Route: StreamRuntime.Operator {
    private let conditions: [CompiledExpression]
    private let buffer = EntryBuffer()
    private var rejection: Rejection
    private let changelog: Changelog?

    /// Routes by `conditions`, each a bool; each port gets a changelog of its own when the rows are one.
    public init(
        conditions: [CompiledExpression], onError: FailurePolicy = .fail,
        changelog: Changelog? = nil
    ) {
        self.changelog = changelog
        precondition(conditions.allSatisfy { $0.type == .bool }, "conditions are true or false")
        self.conditions = conditions
        rejection = Rejection(policy: onError)
    }

    /// Remembers the step's place for dead letters.
    public func open(_ context: OperatorContext) throws(JobFailure) { rejection.open(context) }

    /// Hands on the rows of `batch`, each on its port.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        var rest = batch
        if let changes = batch.changes, let changelog {
            if changelog == .upsert { return try processKeys(batch, changes, into: output) }
            // A row may leave one port and enter another.
            rest = batch.gathered(RowChange.all(batch.count), count: batch.count)
            rest.changes = RowChange.apart(changes)
        }
        for (index, condition) in conditions.enumerated() where rest.count > 0 {
            var errors = RejectedRows()
            let truths = condition.evaluate(rest, errors: &errors)
            let sound = try rejection.settle(errors, of: rest, into: output)
            buffer.reserve(rest.count)
            let taken = Filter.select(truths, rest.count, into: buffer.rows)
            if taken == 0, sound == nil { continue }
            if taken > 0 {
                output.emit(rest.gathered(buffer.rows, count: taken), port: index + 1)
            }
            var isTaken = [Bool](repeating: false, count: rest.count)
            for slot in 0..<taken { isTaken[Int(buffer.rows[slot])] = true }
            let left = (sound ?? (0..<Int32(rest.count)).map { $0 }).filter { !isTaken[Int($0)] }
            rest = rest.gathered(left, count: left.count)
        }
        if rest.count > 0 { output.emit(rest) }
    }

    /// Routes changes of which only the key of what they replace is known: every port but a row's own is
    /// told that the key is gone.
    private func processKeys(
        _ batch: ColumnBatch, _ changes: Column, into output: any Output
    ) throws(JobFailure) {
        var ports = [Int](repeating: 0, count: batch.count)
        for (index, condition) in conditions.enumerated() {
            var errors = RejectedRows()
            let truths = condition.evaluate(batch, errors: &errors)
            var open = RejectedRows()
            for reject in errors.rejects where ports[reject.row] == 0 {
                open.append(row: reject.row, column: reject.column, reason: reject.reason)
            }
            if try rejection.settle(open, of: batch, into: output) != nil {
                for reject in open.rejects { ports[reject.row] = -1 }
            }
            for row in 0..<batch.count
            where ports[row] == 0 && truths.isValid(row) && truths.bools[row] != 0 {
                ports[row] = index + 1
            }
        }
        let rows = (0..<Int32(batch.count)).filter { row in
            ports[Int(row)] >= 0 && changes.bools[Int(row)] != RowChange.updateBefore.rawValue
        }
        if rows.isEmpty { return }
        for port in 0...conditions.count {
            let part = batch.gathered(rows, count: rows.count)
            let kinds = RowChange.inserts(rows.count)
            for (slot, row) in rows.enumerated() {
                kinds.bools[slot] =
                    ports[Int(row)] == port
                    ? changes.bools[Int(row)] : RowChange.delete.rawValue
            }
            part.changes = kinds
            output.emit(part, port: port)
        }
    }
}

extension RowChange {
    /// The same changes, what is replaced deleted and what replaces it inserted.
    static func apart(_ changes: Column) -> Column {
        let count = changes.count
        let result = Column(.bool, capacity: count)
        for row in 0..<count {
            let kind = changes.bools[row]
            result.bools[row] =
                kind == RowChange.updateBefore.rawValue
                ? RowChange.delete.rawValue
                : kind == RowChange.updateAfter.rawValue ? RowChange.insert.rawValue : kind
        }
        result.setCount(count)
        return result
    }

    /// The rows 0, 1, 2 …
    static func all(_ count: Int) -> [Int32] { (0..<count).map { Int32($0) } }
}
