import StreamRuntime

/// Lets the rows pass for which a condition is true; false and null drop a row.
///
/// - Shape: rows are unchanged, on port 0. Rows the condition fails on are settled by `onError`.
public final class Filter: StreamRuntime.Operator {
    private let predicate: CompiledExpression
    private let buffer = EntryBuffer()
    private var rejection: Rejection

    /// Lets rows pass where `predicate`, a bool, is true.
    public init(predicate: CompiledExpression, onError: FailurePolicy = .fail) {
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
        _ = try rejection.settle(errors, of: batch, into: output)
        buffer.reserve(batch.count)
        let kept = Filter.select(truths, batch.count, into: buffer.rows)
        if kept == batch.count { return output.emit(batch) }
        if kept > 0 { output.emit(batch.gathered(buffer.rows, count: kept)) }
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
