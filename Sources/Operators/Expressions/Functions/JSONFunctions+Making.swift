import StreamRuntime

/// Any value as JSON.
enum JSONWriter {
    /// Appends a row's value; a null is `null`.
    static func append(_ column: Column, _ row: Int, to arena: ByteArena) {
        guard column.isValid(row) else { return arena.add("null") }
        switch column.type {
        case .bool, .int64, .decimal: arena.add(column.valueText(row))
        case .float64:
            let value = column.float64s[row]
            arena.add(value.isFinite ? ValueText.of(value) : "null")
        case .list(let element):
            if case .structure(let fields) = element, fields.map(\.name) == ["key", "value"],
                fields[0].type == .string
            {
                return appendMap(column, row, to: arena)
            }
            arena.add(UInt8(ascii: "["))
            for (offset, index) in ListFunctions.elements(column, row).enumerated() {
                if offset > 0 { arena.add(UInt8(ascii: ",")) }
                append(column.children[0], index, to: arena)
            }
            arena.add(UInt8(ascii: "]"))
        case .structure(let fields):
            arena.add(UInt8(ascii: "{"))
            for (index, field) in fields.enumerated() {
                if index > 0 { arena.add(UInt8(ascii: ",")) }
                quote(Array(field.name.utf8), to: arena)
                arena.add(UInt8(ascii: ":"))
                append(column.children[index], row, to: arena)
            }
            arena.add(UInt8(ascii: "}"))
        case .string: quote(Array(column.bytes(row)), to: arena)
        case .timestamp, .date, .interval, .bytes:
            quote(Array(column.valueText(row).utf8), to: arena)
        }
    }

    private static func appendMap(_ column: Column, _ row: Int, to arena: ByteArena) {
        arena.add(UInt8(ascii: "{"))
        for (offset, index) in ListFunctions.elements(column, row).enumerated() {
            if offset > 0 { arena.add(UInt8(ascii: ",")) }
            quote(Array(column.children[0].children[0].bytes(index)), to: arena)
            arena.add(UInt8(ascii: ":"))
            append(column.children[0].children[1], index, to: arena)
        }
        arena.add(UInt8(ascii: "}"))
    }

    static func quote(_ bytes: [UInt8], to arena: ByteArena) {
        JSONTree.quoted(bytes).withUnsafeBufferPointer { arena.add($0) }
    }
}

/// Functions that make JSON.
enum JSONMaking {
    /// The argument as a column of its own type, literals as what they are.
    private static func value(
        _ argument: ScalarFunction.Argument
    ) throws(ExpressionError) -> ExpressionNode {
        let isNull = (argument.node as? ConstantNode)?.literal == .null
        let type = isNull ? .string : (Coercion.common([argument.node]) ?? argument.node.type)
        return argument.node.type == .int64 && !isNull
            ? argument.node : try Coercion.implicit(argument.node, as: type, at: argument.range)
    }

    /// One value as JSON; null stays null.
    private static func one(_ names: String, _ meaning: String, _ example: String, _ result: String)
        -> ScalarFunction
    {
        let name = names.prefix { $0 != " " }
        return ScalarFunction(names, "\(name)(x)", meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "\(name)(x)")
            return KernelNode(type: .string, [try value(arguments[0])], canFail: false) { call in
                call.buildText { row, arena in
                    JSONWriter.append(call.arguments[0], row, to: arena)
                    return nil
                }
            }.folded
        }
    }

    static let all: [ScalarFunction] = [
        one(
            "to_json json_quote array_to_json row_to_json",
            "The value as JSON; a text becomes a JSON string.", "to_json({a: 1, b: ['x', null]})",
            #"{"a":1,"b":["x",null]}"#),
        ScalarFunction(
            "json_array", "json_array(x, …)", "A JSON array of the arguments.",
            "json_array(1, 'a', null)", #"[1,"a",null]"#
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 0...200, "json_array(x, …)")
            var nodes: [ExpressionNode] = []
            for argument in arguments { nodes.append(try value(argument)) }
            return KernelNode(type: .string, nodes, canFail: false) { call in
                texts(call) { row, arena in
                    arena.add(UInt8(ascii: "["))
                    for (index, column) in call.arguments.enumerated() {
                        if index > 0 { arena.add(UInt8(ascii: ",")) }
                        JSONWriter.append(column, row, to: arena)
                    }
                    arena.add(UInt8(ascii: "]"))
                    return nil
                }
            }.folded
        },
        ScalarFunction(
            "json_object", "json_object(key, x, …)", "A JSON object of keys and values in turn.",
            "json_object('a', 1, 'b', [1, 2])", #"{"a":1,"b":[1,2]}"#
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 0...200, "json_object(key, x, …)")
            guard arguments.count % 2 == 0 else {
                throw ExpressionError(
                    "a key has no value", at: range, fix: "write json_object(key, x, …)")
            }
            var nodes: [ExpressionNode] = []
            for (index, argument) in arguments.enumerated() {
                nodes.append(
                    index % 2 == 0
                        ? try Coercion.implicit(argument.node, as: .string, at: argument.range)
                        : try value(argument))
            }
            return KernelNode(type: .string, nodes) { call in
                texts(call) { row, arena in
                    arena.add(UInt8(ascii: "{"))
                    for index in stride(from: 0, to: call.arguments.count, by: 2) {
                        guard call.arguments[index].isValid(row) else {
                            return "a key of json_object is null"
                        }
                        if index > 0 { arena.add(UInt8(ascii: ",")) }
                        JSONWriter.quote(Array(call.arguments[index].bytes(row)), to: arena)
                        arena.add(UInt8(ascii: ":"))
                        JSONWriter.append(call.arguments[index + 1], row, to: arena)
                    }
                    arena.add(UInt8(ascii: "}"))
                    return nil
                }
            }.folded
        },
    ]

    /// Texts of all rows that matter, whatever arguments are null.
    private static func texts(
        _ call: KernelCall, _ body: (Int, ByteArena) -> String?
    ) -> Column {
        KernelCall(arguments: [], count: call.count, type: .string, evaluation: call.evaluation)
            .buildText(.string, body)
    }
}
