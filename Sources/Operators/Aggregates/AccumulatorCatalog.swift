import StreamRuntime

/// Which accumulator serves which call.
enum AccumulatorCatalog {
    /// The accumulator of `call`, where rows are taken back when `takesBack`, and neither rows nor what was merged are
    /// when `onlyGrows`.
    static func make(
        _ call: AggregateCall, takesBack: Bool = false, onlyGrows: Bool = false
    ) throws(JobFailure) -> any Accumulator {
        let input = call.arguments.first?.type
        if takesBack, let input {
            switch call.function {
            case .minimum, .maximum:
                // Complains of what has no order.
                _ = try extreme(call, input)
                let isLargest = call.function == .maximum
                return WordKernels.holds(input)
                    ? ExtremeSetAccumulator(isLargest: isLargest)
                    : ExtremeBytesSetAccumulator(isLargest: isLargest, type: input)
            case .argumentMinimum, .argumentMaximum:
                _ = try argument(call, isLargest: false)
                return KeptRowsAccumulator(call)
            case .first, .last, .anyValue, .list, .lastOnes, .lag: return KeptRowsAccumulator(call)
            default: break
            }
        }
        if call.isDistinct { return try distinct(call, input, onlyGrows: onlyGrows) }
        switch call.function {
        case .count: return CountAccumulator()
        case .sum: return try sum(call, input)
        case .average: return try average(call, input)
        case .minimum, .maximum: return try extreme(call, input)
        case .first: return PickAccumulator(.first, value: input!, skipsNulls: false)
        case .last: return PickAccumulator(.last, value: input!, skipsNulls: false)
        case .anyValue: return PickAccumulator(.first, value: input!, skipsNulls: true)
        case .varianceSample: return VarianceAccumulator(.varianceSample, input: input!)
        case .variancePopulation: return VarianceAccumulator(.variancePopulation, input: input!)
        case .deviationSample: return VarianceAccumulator(.deviationSample, input: input!)
        case .deviationPopulation: return VarianceAccumulator(.deviationPopulation, input: input!)
        case .approximateQuantile:
            return QuantileAccumulator(
                input: input!, result: call.resultType, quantile: call.parameter ?? 0.5)
        case .approximateDistinct: return SketchAccumulator(staysExact: call.parameter == 1)
        case .list: return ListAccumulator()
        case .all: return TruthAccumulator(isAll: true)
        case .any: return TruthAccumulator(isAll: false)
        case .argumentMinimum: return try argument(call, isLargest: false)
        case .argumentMaximum: return try argument(call, isLargest: true)
        case .lastOnes: return LastAccumulator(count: Int(call.parameter ?? 1), isLag: false)
        case .lag: return LastAccumulator(count: Int(call.parameter ?? 1) + 1, isLag: true)
        case .mostFrequent, .mostFrequentCounted:
            return FrequencyAccumulator(
                count: Int(call.parameter ?? 1), value: input!,
                isCounted: call.function == .mostFrequentCounted)
        case .decayedAverage: return DecayAccumulator(.average, micros: call.parameter ?? 1)
        case .decayedSum: return DecayAccumulator(.sum, micros: call.parameter ?? 1)
        case .bitAnd: return BitAccumulator(.and)
        case .bitOr: return BitAccumulator(.or)
        case .bitXor: return BitAccumulator(.xor)
        case .skewness: return MomentAccumulator(.skewness)
        case .kurtosis: return MomentAccumulator(.kurtosis)
        case .kurtosisPopulation: return MomentAccumulator(.kurtosisPopulation)
        case .errorOfMean: return MomentAccumulator(.error)
        case .covariancePopulation: return PairAccumulator(.covariancePopulation)
        case .covarianceSample: return PairAccumulator(.covarianceSample)
        case .correlation: return PairAccumulator(.correlation)
        case .regressionCount: return PairAccumulator(.count)
        case .regressionAverageX: return PairAccumulator(.averageX)
        case .regressionAverageY: return PairAccumulator(.averageY)
        case .regressionSlope: return PairAccumulator(.slope)
        case .regressionIntercept: return PairAccumulator(.intercept)
        case .regressionFit: return PairAccumulator(.determination)
        case .regressionSpreadX: return PairAccumulator(.spreadX)
        case .regressionSpreadY: return PairAccumulator(.spreadY)
        case .regressionSpread: return PairAccumulator(.spread)
        case .decayedCount: return DecayAccumulator(.count, micros: call.parameter ?? 1)
        }
    }

    private static func distinct(
        _ call: AggregateCall, _ input: ColumnType?, onlyGrows: Bool
    ) throws(JobFailure) -> any Accumulator {
        switch call.function {
        case .count:
            return WordKernels.holds(input!)
                ? DistinctWordAccumulator(isCompact: onlyGrows) : DistinctBytesAccumulator()
        case .minimum, .maximum, .all, .any, .approximateDistinct:
            return try make(
                AggregateCall(
                    function: call.function, arguments: call.arguments, isDistinct: false,
                    filter: call.filter, parameter: call.parameter, resultType: call.resultType,
                    text: call.text))
        default:
            throw JobFailure(
                .step, "\(call.function.name)(distinct …) cannot be computed", at: call.text,
                remedy: "leave out distinct, or use count(distinct …)")
        }
    }

    private static func sum(
        _ call: AggregateCall, _ input: ColumnType?
    ) throws(JobFailure) -> any Accumulator {
        switch input {
        case .int64: return IntegerSumAccumulator(result: call.resultType)
        case .decimal: return DecimalSumAccumulator()
        case .float64: return FloatSumAccumulator(isAverage: false)
        default: throw unsupported(call, input)
        }
    }

    private static func average(
        _ call: AggregateCall, _ input: ColumnType?
    ) throws(JobFailure) -> any Accumulator {
        switch input {
        case .int64: return IntegerSumAccumulator(result: nil)
        case .decimal(_, let scale): return DecimalSumAccumulator(averageScale: scale)
        case .float64: return FloatSumAccumulator(isAverage: true)
        default: throw unsupported(call, input)
        }
    }

    private static func extreme(
        _ call: AggregateCall, _ input: ColumnType?
    ) throws(JobFailure) -> any Accumulator {
        let isLargest = call.function == .maximum
        guard let input else { throw unsupported(call, input) }
        if WordKernels.holds(input) {
            return ExtremeWordAccumulator(isLargest: isLargest, type: input)
        }
        switch input {
        case .decimal: return ExtremeDecimalAccumulator(isLargest: isLargest)
        case .string, .bytes: return ExtremeBytesAccumulator(isLargest: isLargest)
        default: throw unsupported(call, input)
        }
    }

    private static func argument(
        _ call: AggregateCall, isLargest: Bool
    ) throws(JobFailure) -> any Accumulator {
        let rank = call.arguments[1].type
        guard KeyEncoder.accepts(rank) else { throw unsupported(call, rank) }
        return ArgumentAccumulator(
            value: call.arguments[0].type, rank: rank, isLargest: isLargest)
    }

    private static func unsupported(_ call: AggregateCall, _ input: ColumnType?) -> JobFailure {
        JobFailure(
            .step,
            "\(call.function.name) cannot be computed over \(input?.description ?? "nothing")",
            at: call.text, remedy: "cast the argument to a number, a time or a string")
    }
}
