import Glibc
import StreamRuntime

/// Variance and standard deviation from exact sums of x and x².
///
/// - Shape: count, the sum of x, the sum of x² (each square added as its double and the rest of it, so
///   that nothing is lost); a blob for each sum.
/// - Note: integers and decimals are taken as the doubles nearest to them.
struct VarianceAccumulator: ExactSumsAccumulator {
    private let function: AggregateFunction
    private let input: ColumnType

    init(_ function: AggregateFunction, input: ColumnType) {
        self.function = function
        self.input = input
    }

    var sums: Int { 2 }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: [WordKernels.doubles(arguments[0])])
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].float64s)
        for row in range where rows.counts(row) {
            let value = numbers[row]
            let square = value * value
            place.words(rows.entries[row])[0] &+= 1
            sum(rows.entries[row], place, 0).add(value)
            let squares = sum(rows.entries[row], place, 1)
            squares.add(square)
            if square.isFinite { squares.add((-square).addingProduct(value, value)) }
        }
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        let isSample = function == .varianceSample || function == .deviationSample
        let isRoot = function == .deviationSample || function == .deviationPopulation
        for slot in 0..<count {
            let terms = Double(place.words(entries[slot])[0])
            let divisor = isSample ? terms - 1 : terms
            if divisor <= 0 {
                column.appendNull()
                continue
            }
            let spread = VarianceAccumulator.spread(
                sum(entries[slot], place, 0).parts(), sum(entries[slot], place, 1).parts(), terms)
            // A negative rest is what rounding leaves of equal values; NaN stays NaN.
            let variance = spread < 0 ? 0 : spread / terms / divisor
            column.append(isRoot ? variance.squareRoot() : variance)
        }
    }

    /// n·Σx² − (Σx)², in pairs of doubles.
    private static func spread(
        _ total: (high: Double, low: Double), _ squares: (high: Double, low: Double),
        _ terms: Double
    ) -> Double {
        let left = terms * squares.high
        let leftRest = (-left).addingProduct(terms, squares.high) + terms * squares.low
        let right = total.high * total.high
        let rightRest = (-right).addingProduct(total.high, total.high) + 2 * total.high * total.low
        return (left - right) + (leftRest - rightRest)
    }
}
