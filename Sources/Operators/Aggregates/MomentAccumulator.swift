import StreamRuntime

/// `skewness`, `kurtosis`, `kurtosis_pop` and `sem`, from exact sums of the first four powers.
///
/// - Shape: count, the sums of x, x², x³ and x⁴, each power with the rest that a double leaves; a blob for
///   each sum.
/// - Note: powers are exact to 106 bits: skewness and kurtosis of values of more than some ten digits whose differences
///   are small lose digits, though fewer than DuckDB's, which sums doubles.
struct MomentAccumulator: ExactSumsAccumulator {
    private static let powers = 4
    private let moment: Statistics.Moment

    init(_ moment: Statistics.Moment) { self.moment = moment }

    var sums: Int { MomentAccumulator.powers }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: [WordKernels.doubles(arguments[0])])
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].float64s)
        for row in range where rows.counts(row) {
            let entry = rows.entries[row]
            let value = numbers[row]
            place.words(entry)[0] &+= 1
            sum(entry, place, 0).add(value)
            var power = DoublePair(value)
            for blob in 1..<MomentAccumulator.powers {
                power = power * DoublePair(value)
                let total = sum(entry, place, blob)
                total.add(power.high)
                if power.high.isFinite { total.add(power.low) }
            }
        }
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let terms = place.words(entries[slot])[0]
            guard terms > 0 else {
                column.appendNull()
                continue
            }
            let n = Double(terms)
            let sums = (0..<self.sums).map { DoublePair(sum(entries[slot], place, $0).parts()) }
            let mean = sums[0] / n
            let square = mean * mean
            let second = sums[1] - mean * sums[0]
            let third =
                sums[2] - DoublePair(3) * mean * sums[1] + DoublePair(2) * square * sums[0]
            let fourth =
                sums[3] - DoublePair(4) * mean * sums[2] + DoublePair(6) * square * sums[1]
                - DoublePair(3) * square * mean * sums[0]
            // A tiny rest is what rounding leaves of equal values; NaN stays NaN.
            let limit = sums[1].value * 0x1p-90
            let spread = second.value.magnitude <= limit ? 0 : second.value
            let value = moment.value(
                count: terms, second: spread, third: third.value, fourth: fourth.value)
            if let value { column.append(value) } else { column.appendNull() }
        }
    }
}
