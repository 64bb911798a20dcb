import CPlatform

/// How far behind the clock the event times of rows were when a sink took them, counted in buckets.
///
/// A row that a window made has the window's end for its event time, so its lag is the time from that end to the
/// sink. Rows read again from the past are as late as they are old.
///
/// - Units: microseconds in and out; a bucket is at most a 16th of its value wide.
/// - Note: single writer; readers see recent counts. The cells are raw memory read and written atomically, which is
///   why sharing is safe.
/// - Source: `currentEmitEventTimeLag` of Flink's sinks, as a distribution; the log-linear buckets of HdrHistogram.
public final class EventLag: @unchecked Sendable {
    private static let buckets = 16 * 62
    private let cells: UnsafeMutablePointer<UInt64>

    /// No row counted.
    public init() {
        cells = .allocate(capacity: EventLag.buckets)
        cells.initialize(repeating: 0, count: EventLag.buckets)
    }

    deinit { cells.deallocate() }

    /// Counts `count` rows whose event times are at `times`, which a sink takes at `now`; by its task only.
    ///
    /// - Units: microseconds since 1970.
    public func add(_ times: UnsafePointer<Int64>, count: Int, now: Int64) {
        var row = 0
        while row < count {
            // Rows of one window, and of one moment, lie together.
            let time = times[row]
            var end = row &+ 1
            while end < count, times[end] == time { end &+= 1 }
            let cell = cells + EventLag.bucket(now &- time)
            millrace_store_relaxed(cell, millrace_load_relaxed(cell) &+ UInt64(end &- row))
            row = end
        }
    }

    /// Counts the rows of `batch`, which a sink takes at `now`; by its task only.
    public func add(_ batch: ColumnBatch, now: Int64) {
        add(batch.order.eventTimes.int64s, count: batch.count, now: now)
    }

    /// Rows counted so far.
    public var count: Int {
        (0..<EventLag.buckets).reduce(0) { $0 + Int(millrace_load_relaxed(cells + $1)) }
    }

    /// The lag that `share` of all rows stay within; nil when none were counted.
    ///
    /// - Units: microseconds; rows of the future count as 0.
    public func quantile(_ share: Double) -> Int64? {
        let total = count
        guard total > 0 else { return nil }
        let wanted = max(1, Int((Double(total) * share).rounded(.up)))
        var seen = 0
        for bucket in 0..<EventLag.buckets {
            seen += Int(millrace_load_relaxed(cells + bucket))
            if seen >= wanted { return EventLag.upper(bucket) }
        }
        return EventLag.upper(EventLag.buckets - 1)
    }

    @inline(__always)
    private static func bucket(_ micros: Int64) -> Int {
        guard micros >= 16 else { return micros < 0 ? 0 : Int(micros) }
        let shift = 59 &- micros.leadingZeroBitCount
        return min((shift &+ 1) << 4 &+ Int(micros >> Int64(shift)) &- 16, buckets &- 1)
    }

    private static func upper(_ bucket: Int) -> Int64 {
        guard bucket >= 16 else { return Int64(bucket) }
        let shift = bucket >> 4 - 1
        return Int64(bucket & 15 + 17) << Int64(shift) - 1
    }
}
