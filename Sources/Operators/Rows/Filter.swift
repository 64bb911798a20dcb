import StreamRuntime

/// Lets the rows pass for which a condition is true; false and null drop a row.
///
/// - Shape: rows are unchanged, on port 0. Rows the condition fails on are settled by `onError`.
public final class Filter: StreamRuntime.Operator {
    private let predicate: CompiledExpression
    private let buffer = EntryBuffer()
    private let changelog: Changelog?
    private var rejection: Rejection

    /// Lets rows pass where `predicate`, a bool, is true; those of a changelog keep what they say about
    /// the table of the rows for which it is true.
    public init(
        predicate: CompiledExpression, onError: FailurePolicy = .fail, changelog: Changelog? = nil
    ) {
        self.changelog = changelog
        precondition(predicate.type == .bool, "a condition is true or false")
        self.predicate = predicate
        rejection = Rejection(policy: onError)
    }

    /// Remembers the step's place for dead letters.
    public func open(_ context: OperatorContext) throws(JobFailure) { rejection.open(context) }

    /// Hands on the rows of `batch` for which the condition is true.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        var errors = RejectedRows()
        let truths = predicate.evaluate(batch, errors: &errors)
        let sound = try rejection.settle(errors, of: batch, into: output)
        if let changelog, batch.changes != nil {
            return passChanges(changelog, truths, batch, sound, into: output)
        }
        buffer.reserve(batch.count)
        let kept = Filter.select(truths, batch.count, into: buffer.rows)
        if kept == batch.count { return output.emit(batch) }
        if kept > 0 { output.emit(batch.gathered(buffer.rows, count: kept)) }
    }

    /// Hands on the changes of the table of rows for which the condition is true.
    ///
    /// - Shape: where only keys are known to match, a row that does not hold the condition deletes its
    ///   key. In a full changelog the row before an update leaves and the row after it enters, each if
    ///   it holds the condition.
    private func passChanges(
        _ changelog: Changelog, _ truths: Column, _ batch: ColumnBatch, _ sound: [Int32]?,
        into output: any Output
    ) {
        var kept: [Int32] = []
        let kinds = RowChange.inserts(0)
        for row in sound ?? (0..<batch.count).map({ Int32($0) }) {
            let holds = truths.isValid(Int(row)) && truths.bools[Int(row)] != 0
            guard let change = RowChange(rawValue: batch.changes!.bools[Int(row)]) else { continue }
            let passed: RowChange?
            switch (changelog, change) {
            case (.upsert, .updateBefore): passed = nil
            case (.upsert, _): passed = holds ? change : .delete
            case (.full, .updateBefore): passed = holds ? .delete : nil
            case (.full, .updateAfter): passed = holds ? .insert : nil
            case (.full, _): passed = holds ? change : nil
            }
            guard let passed else { continue }
            kept.append(row)
            kinds.append(false)
            kinds.bools[kept.count - 1] = passed.rawValue
        }
        if kept.isEmpty { return }
        let result = batch.gathered(kept, count: kept.count)
        result.changes = kinds
        output.emit(result)
    }

    /// Writes the rows where `truths` is true into `rows`, ascending, and returns how many there are.
    static func select(
        _ truths: Column, _ count: Int, into rows: UnsafeMutablePointer<Int32>
    ) -> Int {
        let values = truths.bools
        var kept = 0
        var row = 0
        if let validity = truths.validity {
            while row < count {
                rows[kept] = Int32(truncatingIfNeeded: row)
                kept &+= values[row] & validity[row] != 0 ? 1 : 0
                row &+= 1
            }
        } else {
            while row < count {
                rows[kept] = Int32(truncatingIfNeeded: row)
                kept &+= Int(values[row] & 1)
                row &+= 1
            }
        }
        return kept
    }
}
