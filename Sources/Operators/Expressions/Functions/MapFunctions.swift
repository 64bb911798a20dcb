import StreamRuntime

/// Functions of maps, which are lists of `{key, value}` with different keys.
enum MapFunctions {
    typealias Argument = ScalarFunction.Argument

    static func type(key: ColumnType, value: ColumnType) -> ColumnType {
        .list(.structure([Field("key", key), Field("value", value)]))
    }

    /// The argument, which must be a map, and the types of its keys and values.
    private static func map(
        _ argument: Argument
    ) throws(ExpressionError) -> (ExpressionNode, key: ColumnType, value: ColumnType) {
        if (argument.node as? ConstantNode)?.literal == .null {
            return (ConstantNode.null(type(key: .string, value: .int64)), .string, .int64)
        }
        guard case .list(.structure(let fields)) = argument.node.type, fields.count == 2 else {
            throw ExpressionError(
                "a map is needed here, and this is \(argument.node.type)", at: argument.range,
                fix: "a map is a list of structs of a key and a value")
        }
        return (argument.node, fields[0].type, fields[1].type)
    }

    private static func keys(_ map: Column) -> Column { map.children[0].children[0] }
    private static func values(_ map: Column) -> Column { map.children[0].children[1] }

    /// One column of the map's entries as a list.
    private static func part(
        _ names: String, _ meaning: String, _ example: String, _ result: String, _ index: Int
    ) -> ScalarFunction {
        let signature = "\(names)(map)"
        return ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, signature)
            let (map, key, value) = try map(arguments[0])
            let type = ColumnType.list(index == 0 ? key : value)
            return KernelNode(type: type, [map], canFail: false) { call in
                let source = call.arguments[0]
                let result = Column(
                    type, capacity: call.count, arena: nil,
                    children: [source.children[0].children[index]])
                if let validity = source.validity {
                    Validity.and(result.ensureValidity(), validity, call.count)
                }
                for row in 0..<call.count { result.views[row] = source.views[row] }
                result.setCount(call.count)
                return result
            }.folded
        }
    }

    /// The entry of a key, compared with what a kernel's second argument has.
    private static func entry(_ call: KernelCall, _ row: Int) -> Int? {
        ListFunctions.elements(call.arguments[0], row).first {
            RowComparison.compare(keys(call.arguments[0]), $0, call.arguments[1], row) == 0
        }
    }

    /// A map and a key of it.
    private static func mapAndKey(
        _ arguments: [Argument]
    ) throws(ExpressionError) -> ([ExpressionNode], value: ColumnType) {
        let (map, key, value) = try map(arguments[0])
        let wanted = try Coercion.implicit(arguments[1].node, as: key, at: arguments[1].range)
        return ([map, wanted], value)
    }

    /// A map of entries that come one by one; a null or repeated key fails the row.
    private static func build(
        _ call: KernelCall, _ body: (Int, (Column, Int, Column, Int) -> Bool) -> Void
    ) -> Column {
        let result = Column(call.type, capacity: call.count)
        let entries = result.children[0]
        let (known, live) = call.result(.bool)
        defer { withExtendedLifetime(known) {} }
        for row in 0..<call.count {
            guard live[row] != 0 else {
                result.appendNull()
                continue
            }
            let start = entries.count
            var reason: String?
            body(row) { key, keyRow, value, valueRow in
                if !key.isValid(keyRow) {
                    reason = "a key of a map is null"
                } else if (start..<entries.count).contains(where: {
                    RowComparison.compare(entries.children[0], $0, key, keyRow) == 0
                }) {
                    reason = "a map has the key \(key.valueText(keyRow)) twice"
                }
                guard reason == nil else { return false }
                entries.children[0].append(from: key, row: keyRow)
                if value.count == 0 {
                    entries.children[1].appendNull()
                } else {
                    entries.children[1].append(from: value, row: valueRow)
                }
                entries.appendStructure()
                return true
            }
            if let reason {
                call.evaluation.failures.add(row, reason)
                result.appendNull()
            } else {
                result.appendList(from: start)
            }
        }
        return result
    }

    static let all: [ScalarFunction] = making + reading

    private static let making: [ScalarFunction] = [
        ScalarFunction(
            "map", "map(keys, values)",
            "The map from the keys to the values at the same places: a list of `{key, value}`. Also map {key: value, …}.",
            "map(['a', 'b'], [1, 2])", "[{'key': a, 'value': 1}, {'key': b, 'value': 2}]"
        ) { (arguments, range) throws(ExpressionError) in
            if arguments.isEmpty {
                return Constants.emptyList(
                    of: .structure([Field("key", .string), Field("value", .int64)]))
            }
            try ConditionFunctions.require(arguments, range, 2...2, "map(keys, values)")
            let (keys, key) = try ListFunctions.list(arguments[0])
            let (values, value) = try ListFunctions.list(arguments[1])
            return KernelNode(type: type(key: key, value: value), [keys, values]) { call in
                let (keys, values) = (call.arguments[0], call.arguments[1])
                return build(call) { row, add in
                    let mine = ListFunctions.elements(keys, row)
                    let other = ListFunctions.elements(values, row)
                    guard mine.count == other.count else {
                        call.evaluation.failures.add(
                            row, "map of \(mine.count) keys and \(other.count) values")
                        return
                    }
                    for (key, value) in zip(mine, other) {
                        guard add(keys.children[0], key, values.children[0], value) else { return }
                    }
                }
            }.folded
        },
        ScalarFunction(
            "map_from_entries", "map_from_entries(list)",
            "The map of a list of structs of a key and a value.",
            "map_from_entries([{k: 'a', v: 1}])", "[{'key': a, 'value': 1}]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "map_from_entries(list)")
            let (list, key, value) = try map(arguments[0])
            return KernelNode(type: type(key: key, value: value), [list]) { call in
                build(call) { row, add in
                    for index in ListFunctions.elements(call.arguments[0], row) {
                        guard
                            add(keys(call.arguments[0]), index, values(call.arguments[0]), index)
                        else { return }
                    }
                }
            }.folded
        },
        ScalarFunction(
            "map_concat", "map_concat(map, other, …)",
            "The entries of all maps; of equal keys the last map's value counts.",
            "map_concat(map(['a'], [1]), map(['a', 'b'], [3, 2]))",
            "[{'key': a, 'value': 3}, {'key': b, 'value': 2}]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...50, "map_concat(map, other, …)")
            let nodes = try ConditionFunctions.unified(arguments)
            _ = try map((nodes[0], arguments[0].range))
            return KernelNode(type: nodes[0].type, nodes) { concatenated($0) }.folded
        },
    ]

    private static func concatenated(_ call: KernelCall) -> Column {
        let result = Column(call.type, capacity: call.count)
        let entries = result.children[0]
        for row in 0..<call.count {
            let start = entries.count
            var isNull = true
            for (index, map) in call.arguments.enumerated() where map.isValid(row) {
                isNull = false
                for entry in ListFunctions.elements(map, row) {
                    func has(_ other: Column, _ rows: Range<Int>) -> Int? {
                        rows.last {
                            RowComparison.compare(keys(map), entry, keys(other), $0) == 0
                        }
                    }
                    let isKnown = (start..<entries.count).contains {
                        RowComparison.compare(entries.children[0], $0, keys(map), entry) == 0
                    }
                    guard !isKnown else { continue }
                    // The value is the last map's that has the key.
                    var from = (map: map, entry: entry)
                    for later in call.arguments[(index + 1)...] where later.isValid(row) {
                        if let found = has(later, ListFunctions.elements(later, row)) {
                            from = (later, found)
                        }
                    }
                    entries.children[0].append(from: keys(map), row: entry)
                    entries.children[1].append(from: values(from.map), row: from.entry)
                    entries.appendStructure()
                }
            }
            if isNull { result.appendNull() } else { result.appendList(from: start) }
        }
        return result
    }

    private static let reading: [ScalarFunction] = [
        part("map_keys", "The keys.", "map_keys(map(['a', 'b'], [1, 2]))", "[a, b]", 0),
        part("map_values", "The values.", "map_values(map(['a', 'b'], [1, 2]))", "[1, 2]", 1),
        ScalarFunction(
            "map_entries", "map_entries(map)", "The list of `{key, value}` that the map is.",
            "map_entries(map(['a'], [1]))", "[{'key': a, 'value': 1}]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "map_entries(map)")
            return try map(arguments[0]).0
        },
        ScalarFunction(
            "map_extract element_at", "map_extract(map, key)",
            "A list of the key's value; empty if the map has no such key, or it is null.",
            "map_extract(map(['a', 'b'], [1, 2]), 'b')", "[2]"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "map_extract(map, key)")
            let (nodes, value) = try mapAndKey(arguments)
            return KernelNode(type: .list(value), nodes, canFail: false) { call in
                // No map has a null key: only a null map makes null.
                let found = Column(value, capacity: call.count)
                return call.of([call.arguments[0]]).buildLists(found) { row in
                    if let entry = entry(call, row) {
                        found.append(from: values(call.arguments[0]), row: entry)
                    }
                    return nil
                }
            }.folded
        },
        ScalarFunction(
            "map_extract_value", "map_extract_value(map, key)",
            "The key's value; null if the map has no such key.",
            "map_extract_value(map(['a', 'b'], [1, 2]), 'b')", "2"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "map_extract_value(map, key)")
            let (nodes, value) = try mapAndKey(arguments)
            return KernelNode(type: value, nodes, canFail: false) { call in
                let (known, live) = call.result(.bool)
                defer { withExtendedLifetime(known) {} }
                let result = Column(value, capacity: call.count)
                for row in 0..<call.count {
                    if live[row] != 0, let entry = entry(call, row) {
                        result.append(from: values(call.arguments[0]), row: entry)
                    } else {
                        result.appendNull()
                    }
                }
                return result
            }.folded
        },
        ScalarFunction(
            "map_contains", "map_contains(map, key)", "Whether the map has the key.",
            "map_contains(map(['a'], [1]), 'a')", "true"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "map_contains(map, key)")
            return KernelNode(type: .bool, try mapAndKey(arguments).0, canFail: false) { call in
                call.mapRowsToBool { entry(call, $0) != nil }
            }.folded
        },
        ScalarFunction(
            "map_contains_value", "map_contains_value(map, x)", "Whether some key has the value.",
            "map_contains_value(map(['a'], [1]), 1)", "true"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "map_contains_value(map, x)")
            let (map, _, value) = try map(arguments[0])
            let wanted = try Coercion.implicit(
                arguments[1].node, as: value, at: arguments[1].range)
            return KernelNode(type: .bool, [map, wanted], canFail: false) { call in
                let all = values(call.arguments[0])
                return call.mapRowsToBool { row in
                    ListFunctions.elements(call.arguments[0], row).contains {
                        RowComparison.compare(all, $0, call.arguments[1], row) == 0
                    }
                }
            }.folded
        },
        ScalarFunction(
            "map_contains_entry", "map_contains_entry(map, key, x)",
            "Whether the key has the value; nulls are equal.",
            "map_contains_entry(map(['a'], [1]), 'a', 2)", "false"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(
                arguments, range, 3...3, "map_contains_entry(map, key, x)")
            let (nodes, value) = try mapAndKey(arguments)
            let wanted = try Coercion.implicit(
                arguments[2].node, as: value, at: arguments[2].range)
            return KernelNode(type: .bool, nodes + [wanted], canFail: false) { call in
                let all = values(call.arguments[0])
                return call.of([call.arguments[0]]).mapRowsToBool { row in
                    guard let entry = entry(call, row) else { return false }
                    return RowComparison.compare(all, entry, call.arguments[2], row) == 0
                }
            }.folded
        },
        ScalarFunction(
            "cardinality", "cardinality(map)", "How many entries the map has.",
            "cardinality(map(['a', 'b'], [1, 2]))", "2"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...1, "cardinality(map)")
            return KernelNode(type: .int64, [try map(arguments[0]).0], canFail: false) {
                ListFunctions.lengths($0)
            }.folded
        },
    ]
}
