import HTTP
import StreamRuntime

/// How a lookup step asks.
public struct LookupSettings: Equatable, Sendable {
    /// The step's id.
    public var name: String
    /// How long answers hold.
    public var terms = LookupTerms(foundMicros: 1, missingMicros: 1)
    /// Requests under way at once.
    public var inFlight = 16
    /// Tries of a request and the waits between them.
    public var retry = RetryPolicy(tries: 4, firstMillis: 100, longestMillis: 5000)
    /// How long a request is repeated while the service cannot be reached at all.
    ///
    /// - Units: microseconds.
    public var giveUpMicros: Int64 = 60_000_000
    /// How often requests are made at most; nil for no limit.
    public var rate: RequestRate?
    /// When nothing is asked for a while; nil for never.
    public var breaker: CircuitBreaker.Settings?
    /// How many checkpoints the job keeps.
    public var checkpointsKept = 3
    /// Whether failures are written down: not where they stop the job, so that a restart asks again.
    public var keepsFailures = true
    /// The hash of what is asked: answers to another question are not taken.
    public var definition: Int64 = 0

    /// Settings of step `name`.
    public init(name: String) { self.name = name }
}
