import StreamRuntime

/// Rows that an expression failed on leave the step: settled as its `on_error` says.
struct Rejection {
    let policy: FailurePolicy
    private var context: OperatorContext?

    init(policy: FailurePolicy) { self.policy = policy }

    /// Remembers where dead letters say they come from.
    mutating func open(_ context: OperatorContext) { self.context = context }

    /// Settles `rejected`, each row once, and returns the rows of `batch` that remain; nil when all do.
    func settle(
        _ rejected: RejectedRows, of batch: ColumnBatch, into output: any Output
    ) throws(JobFailure) -> [Int32]? {
        if rejected.rejects.isEmpty { return nil }
        guard let context else { preconditionFailure("a step is opened first") }
        var isRejected = [Bool](repeating: false, count: batch.count)
        var once = RejectedRows()
        for reject in rejected.rejects.sorted(by: { $0.row < $1.row }) where !isRejected[reject.row]
        {
            isRejected[reject.row] = true
            once.append(row: reject.row, column: reject.column, reason: reject.reason)
        }
        try DeadLetters.settle(once, of: batch, policy: policy, context: context, into: output)
        return (0..<batch.count).filter { !isRejected[$0] }.map { Int32($0) }
    }
}
