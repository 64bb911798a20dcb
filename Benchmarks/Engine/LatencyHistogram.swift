/// Durations counted in buckets whose width is a 64th of their value or less.
///
/// - Source: the log-linear buckets of HdrHistogram.
struct LatencyHistogram {
    private var counts = [Int](repeating: 0, count: 64 * 64)
    private(set) var count = 0
    private(set) var maxNanos = 0

    mutating func add(nanos: Int) {
        counts[LatencyHistogram.bucket(max(nanos, 0))] += 1
        count += 1
        maxNanos = max(maxNanos, nanos)
    }

    /// The duration in nanoseconds that `share` of all stay within.
    func quantile(_ share: Double) -> Int {
        let wanted = Int((Double(count) * share).rounded(.up))
        var seen = 0
        for (bucket, count) in counts.enumerated() {
            seen += count
            if seen >= wanted, seen > 0 {
                return min(LatencyHistogram.upper(bucket), maxNanos)
            }
        }
        return maxNanos
    }

    /// The usual quantiles in milliseconds.
    var text: String {
        let shares: [(String, Double)] = [
            ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999),
        ]
        let parts = shares.map { "\($0.0) \(LatencyHistogram.millis(quantile($0.1)))" }
        return parts.joined(separator: ", ") + ", max \(LatencyHistogram.millis(maxNanos)) ms"
    }

    static func millis(_ nanos: Int) -> String { "\(Double(nanos / 1000) / 1000)" }

    private static func bucket(_ nanos: Int) -> Int {
        guard nanos >= 64 else { return nanos }
        let shift = 57 - nanos.leadingZeroBitCount
        return min((shift + 1) << 6 + (nanos >> shift) - 64, 64 * 64 - 1)
    }

    private static func upper(_ bucket: Int) -> Int {
        guard bucket >= 64 else { return bucket }
        let shift = bucket >> 6 - 1
        return (bucket & 63 + 65) << shift - 1
    }
}
