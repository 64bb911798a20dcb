import Glibc
import StreamRuntime

func logarithm(_ value: Double) -> Double { log(value) }
func exponential(_ value: Double) -> Double { exp(value) }

/// Exact quantiles of lists, and of the values an aggregate kept.
enum QuantileFunctions {
    enum Kind {
        /// Between two values in a line.
        case cont
        /// One of the values.
        case disc
    }

    /// The quantiles of a constant argument, a number or a list of numbers.
    static func parts(
        _ argument: ScalarFunction.Argument
    ) throws(ExpressionError) -> (parts: [Double], isList: Bool) {
        let unfit = ExpressionError(
            "the quantile must be a constant from 0 to 1, or a list of such", at: argument.range)
        let isList = argument.node.type.isList
        guard let constant = argument.node as? ConstantNode, !constant.isNull else { throw unfit }
        let type: ColumnType = isList ? .list(.float64) : .float64
        guard CastKernels.isAllowed(constant.type, type),
            let doubles = CastKernels.node(constant, as: type) as? ConstantNode
        else { throw unfit }
        let values = isList ? doubles.value.children[0] : doubles.value
        let range = isList ? ListFunctions.elements(doubles.value, 0) : 0..<1
        let parts = range.map { values.float64s[$0] }
        guard !parts.isEmpty, parts.allSatisfy({ (0...1).contains($0) }) else { throw unfit }
        return (parts, isList)
    }

    /// Quantiles of a list's elements or, counted, of a list of `{value, count}`.
    static func node(
        _ list: ExpressionNode, element: ColumnType, isCounted: Bool, _ parts: [Double],
        _ kind: Kind, isList: Bool
    ) -> ExpressionNode {
        // Only numbers and times have something between two of them.
        var made = element
        var isBetween = false
        if kind == .cont {
            if element.isNumeric {
                made = .float64
                isBetween = true
            } else if element == .timestamp || element == .date {
                made = .timestamp
                isBetween = true
            }
        }
        let one = made
        let between = isBetween
        return KernelNode(type: isList ? .list(one) : one, [list], canFail: false) { call in
            let lists = call.arguments[0]
            let result = Column(call.type, capacity: call.count)
            for row in 0..<call.count {
                let isActive = lists.isValid(row) && call.evaluation.isActive(row)
                let set =
                    isActive
                    ? multiset(lists, row, isCounted) : Multiset(Column(.int64, capacity: 0), 0..<0)
                guard !set.isEmpty else {
                    result.appendNull()
                    continue
                }
                let target = isList ? result.children[0] : result
                let start = target.count
                for part in parts { append(set, part, between, one, to: target) }
                if isList { result.appendList(from: start) }
            }
            return result
        }.folded
    }

    private static func multiset(_ lists: Column, _ row: Int, _ isCounted: Bool) -> Multiset {
        let range = ListFunctions.elements(lists, row)
        return isCounted
            ? Multiset(counted: lists.children[0], range) : Multiset(lists.children[0], range)
    }

    private static func append(
        _ set: Multiset, _ part: Double, _ isBetween: Bool, _ type: ColumnType,
        to target: Column
    ) {
        guard isBetween else {
            return target.append(from: set.values, row: set.discrete(part))
        }
        guard type == .timestamp else { return target.append(set.continuous(part)) }
        let unit = set.values.type == .date ? CivilDate.microsPerDay : 1
        let at = Double(set.total - 1) * part
        let low = set.values.int64s[set.rows[set.place(Int64(at.rounded(.down)))]] * unit
        let high = set.values.int64s[set.rows[set.place(Int64(at.rounded(.up)))]] * unit
        target.append(low + Int64((Double(high - low) * (at - at.rounded(.down))).rounded()))
    }
}

/// Maps from values to how often they come.
enum HistogramFunctions {
    static func maps(_ call: KernelCall, _ body: (Int) -> Multiset) -> Column {
        let result = Column(call.type, capacity: call.count)
        let entries = result.children[0]
        for row in 0..<call.count {
            guard call.arguments[0].isValid(row), call.evaluation.isActive(row) else {
                result.appendNull()
                continue
            }
            let start = entries.count
            let set = body(row)
            guard !set.isEmpty else {
                result.appendNull()
                continue
            }
            for place in set.rows.indices {
                entries.children[0].append(from: set.values, row: set.rows[place])
                entries.children[1].append(set.counts[place])
                entries.appendStructure()
            }
            result.appendList(from: start)
        }
        return result
    }
}
