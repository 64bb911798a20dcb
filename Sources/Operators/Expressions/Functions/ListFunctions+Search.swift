import StreamRuntime

// Functions that search lists, sum them up and rearrange them.
extension ListFunctions {
    /// A test of a list and a value.
    private static func search(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ type: ColumnType, _ kernel: @escaping KernelNode.Kernel
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, signature)
            let (list, value, _) = try listAndValue(arguments[0], arguments[1])
            return KernelNode(type: type, [list, value], canFail: false, kernel).folded
        }
    }

    private static func position(_ call: KernelCall, _ row: Int) -> Int? {
        let list = call.arguments[0]
        let range = elements(list, row)
        return range.first {
            RowComparison.compare(list.children[0], $0, call.arguments[1], row) == 0
        }.map { $0 - range.lowerBound + 1 }
    }

    /// A test of two lists.
    private static func sets(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ type: @escaping (ColumnType) -> ColumnType,
        _ kernel: @escaping KernelNode.Kernel
    ) -> ScalarFunction {
        ScalarFunction(names, signature, meaning, example, result) {
            (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, signature)
            let (left, a) = try list(arguments[0])
            let (right, b) = try list(arguments[1])
            guard let element = Coercion.join(a, b) else {
                throw ExpressionError(
                    "\(left.type) and \(right.type) have no common elements", at: range)
            }
            let nodes = [left, right].map { CastKernels.node($0, as: .list(element)) }
            return KernelNode(type: type(element), nodes, canFail: false, kernel).folded
        }
    }

    private static func has(_ list: Column, _ row: Int, _ other: Column, _ element: Int) -> Bool {
        elements(list, row).contains {
            RowComparison.compare(list.children[0], $0, other, element) == 0
        }
    }

    static let finding: [ScalarFunction] = [
        search(
            "list_contains list_has array_contains array_has", "list_contains(list, x)",
            "Whether x is in the list. Also x in list.", "list_contains([1, 2], 2)", "true", .bool
        ) { call in call.mapRowsToBool { position(call, $0) != nil } },
        search(
            "list_position list_indexof array_position array_indexof", "list_position(list, x)",
            "The place of x in the list, from 1; null if it is not there.",
            "list_position([1, 2], 2)", "2",
            .int64
        ) { call in
            // A null may be looked for, so only the list need be there.
            let (result, live) = call.of([call.arguments[0]]).result()
            for row in 0..<call.count where live[row] != 0 {
                if let place = position(call, row) {
                    result.int64s[row] = Int64(place)
                } else {
                    live[row] = 0
                }
            }
            return result
        },
        sets(
            "list_has_any array_has_any", "list_has_any(list, other)",
            "Whether some element is in both lists.",
            "list_has_any([1, 2], [2, 3])", "true", { _ in .bool }
        ) { call in
            call.mapRowsToBool { row in
                let (list, other) = (call.arguments[0], call.arguments[1])
                return elements(other, row).contains {
                    other.children[0].isValid($0) && has(list, row, other.children[0], $0)
                }
            }
        },
        sets(
            "list_has_all array_has_all", "list_has_all(list, other)",
            "Whether every element of the other list is in the list.",
            "list_has_all([1, 2], [2, 3])", "false",
            { _ in .bool }
        ) { call in
            call.mapRowsToBool { row in
                let (list, other) = (call.arguments[0], call.arguments[1])
                return elements(other, row).allSatisfy {
                    !other.children[0].isValid($0) || has(list, row, other.children[0], $0)
                }
            }
        },
        sets(
            "list_intersect array_intersect", "list_intersect(list, other)",
            "The different elements that are in both lists, in the order of the first.",
            "list_intersect([3, 1, 2], [2, 3])", "[3, 2]", { .list($0) }
        ) { call in
            let (list, other) = (call.arguments[0], call.arguments[1])
            let values = Column(list.children[0].type, capacity: call.count * 4)
            // Nothing is in a null list.
            return call.of([list]).buildLists(values) { row in
                guard other.isValid(row) else { return nil }
                let start = values.count
                for index in elements(list, row)
                where list.children[0].isValid(index) && has(other, row, list.children[0], index) {
                    let isNew = (start..<values.count).allSatisfy {
                        RowComparison.compare(values, $0, list.children[0], index) != 0
                    }
                    if isNew { values.append(from: list.children[0], row: index) }
                }
                return nil
            }
        },
        ofList(
            "list_count", "list_count(list)", "How many elements are not null.",
            "list_count([1, null])", "1", { _ in .int64 }
        ) { call in
            let values = call.arguments[0].children[0]
            return call.mapRowsToInteger { row in
                Int64(elements(call.arguments[0], row).count { values.isValid($0) })
            }
        },
        ofList(
            "list_unique array_unique list_approx_count_distinct", "list_unique(list)",
            "How many different elements there are, nulls left out.",
            "list_unique([1, 1, 2, null])", "2", { _ in .int64 }
        ) { call in
            let list = call.arguments[0]
            return call.mapRowsToInteger { row in
                Int64(ListOrder.distinct(list.children[0], elements(list, row)).count)
            }
        },
        ofList(
            "list_min", "list_min(list)", "The smallest element.", "list_min([3, null, 1])", "1",
            { $0 }
        ) { extreme($0, -1) },
        ofList(
            "list_max", "list_max(list)", "The largest element.", "list_max(['a', 'b'])", "b",
            { $0 }
        ) { extreme($0, 1) },
        ListSums.sum, ListSums.average, ListSums.product,
    ]

    private static func extreme(_ call: KernelCall, _ sign: Int) -> Column {
        let values = call.arguments[0].children[0]
        return pick(call) { _, elements in
            var best: Int?
            for index in elements where values.isValid(index) {
                if let known = best, RowComparison.compare(values, index, values, known) * sign <= 0
                {
                    continue
                }
                best = index
            }
            return best
        }
    }

    /// A list of the same elements in another order, or fewer of them.
    private static func rearranged(
        _ names: String, _ signature: String, _ meaning: String, _ example: String,
        _ result: String, _ body: @escaping (Column, Range<Int>) -> [Int]
    ) -> ScalarFunction {
        ofList(names, signature, meaning, example, result, { .list($0) }) { call in
            let list = call.arguments[0]
            let values = Column(list.children[0].type, capacity: list.children[0].count)
            return call.buildLists(values) { row in
                for index in body(list.children[0], elements(list, row)) {
                    values.append(from: list.children[0], row: index)
                }
                return nil
            }
        }
    }

    static let changing: [ScalarFunction] = [
        ListOrder.sort,
        rearranged(
            "list_reverse_sort array_reverse_sort", "list_reverse_sort(list)",
            "The elements from largest to smallest, nulls last.", "list_reverse_sort([1, null, 2])",
            "[2, 1, NULL]"
        ) { ListOrder.sorted($0, $1, descending: true, nullsFirst: false) },
        rearranged(
            "list_reverse array_reverse", "list_reverse(list)", "The elements from last to first.",
            "list_reverse([1, 2])", "[2, 1]"
        ) { Array($1.reversed()) },
        rearranged(
            "list_distinct array_distinct", "list_distinct(list)",
            "Each different element once, in the order they first come, nulls left out.",
            "list_distinct([2, 1, 2, null])", "[2, 1]"
        ) { ListOrder.distinct($0, $1) },
        joined(
            "array_to_string array_to_string_comma_default",
            "The texts of the elements with a separator between them, nulls left out; null if all are.",
            isAggregate: false),
        joined(
            "list_string_agg list_group_concat list_listagg",
            "Like array_to_string, and null of an empty list.", isAggregate: true),
    ]

    private static func joined(
        _ names: String, _ meaning: String, isAggregate: Bool
    ) -> ScalarFunction {
        let name = names.prefix { $0 != " " }
        let signature = "\(name)(list, separator)"
        return ScalarFunction(
            names, signature, meaning, "\(name)([1, null, 3], '-')", "1-3"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 1...2, signature)
            let (list, _) = try list(arguments[0])
            var separator: ExpressionNode = Constants.text(",")
            if arguments.count == 2 {
                separator = try Coercion.implicit(
                    arguments[1].node, as: .string, at: arguments[1].range)
            }
            let texts = CastKernels.node(list, as: .list(.string))
            return KernelNode(type: .string, [texts, separator], canFail: false) { call in
                let values = call.arguments[0].children[0]
                var empty: [Int] = []
                let result = call.buildText { row, arena in
                    var isFirst = true
                    let range = elements(call.arguments[0], row)
                    for index in range where values.isValid(index) {
                        if !isFirst { arena.add(call.arguments[1].bytes(row)) }
                        isFirst = false
                        arena.add(values.bytes(index))
                    }
                    if isFirst, isAggregate || !range.isEmpty { empty.append(row) }
                    return nil
                }
                return result.nulling(empty)
            }.folded
        }
    }
}
