import StreamRuntime

/// A checked expression, ready to be evaluated on batches of the schema it was compiled for.
///
/// - Note: it and everything below it is never changed after it was made, so one may serve several
///   workers at once.
public final class CompiledExpression: @unchecked Sendable {
    /// The expression as it was written.
    public let text: String
    /// The type of its values.
    public let type: ColumnType
    /// Positions in the schema of the columns it reads.
    public let columns: Set<Int>
    /// Whether evaluating it can reject a row.
    public let canFail: Bool
    let node: ExpressionNode

    init(text: String, node: ExpressionNode) {
        self.text = text
        self.node = node
        type = node.type
        columns = node.columns
        canFail = node.canFail
    }

    /// Whether the same input always gives the same result: true, as the language has no function that
    /// depends on anything but the row.
    public var isDeterministic: Bool { true }

    /// The position of the column the expression is, when it is nothing but a column.
    public var plainColumn: Int? { (node as? ColumnNode)?.index }

    /// A column that is read, or one field of a column that is a struct.
    public struct Read: Hashable, Sendable {
        /// The column's position in the schema.
        public let column: Int
        /// The position of the field; nil for the whole column.
        public let field: Int?
    }

    /// What the expression reads, field by field where it names a struct's fields.
    public var reads: Set<Read> {
        var found: Set<Read> = []
        var open = [node]
        while let node = open.popLast() {
            if let field = node as? FieldNode, let column = field.children[0] as? ColumnNode {
                found.insert(Read(column: column.index, field: field.index))
            } else if let column = node as? ColumnNode {
                found.insert(Read(column: column.index, field: nil))
            } else {
                open += node.children
            }
        }
        return found
    }

    /// The value of the expression for every row of `batch`.
    ///
    /// - Shape: one column of `batch.count` rows, which may be a column of `batch` itself and may share
    ///   memory with it: read it, never write it. A row that fails (overflow, division by zero,
    ///   a bad cast) is null and is added to `errors` once, with `text` as its column.
    public func evaluate(_ batch: ColumnBatch, errors: inout RejectedRows) -> Column {
        let failures = RowFailures(count: batch.count)
        let result = node.evaluate(
            Evaluation(batch: batch, count: batch.count, mask: nil, failures: failures))
        precondition(result.count == batch.count, "a value for every row")
        guard failures.hasAny else { return result }
        return failures.report(as: text, errors: &errors, nulling: result)
    }
}
