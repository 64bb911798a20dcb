/// When a job that has failed is started again in its process, and when it is given up. A pure value: no
/// clock, no waiting.
///
/// A job is given up when it fails too often within a time; until then each wait is twice as long as the
/// one before, until a checkpoint was committed again.
///
/// - Source: Flink's failure-rate and exponential-delay restart strategies.
public struct RestartPolicy: Hashable, Sendable {
    /// How often and how soon.
    public struct Settings: Hashable, Sendable {
        /// How often the job may be started again within `withinNanos`; 0 for never.
        public var attempts: Int
        /// The time in which failures are counted, in nanoseconds.
        public var withinNanos: Int64
        /// The first wait, in nanoseconds.
        public var firstNanos: Int64
        /// The longest wait, in nanoseconds.
        public var longestNanos: Int64

        /// Ten times within ten minutes, after a second at first and a minute at most.
        public init(
            attempts: Int = 10, withinNanos: Int64 = 600_000_000_000,
            firstNanos: Int64 = 1_000_000_000, longestNanos: Int64 = 60_000_000_000
        ) {
            precondition(attempts >= 0 && withinNanos > 0, "a number of attempts within a time")
            precondition(firstNanos >= 0 && longestNanos >= firstNanos, "waits that grow")
            self.attempts = attempts
            self.withinNanos = withinNanos
            self.firstNanos = firstNanos
            self.longestNanos = longestNanos
        }

        /// A job that ends with its first failure.
        public static let never = Settings(attempts: 0)
    }

    /// How often and how soon.
    public let settings: Settings
    /// When the failures were that still count.
    private var failures: [Int64] = []
    /// Failures without a committed checkpoint in between.
    private var streak = 0
    private var random: UInt64

    /// A job that has not failed yet.
    ///
    /// - Parameter seed: what the part of each wait is drawn from by which processes that failed together
    ///   come back apart.
    public init(_ settings: Settings, seed: UInt64) {
        self.settings = settings
        random = seed
    }

    /// A checkpoint was committed: the next wait is the first one again.
    public mutating func noteProgress() { streak = 0 }

    /// Takes note of a failure at `now`, in nanoseconds.
    ///
    /// - Returns: how long to wait before the job is started again, between three quarters of the due wait
    ///   and all of it; nil when it is given up.
    public mutating func failed(now: Int64) -> Int64? {
        failures.removeAll { now - $0 >= settings.withinNanos }
        guard failures.count < settings.attempts else { return nil }
        failures.append(now)
        var wait = settings.firstNanos
        var doubled = 0
        while doubled < streak, wait < settings.longestNanos {
            wait = min(wait * 2, settings.longestNanos)
            doubled += 1
        }
        streak += 1
        return wait - Int64(draw(UInt64(wait / 4) + 1))
    }

    /// A number below `bound` (SplitMix64).
    private mutating func draw(_ bound: UInt64) -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var mixed = random
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return (mixed ^ (mixed >> 31)) % bound
    }
}

extension JobFailure {
    /// Whether the job may go on from its last checkpoint without anybody doing something about it.
    public var isRestartable: Bool { recovery != .stopAndAsk && kind != .corruption }
}
