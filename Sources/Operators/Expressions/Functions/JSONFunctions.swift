import StreamRuntime

/// Functions of JSON kept as text.
enum JSONFunctions {
    typealias Argument = ScalarFunction.Argument

    private static let malformed = "the text is not JSON"

    /// A function of a JSON text and, perhaps, a constant path.
    private static func function(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ type: ColumnType, pathCount: ClosedRange<Int>,
        _ kernel: @escaping (KernelCall, [JSONText.Step]) -> Column
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, (pathCount.lowerBound + 1)...(pathCount.upperBound + 1),
                signature)
            let text = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            var steps: [JSONText.Step] = []
            if arguments.count == 2 {
                if let node = try several(signature, text, arguments[1]) { return node }
                steps = try path(arguments[1])
            }
            let path = steps
            return KernelNode(type: type, [text]) { kernel($0, path) }.folded
        }
    }

    /// `json_extract` and `json_extract_string` of a path to many values, or of many paths: a list. Nil for
    /// another function or a path to one value.
    private static func several(
        _ signature: String, _ text: ExpressionNode, _ argument: Argument
    ) throws(ExpressionError) -> ExpressionNode? {
        guard signature.hasPrefix("json_extract") else { return nil }
        let isText = signature.hasPrefix("json_extract_string")
        guard let constant = argument.node as? ConstantNode, !constant.isNull else { return nil }
        if constant.type == .list(.string) {
            var paths: [[JSONText.Step]] = []
            for index in ListFunctions.elements(constant.value, 0) {
                let path = Constants.text(constant.value.children[0].string(index))
                paths.append(try self.path((path, argument.range)))
            }
            let all = paths
            return KernelNode(type: .list(.string), [text]) { call in
                lists(call) { json, root, values in
                    for path in all { append(json, json.find(path, in: root), isText, to: values) }
                }
            }.folded
        }
        guard constant.type == .string else { return nil }
        let path = try self.path(argument)
        guard path.contains(.every) else { return nil }
        return KernelNode(type: .list(.string), [text]) { call in
            lists(call) { json, root, values in
                json.findAll(path[...], in: root) { append(json, $0, isText, to: values) }
            }
        }.folded
    }

    private static func lists(
        _ call: KernelCall, _ body: (JSONText, Range<Int>, Column) -> Void
    ) -> Column {
        let values = Column(.string, capacity: call.count * 4)
        return call.buildLists(values) { row in
            let json = JSONText(call.arguments[0].bytes(row))
            guard let root = json.root() else { return malformed }
            body(json, root, values)
            return nil
        }
    }

    private static func append(
        _ json: JSONText, _ range: Range<Int>?, _ isText: Bool, to values: Column
    ) {
        guard let range, let arena = values.arena,
            !isText || json.bytes[range.lowerBound] != UInt8(ascii: "n")
        else { return values.appendNull() }
        let start = arena.count
        if isText, json.bytes[range.lowerBound] == UInt8(ascii: "\"") {
            json.appendUnescaped(range, to: arena)
        } else {
            json.appendCompact(range, to: arena)
        }
        values.appendView(start: start, length: arena.count - start)
    }

    static func path(_ argument: Argument) throws(ExpressionError) -> [JSONText.Step] {
        guard let constant = argument.node as? ConstantNode, !constant.isNull else {
            throw ExpressionError("the path must be a constant", at: argument.range)
        }
        if constant.type == .int64 { return [.index(Int(constant.value.int64s[0]))] }
        guard constant.type == .string, let steps = JSONText.path(constant.value.string(0)) else {
            throw ExpressionError(
                "this is no path into JSON", at: argument.range, fix: "write '$.key[0]'")
        }
        return steps
    }

    /// Texts made of the value at the path; null where there is none.
    private static func extracted(
        _ call: KernelCall, _ path: [JSONText.Step],
        _ body: (JSONText, Range<Int>, ByteArena) -> Bool
    ) -> Column {
        let (result, live) = call.result(.string)
        guard let arena = result.arena else { preconditionFailure("strings have an arena") }
        for row in 0..<call.count where live[row] != 0 {
            let json = JSONText(call.arguments[0].bytes(row))
            guard let root = json.root() else {
                call.fail(row, live, malformed)
                continue
            }
            let start = arena.count
            guard let range = json.find(path, in: root), body(json, range, arena) else {
                live[row] = 0
                continue
            }
            result.views[row] = ByteView.pack(start: start, length: arena.count - start)
        }
        return result
    }

    static let all: [ScalarFunction] = [
        function(
            "json_extract_string json_extract_path_text ->>", "json_extract_string(json, path)",
            "The value at a path as text, strings without quotes; null if there is none. Also json ->> path.",
            #"json_extract_string('{"a": {"b": [1, "x"]}}', '$.a.b[1]')"#, "x", .string,
            pathCount: 1...1
        ) { call, path in
            extracted(call, path) { json, range, arena in
                switch json.bytes[range.lowerBound] {
                case UInt8(ascii: "n"): return false
                case UInt8(ascii: "\""): json.appendUnescaped(range, to: arena)
                default: json.appendCompact(range, to: arena)
                }
                return true
            }
        },
        function(
            "json_extract json_extract_path ->", "json_extract(json, path)",
            "The value at a path as JSON; null if there is none. Also json -> path.",
            #"json_extract('{"a": [1, 2]}', 'a')"#, "[1,2]", .string, pathCount: 1...1
        ) { call, path in
            extracted(call, path) { json, range, arena in
                json.appendCompact(range, to: arena)
                return true
            }
        },
        function(
            "json_value", "json_value(json, path)",
            "The JSON at a path if it is a string, number, true or false; else null.",
            #"json_value('{"a": "x", "b": [1]}', '$.a')"#, "\"x\"", .string, pathCount: 1...1
        ) { call, path in
            extracted(call, path) { json, range, arena in
                switch Unicode.Scalar(json.bytes[range.lowerBound]) {
                case "[", "{", "n": return false
                default: json.appendCompact(range, to: arena)
                }
                return true
            }
        },
        function(
            "json_type", "json_type(json, path)",
            "What the value is: OBJECT, ARRAY, VARCHAR, BOOLEAN, NULL, UBIGINT, BIGINT or DOUBLE.",
            #"json_type('{"a": 1.5}', 'a')"#, "DOUBLE", .string, pathCount: 0...1
        ) { call, path in
            extracted(call, path) { json, range, arena in
                arena.add(kind(json.bytes, range))
                return true
            }
        },
        function(
            "json_valid", "json_valid(text)", "Whether the text is JSON.", #"json_valid('{"a": ')"#,
            "false", .bool, pathCount: 0...0
        ) { call, _ in
            call.mapRowsToBool { JSONText(call.arguments[0].bytes($0)).root() != nil }
        },
        function(
            "json_exists", "json_exists(json, path)", "Whether there is a value at a path.",
            #"json_exists('{"a": null}', '$.a')"#, "true", .bool, pathCount: 1...1
        ) { call, path in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let json = JSONText(call.arguments[0].bytes(row))
                if let root = json.root() {
                    result.bools[row] = json.find(path, in: root) == nil ? 0 : 1
                } else {
                    call.fail(row, live, malformed)
                }
            }
            return result
        },
        function(
            "json_array_length", "json_array_length(json, path)",
            "How many elements the array has; 0 for anything else.", "json_array_length('[1, 2]')",
            "2", .int64, pathCount: 0...1
        ) { call, path in
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let json = JSONText(call.arguments[0].bytes(row))
                guard let root = json.root() else {
                    call.fail(row, live, malformed)
                    continue
                }
                if let range = json.find(path, in: root) {
                    let isArray = json.bytes[range.lowerBound] == UInt8(ascii: "[")
                    result.int64s[row] = isArray ? Int64(json.count(range)) : 0
                } else {
                    live[row] = 0
                }
            }
            return result
        },
        function(
            "json_keys", "json_keys(json, path)",
            "The keys of the object, in order; null if nothing is at the path.",
            #"json_keys('{"a": 1, "b": 2}')"#, "[a, b]", .list(.string), pathCount: 0...1
        ) { call, path in
            let keys = Column(.string, capacity: call.count * 4)
            var missing: [Int] = []
            let result = call.buildLists(keys) { row in
                let json = JSONText(call.arguments[0].bytes(row))
                guard let root = json.root() else { return malformed }
                guard let range = json.find(path, in: root) else {
                    missing.append(row)
                    return nil
                }
                guard let arena = keys.arena, json.bytes[range.lowerBound] == UInt8(ascii: "{")
                else { return nil }
                json.forEachMember(range) { name, _ in
                    let start = arena.count
                    json.appendUnescaped(name, to: arena)
                    keys.appendView(start: start, length: arena.count - start)
                }
                return nil
            }
            return result.nulling(missing)
        },
    ]

    private static func kind(_ bytes: JSONText.Bytes, _ range: Range<Int>) -> String {
        switch Unicode.Scalar(bytes[range.lowerBound]) {
        case "{": return "OBJECT"
        case "[": return "ARRAY"
        case "\"": return "VARCHAR"
        case "t", "f": return "BOOLEAN"
        case "n": return "NULL"
        default:
            let isWhole = bytes[range].allSatisfy { Lexer.isDigit($0) || $0 == UInt8(ascii: "-") }
            guard isWhole else { return "DOUBLE" }
            return bytes[range.lowerBound] == UInt8(ascii: "-") ? "BIGINT" : "UBIGINT"
        }
    }
}
