import StreamRuntime

/// The aggregate functions there are.
public enum AggregateFunction: String, CaseIterable, Sendable {
    /// Rows, or rows with a value of the argument, or distinct values.
    case count
    case sum
    case average
    case minimum
    case maximum
    /// The argument at the first row in order, nulls included.
    case first
    case last
    /// The argument at the first row in order that has a value.
    case anyValue
    case varianceSample
    case variancePopulation
    case deviationSample
    case deviationPopulation
    /// `parameter` is the quantile, 0 to 1.
    case approximateQuantile
    case approximateDistinct
    /// Every argument in row order, nulls included.
    case list
    case all
    case any
    /// Two arguments: the first one where the second is smallest.
    case argumentMinimum
    case argumentMaximum
    /// The last `parameter` arguments in row order, nulls included.
    case lastOnes
    /// The argument of the row that is `parameter` rows before the last one.
    case lag
    /// The `parameter` most frequent arguments.
    case mostFrequent
    /// The `parameter` most frequent arguments and how often each came.
    case mostFrequentCounted
    /// The mean of the argument, each weighted by e to the power of its age over `parameter` microseconds.
    case decayedAverage
    /// The sum of the argument with the same weights.
    case decayedSum
    /// The sum of the weights.
    case decayedCount
    case bitAnd
    case bitOr
    case bitXor
    case skewness
    case kurtosis
    case kurtosisPopulation
    /// The standard error of the mean.
    case errorOfMean
    /// Two arguments, y and x, as in all that follow.
    case covariancePopulation
    case covarianceSample
    case correlation
    case regressionCount
    case regressionAverageX
    case regressionAverageY
    case regressionSlope
    case regressionIntercept
    /// The square of the correlation.
    case regressionFit
    case regressionSpreadX
    case regressionSpreadY
    case regressionSpread

    /// The name a user writes.
    public var name: String {
        switch self {
        case .count: "count"
        case .sum: "sum"
        case .average: "avg"
        case .minimum: "min"
        case .maximum: "max"
        case .first: "first"
        case .last: "last"
        case .anyValue: "any_value"
        case .varianceSample: "var_samp"
        case .variancePopulation: "var_pop"
        case .deviationSample: "stddev_samp"
        case .deviationPopulation: "stddev_pop"
        case .approximateQuantile: "approx_quantile"
        case .approximateDistinct: "approx_count_distinct"
        case .list: "list"
        case .all: "bool_and"
        case .any: "bool_or"
        case .argumentMinimum: "arg_min"
        case .argumentMaximum: "arg_max"
        case .lastOnes: "last_k"
        case .lag: "lag"
        case .mostFrequent: "approx_top_k"
        case .mostFrequentCounted: "top_k"
        case .decayedAverage: "ewma"
        case .decayedSum: "decayed_sum"
        case .decayedCount: "decayed_count"
        case .bitAnd: "bit_and"
        case .bitOr: "bit_or"
        case .bitXor: "bit_xor"
        case .skewness: "skewness"
        case .kurtosis: "kurtosis"
        case .kurtosisPopulation: "kurtosis_pop"
        case .errorOfMean: "sem"
        case .covariancePopulation: "covar_pop"
        case .covarianceSample: "covar_samp"
        case .correlation: "corr"
        case .regressionCount: "regr_count"
        case .regressionAverageX: "regr_avgx"
        case .regressionAverageY: "regr_avgy"
        case .regressionSlope: "regr_slope"
        case .regressionIntercept: "regr_intercept"
        case .regressionFit: "regr_r2"
        case .regressionSpreadX: "regr_sxx"
        case .regressionSpreadY: "regr_syy"
        case .regressionSpread: "regr_sxy"
        }
    }
}

/// One aggregate to keep up to date: which function, over what, and of which rows.
public struct AggregateCall: Sendable {
    /// Which function.
    public let function: AggregateFunction
    /// Evaluated on the input batch; empty for `count(*)`.
    public let arguments: [CompiledExpression]
    /// Whether only different values count.
    public let isDistinct: Bool
    /// Only rows for which this is true count.
    public let filter: CompiledExpression?
    /// The quantile of `approximateQuantile`, the number of values or rows, or the time of the decay.
    public let parameter: Double?
    /// The type of the result.
    public let resultType: ColumnType
    /// The call as the user wrote it.
    public let text: String

    /// Whether a row can be taken out of the result again.
    public var takesBack: Bool {
        switch function {
        case .approximateDistinct, .decayedAverage, .decayedSum, .decayedCount: false
        case .bitAnd, .bitOr: false
        default: true
        }
    }
}

/// What an aggregating step keeps and what it makes of it.
public struct AggregatePlan: Sendable {
    /// Each distinct call once, whatever the number of outputs that use it.
    public let calls: [AggregateCall]
    /// The key columns, then one field per call, named "$0", "$1" and so on.
    public let resultSchema: Schema
    /// The step's outputs in the order given, over `resultSchema`.
    public let outputs: [(name: String, expression: CompiledExpression)]
}
