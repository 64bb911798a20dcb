import StreamRuntime

/// Which types become which by themselves.
enum Coercion {
    /// The type that values of all of `nodes` can be given without losing anything; nil if there is none.
    static func common(_ nodes: [ExpressionNode]) -> ColumnType? {
        var common: ColumnType?
        for node in nodes where !isUntyped(node) && !isEmptyList(node) {
            guard let soFar = common else {
                common = shape(node)
                continue
            }
            guard let joined = join(soFar, shape(node)) else { return nil }
            common = joined
        }
        if let common {
            let hasWhole = nodes.contains { $0.type == .int64 }
            if case .decimal(_, 0) = common, hasWhole,
                nodes.allSatisfy({ $0.type == .int64 || isUntyped($0) })
            {
                return .int64
            }
            return common
        }
        if let empty = nodes.first(where: { isEmptyList($0) }) { return empty.type }
        if nodes.contains(where: { ($0 as? ConstantNode)?.literal == .text }) { return .string }
        return nodes.isEmpty ? nil : .int64
    }

    /// Whether the node is a text literal or a null, which take the type asked of them.
    static func isUntyped(_ node: ExpressionNode) -> Bool {
        guard let constant = node as? ConstantNode else { return false }
        return constant.literal == .null || constant.literal == .text
    }

    /// Whether the node is `[]`, which is a list of whatever is asked for.
    static func isEmptyList(_ node: ExpressionNode) -> Bool {
        (node as? ConstantNode)?.literal == .emptyList
    }

    /// The node's type; for an integer literal, the decimal it needs.
    static func shape(_ node: ExpressionNode) -> ColumnType {
        guard let constant = node as? ConstantNode, constant.literal == .integer,
            constant.type == .int64
        else { return node.type }
        return .decimal(precision: Decimals.digits(Int128(constant.value.int64s[0])), scale: 0)
    }

    /// Precision and scale of the decimal that holds every value of a whole or decimal type.
    static func decimalShape(_ type: ColumnType) -> (precision: Int, scale: Int)? {
        switch type {
        case .int64: (19, 0)
        case .decimal(let precision, let scale): (precision, scale)
        default: nil
        }
    }

    /// The type both become.
    static func join(_ left: ColumnType, _ right: ColumnType) -> ColumnType? {
        if left == right { return left }
        if left.isNumeric, right.isNumeric {
            guard let a = decimalShape(left), let b = decimalShape(right) else { return .float64 }
            let scale = max(a.scale, b.scale)
            let whole = max(a.precision - a.scale, b.precision - b.scale)
            return .decimal(precision: min(38, whole + scale), scale: scale)
        }
        switch (left, right) {
        case (.date, .timestamp), (.timestamp, .date): return .timestamp
        case (.list(let a), .list(let b)): return join(a, b).map { .list($0) }
        case (.structure(let a), .structure(let b)):
            guard a.map(\.name) == b.map(\.name) else { return nil }
            var fields: [Field] = []
            for (mine, other) in zip(a, b) {
                guard let type = join(mine.type, other.type) else { return nil }
                fields.append(Field(mine.name, type))
            }
            return .structure(fields)
        default: return nil
        }
    }

    /// Whether every value of `from` is some value of `to`.
    static func isLossless(_ from: ColumnType, _ to: ColumnType) -> Bool {
        if from == to { return true }
        switch (from, to) {
        case (.int64, .float64), (.decimal, .float64), (.date, .timestamp): return true
        case (let from, .decimal(let precision, let scale)):
            guard let shape = decimalShape(from) else { return false }
            return scale >= shape.scale && precision - scale >= shape.precision - shape.scale
        case (.list(let from), .list(let to)): return isLossless(from, to)
        case (.structure(let from), .structure(let to)):
            return from.count == to.count
                && zip(from, to).allSatisfy { $0.name == $1.name && isLossless($0.type, $1.type) }
        default: return false
        }
    }

    /// `node` as `type`, if that needs no cast to be written.
    ///
    /// - Throws: when a text literal is no value of the type, or the types do not go together.
    static func implicit(
        _ node: ExpressionNode, as type: ColumnType, at range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        if let constant = node as? ConstantNode {
            switch constant.literal {
            case .null: return ConstantNode.null(type)
            case .text:
                if type == .string { return ConstantNode(constant.value) }
                guard CastKernels.isAllowed(.string, type) else { break }
                let cast = CastKernels.node(node, as: type)
                guard cast is ConstantNode else {
                    throw ExpressionError(
                        "'\(constant.value.string(0))' is not a valid \(type)", at: range)
                }
                return cast
            case .integer:
                guard case .decimal = type, !isLossless(.int64, type) else { break }
                let cast = CastKernels.node(node, as: type)
                if cast is ConstantNode { return cast }
            case .emptyList:
                guard case .list(let element) = type else { break }
                return Constants.emptyList(of: element)
            case .none: break
            }
        }
        if node.type == type { return node }
        guard isLossless(node.type, type) else { throw mismatch(node.type, type, at: range) }
        return CastKernels.node(node, as: type)
    }

    static func mismatch(
        _ from: ColumnType, _ to: ColumnType, at range: Range<Int>
    ) -> ExpressionError {
        ExpressionError(
            "\(from) is not \(to)", at: range,
            fix: CastKernels.isAllowed(from, to) ? "write cast(… as \(to)) around it" : nil)
    }
}
