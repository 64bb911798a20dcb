import StreamRuntime

/// Memory for the state entries of one batch, reused from batch to batch.
final class EntryBuffer {
    private(set) var entries: UnsafeMutablePointer<StateEntry>
    private(set) var rows: UnsafeMutablePointer<Int32>
    private var capacity = 4096

    init() {
        entries = .allocate(capacity: capacity)
        rows = .allocate(capacity: capacity)
    }

    deinit {
        entries.deallocate()
        rows.deallocate()
    }

    /// Makes room for `count` entries and row indices; what was there is lost.
    func reserve(_ count: Int) {
        guard count > capacity else { return }
        capacity = max(count, capacity * 2)
        entries.deallocate()
        rows.deallocate()
        entries = .allocate(capacity: capacity)
        rows = .allocate(capacity: capacity)
    }

    /// The rows of `count` whose mark is `value`, in the room for rows.
    func rows(
        of count: Int, where marks: UnsafePointer<UInt8>, equals value: UInt8
    ) -> (start: UnsafePointer<Int32>, count: Int) {
        reserve(count)
        let rows = rows
        var found = 0
        var row = 0
        while row < count {
            rows[found] = Int32(truncatingIfNeeded: row)
            found &+= marks[row] == value ? 1 : 0
            row &+= 1
        }
        return (UnsafePointer(rows), found)
    }
}

/// Arithmetic on event times that stays in range at both ends of time.
enum TimeMath {
    /// The number of the bucket of `width` microseconds that `time` falls into.
    @inline(__always)
    static func bucket(_ time: Int64, _ width: Int64) -> Int64 {
        let quotient = time / width
        return time % width < 0 ? quotient &- 1 : quotient
    }

    /// `time` plus `micros`, at most the end of time.
    @inline(__always)
    static func after(_ time: Int64, _ micros: Int64) -> Int64 {
        let (sum, overflow) = time.addingReportingOverflow(micros)
        return overflow ? (micros < 0 ? .min : .max) : sum
    }

    /// `time` less `micros`, at least the earliest time.
    @inline(__always)
    static func before(_ time: Int64, _ micros: Int64) -> Int64 {
        let (difference, overflow) = time.subtractingReportingOverflow(micros)
        return overflow ? (micros < 0 ? .max : .min) : difference
    }
}

extension Duration {
    /// Whole microseconds, as event time counts.
    var micros: Int64 {
        let (seconds, attoseconds) = components
        return TimeMath.after(
            seconds.multipliedReportingOverflow(by: 1_000_000).overflow
                ? .max : seconds * 1_000_000, attoseconds / 1_000_000_000_000)
    }
}

extension RowOrder {
    /// The place of one row that an operator makes.
    static func made(eventTime: Int64, watermark: Int64, origin: Int64, offset: Int64) -> RowOrder {
        let order = RowOrder(capacity: 1)
        order.append(eventTime: eventTime, watermark: watermark, origin: origin, offset: offset)
        return order
    }
}
