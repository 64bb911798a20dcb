import StreamRuntime

/// Sorting lists and finding their different elements.
enum ListOrder {
    /// The rows in order of their values; equal ones stay in theirs.
    static func sorted(
        _ values: Column, _ rows: Range<Int>, descending: Bool, nullsFirst: Bool
    ) -> [Int] {
        rows.sorted { left, right in
            let leftIsNull = !values.isValid(left)
            let rightIsNull = !values.isValid(right)
            if leftIsNull != rightIsNull { return leftIsNull == nullsFirst }
            let order = RowComparison.compare(values, left, values, right)
            return order == 0 ? left < right : (order < 0) != descending
        }
    }

    /// The first row of each different value, in order; nulls left out.
    static func distinct(_ values: Column, _ rows: Range<Int>) -> [Int] {
        let valid = rows.filter { values.isValid($0) }
        let ordered = valid.sorted { left, right in
            let order = RowComparison.compare(values, left, values, right)
            return order == 0 ? left < right : order < 0
        }
        var firsts: [Int] = []
        var previous: Int?
        for row in ordered {
            if let previous, RowComparison.compare(values, previous, values, row) == 0 { continue }
            previous = row
            firsts.append(row)
        }
        return firsts.sorted()
    }

    /// What the arguments after the list say of its order.
    static func order(
        _ arguments: ArraySlice<ScalarFunction.Argument>
    ) throws(ExpressionError) -> (descending: Bool, nullsFirst: Bool) {
        var descending = false
        var nullsFirst = false
        for argument in arguments {
            let constant = argument.node as? ConstantNode
            let word = constant?.type == .string ? constant?.value.string(0).lowercased() : nil
            switch word {
            case "asc": descending = false
            case "desc": descending = true
            case "nulls first": nullsFirst = true
            case "nulls last": nullsFirst = false
            default:
                throw ExpressionError(
                    "an order is one of 'asc', 'desc', 'nulls first' and 'nulls last'",
                    at: argument.range)
            }
        }
        return (descending, nullsFirst)
    }

    static let sort = ScalarFunction(
        "list_sort array_sort", "list_sort(list, order, nulls)",
        "The elements from smallest to largest, or 'desc', nulls last, or 'nulls first'.",
        "list_sort([3, null, 1], 'desc')", "[3, 1, NULL]"
    ) { (arguments, range) throws(ExpressionError) in
        try ConditionFunctions.require(arguments, range, 1...3, "list_sort(list, order, nulls)")
        let (list, element) = try ListFunctions.list(arguments[0])
        let (isDescending, areNullsFirst) = try order(arguments.dropFirst())
        return KernelNode(type: .list(element), [list], canFail: false) { call in
            let list = call.arguments[0]
            let values = Column(element, capacity: list.children[0].count)
            return call.buildLists(values) { row in
                let order = sorted(
                    list.children[0], ListFunctions.elements(list, row), descending: isDescending,
                    nullsFirst: areNullsFirst)
                for index in order { values.append(from: list.children[0], row: index) }
                return nil
            }
        }.folded
    }
}

/// Sums over lists.
enum ListSums {
    static let sum = ListFunctions.ofList(
        "list_sum", "list_sum(list)",
        "The sum of the elements, nulls left out; null if there are none.",
        "list_sum([1, 2, null])", "3",
        { type in
            switch type {
            case .int64: .decimal(precision: 38, scale: 0)
            case .decimal(_, let scale): .decimal(precision: 38, scale: scale)
            case .float64: .float64
            default: nil
            }
        }
    ) { call in
        let list = call.arguments[0]
        let values = list.children[0]
        let (result, live) = call.result()
        for row in 0..<call.count where live[row] != 0 {
            var exact: Int128 = 0
            var double = 0.0
            var seen = false
            var overflows = false
            for index in ListFunctions.elements(list, row) where values.isValid(index) {
                seen = true
                switch values.type {
                case .float64: double += values.float64s[index]
                case .int64: exact += Int128(values.int64s[index])
                default:
                    let (next, overflow) = exact.addingReportingOverflow(values.decimals[index])
                    exact = next
                    overflows = overflows || overflow || next.magnitude >= Decimals.limit.magnitude
                }
            }
            if overflows {
                call.fail(row, live, "overflow in list_sum")
            } else if !seen {
                live[row] = 0
            } else if values.type == .float64 {
                result.float64s[row] = double
            } else {
                result.decimals[row] = exact
            }
        }
        return result
    }

    private static func double(_ values: Column, _ index: Int) -> Double {
        switch values.type {
        case .int64: return Double(values.int64s[index])
        case .decimal(_, let scale): return Decimals.double(values.decimals[index], scale: scale)
        default: return values.float64s[index]
        }
    }

    static let average = ListFunctions.ofList(
        "list_avg", "list_avg(list)",
        "The mean of the elements, nulls left out; null if there are none.",
        "list_avg([1, 2, null])", "1.5", { $0.isNumeric ? .float64 : nil }
    ) { call in
        let values = call.arguments[0].children[0]
        guard values.type == .int64 else {
            return folded(call, 0, { $0 + $1 }, { $0 / Double($1) })
        }
        let (result, live) = call.result()
        for row in 0..<call.count where live[row] != 0 {
            var total: Int128 = 0
            var seen = 0
            for index in ListFunctions.elements(call.arguments[0], row) where values.isValid(index)
            {
                total += Int128(values.int64s[index])
                seen += 1
            }
            if seen == 0 {
                live[row] = 0
            } else {
                result.float64s[row] = Double(total) / Double(seen)
            }
        }
        return result
    }

    static let product = ListFunctions.ofList(
        "list_product", "list_product(list)",
        "The product of the elements, nulls left out; null if there are none.",
        "list_product([2, 3])", "6.0", { $0.isNumeric ? .float64 : nil }
    ) { call in folded(call, 1, { $0 * $1 }, { total, _ in total }) }

    private static func folded(
        _ call: KernelCall, _ start: Double, _ step: (Double, Double) -> Double,
        _ finish: (Double, Int) -> Double
    ) -> Column {
        let list = call.arguments[0]
        let (result, live) = call.result()
        for row in 0..<call.count where live[row] != 0 {
            var total = start
            var seen = 0
            for index in ListFunctions.elements(list, row) where list.children[0].isValid(index) {
                total = step(total, double(list.children[0], index))
                seen += 1
            }
            if seen == 0 { live[row] = 0 } else { result.float64s[row] = finish(total, seen) }
        }
        return result
    }
}
