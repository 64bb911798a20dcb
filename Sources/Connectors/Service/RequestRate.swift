/// How often a service may be asked.
public struct RequestRate: Equatable, Sendable {
    /// Requests a second in the long run.
    public var perSecond: Double
    /// Requests at once after a pause.
    public var burst: Double

    /// `perSecond` requests a second, `burst` at once.
    public init(perSecond: Double, burst: Double) {
        self.perSecond = perSecond
        self.burst = burst
    }

    /// The rate in words: `at most 10 requests/s`.
    public var text: String {
        for (count, unit) in [(perSecond, "s"), (perSecond * 60, "min"), (perSecond * 3600, "h")]
        where count >= 1 && (count * 1000).rounded() == count.rounded() * 1000 {
            return "at most \(Int(count.rounded())) requests/\(unit)"
        }
        return "at most \(perSecond) requests/s"
    }
}
