import Glibc
import StreamRuntime

/// Values with how often each comes, from the smallest to the largest; nulls are no part of it.
///
/// - Note: whatever is computed from it does not depend on the order in which the values came.
struct Multiset {
    let values: Column
    /// Rows of `values`.
    private(set) var rows: [Int]
    private(set) var counts: [Int64]
    let total: Int64

    /// The elements `range` of a list.
    init(_ values: Column, _ range: Range<Int>) {
        self.values = values
        let ordered = ListOrder.sorted(
            values, range, descending: false, nullsFirst: false
        ).filter { values.isValid($0) }
        rows = []
        counts = []
        for row in ordered {
            if let last = rows.last, RowComparison.compare(values, last, values, row) == 0 {
                counts[counts.count - 1] += 1
            } else {
                rows.append(row)
                counts.append(1)
            }
        }
        total = Int64(ordered.count)
    }

    /// The elements `range` of a list of `{value, count}`.
    init(counted list: Column, _ range: Range<Int>) {
        values = list.children[0]
        let all = list.children[0]
        rows = ListOrder.sorted(all, range, descending: false, nullsFirst: false)
            .filter { all.isValid($0) }
        counts = rows.map { list.children[1].int64s[$0] }
        total = counts.reduce(0, +)
    }

    var isEmpty: Bool { rows.isEmpty }

    /// The place in `rows` of value number `index`, from 0, of all of them in order.
    func place(_ index: Int64) -> Int {
        var before: Int64 = 0
        for (place, count) in counts.enumerated() {
            before += count
            if index < before { return place }
        }
        return max(0, rows.count - 1)
    }

    /// The row of the value that the part `quantile` of all values does not exceed.
    func discrete(_ quantile: Double) -> Int {
        let index = (Double(total) * quantile).rounded(.up)
        return rows[place(max(1, Int64(index)) - 1)]
    }

    /// The same between values, in a line.
    func continuous(_ quantile: Double) -> Double {
        let at = Double(total - 1) * quantile
        let low = double(place(Int64(at.rounded(.down))))
        let high = double(place(Int64(at.rounded(.up))))
        return Multiset.between(low, high, at - at.rounded(.down))
    }

    static func between(_ low: Double, _ high: Double, _ part: Double) -> Double {
        low == high || part == 0 ? low : low * (1 - part) + high * part
    }

    /// The value at a place of `rows` as a double.
    func double(_ place: Int) -> Double { Statistics.double(values, rows[place]) }

    /// The median of the distances from the median.
    var medianDeviation: Double {
        let median = continuous(0.5)
        var distances: [(Double, Int64)] = []
        for place in rows.indices { distances.append((abs(double(place) - median), counts[place])) }
        distances.sort { $0.0 < $1.0 }
        func value(_ index: Int64) -> Double {
            var before: Int64 = 0
            for (distance, count) in distances {
                before += count
                if index < before { return distance }
            }
            return distances[distances.count - 1].0
        }
        let at = Double(total - 1) / 2
        return Multiset.between(
            value(Int64(at.rounded(.down))), value(Int64(at.rounded(.up))), at - at.rounded(.down))
    }

    /// The bits that a value tells on average.
    var entropy: Double {
        var sum = 0.0
        for count in counts.sorted() {
            let share = Double(count) / Double(total)
            sum -= share * log2(share)
        }
        return max(0, sum)
    }

    /// The most frequent value's place in `rows`, the smallest of several.
    var mode: Int {
        var best = 0
        for place in counts.indices where counts[place] > counts[best] { best = place }
        return best
    }

    /// The product of all values, from the smallest on.
    var product: Double {
        var product = 1.0
        for place in rows.indices {
            for _ in 0..<counts[place] { product *= double(place) }
        }
        return product
    }

    /// Σ over all values of the distance from the mean to the power of 2, 3 and 4.
    var moments: (second: Double, third: Double, fourth: Double) {
        var mean = 0.0
        for place in rows.indices { mean += double(place) * Double(counts[place]) }
        mean /= Double(total)
        if mean.isInfinite {
            // The sum alone may be too large for a double.
            mean = 0
            for place in rows.indices {
                mean += double(place) / Double(total) * Double(counts[place])
            }
        }
        var sums = (second: 0.0, third: 0.0, fourth: 0.0)
        for place in rows.indices {
            let distance = double(place) - mean
            let square = distance * distance
            let times = Double(counts[place])
            sums.second += square * times
            sums.third += square * distance * times
            sums.fourth += square * square * times
        }
        return sums
    }
}

/// What statistics say of many numbers.
enum Statistics {
    /// A number as a double.
    static func double(_ values: Column, _ row: Int) -> Double {
        switch values.type {
        case .float64: values.float64s[row]
        case .decimal(_, let scale): Decimals.double(values.decimals[row], scale: scale)
        case .bool: Double(values.bools[row])
        default: Double(values.int64s[row])
        }
    }

    /// A statistic of the central moments of `count` values; nil where it has no meaning.
    enum Moment {
        case variancePopulation
        case varianceSample
        case deviationPopulation
        case deviationSample
        case error
        case skewness
        case kurtosis
        case kurtosisPopulation

        /// - Shape: the moments are sums of powers of distances from the mean.
        func value(
            count: Int64, second: Double, third: Double, fourth: Double
        ) -> Double? {
            let n = Double(count)
            switch self {
            // One value is no distance from itself, also an infinite one.
            case .variancePopulation where count == 1, .deviationPopulation where count == 1:
                return 0
            case .variancePopulation: return n > 0 ? second / n : nil
            case .varianceSample: return n > 1 ? second / (n - 1) : nil
            case .deviationPopulation: return n > 0 ? (second / n).squareRoot() : nil
            case .deviationSample: return n > 1 ? (second / (n - 1)).squareRoot() : nil
            case .error: return n > 0 ? (second / n).squareRoot() / n.squareRoot() : nil
            case .skewness:
                let spread = second / n
                guard n > 2, spread > 0 else { return nil }
                return (n * (n - 1)).squareRoot() / (n - 2) * (third / n)
                    / (spread * spread.squareRoot())
            case .kurtosis:
                let spread = second / n
                guard n > 3, spread > 0 else { return nil }
                let ratio = fourth / n / (spread * spread)
                return (n - 1) * ((n + 1) * ratio - 3 * (n - 1)) / ((n - 2) * (n - 3))
            case .kurtosisPopulation:
                let spread = second / n
                guard n > 1, spread > 0 else { return nil }
                return fourth / n / (spread * spread) - 3
            }
        }
    }
}
