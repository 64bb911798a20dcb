import Glibc
import StreamRuntime

/// One operation of a checked expression; evaluated a batch at a time.
class ExpressionNode {
    let type: ColumnType
    let children: [ExpressionNode]
    /// Whether a row can fail here or below.
    let canFail: Bool

    init(type: ColumnType, children: [ExpressionNode] = [], canFail: Bool = false) {
        self.type = type
        self.children = children
        self.canFail = canFail || children.contains { $0.canFail }
    }

    /// Positions of the input columns read here and below.
    var columns: Set<Int> {
        children.reduce(into: Set<Int>()) { $0.formUnion($1.columns) }
    }

    /// Whether the value depends on the row by more than the children's values.
    var readsRow: Bool { false }

    /// Whether a function is called here or below, which looks at the rows that matter only.
    var isCostly: Bool { children.contains { $0.isCostly } }

    /// Whether it is a constant null.
    var isNull: Bool { false }

    /// - Shape: one column of `evaluation.count` rows, to be read only.
    func evaluate(_ evaluation: Evaluation) -> Column {
        preconditionFailure("every operation evaluates")
    }

    /// The value as an operand of a kernel that knows how to repeat one row.
    final func operand(_ evaluation: Evaluation) -> (column: Column, isConstant: Bool) {
        if let constant = self as? ConstantNode { return (constant.value, true) }
        return (evaluate(evaluation), false)
    }

    /// The node, or the constant it always gives.
    final var folded: ExpressionNode {
        guard !(self is ConstantNode), !readsRow,
            children.allSatisfy({ $0 is ConstantNode })
        else { return self }
        let failures = RowFailures(count: 1)
        let value = evaluate(Evaluation(batch: nil, count: 1, mask: nil, failures: failures))
        return failures.hasAny ? self : ConstantNode(value)
    }
}

/// An input column.
final class ColumnNode: ExpressionNode {
    let index: Int

    init(index: Int, type: ColumnType) {
        self.index = index
        super.init(type: type)
    }

    override var columns: Set<Int> { [index] }
    override var readsRow: Bool { true }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        guard let batch = evaluation.batch else {
            preconditionFailure("a column is never folded")
        }
        return batch.columns[index]
    }
}

/// A value that is the same in every row.
final class ConstantNode: ExpressionNode {
    /// How a value was written, which decides what types it may become by itself.
    enum Literal: Equatable {
        case none
        case null
        case text
        case integer
        case emptyList
    }

    /// One row.
    let value: Column
    let literal: Literal

    init(_ value: Column, literal: Literal = .none) {
        precondition(value.count == 1, "a constant has one row")
        self.value = value
        self.literal = literal
        super.init(type: value.type)
    }

    static func null(_ type: ColumnType, literal: Literal = .none) -> ConstantNode {
        let column = Column(type, capacity: 1)
        column.appendNull()
        return ConstantNode(column, literal: literal)
    }

    /// What an operation with a null comes to that no row changes: null, or a failure where one of its other
    /// operands fails, as beside a null of a row.
    static func null(_ type: ColumnType, beside operands: [ExpressionNode]) -> ExpressionNode {
        let failing = operands.filter(\.canFail)
        return failing.isEmpty ? null(type) : NullNode(type, failing)
    }

    override var isNull: Bool { !value.isValid(0) }
    override func evaluate(_ evaluation: Evaluation) -> Column { value.spread(evaluation.count) }
}

/// Null in every row, except where something that is computed beside it fails.
private final class NullNode: ExpressionNode {
    private let null: Column

    init(_ type: ColumnType, _ beside: [ExpressionNode]) {
        null = ConstantNode.null(type).value
        super.init(type: type, children: beside)
    }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        for child in children { _ = child.evaluate(evaluation) }
        return null.spread(evaluation.count)
    }
}

/// What a kernel is called with.
struct KernelCall {
    let arguments: [Column]
    let count: Int
    let type: ColumnType
    let evaluation: Evaluation

    /// An empty result with validity: the rows in which every argument has a value and that matter.
    ///
    /// - Shape: `count` rows; the kernel writes the rows that `live` says.
    func result(_ type: ColumnType? = nil, arena: ByteArena? = nil) -> (Column, Live) {
        let type = type ?? self.type
        let column =
            arena == nil
            ? Column(type, capacity: count) : Column(type, capacity: count, arena: arena)
        // Rows without a value hold zeros: an empty view, a false, never stray memory.
        memset(column.values, 0, count * type.stride)
        let live = column.ensureValidity()
        Validity.merge(arguments, into: column, count: count)
        if let mask = evaluation.mask?.bytes { Validity.and(live, mask, count) }
        column.setCount(count)
        return (column, live)
    }

    typealias Live = UnsafeMutablePointer<UInt8>

    /// The same call of other arguments: those whose nulls make a null.
    func of(_ arguments: [Column]) -> KernelCall {
        KernelCall(arguments: arguments, count: count, type: type, evaluation: evaluation)
    }

    /// Fails the row and makes it null.
    func fail(_ row: Int, _ live: Live, _ reason: @autoclosure () -> String) {
        live[row] = 0
        evaluation.failures.add(row, reason())
    }
}

/// A function of its arguments' columns.
final class KernelNode: ExpressionNode {
    typealias Kernel = (KernelCall) -> Column
    private let kernel: Kernel
    private let dependsOnRow: Bool

    init(
        type: ColumnType, _ children: [ExpressionNode], canFail: Bool = true,
        readsRow: Bool = false, _ kernel: @escaping Kernel
    ) {
        self.kernel = kernel
        dependsOnRow = readsRow
        super.init(type: type, children: children, canFail: canFail)
    }

    override var readsRow: Bool { dependsOnRow }
    override var isCostly: Bool { true }

    override func evaluate(_ evaluation: Evaluation) -> Column {
        kernel(
            KernelCall(
                arguments: children.map { $0.evaluate(evaluation) }, count: evaluation.count,
                type: type, evaluation: evaluation))
    }
}

/// Gives null for the rows that fail below, instead of rejecting them.
final class TryNode: ExpressionNode {
    init(_ child: ExpressionNode) { super.init(type: child.type, children: [child]) }

    // A fresh list of failures, so that nothing below counts.
    override func evaluate(_ evaluation: Evaluation) -> Column {
        let failures = RowFailures(count: evaluation.count)
        let result = children[0].evaluate(
            Evaluation(
                batch: evaluation.batch, count: evaluation.count, mask: evaluation.mask,
                failures: failures, parameters: evaluation.parameters, shared: evaluation.shared))
        return failures.nulling(result)
    }
}
