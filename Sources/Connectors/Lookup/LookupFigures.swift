/// What a lookup step did so far.
public struct LookupFigures: Equatable, Sendable {
    /// Rows whose answer was in memory.
    public var hits = 0
    /// Questions whose answer was in the journal.
    public var journalled = 0
    /// Questions that were asked.
    public var asked = 0
    /// Requests that were made for them.
    public var requests = 0
    /// Questions of which nothing is known.
    public var missing = 0
    /// Questions that failed for good.
    public var failed = 0
    /// Questions that were asked again after a failure.
    public var retried = 0
    /// Answers that asked for fewer requests.
    public var limited = 0
    /// Questions that were answered before and forgotten since.
    public var forgotten = 0
    /// How often old answers were taken out of the journal.
    public var trims = 0
    /// Questions that wait for a request.
    public var waiting = 0
    /// Questions whose request is under way.
    public var inFlight = 0
    /// What the circuit breaker does.
    public var breaker = CircuitBreaker.State.closed

    /// Their names for programs.
    static let table = FigureTable<LookupFigures>()
        .counting("millrace_lookup_hits_total", "Rows whose answer was in memory.") { $0.hits }
        .counting(
            "millrace_lookup_journalled_total", "Questions whose answer was in the journal."
        ) { $0.journalled }
        .counting("millrace_lookup_asked_total", "Questions that were asked.") { $0.asked }
        .counting("millrace_lookup_requests_total", "Requests that were made.") { $0.requests }
        .counting("millrace_lookup_missing_total", "Questions of which nothing is known.") {
            $0.missing
        }
        .counting("millrace_lookup_failed_total", "Questions that failed for good.") {
            $0.failed
        }
        .counting("millrace_lookup_retried_total", "Questions asked again after a failure.") {
            $0.retried
        }
        .counting("millrace_lookup_limited_total", "Answers that asked for fewer requests.") {
            $0.limited
        }
        .counting(
            "millrace_lookup_forgotten_total", "Questions whose answer was trimmed before."
        ) { $0.forgotten }
        .counting("millrace_lookup_trims_total", "How often old answers were trimmed.") {
            $0.trims
        }
        .showing("millrace_lookup_waiting", "Questions that wait.") { $0.waiting }
        .showing("millrace_lookup_in_flight", "Questions whose request is under way.") {
            $0.inFlight
        }
        .showing(
            "millrace_lookup_breaker_state", "The circuit breaker: 0 closed, 1 asking, 2 open."
        ) { $0.breaker.rawValue }
}
