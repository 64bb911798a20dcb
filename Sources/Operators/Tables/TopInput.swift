import StreamRuntime

/// What every `top` does with the rows that come in: their sort keys, and the rows that have none.
struct TopInput {
    private let spec: TopSpec
    private let sortKeys: SortKeys
    private var rejection: Rejection

    init(_ spec: TopSpec) {
        self.spec = spec
        sortKeys = SortKeys(spec.order, spec.expressions)
        rejection = Rejection(policy: spec.onError)
    }

    mutating func open(_ context: OperatorContext) { rejection.open(context) }

    /// The rows that can be ordered, and their sort keys.
    func take(
        _ batch: ColumnBatch, into output: any Output
    ) throws(JobFailure) -> (rows: ColumnBatch, sortKeys: Column) {
        if batch.keys == nil {
            batch.keys = KeyEncoder(columns: []).encode([], count: batch.count)
        }
        var errors = RejectedRows()
        let sorted = sortKeys.encode(batch, errors: &errors)
        guard let sound = try rejection.settle(errors, of: batch, into: output) else {
            return (batch, sorted)
        }
        let rest = batch.gathered(sound, count: sound.count)
        var none = RejectedRows()
        return (rest, sortKeys.encode(rest, errors: &none))
    }

    /// Settles rows that cannot be placed for `reason`.
    func reject(
        _ rows: [Int32], of batch: ColumnBatch, column: String, reason: String,
        into output: any Output
    ) throws(JobFailure) {
        var errors = RejectedRows()
        for row in rows { errors.append(row: Int(row), column: column, reason: reason) }
        _ = try rejection.settle(errors, of: batch, into: output)
    }

    /// Tells of state that was written for rows of other columns.
    static func check(
        _ state: KeyedState, _ fingerprint: Int64, _ context: OperatorContext
    ) throws(JobFailure) {
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
        defer { entries.deallocate() }
        for namespace in state.namespaces {
            guard try state.table(namespace).cursor().next(1, into: entries) == 1 else { continue }
            let there = entries[0].value.load(fromByteOffset: 16, as: Int64.self)
            guard there != fingerprint, there != 0 else { continue }
            throw JobFailure(
                .step, "the step has rows in its state that have other columns than now",
                at: "step \(context.stepId)",
                remedy:
                    "give the step a new id, so that it begins afresh, or bring the columns back")
        }
    }
}
