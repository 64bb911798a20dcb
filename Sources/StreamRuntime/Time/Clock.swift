import Glibc

/// The time of day and elapsed time: a seam, so that a test sets it.
public protocol Clock: AnyObject, Sendable {
    /// Nanoseconds that only grow, from an arbitrary start.
    var nanos: Int64 { get }
    /// Microseconds since 1970-01-01T00:00:00Z.
    var nowMicros: Int64 { get }
}

/// The machine's clocks.
public final class SystemClock: Clock {
    /// The clocks of this machine.
    public init() {}

    /// The monotonic clock.
    public var nanos: Int64 { SystemClock.read(CLOCK_MONOTONIC) }
    /// The time of day.
    public var nowMicros: Int64 { SystemClock.read(CLOCK_REALTIME) / 1000 }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
