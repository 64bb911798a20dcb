import StreamRuntime

/// The aggregate calls gathered while the outputs of a step are bound, and the columns they become.
final class AggregateScope {
    private let schema: Schema
    private let keys: [String]
    private(set) var calls: [AggregateCall] = []
    private var positions: [String: Int] = [:]

    init(schema: Schema, keys: [String]) {
        self.schema = schema
        self.keys = keys
        for key in keys {
            precondition(schema.index(of: key) != nil, "keys are columns of the schema")
        }
    }

    var resultSchema: Schema {
        Schema(
            keys.map { key in
                schema.fields[schema.index(of: key) ?? 0]
            } + calls.enumerated().map { Field("$\($0.offset)", $0.element.resultType) })
    }

    /// A key column of the result.
    func key(_ name: String, at range: Range<Int>) throws(ExpressionError) -> ExpressionNode {
        if let position = Names.index(of: name, in: keys) {
            return ColumnNode(index: position, type: resultSchema.fields[position].type)
        }
        guard Names.index(of: name, in: schema.fields.map(\.name)) != nil else {
            throw Names.unknown("column", name, among: schema.fields.map(\.name), at: range)
        }
        throw ExpressionError(
            "\"\(name)\" is neither in an aggregate nor one of the keys", at: range,
            fix: "write last(\(name)), or add it to \"by\"")
    }

    /// The result column of `call`, the same one for the same call.
    func add(_ call: AggregateCall, identity: String) -> ExpressionNode {
        let position: Int
        if let known = positions[identity] {
            position = known
        } else {
            position = calls.count
            positions[identity] = position
            calls.append(call)
        }
        return ColumnNode(index: keys.count + position, type: calls[position].resultType)
    }
}

/// Checks calls of aggregate functions.
enum AggregateBinder {
    private static let functions: [String: AggregateFunction] = [
        "count": .count, "sum": .sum, "avg": .average, "mean": .average, "min": .minimum,
        "max": .maximum, "first": .first, "last": .last, "any_value": .anyValue,
        "arbitrary": .first, "stddev": .deviationSample, "stddev_samp": .deviationSample,
        "stddev_pop": .deviationPopulation, "variance": .varianceSample,
        "var_samp": .varianceSample, "var_pop": .variancePopulation,
        "approx_quantile": .approximateQuantile, "approx_count_distinct": .approximateDistinct,
        "list": .list, "array_agg": .list, "bool_and": .all, "bool_or": .any,
        "arg_min": .argumentMinimum, "argmin": .argumentMinimum, "min_by": .argumentMinimum,
        "arg_max": .argumentMaximum, "argmax": .argumentMaximum, "max_by": .argumentMaximum,
        "count_if": .count, "countif": .count, "string_agg": .list, "group_concat": .list,
        "listagg": .list, "last_k": .lastOnes, "lag": .lag, "top_k": .mostFrequentCounted,
        "approx_top_k": .mostFrequent, "ewma": .decayedAverage, "decayed_sum": .decayedSum,
        "decayed_count": .decayedCount, "bit_and": .bitAnd, "bit_or": .bitOr, "bit_xor": .bitXor,
        "skewness": .skewness, "kurtosis": .kurtosis, "kurtosis_pop": .kurtosisPopulation,
        "sem": .errorOfMean, "covar_pop": .covariancePopulation, "covar_samp": .covarianceSample,
        "corr": .correlation, "regr_count": .regressionCount, "regr_avgx": .regressionAverageX,
        "regr_avgy": .regressionAverageY, "regr_slope": .regressionSlope,
        "regr_intercept": .regressionIntercept, "regr_r2": .regressionFit,
        "regr_sxx": .regressionSpreadX, "regr_syy": .regressionSpreadY,
        "regr_sxy": .regressionSpread,
    ]

    /// Every name an aggregate has.
    static var names: [String] {
        Set(functions.keys).union(AggregateRewrites.names).sorted()
    }

    /// The result column of an aggregate call, or nil when the call is of another function.
    static func bind(
        _ call: Syntax.Call, at range: Range<Int>, in binder: Binder
    ) throws(ExpressionError) -> ExpressionNode? {
        let isRewritten = AggregateRewrites.names.contains(call.name)
        guard let function = isRewritten ? .mostFrequentCounted : functions[call.name] else {
            return nil
        }
        // The operators & and | are functions of two arguments.
        if function == .bitAnd || function == .bitOr, call.arguments.count == 2 { return nil }
        guard let scope = binder.aggregates else {
            throw ExpressionError(
                "\(call.name) is an aggregate: it has no meaning for a single row",
                at: call.nameRange, fix: "use it in the select of an aggregate or rolling step")
        }
        if let formula = AggregateRewrites.formula(call, at: range) {
            return try binder.bind(formula)
        }
        let inner = Binder(schema: binder.schema, text: binder.text)
        var arguments: [(node: ExpressionNode, syntax: Syntax)] = []
        for argument in call.arguments { arguments.append((try inner.bind(argument), argument)) }
        var filter: (node: ExpressionNode, text: String)?
        if let written = call.filter {
            filter = (try inner.bindBool(written), source(written, in: binder))
        }
        let joiner = try rewrite(call, &arguments, &filter, binder)
        let form = try AggregateRewrites.counted(call, &arguments, at: range)
        if isRewritten, form == nil {
            throw ExpressionError("this call has \(arguments.count) arguments", at: range)
        }
        if form == nil { try checkCount(call, function, arguments.count, at: range) }
        var parameter: Double?
        switch function {
        case .mostFrequentCounted where form != nil: parameter = AggregateRewrites.all
        case .approximateQuantile: parameter = try quantile(arguments.removeLast())
        case .lag where arguments.count == 1: parameter = 1
        case .lastOnes, .lag, .mostFrequent, .mostFrequentCounted:
            parameter = try AggregateParameters.number(arguments.removeLast(), function)
        case .decayedAverage, .decayedSum, .decayedCount:
            parameter = try AggregateParameters.decay(arguments.removeLast())
        default: break
        }
        let made = AggregateCall(
            function: function,
            arguments: arguments.map { argument in
                let type = Coercion.common([argument.node]) ?? argument.node.type
                let node = CastKernels.node(
                    argument.node.isNull ? ConstantNode.null(type) : argument.node, as: type)
                return CompiledExpression(text: source(argument.syntax, in: binder), node: node)
            },
            isDistinct: call.isDistinct,
            filter: filter.map { CompiledExpression(text: $0.text, node: $0.node) },
            parameter: parameter,
            resultType: try resultType(function, call, arguments, at: range),
            text: binder.slice(range))
        let parts = arguments.map { source($0.syntax, in: binder) }
        let identity =
            "\(function)|\(call.isDistinct)|\(parts)|\(filter?.text ?? "")|\(parameter ?? -1)"
        let node = scope.add(made, identity: identity)
        if let form {
            let type = made.arguments[0].type
            return AggregateRewrites.value(form, of: node, value: type)
        }
        guard let joiner, let join = FunctionCatalogue.byName["array_to_string"] else {
            return node
        }
        let joined = try join.bind([(node, range), (joiner, range)], range)
        guard let count = FunctionCatalogue.byName["list_count"],
            let choose = FunctionCatalogue.byName["if"]
        else { return joined }
        // Of no values there is no text, not an empty one.
        let hasSome = CastKernels.node(try count.bind([(node, range)], range), as: .bool)
        return try choose.bind(
            [(hasSome, range), (joined, range), (ConstantNode.null(.string), range)], range)
    }

    private static func source(_ syntax: Syntax, in binder: Binder) -> String {
        binder.slice(syntax.range)
    }

    /// Turns `count_if` into a filter and takes the separator off `string_agg`.
    private static func rewrite(
        _ call: Syntax.Call, _ arguments: inout [(node: ExpressionNode, syntax: Syntax)],
        _ filter: inout (node: ExpressionNode, text: String)?, _ binder: Binder
    ) throws(ExpressionError) -> ExpressionNode? {
        switch call.name {
        case "count_if", "countif":
            guard arguments.count == 1 else { return nil }
            let condition = arguments.removeFirst()
            guard condition.node.type == .bool else {
                throw ExpressionError(
                    "a condition is needed here, and this is \(condition.node.type)",
                    at: condition.syntax.range)
            }
            let text = source(condition.syntax, in: binder)
            if let both = filter {
                filter = (
                    ConnectiveNode(isAnd: true, both.node, condition.node),
                    "(\(both.text)) and (\(text))"
                )
            } else {
                filter = (condition.node, text)
            }
            return nil
        case "string_agg", "group_concat", "listagg":
            let separator: ExpressionNode
            if arguments.count == 2 {
                let last = arguments.removeLast()
                guard last.node is ConstantNode, last.node.type == .string else {
                    throw ExpressionError(
                        "the separator must be a constant text", at: last.syntax.range)
                }
                separator = last.node
            } else {
                separator = Constants.text(",")
            }
            return separator
        default: return nil
        }
    }

    private static func checkCount(
        _ call: Syntax.Call, _ function: AggregateFunction, _ count: Int, at range: Range<Int>
    ) throws(ExpressionError) {
        if call.isStar, call.name != "count" {
            throw ExpressionError("only count takes *", at: range, fix: "name a column")
        }
        let wanted: ClosedRange<Int> =
            switch function {
            case .count:
                call.name == "count" && !call.isDistinct ? 0...1 : (call.isDistinct ? 1...1 : 0...0)
            case .covariancePopulation, .covarianceSample, .correlation, .regressionCount,
                .regressionAverageX, .regressionAverageY, .regressionSlope, .regressionIntercept,
                .regressionFit, .regressionSpreadX, .regressionSpreadY, .regressionSpread,
                .approximateQuantile, .argumentMinimum, .argumentMaximum, .lastOnes,
                .mostFrequent, .mostFrequentCounted, .decayedAverage, .decayedSum:
                2...2
            case .lag: 1...2
            default: 1...1
            }
        guard wanted.contains(count) else {
            throw ExpressionError(
                "\(call.name) takes \(wanted.upperBound) argument"
                    + "\(wanted.upperBound == 1 ? "" : "s"), not \(count)", at: range)
        }
    }

    private static func quantile(
        _ argument: (node: ExpressionNode, syntax: Syntax)
    ) throws(ExpressionError) -> Double {
        guard argument.node.type.isNumeric, !Coercion.isUntyped(argument.node),
            let constant = CastKernels.node(argument.node, as: .float64) as? ConstantNode,
            (0...1).contains(constant.value.float64s[0])
        else {
            throw ExpressionError(
                "the quantile must be a constant from 0 to 1", at: argument.syntax.range)
        }
        return constant.value.float64s[0]
    }

    private static func resultType(
        _ function: AggregateFunction, _ call: Syntax.Call,
        _ arguments: [(node: ExpressionNode, syntax: Syntax)], at range: Range<Int>
    ) throws(ExpressionError) -> ColumnType {
        let type = arguments.first.map { Coercion.common([$0.node]) ?? $0.node.type } ?? .int64
        func require(_ holds: Bool, _ wanted: String) throws(ExpressionError) {
            guard !holds else { return }
            throw ExpressionError(
                "\(call.name) is of \(wanted), and this is \(type)",
                at: arguments.first?.syntax.range ?? range,
                fix: wanted == "numbers" && CastKernels.isAllowed(type, .float64)
                    ? "write cast(… as double)" : nil)
        }
        switch function {
        case .count, .approximateDistinct: return .int64
        case .sum:
            try require(type.isNumeric, "numbers")
            if case .decimal(_, let scale) = type { return .decimal(precision: 38, scale: scale) }
            return type == .int64 ? .decimal(precision: 38, scale: 0) : .float64
        case .decayedCount: return .float64
        case .bitAnd, .bitOr, .bitXor:
            try require(type == .int64, "whole numbers")
            return .int64
        case .regressionCount, .covariancePopulation, .covarianceSample, .correlation,
            .regressionAverageX, .regressionAverageY, .regressionSlope, .regressionIntercept,
            .regressionFit, .regressionSpreadX, .regressionSpreadY, .regressionSpread:
            try require(type.isNumeric, "numbers")
            let other = Coercion.common([arguments[1].node]) ?? arguments[1].node.type
            guard other.isNumeric else {
                throw ExpressionError(
                    "\(call.name) is of numbers, and this is \(other)",
                    at: arguments[1].syntax.range)
            }
            return function == .regressionCount ? .int64 : .float64
        case .skewness, .kurtosis, .kurtosisPopulation, .errorOfMean, .average, .varianceSample,
            .variancePopulation, .deviationSample,
            .deviationPopulation, .decayedAverage, .decayedSum:
            try require(type.isNumeric, "numbers")
            return .float64
        case .approximateQuantile:
            try require(type.isNumeric, "numbers")
            return .float64
        case .all, .any:
            try require(type == .bool, "conditions")
            return .bool
        case .minimum, .maximum:
            try require(isOrdered(type), "values with an order")
            return type
        case .argumentMinimum, .argumentMaximum:
            let order = arguments[1].node.type
            guard isOrdered(order) else {
                throw ExpressionError(
                    "\(call.name) compares its second argument, and \(order) has no order",
                    at: arguments[1].syntax.range)
            }
            return type
        case .first, .last, .anyValue, .lag: return type
        case .list, .lastOnes, .mostFrequent: return .list(type)
        case .mostFrequentCounted: return .list(FrequencyAccumulator.counted(type))
        }
    }

    private static func isOrdered(_ type: ColumnType) -> Bool {
        switch type {
        case .list, .structure: false
        default: true
        }
    }
}

extension Binder {
    /// What was written at `range`.
    func slice(_ range: Range<Int>) -> String {
        let bytes = Array(text.utf8)
        let end = min(range.upperBound, bytes.count)
        return String(decoding: bytes[min(range.lowerBound, end)..<end], as: UTF8.self)
    }
}
