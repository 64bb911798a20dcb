import StreamRuntime

/// Aggregates made of others: exact ones of all values, which keep each different value and how often it
/// came, and those that are a formula of sums.
enum AggregateRewrites {
    typealias Argument = (node: ExpressionNode, syntax: Syntax)

    /// More different values than any key has.
    static let all = 1e15

    /// What is made of the values and their counts.
    enum OfCounts {
        case mode
        case entropy
        case product
        case deviation
        case histogram
        case quantile([Double], QuantileFunctions.Kind, isList: Bool)
    }

    /// How a call that needs every value reads the list of `{value, count}`; nil for another call.
    static func counted(
        _ call: Syntax.Call, _ arguments: inout [Argument], at range: Range<Int>
    ) throws(ExpressionError) -> OfCounts? {
        func require(_ count: Int) throws(ExpressionError) {
            guard arguments.count == count else {
                throw ExpressionError(
                    "\(call.name) takes \(count) argument\(count == 1 ? "" : "s"), not \(arguments.count)",
                    at: range)
            }
        }
        func numbers() throws(ExpressionError) {
            let type = Coercion.common([arguments[0].node]) ?? .int64
            guard !type.isNumeric else { return }
            throw ExpressionError(
                "\(call.name) is of numbers, and this is \(type)", at: arguments[0].syntax.range)
        }
        switch call.name {
        case "mode", "entropy", "product", "mad", "histogram", "median":
            try require(1)
            if call.name == "product" || call.name == "mad" { try numbers() }
            return switch call.name {
            case "mode": .mode
            case "entropy": .entropy
            case "product": .product
            case "mad": .deviation
            case "histogram": .histogram
            default: .quantile([0.5], .cont, isList: false)
            }
        case "quantile_cont", "quantile_disc", "quantile":
            try require(2)
            let last = arguments.removeLast()
            let (parts, isList) = try QuantileFunctions.parts((last.node, last.syntax.range))
            return .quantile(
                parts, call.name == "quantile_cont" ? .cont : .disc, isList: isList)
        default: return nil
        }
    }

    /// The value of the aggregate from the column of counts.
    static func value(_ form: OfCounts, of node: ExpressionNode, value: ColumnType)
        -> ExpressionNode
    {
        func sets(_ call: KernelCall, _ row: Int) -> Multiset {
            Multiset(
                counted: call.arguments[0].children[0],
                ListFunctions.elements(call.arguments[0], row))
        }
        func double(_ body: @escaping (Multiset) -> Double) -> ExpressionNode {
            KernelNode(type: .float64, [node], canFail: false) { call in
                call.mapRowsToDouble { body(sets(call, $0)) }
            }
        }
        switch form {
        case .entropy:
            // Nothing tells nothing.
            return KernelNode(type: .float64, [node], canFail: false) { call in
                call.of([]).mapRowsToDouble { row in
                    guard call.arguments[0].isValid(row) else { return 0 }
                    let set = sets(call, row)
                    return set.isEmpty ? 0 : set.entropy
                }
            }
        case .product: return double { $0.product }
        case .deviation: return double { $0.medianDeviation }
        case .quantile(let parts, let kind, let isList):
            return QuantileFunctions.node(
                node, element: value, isCounted: true, parts, kind, isList: isList)
        case .histogram:
            return KernelNode(
                type: MapFunctions.type(key: value, value: .int64), [node], canFail: false
            ) { call in
                HistogramFunctions.maps(call) { sets(call, $0) }
            }
        case .mode:
            return KernelNode(type: value, [node], canFail: false) { call in
                let result = Column(value, capacity: call.count)
                for row in 0..<call.count {
                    let isActive = call.arguments[0].isValid(row) && call.evaluation.isActive(row)
                    if isActive {
                        let set = sets(call, row)
                        result.append(from: set.values, row: set.rows[set.mode])
                    } else {
                        result.appendNull()
                    }
                }
                return result
            }
        }
    }

    /// A formula of other aggregates that means the same; nil for a call that is none.
    static func formula(_ call: Syntax.Call, at range: Range<Int>) -> Syntax? {
        func aggregate(_ name: String, _ argument: Syntax, filter: Syntax?) -> Syntax {
            var made = Syntax.Call(
                name: name, nameRange: call.nameRange, arguments: [argument],
                isDistinct: call.isDistinct)
            made.filter = filter
            return Syntax(kind: .call(made), range: range)
        }
        func scalar(_ name: String, _ argument: Syntax) -> Syntax {
            Syntax(
                kind: .call(
                    Syntax.Call(name: name, nameRange: call.nameRange, arguments: [argument])),
                range: range)
        }
        switch (call.name, call.arguments.count) {
        case ("geomean", 1), ("geometric_mean", 1):
            return scalar(
                "exp", aggregate("avg", scalar("ln", call.arguments[0]), filter: call.filter))
        case ("fsum", 1), ("kahan_sum", 1), ("sumkahan", 1), ("favg", 1):
            let type = Syntax.TypeSyntax(text: "double", range: range)
            let double = Syntax(kind: .cast(call.arguments[0], type, isTry: false), range: range)
            return aggregate(call.name == "favg" ? "avg" : "sum", double, filter: call.filter)
        case ("wavg", 2), ("weighted_avg", 2):
            let (value, weight) = (call.arguments[0], call.arguments[1])
            let both = value.range.lowerBound..<weight.range.upperBound
            let product = Syntax(kind: .binary("*", value, weight), range: both)
            let known = Syntax(
                kind: .unary("not", Syntax(kind: .isNull(value), range: value.range)),
                range: value.range)
            let filter =
                call.filter.map {
                    Syntax(
                        kind: .binary("and", $0, known),
                        range: value.range.lowerBound..<$0.range.upperBound)
                } ?? known
            return Syntax(
                kind: .binary(
                    "/", aggregate("sum", product, filter: call.filter),
                    aggregate("sum", weight, filter: filter)), range: range)
        default: return nil
        }
    }

    /// The names of the aggregates that are made here.
    static let names: Set<String> = [
        "mode", "entropy", "product", "mad", "histogram", "median", "quantile_cont",
        "quantile_disc", "quantile", "geomean", "geometric_mean", "fsum", "kahan_sum", "sumkahan",
        "favg", "wavg", "weighted_avg",
    ]
}
