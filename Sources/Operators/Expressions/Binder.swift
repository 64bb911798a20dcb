import StreamRuntime

/// Turns syntax into checked nodes: resolves names, types and functions.
final class Binder {
    let schema: Schema
    /// There when aggregate calls are allowed; then plain columns must be keys.
    let aggregates: AggregateScope?
    /// The text the syntax came from, when calls are to be quoted.
    let text: String
    /// Binds calls that mean something of their own here; nil for one that does not.
    var special: ((Syntax.Call, Range<Int>) throws(ExpressionError) -> ExpressionNode?)?

    /// The parameters of the lambdas around what is bound.
    var parameters: [(name: String, type: ColumnType, slot: Int)] = []

    /// Calls that were bound, by what is written: the same again is evaluated once.
    private var bound: [String: ExpressionNode] = [:]

    init(schema: Schema, aggregates: AggregateScope? = nil, text: String = "") {
        self.schema = schema
        self.aggregates = aggregates
        self.text = text
    }

    func bind(_ syntax: Syntax) throws(ExpressionError) -> ExpressionNode {
        switch syntax.kind {
        case .null: return ConstantNode.null(.int64, literal: .null)
        case .bool(let value): return Constants.bool(value)
        case .number(let digits): return try Constants.number(digits, at: syntax.range)
        case .text(let value): return Constants.text(value, literal: .text)
        case .name(let name): return try column(name, at: syntax.range)
        case .field(let operand, let name):
            return try field(try bind(operand), name, at: syntax.range, of: operand)
        case .call(let call):
            return try once(syntax) { () throws(ExpressionError) in
                try bindCall(call, at: syntax.range)
            }
        case .unary(let symbol, let operand): return try unary(symbol, operand, syntax.range)
        case .binary(let symbol, let left, let right):
            return try binary(symbol, left, right, syntax.range)
        case .isNull(let operand): return IsNullNode(try bind(operand)).folded
        case .isTruth(let operand, let truth):
            return IsTruthNode(try bindBool(operand), truth: truth).folded
        case .isDistinct(let left, let right): return try distinct(left, right, syntax.range)
        case .among(let operand, let items): return try among(operand, items)
        case .between(let operand, let low, let high):
            let value = SharedNode.of(try bind(operand))
            let above = try compare("<=", try bind(low), value, low.range, operand.range)
            let below = try compare("<=", value, try bind(high), operand.range, high.range)
            return ConnectiveNode(isAnd: true, above, below).folded
        case .like(let operand, let pattern, let escape, let ignoringCase):
            return try like(operand, pattern, escape, ignoringCase)
        case .choice(let operand, let branches, let otherwise):
            return try choice(operand, branches, otherwise, syntax.range)
        case .cast(let operand, let type, let isTry): return try cast(operand, type, isTry)
        case .interval(let operand, let unit): return try interval(operand, unit, syntax.range)
        case .element(let operand, let index):
            return try function("list_extract", [operand, index], syntax.range)
        case .slice(let operand, let low, let high, let step):
            let missing = Syntax(kind: .null, range: syntax.range)
            return try function(
                "list_slice",
                [operand, low ?? missing, high ?? missing] + (step.map { [$0] } ?? []),
                syntax.range)
        case .list(let items): return try list(items, syntax.range)
        case .structure(let fields): return try structure(fields, syntax.range)
        case .lambda:
            throw ExpressionError(
                "a lambda has no value of its own", at: syntax.range,
                fix: "write it in list_transform, list_filter or list_reduce")
        }
    }

    /// What `bind` gives for `syntax`, or gave for the same text before.
    private func once(
        _ syntax: Syntax, _ bind: () throws(ExpressionError) -> ExpressionNode
    ) throws(ExpressionError) -> ExpressionNode {
        guard !text.isEmpty, aggregates == nil, special == nil, parameters.isEmpty else {
            return try bind()
        }
        let written = String(decoding: Array(text.utf8)[syntax.range], as: UTF8.self)
        if let known = bound[written] { return known }
        let node = SharedNode.of(try bind())
        bound[written] = node
        return node
    }

    func bindBool(_ syntax: Syntax) throws(ExpressionError) -> ExpressionNode {
        let node = try bind(syntax)
        if Coercion.isUntyped(node) || node.type == .bool {
            return try Coercion.implicit(node, as: .bool, at: syntax.range)
        }
        throw ExpressionError(
            "a condition is needed here, and this is \(node.type)", at: syntax.range,
            fix: node.type.isNumeric ? "compare it: … <> 0" : nil)
    }

    // MARK: names

    private func column(_ name: String, at range: Range<Int>) throws(ExpressionError)
        -> ExpressionNode
    {
        if let parameter = parameters.last(where: { $0.name == name }) {
            return ParameterNode(slot: parameter.slot, type: parameter.type)
        }
        if let aggregates { return try aggregates.key(name, at: range) }
        guard let index = Names.index(of: name, in: schema.fields.map(\.name)) else {
            throw Names.unknown("column", name, among: schema.fields.map(\.name), at: range)
        }
        return ColumnNode(index: index, type: schema.fields[index].type)
    }

    private func field(
        _ operand: ExpressionNode, _ name: String, at range: Range<Int>, of syntax: Syntax
    ) throws(ExpressionError) -> ExpressionNode {
        guard case .structure(let fields) = operand.type else {
            throw ExpressionError(
                "\(operand.type) has no fields, so .\(name) means nothing here", at: range,
                fix: operand.type.isList ? "take an element first, like list[1].\(name)" : nil)
        }
        guard let index = Names.index(of: name, in: fields.map(\.name)) else {
            let start = min(syntax.range.upperBound + 1, range.upperBound)
            throw Names.unknown(
                "field", name, among: fields.map(\.name), at: start..<range.upperBound)
        }
        return FieldNode(operand, index: index, type: fields[index].type).folded
    }

    // MARK: operators

    private func unary(
        _ symbol: String, _ operand: Syntax, _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        switch symbol {
        case "not": return NotNode(try bindBool(operand)).folded
        case "~": return try function("bit_not", [operand], range)
        default: return try function("negate", [operand], range)
        }
    }

    private func binary(
        _ symbol: String, _ left: Syntax, _ right: Syntax, _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        switch symbol {
        case "and", "or":
            return ConnectiveNode(
                isAnd: symbol == "and", try bindBool(left), try bindBool(right)
            ).folded
        case "=", "<>", "<", "<=", ">", ">=":
            return try compare(symbol, try bind(left), try bind(right), left.range, right.range)
        case "||", "->>", "->": return try function(symbol, [left, right], range)
        case "^@": return try function("starts_with", [left, right], range)
        case "~", "!~":
            let node = try function("regexp_matches", [left, right], range)
            return symbol == "~" ? node : NotNode(node).folded
        case "~~", "~~*", "!~~", "!~~*":
            let node = try function(
                symbol.hasSuffix("*") ? "ilike" : "like", [left, right], range)
            return symbol.hasPrefix("!") ? NotNode(node).folded : node
        case "&", "|", "<<", ">>", "^":
            let names = [
                "&": "bit_and", "|": "bit_or", "<<": "left_shift", ">>": "right_shift", "^": "pow",
            ]
            return try function(names[symbol] ?? symbol, [left, right], range)
        default:
            return try Arithmetic.bind(
                symbol, try bind(left), try bind(right), left.range, right.range)
        }
    }

    func compare(
        _ symbol: String, _ left: ExpressionNode, _ right: ExpressionNode, _ leftRange: Range<Int>,
        _ rightRange: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        let start = min(leftRange.lowerBound, rightRange.lowerBound)
        let whole = start..<max(leftRange.upperBound, rightRange.upperBound)
        guard let type = Coercion.common([left, right]) else {
            let (from, to) =
                left.type == .string ? (left.type, right.type) : (right.type, left.type)
            throw ExpressionError(
                "\(left.type) cannot be compared with \(right.type)", at: whole,
                fix: CastKernels.isAllowed(from, to)
                    ? "write cast(… as \(to)) around the \(from)" : nil)
        }
        let a = try Coercion.implicit(left, as: type, at: leftRange)
        let b = try Coercion.implicit(right, as: type, at: rightRange)
        if a.isNull || b.isNull { return ConstantNode.null(.bool, beside: [a, b]) }
        let node =
            switch symbol {
            case "=": ComparisonNode(.equal, a, b)
            case "<>": ComparisonNode(.notEqual, a, b)
            case "<": ComparisonNode(.less, a, b)
            case "<=": ComparisonNode(.lessOrEqual, a, b)
            case ">": ComparisonNode(.less, b, a)
            default: ComparisonNode(.lessOrEqual, b, a)
            }
        return node.folded
    }

    private func distinct(
        _ left: Syntax, _ right: Syntax, _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        let a = try bind(left)
        let b = try bind(right)
        guard let type = Coercion.common([a, b]) else {
            throw ExpressionError("\(a.type) cannot be compared with \(b.type)", at: range)
        }
        let operands = [
            try Coercion.implicit(a, as: type, at: left.range),
            try Coercion.implicit(b, as: type, at: right.range),
        ]
        return KernelNode(type: .bool, operands, canFail: false) { call in
            let result = Column(.bool, capacity: call.count)
            for row in 0..<call.count {
                let order = RowComparison.compare(call.arguments[0], row, call.arguments[1], row)
                result.bools[row] = order == 0 ? 0 : 1
            }
            result.setCount(call.count)
            return result
        }.folded
    }

    private func among(
        _ operand: Syntax, _ items: [Syntax]
    ) throws(ExpressionError) -> ExpressionNode {
        let value = SharedNode.of(try bind(operand))
        var result: ExpressionNode?
        for item in items {
            let equal = try compare("=", value, try bind(item), operand.range, item.range)
            result = result.map { ConnectiveNode(isAnd: false, $0, equal).folded } ?? equal
        }
        return result ?? Constants.bool(false)
    }

    private func like(
        _ operand: Syntax, _ pattern: Syntax, _ escape: Syntax?, _ ignoringCase: Bool
    ) throws(ExpressionError) -> ExpressionNode {
        var arguments = [operand, pattern]
        if let escape { arguments.append(escape) }
        let name = (ignoringCase ? "ilike" : "like") + (escape == nil ? "" : "_escape")
        return try function(name, arguments, operand.range.lowerBound..<pattern.range.upperBound)
    }

    private func choice(
        _ operand: Syntax?, _ branches: [(when: Syntax, then: Syntax)], _ otherwise: Syntax?,
        _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        var conditions: [ExpressionNode] = []
        var results: [(node: ExpressionNode, range: Range<Int>)] = []
        guard branches.count < RowChoice.branchesMax else {
            throw ExpressionError("a case has at most \(RowChoice.branchesMax) branches", at: range)
        }
        let value: ExpressionNode?
        if let operand { value = SharedNode.of(try bind(operand)) } else { value = nil }
        for branch in branches {
            if let operand, let value {
                conditions.append(
                    try compare(
                        "=", value, try bind(branch.when), operand.range, branch.when.range))
            } else {
                conditions.append(try bindBool(branch.when))
            }
            results.append((try bind(branch.then), branch.then.range))
        }
        if let otherwise {
            results.append((try bind(otherwise), otherwise.range))
        } else {
            results.append((ConstantNode.null(.int64, literal: .null), range))
        }
        return ChoiceNode(conditions: conditions, results: try unified(results, "branches")).folded
    }

    /// The nodes as their common type.
    func unified(
        _ nodes: [(node: ExpressionNode, range: Range<Int>)], _ what: String
    ) throws(ExpressionError) -> [ExpressionNode] {
        guard let type = Coercion.common(nodes.map(\.node)) else {
            let first = nodes.first { !Coercion.isUntyped($0.node) } ?? nodes[0]
            let other =
                nodes.first {
                    !Coercion.isUntyped($0.node)
                        && Coercion.join(first.node.type, $0.node.type) == nil
                } ?? nodes[nodes.count - 1]
            throw ExpressionError(
                "the \(what) are of different types: \(first.node.type) and \(other.node.type)",
                at: other.range,
                fix: CastKernels.isAllowed(other.node.type, first.node.type)
                    ? "write cast(… as \(first.node.type)) around it" : nil)
        }
        var result: [ExpressionNode] = []
        for (node, range) in nodes {
            result.append(try Coercion.implicit(node, as: type, at: range))
        }
        return result
    }

    private func cast(
        _ operand: Syntax, _ written: Syntax.TypeSyntax, _ isTry: Bool
    ) throws(ExpressionError) -> ExpressionNode {
        guard let type = TypeText.parse(written.text) else {
            throw Names.unknown(
                "type", written.text, among: Names.types, at: written.range)
        }
        let node = try bind(operand)
        if (node as? ConstantNode)?.literal == .null { return ConstantNode.null(type) }
        guard CastKernels.isAllowed(node.type, type) else {
            throw ExpressionError("\(node.type) cannot be cast to \(type)", at: operand.range)
        }
        // A text literal that was cast is a plain string from here on.
        if node.type == type, let constant = node as? ConstantNode {
            return ConstantNode(constant.value)
        }
        return isTry ? CastKernels.attempt(node, as: type) : CastKernels.node(node, as: type)
    }

    private func interval(
        _ operand: Syntax, _ unit: String, _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        guard let one = IntervalText.units[unit] else {
            throw Names.unknown("unit", unit, among: Array(IntervalText.units.keys), at: range)
        }
        let digits: String?
        switch operand.kind {
        case .number(let value), .text(let value): digits = value
        default: digits = nil
        }
        if let digits {
            guard let value = IntervalText.times(one, digits) else {
                throw ExpressionError("'\(digits)' is not a number of \(unit)", at: operand.range)
            }
            return Constants.interval(value)
        }
        return try Arithmetic.bind(
            "*", Constants.interval(one), try bind(operand), range, operand.range)
    }

    private func list(
        _ items: [Syntax], _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        guard !items.isEmpty else { return Constants.emptyList(of: .int64) }
        var nodes: [(node: ExpressionNode, range: Range<Int>)] = []
        for item in items { nodes.append((try bind(item), item.range)) }
        let elements = try unified(nodes, "elements")
        return ListNode(elements, element: elements[0].type).folded
    }

    private func structure(
        _ fields: [(name: String, value: Syntax)], _ range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        var names: [String] = []
        var nodes: [ExpressionNode] = []
        for (name, value) in fields {
            guard !names.contains(name) else {
                throw ExpressionError("the field \"\(name)\" is written twice", at: value.range)
            }
            names.append(name)
            let node = try bind(value)
            let type = Coercion.common([node]) ?? node.type
            nodes.append(try Coercion.implicit(node, as: type, at: value.range))
        }
        return StructureNode(names: names, nodes).folded
    }

    // MARK: calls

    func bindCall(
        _ call: Syntax.Call, at range: Range<Int>
    ) throws(ExpressionError) -> ExpressionNode {
        if let special, let node = try special(call, range) { return node }
        if let node = try AggregateBinder.bind(call, at: range, in: self) { return node }
        guard !call.isStar, !call.isDistinct, call.filter == nil else {
            throw ExpressionError(
                "\(call.name) is not an aggregate: it takes no *, distinct or filter", at: range)
        }
        if let node = try StructFunctions.named(call, range, in: self) { return node }
        guard call.names.isEmpty else {
            throw ExpressionError("\(call.name) takes no arguments with names", at: range)
        }
        if let node = try LambdaFunctions.bind(call, range, in: self) { return node }
        let name = ZoneFunctions.name(of: call)
        return try function(name, call.arguments, range, named: call.nameRange)
    }

    func function(
        _ name: String, _ arguments: [Syntax], _ range: Range<Int>, named: Range<Int>? = nil
    ) throws(ExpressionError) -> ExpressionNode {
        guard let function = FunctionCatalogue.byName[name] else {
            throw Names.unknown(
                "function", name,
                among: FunctionCatalogue.names + AggregateBinder.names, at: named ?? range)
        }
        var bound: [(node: ExpressionNode, range: Range<Int>)] = []
        for argument in arguments { bound.append((try bind(argument), argument.range)) }
        return try function.bind(bound, range)
    }
}
