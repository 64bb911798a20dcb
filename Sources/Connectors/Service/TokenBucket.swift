/// Tokens for requests: some at once, then so many a second. A pure value.
struct TokenBucket: Equatable, Sendable {
    private var rate: RequestRate
    private var tokens: Double
    private var filledAt: Int64

    init(_ rate: RequestRate, now: Int64) {
        self.rate = rate
        tokens = rate.burst
        filledAt = now
    }

    /// Another rate from `now` on.
    mutating func change(to rate: RequestRate, now: Int64) {
        guard rate != self.rate else { return }
        fill(now)
        self.rate = rate
        tokens = min(tokens, rate.burst)
    }

    private mutating func fill(_ now: Int64) {
        guard now > filledAt else { return }
        tokens = min(rate.burst, tokens + Double(now - filledAt) / 1e6 * rate.perSecond)
        filledAt = now
    }

    /// When there is a token: `now` or later.
    mutating func ready(_ now: Int64) -> Int64 {
        fill(now)
        if tokens >= 1 { return now }
        return now + max(Int64(((1 - tokens) / rate.perSecond * 1e6).rounded(.up)), 1)
    }

    /// Takes a token.
    mutating func take() { tokens -= 1 }
}
