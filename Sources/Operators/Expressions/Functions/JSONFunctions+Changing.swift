import StreamRuntime

/// Functions that change JSON and tell what it is made of.
enum JSONChanging {
    static let malformed = "the text is not JSON"

    /// A text made of one JSON value.
    private static func mapping(
        _ name: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping (JSONTree, ByteArena) -> Void
    ) -> ScalarFunction {
        ScalarFunction(
            name, "\(name)(json)", meaning, example, result,
            [
                Overload([.string], canFail: true, .string) { call in
                    call.buildText { row, arena in
                        guard let tree = JSONTree(text: call.arguments[0].bytes(row)) else {
                            return malformed
                        }
                        body(tree, arena)
                        return nil
                    }
                }
            ])
    }

    /// JSON made of two or more.
    private static func combining(
        _ name: String, _ meaning: String, _ example: String, _ result: String,
        isPatch: Bool, _ body: @escaping (JSONTree, JSONTree) -> JSONTree
    ) -> ScalarFunction {
        ScalarFunction(name, "\(name)(json, other, …)", meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 2...(isPatch ? 50 : 2), "\(name)(json, other, …)")
            var nodes: [ExpressionNode] = []
            for argument in arguments {
                nodes.append(try Coercion.implicit(argument.node, as: .string, at: argument.range))
            }
            return KernelNode(type: .string, nodes) { call in
                let (result, live) = call.result(.string)
                let (none, active) = KernelCall(
                    arguments: [], count: call.count, type: .string, evaluation: call.evaluation
                ).result(.bool)
                defer { withExtendedLifetime(none) {} }
                guard let arena = result.arena else { preconditionFailure("strings have an arena") }
                for row in 0..<call.count where active[row] != 0 {
                    // A null is no value to begin with; one put onto a value makes all null.
                    var made: JSONTree?
                    var isValid = true
                    for column in call.arguments {
                        guard column.isValid(row) else {
                            made = nil
                            continue
                        }
                        guard let tree = JSONTree(text: column.bytes(row)) else {
                            isValid = false
                            break
                        }
                        made = made.map { body($0, tree) } ?? tree
                    }
                    guard isValid else {
                        call.fail(row, live, malformed)
                        continue
                    }
                    let start = arena.count
                    made?.append(to: arena)
                    live[row] = made == nil ? 0 : 1
                    result.views[row] = ByteView.pack(start: start, length: arena.count - start)
                }
                return result
            }.folded
        }
    }

    private static func changing(
        _ name: String, _ meaning: String, _ example: String, _ result: String,
        _ change: JSONTree.Change
    ) -> ScalarFunction {
        let signature = "\(name)(json, path, x)"
        return ScalarFunction(name, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 3...3, signature)
            let text = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            let path = try JSONFunctions.path(arguments[1])
            var value = arguments[2].node
            if Coercion.isUntyped(value) {
                value = try Coercion.implicit(value, as: .string, at: arguments[2].range)
            }
            return KernelNode(type: .string, [text, value]) { call in
                call.buildText { row, arena in
                    guard let tree = JSONTree(text: call.arguments[0].bytes(row)) else {
                        return malformed
                    }
                    guard let value = self.value(call.arguments[1], row) else {
                        return "the new value is not JSON"
                    }
                    tree.changed(path[...], change, to: value).append(to: arena)
                    return nil
                }
            }.folded
        }
    }

    /// A text is JSON as it is; other values are made JSON.
    private static func value(_ column: Column, _ row: Int) -> JSONTree? {
        if column.type == .string { return JSONTree(text: column.bytes(row)) }
        let arena = ByteArena(capacity: 64)
        JSONWriter.append(column, row, to: arena)
        return JSONTree(
            text: UnsafeBufferPointer(start: UnsafePointer(arena.base), count: arena.count))
    }

    static let all: [ScalarFunction] = [
        mapping("json", "The JSON without blanks.", #"json('{"a" : 1}')"#, #"{"a":1}"#) {
            $0.append(to: $1)
        },
        mapping(
            "json_normalize", "The JSON with keys in order and without blanks.",
            #"json_normalize('{"b": 1, "a": 2}')"#, #"{"a":2,"b":1}"#
        ) { $0.normalized.append(to: $1) },
        mapping(
            "json_pretty", "The JSON on several lines.", "json_pretty('[]')", "[]"
        ) { $0.appendPretty(to: $1) },
        mapping(
            "json_strip_nulls", "The JSON without members of objects that are null.",
            #"json_strip_nulls('{"a": null, "b": [null]}')"#, #"{"b":[null]}"#
        ) { $0.withoutNulls.append(to: $1) },
        mapping(
            "json_structure", "The types of the values in the JSON, as from_json takes them.",
            #"json_structure('{"a": 1, "b": ["x"]}')"#, #"{"a":"UBIGINT","b":["VARCHAR"]}"#
        ) { JSONShape($0).tree.append(to: $1) },
        combining(
            "json_merge_patch", "The JSON changed as RFC 7396 says: null removes.",
            #"json_merge_patch('{"a": 1, "b": 2}', '{"b": null, "c": 3}')"#, #"{"a":1,"c":3}"#,
            isPatch: true
        ) { $0.patched($1) },
        combining(
            "json_deep_merge", "The objects put into one at every depth; nulls change nothing.",
            #"json_deep_merge('{"a": {"x": 1}}', '{"a": {"y": 2}}')"#, #"{"a":{"x":1,"y":2}}"#,
            isPatch: true
        ) { $0.merged($1) },
        combining(
            "json_merge_patch_diff", "The patch that turns the first JSON into the other.",
            #"json_merge_patch_diff('{"a": 1, "b": 2}', '{"a": 1, "c": 3}')"#,
            #"{"b":null,"c":3}"#, isPatch: false
        ) { $0.difference($1) },
        changing(
            "json_set", "The JSON with the value at the path, made if need be, changed to x.",
            #"json_set('{"a": 1}', '$.b', 2)"#, #"{"a":1,"b":2}"#, .set),
        changing(
            "json_insert", "The JSON with x at the path if nothing is there.",
            #"json_insert('{"a": 1}', '$.a', 2)"#, #"{"a":1}"#, .insert),
        changing(
            "json_replace", "The JSON with x at the path if something is there.",
            #"json_replace('{"a": 1}', '$.a', [1, 2])"#, #"{"a":[1,2]}"#, .replace),
        ScalarFunction(
            "json_remove", "json_remove(json, path)",
            "The JSON without what is at the path; null if that is all of it.",
            #"json_remove('{"a": 1, "b": 2}', '$.a')"#, #"{"b":2}"#
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "json_remove(json, path)")
            let text = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            let path = try JSONFunctions.path(arguments[1])
            return KernelNode(type: .string, [text]) { call in
                let result = call.buildText { row, arena in
                    guard let tree = JSONTree(text: call.arguments[0].bytes(row)) else {
                        return malformed
                    }
                    tree.changed(path[...], .remove, to: .null).append(to: arena)
                    return nil
                }
                return path.isEmpty ? result.nulling(Array(0..<call.count)) : result
            }.folded
        },
        ScalarFunction(
            "json_contains", "json_contains(json, other)",
            "Whether the other JSON is in the first one: equal, or as some members or elements.",
            #"json_contains('{"a": [1, 2]}', '1')"#, "true",
            [
                Overload([.string, .string], canFail: true, .bool) { call in
                    let (result, live) = call.result()
                    for row in 0..<call.count where live[row] != 0 {
                        if let tree = JSONTree(text: call.arguments[0].bytes(row)),
                            let other = JSONTree(text: call.arguments[1].bytes(row))
                        {
                            result.bools[row] = tree.contains(other) ? 1 : 0
                        } else {
                            call.fail(row, live, malformed)
                        }
                    }
                    return result
                }
            ]),
        JSONReading.function(
            "from_json json_transform", isStrict: false,
            "A value of the types a constant JSON structure names; what does not fit is null."),
        JSONReading.function(
            "from_json_strict json_transform_strict", isStrict: true,
            "Like from_json; what does not fit fails the row."),
    ]
}

/// The types of the values in JSON.
private indirect enum JSONShape {
    case none
    case named(String)
    case list(JSONShape)
    case object([(key: [UInt8], shape: JSONShape)])

    init(_ tree: JSONTree) {
        switch tree {
        case .plain(let bytes):
            switch Unicode.Scalar(bytes[0]) {
            case "\"": self = .named("VARCHAR")
            case "t", "f": self = .named("BOOLEAN")
            case "n": self = .none
            default:
                let isWhole = bytes.allSatisfy { Lexer.isDigit($0) || $0 == UInt8(ascii: "-") }
                let text = String(decoding: bytes, as: UTF8.self)
                if isWhole, UInt64(text) != nil {
                    self = .named("UBIGINT")
                } else {
                    self = .named(isWhole && Int64(text) != nil ? "BIGINT" : "DOUBLE")
                }
            }
        case .array(let items):
            self = .list(items.reduce(.none) { $0.joined(JSONShape($1)) })
        case .object(let members):
            self =
                members.isEmpty
                ? .named("JSON") : .object(members.map { ($0.key, JSONShape($0.value)) })
        }
    }

    private func joined(_ other: JSONShape) -> JSONShape {
        switch (self, other) {
        case (.none, _): return other
        case (_, .none): return self
        case (.named(let a), .named(let b)):
            if a == b { return self }
            let numbers: Set = ["UBIGINT", "BIGINT", "DOUBLE", "HUGEINT"]
            guard numbers.contains(a), numbers.contains(b) else { return .named("JSON") }
            return .named(a == "DOUBLE" || b == "DOUBLE" ? "DOUBLE" : "HUGEINT")
        case (.list(let a), .list(let b)): return .list(a.joined(b))
        case (.object(var a), .object(let b)):
            for member in b {
                if let place = a.firstIndex(where: { $0.key == member.key }) {
                    a[place].shape = a[place].shape.joined(member.shape)
                } else {
                    a.append(member)
                }
            }
            return .object(a)
        default: return .named("JSON")
        }
    }

    var tree: JSONTree {
        switch self {
        case .none: .plain(Array("\"NULL\"".utf8))
        case .named(let name): .plain(Array("\"\(name)\"".utf8))
        case .list(let shape): .array([shape.tree])
        case .object(let members): .object(members.map { ($0.key, $0.shape.tree) })
        }
    }
}
