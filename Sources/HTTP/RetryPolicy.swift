/// How often and after what wait a request is tried again. A pure value.
///
/// - Shape: the wait before try n + 1 is half of `firstMillis` x 2^(n-1), at most `longestMillis`, and
///   up to as much again by chance, so that many clients do not come back together.
public struct RetryPolicy: Equatable, Sendable {
    /// Tries in all, the first included.
    public var tries: Int
    /// The longest wait after the first try, in milliseconds.
    public var firstMillis: Int
    /// The longest wait after any try, in milliseconds.
    public var longestMillis: Int

    /// By default five tries within some ten seconds.
    public init(tries: Int = 5, firstMillis: Int = 200, longestMillis: Int = 5000) {
        precondition(tries >= 1 && firstMillis >= 0 && longestMillis >= firstMillis)
        self.tries = tries
        self.firstMillis = firstMillis
        self.longestMillis = longestMillis
    }

    /// One try and no more.
    public static let never = RetryPolicy(tries: 1)

    /// Milliseconds to wait after try `done` (from 1) failed; nil when it was the last.
    ///
    /// - Parameters:
    ///   - chance: a number in 0..<1.
    ///   - wishSeconds: what the server asked for with `Retry-After`, if it did.
    public func wait(after done: Int, chance: Double, wishSeconds: Int? = nil) -> Int? {
        guard done < tries else { return nil }
        var longest = firstMillis
        for _ in 1..<max(done, 1) where longest < longestMillis { longest *= 2 }
        longest = min(longest, longestMillis)
        let wait = longest / 2 + Int(Double(longest - longest / 2) * chance)
        return max(wait, min((wishSeconds ?? 0) * 1000, longestMillis))
    }
}
