import Glibc
import StreamRuntime
import Synchronization

/// What is measured of features while they are written: how fresh they are, and how their values drift.
public final class FeatureMeters: Sendable {
    /// When records were appended; sources tell it.
    public let times = AppendTimes()
    private let registry: MetricsRegistry
    private let windowMicros: Int64

    /// From a millisecond to an hour: rows may wait for their watermark.
    private static let bounds: [Double] = [
        0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600,
    ]

    /// Meters whose figures go to `registry`; drift is told of windows of this length.
    public init(_ registry: MetricsRegistry, windowMicros: Int64 = 60_000_000) {
        self.registry = registry
        self.windowMicros = windowMicros
    }

    /// The meter of one view's writer.
    public func meter(of view: FeatureView) -> ViewMeter {
        let freshness = registry.histogram(
            "millrace_feature_freshness_seconds",
            help:
                "From a record's timestamp in its topic to the moment its row could be looked up.",
            labels: [("feature_view", view.name)], boundsSeconds: FeatureMeters.bounds)
        let statistics = FeatureStatistics(view: view, windowMicros: windowMicros)
        for (index, feature) in view.features.enumerated() {
            let labels: [MetricsRegistry.Label] = [
                ("feature", feature.name), ("feature_view", view.name),
            ]
            registry.reading(
                "millrace_feature_null_ratio",
                help: "Rows written without a value, of all in the last whole minute.",
                labels: labels
            ) { statistics.nullRatio(index) }
            guard FeatureStatistics.isNumber(feature.type) else { continue }
            registry.reading(
                "millrace_feature_mean",
                help: "Mean of the values written in the last whole minute.",
                labels: labels
            ) { statistics.mean(index) }
            registry.reading(
                "millrace_feature_stddev",
                help: "Standard deviation of the values written in the last whole minute.",
                labels: labels
            ) { statistics.deviation(index) }
        }
        return ViewMeter(freshness: freshness, statistics: statistics, times: times)
    }
}

/// What one view's writer tells of its batches.
public final class ViewMeter: Sendable {
    private let freshness: Histogram
    private let statistics: FeatureStatistics
    private let times: AppendTimes

    init(freshness: Histogram, statistics: FeatureStatistics, times: AppendTimes) {
        self.freshness = freshness
        self.statistics = statistics
        self.times = times
    }

    /// A batch was written and can be looked up since `now`; `columns` are the features'.
    func observe(_ batch: ColumnBatch, columns: [Int], now: Int64) {
        times.forEach(batch.order) { appended in
            freshness.observe(nanos: max(now - appended, 0) * 1000)
        }
        statistics.observe(batch, columns: columns, now: now)
    }
}

/// Counts, means and deviations of a view's features, by windows of the clock.
final class FeatureStatistics: Sendable {
    /// Sums over the values of one feature, each less the first, so that nothing is lost to cancellation.
    private struct Sums: Sendable {
        var rows = 0
        var values = 0
        var first = 0.0
        var sum = 0.0
        var squares = 0.0
    }

    private struct Windows: Sendable {
        var start: Int64 = 0
        var open: [Sums]
        var last: [Sums]
    }

    private let windows: Mutex<Windows>
    private let windowMicros: Int64

    init(view: FeatureView, windowMicros: Int64) {
        self.windowMicros = windowMicros
        let none = [Sums](repeating: Sums(), count: view.features.count)
        windows = Mutex(Windows(open: none, last: none))
    }

    static func isNumber(_ type: ColumnType) -> Bool {
        switch type {
        case .int64, .float64, .decimal, .bool: true
        default: false
        }
    }

    /// Counts the rows of `batch`, deletions too where there are any: they have no values.
    func observe(_ batch: ColumnBatch, columns: [Int], now: Int64) {
        windows.withLock { windows in
            let start = now - now % windowMicros
            if start != windows.start {
                windows.last = windows.open
                windows.open = [Sums](repeating: Sums(), count: columns.count)
                windows.start = start
            }
            for (feature, column) in columns.enumerated() {
                FeatureStatistics.add(
                    batch.columns[column], batch.count, to: &windows.open[feature])
            }
        }
    }

    private static func add(_ column: Column, _ count: Int, to sums: inout Sums) {
        sums.rows += count
        var nulls = 0
        let validity = column.validity
        if let validity {
            var row = 0
            while row < count {
                nulls &+= validity[row] == 0 ? 1 : 0
                row &+= 1
            }
        }
        guard isNumber(column.type), nulls < count else {
            sums.values += count - nulls
            return
        }
        if sums.values == 0 {
            var row = 0
            while let validity, validity[row] == 0 { row &+= 1 }
            let first = number(column, row)
            sums.first = first.isFinite ? first : 0
        }
        switch column.type {
        case .int64:
            let values = column.int64s
            add(validity, count, to: &sums) { Double(values[$0]) }
        case .float64:
            let values = column.float64s
            add(validity, count, to: &sums) { values[$0] }
        default: add(validity, count, to: &sums) { number(column, $0) }
        }
    }

    /// Adds the numbers that `value` reads.
    @inline(__always)
    private static func add(
        _ validity: UnsafeMutablePointer<UInt8>?, _ count: Int, to sums: inout Sums,
        _ value: (Int) -> Double
    ) {
        let first = sums.first
        var sum = 0.0
        var squares = 0.0
        var values = 0
        var row = 0
        while row < count {
            if validity == nil || validity.unsafelyUnwrapped[row] != 0 {
                let distance = value(row) - first
                if distance.isFinite {
                    sum += distance
                    squares += distance * distance
                    values &+= 1
                }
            }
            row &+= 1
        }
        sums.sum += sum
        sums.squares += squares
        sums.values += values
    }

    private static func number(_ column: Column, _ row: Int) -> Double {
        switch column.type {
        case .int64: Double(column.int64s[row])
        case .float64: column.float64s[row]
        case .bool: Double(column.bools[row])
        case .decimal(_, let scale): Double(column.decimals[row]) / pow(10, Double(scale))
        default: 0
        }
    }

    func nullRatio(_ feature: Int) -> Double? {
        let sums = windows.withLock { $0.last[feature] }
        return sums.rows == 0 ? nil : Double(sums.rows - sums.values) / Double(sums.rows)
    }

    func mean(_ feature: Int) -> Double? {
        let sums = windows.withLock { $0.last[feature] }
        return sums.values == 0 ? nil : sums.first + sums.sum / Double(sums.values)
    }

    func deviation(_ feature: Int) -> Double? {
        let sums = windows.withLock { $0.last[feature] }
        guard sums.values > 0 else { return nil }
        let count = Double(sums.values)
        return max(sums.squares / count - (sums.sum / count) * (sums.sum / count), 0).squareRoot()
    }
}
