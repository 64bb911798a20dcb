import StreamRuntime

/// What rolling steps do alike at both ends of a batch: rows that an expression fails on leave, and the others go
/// on with the outputs of each width behind their own columns.
struct RollingRows {
    /// The input columns, then the outputs of each width.
    let schema: Schema
    /// What expressions have failed on since rows were settled last.
    var errors = RejectedRows()
    private let keys: [Int]
    private let plans: [AggregatePlan]
    private var rejection: Rejection

    /// Rows of `schema`, keyed by the columns `keys`, with the outputs of `plans`, one of each width.
    init(_ schema: Schema, keys: [Int], plans: [AggregatePlan], onError: FailurePolicy) {
        self.schema = Rolling.outputSchema(schema, plans: plans)
        self.keys = keys
        self.plans = plans
        rejection = Rejection(policy: onError)
    }

    /// Remembers where dead letters say they come from.
    mutating func open(_ context: OperatorContext) { rejection.open(context) }

    /// Settles what has failed so far, and returns the rows of `batch` that remain; nil when all do.
    mutating func settle(
        _ batch: ColumnBatch, into output: any Output
    ) throws(JobFailure) -> [Int32]? {
        let failed = errors
        errors = RejectedRows()
        return try rejection.settle(failed, of: batch, into: output)
    }

    /// Hands on the rows of `work` with `results`, those of each width's calls. With `places` the rows were put in
    /// another order: `places[i]` is where the row is that came as the i-th.
    mutating func emit(
        _ work: ColumnBatch, _ results: [[Column]], _ places: [Int32]?, into output: any Output
    ) throws(JobFailure) {
        var columns = work.columns
        for (plan, results) in zip(plans, results) {
            let batch = ColumnBatch(
                schema: plan.resultSchema, columns: keys.map { work.columns[$0] } + results,
                order: work.order, count: work.count)
            for item in plan.outputs {
                columns.append(item.expression.evaluate(batch, errors: &errors))
            }
        }
        let result = work.replacingColumns(columns, schema: schema)
        result.keys = work.keys
        let kept = try settle(work, into: output)
        guard kept != nil || places != nil else { return output.emit(result) }
        var isKept = [Bool](repeating: kept == nil, count: work.count)
        for row in kept ?? [] { isKept[Int(row)] = true }
        let rows = (places ?? (0..<Int32(work.count)).map { $0 }).filter { isKept[Int($0)] }
        if !rows.isEmpty { output.emit(result.gathered(rows, count: rows.count)) }
    }
}
