import StreamRuntime

/// Decides what an arithmetic operator means for the types of its operands.
enum Arithmetic {
    typealias Operation = ArithmeticNode.Operation

    static func bind(
        _ symbol: String, _ left: ExpressionNode, _ right: ExpressionNode,
        _ leftRange: Range<Int>, _ rightRange: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        guard let operation = Operation(rawValue: symbol) else {
            preconditionFailure("the parser knows no other operators")
        }
        var a = left
        var b = right
        // A text literal or null takes the type of the other side, if that is a number or a time.
        if Coercion.isUntyped(a), !Coercion.isUntyped(b) {
            let type: ColumnType = b.type == .interval ? .timestamp : b.type
            a = try Coercion.implicit(a, as: type, at: leftRange)
        } else if Coercion.isUntyped(b), !Coercion.isUntyped(a) {
            b = try Coercion.implicit(b, as: a.type, at: rightRange)
        }
        if let time = try TimeArithmetic.bind(operation, a, b) { return time.folded }
        guard a.type.isNumeric, b.type.isNumeric, !Coercion.isUntyped(a) else {
            throw misfit(symbol, a, b, leftRange, rightRange)
        }
        let (type, leftType, rightType) = try types(
            operation, a, b, at: leftRange.lowerBound..<rightRange.upperBound)
        a = try number(a, as: leftType, at: leftRange)
        b = try number(b, as: rightType, at: rightRange)
        if a.isNull || b.isNull { return ConstantNode.null(type, beside: [a, b]) }
        return ArithmeticNode(operation, type: type, a, b).folded
    }

    /// Any number as a wider one; a decimal may be cut to the 38 digits there are.
    private static func number(
        _ node: ExpressionNode, as type: ColumnType, at range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        if node.isNull { return ConstantNode.null(type) }
        return CastKernels.node(node, as: type)
    }

    private static func misfit(
        _ symbol: String, _ left: ExpressionNode, _ right: ExpressionNode, _ leftRange: Range<Int>,
        _ rightRange: Range<Int>
    ) -> ExpressionError {
        var fix: String?
        if left.type == .string || right.type == .string {
            let other = left.type == .string ? right.type : left.type
            fix =
                symbol == "+" && left.type == .string && right.type == .string
                ? "join text with ||"
                : "write cast(… as \(other == .string ? .float64 : other)) around the string"
        }
        return ExpressionError(
            "\(left.type) \(symbol) \(right.type) has no meaning",
            at: leftRange.lowerBound..<rightRange.upperBound, fix: fix)
    }

    /// The result's type and what each operand must become.
    private static func types(
        _ operation: Operation, _ left: ExpressionNode, _ right: ExpressionNode,
        at range: Range<Int>
    ) throws(ExpressionError) -> (ColumnType, ColumnType, ColumnType) {
        if operation == .divide { return (.float64, .float64, .float64) }
        if left.type == .int64, right.type == .int64 { return (.int64, .int64, .int64) }
        guard let a = Coercion.decimalShape(Coercion.shape(left)),
            let b = Coercion.decimalShape(Coercion.shape(right)), operation != .quotient
        else { return (.float64, .float64, .float64) }
        if operation == .multiply {
            let scale = a.scale + b.scale
            guard scale <= 38 else {
                throw ExpressionError(
                    "the product of \(left.type) and \(right.type) needs \(scale) digits after the "
                        + "point, and 38 is the most", at: range,
                    fix: "cast one factor to fewer digits, or to double")
            }
            return (
                .decimal(precision: min(38, a.precision + b.precision), scale: scale),
                .decimal(precision: a.precision, scale: a.scale),
                .decimal(precision: b.precision, scale: b.scale)
            )
        }
        let scale = max(a.scale, b.scale)
        let whole = max(a.precision - a.scale, b.precision - b.scale)
        let carry = operation == .remainder ? 0 : 1
        let type = ColumnType.decimal(precision: min(38, whole + scale + carry), scale: scale)
        return (type, type, type)
    }
}
