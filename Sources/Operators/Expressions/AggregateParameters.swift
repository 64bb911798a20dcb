import StreamRuntime

/// The constants that some aggregates take as their last argument.
enum AggregateParameters {
    typealias Argument = (node: ExpressionNode, syntax: Syntax)

    /// How many values or rows.
    static func number(
        _ argument: Argument, _ function: AggregateFunction
    ) throws(ExpressionError) -> Double {
        let most =
            switch function {
            case .lastOnes, .lag: LastAccumulator.countMax
            default: FrequencyAccumulator.countMax
            }
        guard !argument.node.isNull, argument.node.type == .int64,
            let constant = argument.node as? ConstantNode,
            (1...most).contains(constant.value.int64s[0])
        else {
            throw ExpressionError(
                "\(function.name) needs a constant number from 1 to \(most) here",
                at: argument.syntax.range)
        }
        return Double(constant.value.int64s[0])
    }

    /// The microseconds in which a weight falls to 1/e.
    static func decay(_ argument: Argument) throws(ExpressionError) -> Double {
        guard !argument.node.isNull, argument.node.type == .interval,
            let constant = argument.node as? ConstantNode,
            constant.value.intervals[0].months == 0
        else { throw unfit(argument) }
        let interval = constant.value.intervals[0]
        let micros = Double(interval.days) * 86_400e6 + Double(interval.micros)
        // Above a thousand years a weight hardly changes in the life of a stream.
        guard micros >= 1000, micros <= 365_250 * 86_400e6 else { throw unfit(argument) }
        return micros
    }

    private static func unfit(_ argument: Argument) -> ExpressionError {
        ExpressionError(
            "the time of the decay must be a constant interval above a millisecond",
            at: argument.syntax.range, fix: "write an interval without months: interval 20 minutes")
    }
}
