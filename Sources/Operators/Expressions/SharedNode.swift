import StreamRuntime

/// An expression that stands in several places and is evaluated once for them.
final class SharedNode: ExpressionNode {
    private init(_ child: ExpressionNode) { super.init(type: child.type, children: [child]) }

    /// `node`, evaluated once if that is any work.
    static func of(_ node: ExpressionNode) -> ExpressionNode {
        node is ColumnNode || node is ConstantNode || node is ParameterNode || node is SharedNode
            ? node : SharedNode(node)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        if let known = evaluation.shared.value(of: self, evaluation) { return known }
        let value = children[0].evaluate(evaluation)
        evaluation.shared.keep(value, of: self, evaluation)
        return value
    }
}

/// The values of shared expressions while an expression is evaluated on a batch.
final class SharedValues {
    private var entries:
        [(node: SharedNode, value: Column, mask: RowMask?, failures: RowFailures)] = []

    /// What `node` came to for all the rows that matter; nil if it is not known.
    ///
    /// - Note: one that may fail must have failed among the same failures.
    func value(of node: SharedNode, _ evaluation: Evaluation) -> Column? {
        for entry in entries where entry.node === node {
            if node.canFail, entry.failures !== evaluation.failures { continue }
            guard let mask = entry.mask else { return entry.value }
            if evaluation.mask?.isWithin(mask) == true { return entry.value }
        }
        return nil
    }

    func keep(_ value: Column, of node: SharedNode, _ evaluation: Evaluation) {
        entries.append((node, value, evaluation.mask, evaluation.failures))
    }
}
