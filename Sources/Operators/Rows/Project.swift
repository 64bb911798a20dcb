import StreamRuntime

/// Computes columns: `select` puts them in place of the row's, `extend` adds them to it.
///
/// - Shape: a row out for each row in, in its place in the order, on port 0; rows that an expression
///   fails on are settled by `onError` and do not come out.
public final class Project: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let expressions: [CompiledExpression]
    /// For each column out, the input column that stays (below zero) or the expression that makes it.
    private let columns: [Source]
    private var rejection: Rejection

    private enum Source {
        case input(Int)
        case expression(Int)
    }

    /// `select`: the columns `items` and no others.
    public init(
        selecting items: [(name: String, expression: CompiledExpression)],
        onError: FailurePolicy = .fail
    ) {
        expressions = items.map(\.expression)
        columns = items.indices.map { .expression($0) }
        outputSchema = Schema(items.map { Field($0.name, $0.expression.type) })
        rejection = Rejection(policy: onError)
    }

    /// `extend`: the columns of `schema`, then `items`; an item called as a column takes its place.
    public init(
        extending schema: Schema, with items: [(name: String, expression: CompiledExpression)],
        onError: FailurePolicy = .fail
    ) {
        expressions = items.map(\.expression)
        var fields = schema.fields
        var columns = fields.indices.map { Source.input($0) }
        for (index, item) in items.enumerated() {
            let field = Field(item.name, item.expression.type)
            if let place = fields.firstIndex(where: { $0.name == item.name }) {
                fields[place] = field
                columns[place] = .expression(index)
            } else {
                fields.append(field)
                columns.append(.expression(index))
            }
        }
        self.columns = columns
        outputSchema = Schema(fields)
        rejection = Rejection(policy: onError)
    }

    /// Remembers the step's place for dead letters.
    public func open(_ context: OperatorContext) throws(JobFailure) { rejection.open(context) }

    /// Hands on the rows of `batch` with their new columns.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        var errors = RejectedRows()
        let made = expressions.map { $0.evaluate(batch, errors: &errors) }
        let result = batch.replacingColumns(
            columns.map { source in
                switch source {
                case .input(let column): batch.columns[column]
                case .expression(let index): made[index]
                }
            }, schema: outputSchema)
        guard let kept = try rejection.settle(errors, of: batch, into: output) else {
            return output.emit(result)
        }
        if !kept.isEmpty { output.emit(result.gathered(kept, count: kept.count)) }
    }
}
