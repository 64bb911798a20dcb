import StreamRuntime

/// Functions of lists that take a lambda.
enum LambdaFunctions {
    private enum Kind {
        case transform
        case filter
        case reduce
    }

    private static let kinds: [(names: String, kind: Kind)] = [
        ("list_transform list_apply array_transform array_apply apply", .transform),
        ("list_filter array_filter filter", .filter),
        ("list_reduce array_reduce reduce", .reduce),
    ]

    static let all: [ScalarFunction] = [
        described(
            0, "list_transform(list, lambda x, i: …)",
            "The list with each element x, whose place from 1 is i, turned into a value. Also [… for x in list if …].",
            "list_transform([1, 2], lambda x: x * 10)", "[10, 20]"),
        described(
            1, "list_filter(list, lambda x, i: …)",
            "The elements for which the condition is true.",
            "list_filter([1, 2, 3], lambda x: x > 1)", "[2, 3]"),
        described(
            2, "list_reduce(list, lambda a, x, i: …, start)",
            "One value from all elements: a is what was made of those before x, at first start or the first element.",
            "list_reduce([1, 2, 3], lambda a, x: a * 10 + x)", "123"),
    ]

    private static func described(
        _ index: Int, _ signature: String, _ meaning: String, _ example: String, _ result: String
    ) -> ScalarFunction {
        ScalarFunction(kinds[index].names, signature, meaning, example, result) {
            (_, range) throws(ExpressionError) in
            throw ExpressionError("a lambda is needed here", at: range, fix: "write \(signature)")
        }
    }

    private static func kind(_ name: String) -> Kind? {
        kinds.first { $0.names.split(separator: " ").contains(Substring(name)) }?.kind
    }

    /// The call as a node; nil for a call of another function.
    static func bind(
        _ call: Syntax.Call, _ range: Range<Int>, in binder: Binder
    ) throws(ExpressionError) -> ExpressionNode? {
        guard let kind = kind(call.name), call.arguments.count >= 2,
            case .lambda(let names, let body) = call.arguments[1].kind
        else { return nil }
        let most = kind == .reduce ? 3 : 2
        guard call.arguments.count == 2 || (kind == .reduce && call.arguments.count == 3),
            names.count <= most, names.count >= (kind == .reduce ? 2 : 1)
        else {
            throw ExpressionError(
                "this lambda has \(names.count) parameters", at: call.arguments[1].range,
                fix: kind == .reduce ? "write lambda a, x: …" : "write lambda x: …")
        }
        let (list, element) = try ListFunctions.list(
            (try binder.bind(call.arguments[0]), call.arguments[0].range))
        guard kind == .reduce else {
            let node = try inside(binder, names, [element, .int64], body)
            guard kind == .filter else { return LambdaNode(list, plain(node), isFilter: false) }
            let condition = try Coercion.implicit(node, as: .bool, at: body.range)
            return LambdaNode(list, condition, isFilter: true)
        }
        return try reduce(call, list, element, names, body, binder)
    }

    /// Literals lose what makes them special.
    private static func plain(_ node: ExpressionNode) -> ExpressionNode {
        guard let constant = node as? ConstantNode, constant.literal != .none else { return node }
        return ConstantNode(constant.value)
    }

    /// The lambda's body with its parameters known.
    private static func inside(
        _ binder: Binder, _ names: [String], _ types: [ColumnType], _ body: Syntax
    ) throws(ExpressionError) -> ExpressionNode {
        let before = binder.parameters
        defer { binder.parameters = before }
        let first = before.last.map { $0.slot / width * width + width } ?? 0
        for (index, name) in names.enumerated() {
            binder.parameters.append((name, types[index], first + index))
        }
        return try binder.bind(body)
    }

    /// Slots of one lambda; the parameters of an inner one come behind those of the outer one.
    private static let width = 3

    private static func reduce(
        _ call: Syntax.Call, _ list: ExpressionNode, _ element: ColumnType, _ names: [String],
        _ body: Syntax, _ binder: Binder
    ) throws(ExpressionError) -> ExpressionNode {
        var start: ExpressionNode?
        var type = element
        if call.arguments.count == 3 {
            let bound = try binder.bind(call.arguments[2])
            let common = Coercion.common([bound]) ?? bound.type
            type = common
            if case .decimal(_, 0) = common, bound.type == .int64 { type = .int64 }
            start = bound
        }
        var node = try inside(binder, names, [type, element, .int64], body)
        if node.type != type, let joined = Coercion.join(type, node.type) {
            type = joined
            node = try inside(binder, names, [type, element, .int64], body)
        }
        // What decimals need may grow with each step: cut to what is known.
        guard node.type == type || CastKernels.isAllowed(node.type, type) else {
            throw Coercion.mismatch(node.type, type, at: body.range)
        }
        let step = CastKernels.node(plain(node), as: type)
        if let bound = start {
            start = try Coercion.implicit(bound, as: type, at: call.arguments[2].range)
            return ReduceNode(list, start: start, step)
        }
        return ReduceNode(
            CastKernels.node(list, as: .list(type)), start: nil,
            try retyped(
                step, type, element, names, body, binder))
    }

    /// Without a start the list itself is of the type of what is reduced.
    private static func retyped(
        _ step: ExpressionNode, _ type: ColumnType, _ element: ColumnType, _ names: [String],
        _ body: Syntax, _ binder: Binder
    ) throws(ExpressionError) -> ExpressionNode {
        guard type != element else { return step }
        let node = try inside(binder, names, [type, type, .int64], body)
        return CastKernels.node(plain(node), as: type)
    }
}
