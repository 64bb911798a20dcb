import StreamRuntime

/// Functions of structs.
enum StructFunctions {
    typealias Argument = ScalarFunction.Argument

    /// The fields of an argument that must be a struct.
    private static func fields(_ argument: Argument) throws(ExpressionError) -> [Field] {
        guard case .structure(let fields) = argument.node.type else {
            throw ExpressionError(
                "a struct is needed here, and this is \(argument.node.type)", at: argument.range)
        }
        return fields
    }

    private static func field(_ node: ExpressionNode, _ fields: [Field], _ index: Int)
        -> ExpressionNode
    {
        FieldNode(node, index: index, type: fields[index].type).folded
    }

    private static let changing: [String: Bool] = ["struct_insert": false, "struct_update": true]

    /// `struct_insert` and `struct_update`, whose arguments have names; nil for another call.
    static func named(
        _ call: Syntax.Call, _ range: Range<Int>, in binder: Binder
    ) throws(ExpressionError) -> ExpressionNode? {
        guard let isUpdate = changing[call.name], call.arguments.count >= 2, !call.names.isEmpty
        else { return nil }
        let base: Argument = (try binder.bind(call.arguments[0]), call.arguments[0].range)
        let known = try fields(base)
        var names = known.map(\.name)
        var nodes = known.indices.map { field(base.node, known, $0) }
        for (index, argument) in call.arguments.enumerated().dropFirst() {
            guard let name = call.names[index] else {
                throw ExpressionError(
                    "this argument needs a name", at: argument.range, fix: "write name := value")
            }
            let bound = try binder.bind(argument)
            let type = Coercion.common([bound]) ?? bound.type
            let value = try Coercion.implicit(bound, as: type, at: argument.range)
            if let place = Names.index(of: name, in: names) {
                guard isUpdate else {
                    throw ExpressionError(
                        "the struct has a field \"\(name)\" already", at: argument.range,
                        fix: "use struct_update")
                }
                nodes[place] = value
            } else {
                names.append(name)
                nodes.append(value)
            }
        }
        return StructureNode(names: names, nodes).folded
    }

    private static func withNames(
        _ name: String, _ meaning: String, _ example: String, _ result: String
    ) -> ScalarFunction {
        let signature = "\(name)(struct, name := x, …)"
        return ScalarFunction(name, signature, meaning, example, result) {
            (_, range) throws(ExpressionError) in
            throw ExpressionError("names are needed here", at: range, fix: "write \(signature)")
        }
    }

    static let all: [ScalarFunction] = [
        withNames(
            "struct_insert", "The struct with more fields.", "struct_insert({a: 1}, b := 2)",
            "{'a': 1, 'b': 2}"),
        withNames(
            "struct_update", "The struct with fields changed or added.",
            "struct_update({a: 1, b: 2}, b := 5)", "{'a': 1, 'b': 5}"),
        ScalarFunction(
            "struct_concat", "struct_concat(struct, other, …)", "The fields of all structs.",
            "struct_concat({a: 1}, {b: 2})", "{'a': 1, 'b': 2}"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...50, "struct_concat(struct, …)")
            var names: [String] = []
            var nodes: [ExpressionNode] = []
            for argument in arguments {
                let known = try fields(argument)
                for index in known.indices {
                    guard !names.contains(known[index].name) else {
                        throw ExpressionError(
                            "two structs have a field \"\(known[index].name)\"",
                            at: argument.range)
                    }
                    names.append(known[index].name)
                    nodes.append(field(argument.node, known, index))
                }
            }
            return StructureNode(names: names, nodes).folded
        },
        ScalarFunction(
            "struct_keys", "struct_keys(struct)", "The names of the fields.",
            "struct_keys({a: 1, b: 2})", "[a, b]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "struct_keys(struct)")
            let names = Column(.list(.string), capacity: 1)
            for field in try fields(arguments[0]) { names.children[0].append(field.name) }
            names.appendList(from: 0)
            let null = ConstantNode.null(names.type)
            return ChoiceNode(
                conditions: [IsNullNode(arguments[0].node).folded],
                results: [null, ConstantNode(names)]
            ).folded
        },
        ScalarFunction(
            "struct_extract_at", "struct_extract_at(struct, n)",
            "Field n, counted from 1, of a struct.", "struct_extract_at({a: 7, b: 8}, 2)", "8"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "struct_extract_at(struct, n)")
            let known = try fields(arguments[0])
            guard let constant = arguments[1].node as? ConstantNode, constant.type == .int64,
                !constant.isNull, known.indices.contains(Int(constant.value.int64s[0]) - 1)
            else {
                throw ExpressionError(
                    "the place must be a constant from 1 to \(known.count)",
                    at: arguments[1].range)
            }
            return field(arguments[0].node, known, Int(constant.value.int64s[0]) - 1)
        },
        ScalarFunction(
            "struct_contains struct_has", "struct_contains(struct, x)",
            "Whether some field has the value.", "struct_contains({a: 1, b: 2}, 2)", "true"
        ) { (arguments, range) throws(ExpressionError) in
            let place = try position(arguments, range, "struct_contains(struct, x)")
            return ChoiceNode(
                conditions: arguments.map { IsNullNode($0.node).folded },
                results: [
                    ConstantNode.null(.bool), ConstantNode.null(.bool),
                    NotNode(IsNullNode(place).folded).folded,
                ]
            ).folded
        },
        ScalarFunction(
            "struct_position struct_indexof", "struct_position(struct, x)",
            "The place, from 1, of the first field that has the value; null if none has.",
            "struct_position({a: 1, b: 2}, 2)", "2"
        ) { (arguments, range) throws(ExpressionError) in
            try position(arguments, range, "struct_position(struct, x)")
        },
    ]

    private static func position(
        _ arguments: [Argument], _ range: Range<Int>, _ signature: String
    ) throws(ExpressionError) -> ExpressionNode {
        try ConditionFunctions.require(arguments, range, 2...2, signature)
        let known = try fields(arguments[0])
        let binder = Binder(schema: Schema([]))
        var conditions: [ExpressionNode] = []
        var results: [ExpressionNode] = []
        for index in known.indices {
            guard
                Coercion.common([field(arguments[0].node, known, index), arguments[1].node]) != nil
            else { continue }
            conditions.append(
                try binder.compare(
                    "=", field(arguments[0].node, known, index), arguments[1].node,
                    arguments[0].range, arguments[1].range))
            results.append(Constants.int64(Int64(index + 1)))
        }
        results.append(ConstantNode.null(.int64))
        return conditions.isEmpty
            ? results[0] : ChoiceNode(conditions: conditions, results: results).folded
    }
}
