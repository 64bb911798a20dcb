/// Says when a service may be asked: as its rate, its circuit breaker and its own word allow. A pure value.
///
/// - Units: all times in microseconds.
struct ServiceGate: Equatable, Sendable {
    private var bucket: TokenBucket?
    private var breaker: CircuitBreaker?
    private var blockedUntil = Int64.min

    /// The longest a service's own word keeps it from being asked: two hours.
    static let blockMax: Int64 = 7_200_000_000

    /// An open gate; without a `rate` or `breaker` that is no reason to wait.
    init(rate: RequestRate?, breaker: CircuitBreaker.Settings?, now: Int64) {
        bucket = rate.map { TokenBucket($0, now: now) }
        self.breaker = breaker.map { CircuitBreaker($0) }
    }

    /// What its breaker does.
    var state: CircuitBreaker.State { breaker?.state ?? .closed }

    /// Whether the service has asked not to be asked at `now`.
    func isBlocked(_ now: Int64) -> Bool { now < blockedUntil }

    /// When it may be asked: `now` or later; nil when an answer has to come first.
    mutating func ready(_ now: Int64) -> Int64? {
        var when = max(now, blockedUntil)
        if let breaker, !breaker.allows(now) {
            guard breaker.state == .open else { return nil }
            when = max(when, breaker.openUntil)
        }
        if bucket != nil { when = max(when, bucket!.ready(now)) }
        return when
    }

    /// Gives it another rate.
    mutating func setRate(_ rate: RequestRate?, now: Int64) {
        guard let rate else {
            bucket = nil
            return
        }
        if bucket == nil {
            bucket = TokenBucket(rate, now: now)
        } else {
            bucket!.change(to: rate, now: now)
        }
    }

    /// It is asked.
    mutating func begin() {
        bucket?.take()
        breaker?.begin()
    }

    /// It answered, and is not to be asked before `until`.
    mutating func succeed(until: Int64? = nil, now: Int64) {
        breaker?.succeed()
        if let until { block(until, now) }
    }

    /// It asks not to be asked before `until`; nil when it does not say.
    mutating func limit(until: Int64?, now: Int64) {
        breaker?.release()
        if let until { block(until, now) }
    }

    /// It failed.
    mutating func fail(_ now: Int64) { breaker?.fail(now) }

    private mutating func block(_ until: Int64, _ now: Int64) {
        blockedUntil = max(blockedUntil, min(until, now + ServiceGate.blockMax))
    }
}
