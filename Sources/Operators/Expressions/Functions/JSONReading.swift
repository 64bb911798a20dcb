import StreamRuntime

/// `from_json`: JSON as values of declared types.
enum JSONReading {
    static func function(_ names: String, isStrict: Bool, _ meaning: String) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        let signature = "\(name)(json, structure)"
        return ScalarFunction(
            names, signature, meaning,
            "\(name)('{\"a\": 1, \"b\": [\"x\"]}', '{\"a\": \"BIGINT\", \"b\": [\"VARCHAR\"]}')",
            "{'a': 1, 'b': [x]}"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, signature)
            let text = try Coercion.implicit(
                arguments[0].node, as: .string, at: arguments[0].range)
            guard let constant = arguments[1].node as? ConstantNode, constant.type == .string,
                !constant.isNull, let tree = JSONTree(text: constant.value.bytes(0)),
                let shape = Shape(tree)
            else {
                throw ExpressionError(
                    "the structure must be a constant JSON of types", at: arguments[1].range,
                    fix: "write '{\"name\": \"VARCHAR\", \"sizes\": [\"BIGINT\"]}'")
            }
            return KernelNode(type: shape.type, [text]) { call in
                let result = Column(shape.type, capacity: call.count)
                for row in 0..<call.count {
                    guard call.arguments[0].isValid(row), call.evaluation.isActive(row) else {
                        result.appendNull()
                        continue
                    }
                    let json = JSONText(call.arguments[0].bytes(row))
                    guard let root = json.root() else {
                        call.evaluation.failures.add(row, JSONChanging.malformed)
                        result.appendNull()
                        continue
                    }
                    if let reason = append(json, root, shape, isStrict, to: result) {
                        call.evaluation.failures.add(row, reason)
                    }
                }
                return result
            }.folded
        }
    }

    /// What a value becomes.
    indirect enum Shape {
        case plain(ColumnType)
        /// The JSON text itself.
        case json
        case list(Shape)
        case structure([(name: [UInt8], shape: Shape)])

        init?(_ tree: JSONTree) {
            switch tree {
            case .plain(let bytes):
                guard bytes.first == UInt8(ascii: "\"") else { return nil }
                let name = String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self)
                    .lowercased()
                if name == "json" || name == "null" {
                    self = .json
                } else if name == "ubigint" || name == "uinteger" {
                    self = .plain(.int64)
                } else {
                    guard let type = TypeText.parse(name), !type.isList, type.stride > 0 else {
                        return nil
                    }
                    self = .plain(type)
                }
            case .array(let items):
                guard items.count == 1, let shape = Shape(items[0]) else { return nil }
                self = .list(shape)
            case .object(let members):
                guard !members.isEmpty else { return nil }
                var fields: [(name: [UInt8], shape: Shape)] = []
                for member in members {
                    guard let shape = Shape(member.value) else { return nil }
                    fields.append((Array(member.key.dropFirst().dropLast()), shape))
                }
                self = .structure(fields)
            }
        }

        var type: ColumnType {
            switch self {
            case .plain(let type): type
            case .json: .string
            case .list(let shape): .list(shape.type)
            case .structure(let fields):
                .structure(
                    fields.map { Field(String(decoding: $0.name, as: UTF8.self), $0.shape.type) })
            }
        }
    }

    /// Appends one value; a reason when it does not fit and that matters.
    private static func append(
        _ json: JSONText, _ range: Range<Int>, _ shape: Shape, _ isStrict: Bool, to column: Column
    ) -> String? {
        let first = json.bytes[range.lowerBound]
        if first == UInt8(ascii: "n") {
            column.appendNull()
            return nil
        }
        switch shape {
        case .json:
            text(json, range, isQuoted: true, to: column)
            return nil
        case .plain(.string):
            text(json, range, isQuoted: false, to: column)
            return nil
        case .plain(let type):
            let words = Column(.string, capacity: 1)
            text(json, range, isQuoted: false, to: words)
            // Words and numbers become each other as casts make them; a text is read.
            let isWord = first == UInt8(ascii: "t") || first == UInt8(ascii: "f")
            var value: ExpressionNode = ConstantNode(words)
            if isWord, type.isNumeric {
                value = CastKernels.node(value, as: .bool)
            } else if type == .bool, !isWord, first != UInt8(ascii: "\"") {
                value = CastKernels.node(value, as: .float64)
            }
            let made = CastKernels.node(value, as: type)
            if let constant = made as? ConstantNode, !constant.isNull {
                column.append(from: constant.value, row: 0)
                return nil
            }
            column.appendNull()
            return isStrict ? "'\(words.string(0))' is not a valid \(type)" : nil
        case .list(let element):
            guard first == UInt8(ascii: "[") else { return misfit(column, "an array", isStrict) }
            let start = column.children[0].count
            var reason: String?
            json.forEachMember(range) { _, value in
                let mine = append(json, value, element, isStrict, to: column.children[0])
                reason = reason ?? mine
            }
            column.appendList(from: start)
            return reason
        case .structure(let fields):
            guard first == UInt8(ascii: "{") else {
                guard isStrict else {
                    for child in column.children { child.appendNull() }
                    column.appendStructure()
                    return nil
                }
                return misfit(column, "an object", isStrict)
            }
            var reason: String?
            for (index, field) in fields.enumerated() {
                if let value = json.find([.key(field.name)], in: range) {
                    let mine = append(
                        json, value, field.shape, isStrict, to: column.children[index])
                    reason = reason ?? mine
                } else {
                    column.children[index].appendNull()
                    if isStrict {
                        let name = String(decoding: field.name, as: UTF8.self)
                        reason = reason ?? "the object has no key \"\(name)\""
                    }
                }
            }
            column.appendStructure()
            return reason
        }
    }

    private static func misfit(_ column: Column, _ wanted: String, _ isStrict: Bool) -> String? {
        column.appendNull()
        return isStrict ? "the JSON is not \(wanted)" : nil
    }

    private static func text(
        _ json: JSONText, _ range: Range<Int>, isQuoted: Bool, to column: Column
    ) {
        guard let arena = column.arena else { preconditionFailure("strings have an arena") }
        let start = arena.count
        if !isQuoted, json.bytes[range.lowerBound] == UInt8(ascii: "\"") {
            json.appendUnescaped(range, to: arena)
        } else {
            json.appendCompact(range, to: arena)
        }
        column.appendView(start: start, length: arena.count - start)
    }
}
