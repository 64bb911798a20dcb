import StreamRuntime

/// `covar_pop(y, x)`, `corr(y, x)`, `regr_slope(y, x)` and their kind, from exact sums.
///
/// - Shape: count, the sums of y, x, y², x² and xy, each product with the rest that a double leaves; a
///   blob for each sum. Rows where either is null are passed over.
struct PairAccumulator: ExactSumsAccumulator {
    /// What is said of the pairs.
    enum Statistic {
        case covariancePopulation
        case covarianceSample
        case correlation
        case averageX
        case averageY
        case count
        case slope
        case intercept
        case determination
        case spreadX
        case spreadY
        case spread
    }

    private let statistic: Statistic

    init(_ statistic: Statistic) { self.statistic = statistic }

    var sums: Int { 5 }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: arguments.map { WordKernels.doubles($0) })
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let ys = UnsafePointer(rows.arguments.columns[0].float64s)
        let xs = UnsafePointer(rows.arguments.columns[1].float64s)
        for row in range where rows.counts(row) {
            let entry = rows.entries[row]
            place.words(entry)[0] &+= 1
            sum(entry, place, 0).add(ys[row])
            sum(entry, place, 1).add(xs[row])
            add(ys[row], ys[row], to: sum(entry, place, 2))
            add(xs[row], xs[row], to: sum(entry, place, 3))
            add(xs[row], ys[row], to: sum(entry, place, 4))
        }
    }

    private func add(_ left: Double, _ right: Double, to sum: FloatSum) {
        let product = left * right
        sum.add(product)
        if product.isFinite { sum.add((-product).addingProduct(left, right)) }
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let terms = place.words(entries[slot])[0]
            if statistic == .count {
                column.append(terms)
                continue
            }
            let sums = (0..<self.sums).map { DoublePair(sum(entries[slot], place, $0).parts()) }
            if terms > 0, let value = value(Double(terms), sums) {
                column.append(value)
            } else {
                column.appendNull()
            }
        }
    }

    private func value(_ n: Double, _ sums: [DoublePair]) -> Double? {
        /// Σ of products of distances from the means; what rounding leaves of equal values is nothing.
        func spread(_ products: DoublePair, _ left: DoublePair, _ right: DoublePair) -> Double {
            let away = left * right / n
            let spread = (products - away).value
            return spread.magnitude <= max(products.value.magnitude, away.value.magnitude) * 0x1p-90
                ? 0 : spread
        }
        let ofY = spread(sums[2], sums[0], sums[0])
        let ofX = spread(sums[3], sums[1], sums[1])
        let ofBoth = spread(sums[4], sums[0], sums[1])
        switch statistic {
        case .count: return n
        case .averageX: return (sums[1] / n).value
        case .averageY: return (sums[0] / n).value
        case .covariancePopulation: return ofBoth / n
        case .covarianceSample: return n > 1 ? ofBoth / (n - 1) : nil
        case .spreadX: return ofX
        case .spreadY: return ofY
        case .spread: return ofBoth
        case .correlation:
            return ofX == 0 || ofY == 0
                ? .nan : max(-1, min(1, ofBoth / (ofX.squareRoot() * ofY.squareRoot())))
        case .slope: return ofX == 0 ? .nan : ofBoth / ofX
        case .intercept:
            guard ofX != 0 else { return nil }
            return (sums[0] / n).value - ofBoth / ofX * (sums[1] / n).value
        case .determination:
            guard ofX != 0 else { return nil }
            return ofY == 0 ? 1 : ofBoth / ofX * (ofBoth / ofY)
        }
    }
}
