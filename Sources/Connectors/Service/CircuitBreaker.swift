/// Stops calling what mostly fails, and asks now and then whether it is back. A pure value.
///
/// - Source: Michael Nygard, "Release It!", circuit breaker.
public struct CircuitBreaker: Equatable, Sendable {
    /// When it opens and for how long.
    public struct Settings: Equatable, Sendable {
        /// The share of failed calls that opens it.
        public var errors = 0.5
        /// How many of the last calls count, and have to be there.
        public var calls = 10
        /// How long nothing is called then, in microseconds.
        public var openMicros: Int64 = 30_000_000

        /// Open for 30 s after half of ten calls have failed.
        public init() {}
    }

    /// Whether calls are made.
    public enum State: Int, Equatable, Sendable {
        /// They are.
        case closed
        /// One is made to see.
        case halfOpen
        /// They are not.
        case open
    }

    private let settings: Settings
    /// What it does now.
    public private(set) var state = State.closed
    /// When it is asked again, while it is open.
    public private(set) var openUntil: Int64 = 0
    private var isProbing = false
    private var recent: [Bool] = []
    private var next = 0

    /// A closed one.
    public init(_ settings: Settings) {
        self.settings = settings
    }

    /// Whether a call may be made at `now`.
    public func allows(_ now: Int64) -> Bool {
        switch state {
        case .closed: true
        case .halfOpen: !isProbing
        case .open: now >= openUntil
        }
    }

    /// A call is made.
    public mutating func begin() {
        if state == .open { state = .halfOpen }
        if state == .halfOpen { isProbing = true }
    }

    /// A call neither failed nor succeeded: another one is to find out.
    public mutating func release() { isProbing = false }

    /// A call was answered.
    public mutating func succeed() {
        if state != .closed {
            state = .closed
            recent = []
            next = 0
        }
        isProbing = false
        note(failed: false)
    }

    /// A call failed at `now`.
    public mutating func fail(_ now: Int64) {
        isProbing = false
        guard state == .closed else {
            open(now)
            return
        }
        note(failed: true)
        let failures = recent.count { $0 }
        if recent.count >= settings.calls,
            Double(failures) >= settings.errors * Double(recent.count)
        {
            open(now)
        }
    }

    private mutating func open(_ now: Int64) {
        state = .open
        openUntil = now + settings.openMicros
    }

    private mutating func note(failed: Bool) {
        if recent.count < settings.calls {
            recent.append(failed)
        } else {
            recent[next] = failed
            next = (next + 1) % settings.calls
        }
    }
}
