import Glibc
import StreamRuntime

/// A field of a struct.
final class FieldNode: ExpressionNode {
    let index: Int

    init(_ operand: ExpressionNode, index: Int, type: ColumnType) {
        self.index = index
        super.init(type: type, children: [operand])
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let structure = children[0].evaluate(evaluation)
        let field = structure.children[index]
        guard let validity = structure.validity else { return field }
        let copy = field.copied()
        Validity.and(copy.ensureValidity(), validity, evaluation.count)
        return copy
    }
}

/// A list of the operands' values.
final class ListNode: ExpressionNode {
    init(_ elements: [ExpressionNode], element: ColumnType) {
        super.init(type: .list(element), children: elements)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let columns = children.map { $0.evaluate(evaluation) }
        let result = Column(type, capacity: evaluation.count)
        let elements = result.children[0]
        for row in 0..<evaluation.count {
            let start = elements.count
            for column in columns { elements.append(from: column, row: row) }
            result.appendList(from: start)
        }
        return result
    }
}

/// A struct of the operands' values.
final class StructureNode: ExpressionNode {
    init(names: [String], _ fields: [ExpressionNode]) {
        super.init(
            type: .structure(zip(names, fields).map { Field($0, $1.type) }), children: fields)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        let result = Column(
            type, capacity: evaluation.count, arena: nil,
            children: children.map { $0.evaluate(evaluation) })
        result.setCount(evaluation.count)
        return result
    }
}
