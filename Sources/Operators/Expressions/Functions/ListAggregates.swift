import StreamRuntime

/// Aggregates over the elements of a list: `list_median` and its kind, and `list_aggregate`.
enum ListAggregates {
    typealias Argument = ScalarFunction.Argument

    static let all: [ScalarFunction] =
        statistics + bits + truths + [mode, histogram, quantile(.cont), quantile(.disc), aggregate]

    /// A double of a list's values, nulls left out; null where the body has none.
    private static func double(
        _ names: String, _ meaning: String, _ example: String, _ result: String,
        _ body: @escaping (Multiset) -> Double?
    ) -> ScalarFunction {
        let name = String(names.prefix { $0 != " " })
        return ListFunctions.ofList(
            names, "\(name)(list)", meaning, example, result, { $0.isNumeric ? .float64 : nil }
        ) { call in
            let list = call.arguments[0]
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let values = Multiset(list.children[0], ListFunctions.elements(list, row))
                if !values.isEmpty, let value = body(values) {
                    result.float64s[row] = value
                } else {
                    live[row] = 0
                }
            }
            return result
        }
    }

    private static func moment(
        _ names: String, _ what: String, _ example: String, _ result: String,
        _ moment: Statistics.Moment
    ) -> ScalarFunction {
        double(names, what, example, result) { values in
            let sums = values.moments
            return moment.value(
                count: values.total, second: sums.second, third: sums.third, fourth: sums.fourth)
        }
    }

    private static let statistics: [ScalarFunction] = [
        median,
        double(
            "list_mad", "The median of the distances from the median.",
            "list_mad([1, 2, 3, 4, 10])", "1.0"
        ) { $0.medianDeviation },
        entropy,
        moment(
            "list_var_pop", "The population variance.", "list_var_pop([1, 2, 3])",
            "0.6666666666666666", .variancePopulation),
        moment(
            "list_var_samp list_variance", "The sample variance.", "list_var_samp([1, 2, 3])",
            "1.0",
            .varianceSample),
        moment(
            "list_stddev_pop", "The population standard deviation.", "list_stddev_pop([1, 3])",
            "1.0", .deviationPopulation),
        moment(
            "list_stddev_samp list_stddev", "The sample standard deviation.",
            "list_stddev_samp([1, 2, 3])", "1.0", .deviationSample),
        moment(
            "list_sem", "The standard error of the mean.", "list_sem([1, 2, 3, 4, 10])",
            "1.4142135623730951", .error),
        moment(
            "list_skewness", "The sample skewness.", "round(list_skewness([1, 2, 3, 4, 10]), 6)",
            "1.697056", .skewness),
        moment(
            "list_kurtosis", "The sample excess kurtosis.",
            "round(list_kurtosis([1, 2, 3, 4, 10]), 6)", "3.152", .kurtosis),
        moment(
            "list_kurtosis_pop", "The population excess kurtosis.",
            "round(list_kurtosis_pop([1, 2, 3, 4, 10]), 6)", "-0.212", .kurtosisPopulation),
        double(
            "list_geomean", "The geometric mean.", "round(list_geomean([1, 4]), 6)", "2.0"
        ) { values in
            var sum = 0.0
            for place in values.rows.indices {
                guard values.double(place) > 0 else { return nil }
                sum += Double(values.counts[place]) * logarithm(values.double(place))
            }
            return exponential(sum / Double(values.total))
        },
    ]

    private static let median = ScalarFunction(
        "list_median", "list_median(list)",
        "The value in the middle; between two numbers or times their mean.",
        "list_median([1, 2, 3, 4])", "2.5"
    ) { (arguments, range) throws(ExpressionError) in
        try ConditionFunctions.require(arguments, range, 1...1, "list_median(list)")
        let (list, element) = try ListFunctions.list(arguments[0])
        return QuantileFunctions.node(
            list, element: element, isCounted: false, [0.5], .cont, isList: false)
    }

    private static let entropy = ListFunctions.ofList(
        "list_entropy", "list_entropy(list)", "How many bits a value tells on average.",
        "list_entropy([1, 1, 2, 2])", "1.0", { _ in .float64 }
    ) { call in
        let list = call.arguments[0]
        return call.mapRowsToDouble { row in
            let values = Multiset(list.children[0], ListFunctions.elements(list, row))
            return values.isEmpty ? 0 : values.entropy
        }
    }

    private static func bit(
        _ name: String, _ meaning: String, _ result: String, _ start: Int64,
        _ body: @escaping (Int64, Int64) -> Int64
    ) -> ScalarFunction {
        ListFunctions.ofList(
            name, "\(name)(list)", meaning, "\(name)([5, 7])", result,
            { $0 == .int64 ? .int64 : nil }
        ) { call in
            let list = call.arguments[0]
            let values = list.children[0]
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                var made = start
                var isEmpty = true
                for index in ListFunctions.elements(list, row) where values.isValid(index) {
                    made = body(made, values.int64s[index])
                    isEmpty = false
                }
                if isEmpty { live[row] = 0 } else { result.int64s[row] = made }
            }
            return result
        }
    }

    private static let bits: [ScalarFunction] = [
        bit("list_bit_and", "The bits set in every element.", "5", -1) { $0 & $1 },
        bit("list_bit_or", "The bits set in some element.", "7", 0) { $0 | $1 },
        bit("list_bit_xor", "The bits set in an odd number of elements.", "2", 0) { $0 ^ $1 },
    ]

    private static func truth(
        _ name: String, _ meaning: String, _ result: String, isAll: Bool
    ) -> ScalarFunction {
        ListFunctions.ofList(
            name, "\(name)(list)", meaning, "\(name)([true, false])", result,
            { $0 == .bool ? .bool : nil }
        ) { call in
            let list = call.arguments[0]
            let values = list.children[0]
            let (result, live) = call.result()
            for row in 0..<call.count where live[row] != 0 {
                let known = ListFunctions.elements(list, row).filter { values.isValid($0) }
                if known.isEmpty {
                    live[row] = 0
                } else {
                    let found = known.contains { (values.bools[$0] != 0) != isAll }
                    result.bools[row] = found != isAll ? 1 : 0
                }
            }
            return result
        }
    }

    private static let truths: [ScalarFunction] = [
        truth("list_bool_and", "Whether every element is true.", "false", isAll: true),
        truth("list_bool_or", "Whether some element is true.", "true", isAll: false),
    ]

    private static let mode = ListFunctions.ofList(
        "list_mode", "list_mode(list)", "The most frequent element, the first of several.",
        "list_mode([3, 1, 1])", "1", { $0 }
    ) { call in
        let values = call.arguments[0].children[0]
        return ListFunctions.pick(call) { _, elements in
            let set = Multiset(values, elements)
            guard let most = set.counts.max() else { return nil }
            // The values' first rows are the smallest of equal ones: sorting is stable.
            return set.rows.indices.filter { set.counts[$0] == most }.map { set.rows[$0] }.min()
        }
    }

    private static let histogram = ListFunctions.ofList(
        "list_histogram", "list_histogram(list)",
        "A map from each different element, in order, to how often it comes.",
        "list_histogram([2, 1, 2])", "[{'key': 1, 'value': 1}, {'key': 2, 'value': 2}]",
        { MapFunctions.type(key: $0, value: .int64) }
    ) { call in
        HistogramFunctions.maps(call) { row in
            Multiset(
                call.arguments[0].children[0], ListFunctions.elements(call.arguments[0], row))
        }
    }

    private static func quantile(_ kind: QuantileFunctions.Kind) -> ScalarFunction {
        let name = kind == .cont ? "list_quantile_cont" : "list_quantile_disc"
        return ScalarFunction(
            kind == .cont ? name : "\(name) list_quantile", "\(name)(list, q)",
            kind == .cont
                ? "The value that the part q of the elements does not exceed, between two in a line."
                : "The element that the part q of the elements does not exceed.",
            "\(name)([1, 2, 3, 4], 0.25)", kind == .cont ? "1.75" : "1"
        ) { (arguments, range) throws(ExpressionError) in
            try ConditionFunctions.require(arguments, range, 2...2, "\(name)(list, q)")
            let (list, element) = try ListFunctions.list(arguments[0])
            let (parts, isList) = try QuantileFunctions.parts(arguments[1])
            return QuantileFunctions.node(
                list, element: element, isCounted: false, parts, kind, isList: isList)
        }
    }

    /// `list_aggregate(list, 'sum')` is `list_sum(list)`.
    private static let aggregate = ScalarFunction(
        "list_aggregate list_aggr array_aggregate array_aggr", "list_aggregate(list, name, …)",
        "The function list_name of the list and what follows the name.",
        "list_aggregate([1, 2, 3], 'sum')", "6"
    ) { (arguments, range) throws(ExpressionError) in
        try ConditionFunctions.require(arguments, range, 2...4, "list_aggregate(list, name, …)")
        guard let constant = arguments[1].node as? ConstantNode, constant.type == .string,
            !constant.isNull
        else {
            throw ExpressionError(
                "the name must be a constant text, like 'sum'", at: arguments[1].range)
        }
        let name = constant.value.string(0).lowercased()
        guard let function = FunctionCatalogue.byName["list_\(name)"] else {
            throw Names.unknown(
                "aggregate of lists", name,
                among: FunctionCatalogue.names.filter { $0.hasPrefix("list_") }
                    .map { String($0.dropFirst(5)) }, at: arguments[1].range)
        }
        return try function.bind([arguments[0]] + arguments[2...], range)
    }
}
