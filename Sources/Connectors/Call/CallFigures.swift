import FeatureServe

/// What a call did so far.
public struct CallFigures: Equatable, Sendable {
    /// Requests under way.
    public var inFlight = 0
    /// Sealed requests that wait.
    public var waiting = 0
    /// Messages that services took.
    public var sent = 0
    /// Messages that were refused or given up.
    public var failed = 0
    /// Requests that were or will be repeated.
    public var retried = 0
    /// Answers that asked for fewer calls.
    public var limited = 0

    /// Their names for programs.
    static let table = FigureTable<CallFigures>()
        .showing("millrace_call_in_flight", "Requests under way.") { $0.inFlight }
        .showing("millrace_call_waiting", "Sealed requests that wait.") { $0.waiting }
        .counting("millrace_call_sent_total", "Messages that services took.") { $0.sent }
        .counting("millrace_call_failed_total", "Messages that were refused or given up.") {
            $0.failed
        }
        .counting("millrace_call_retried_total", "Requests that were repeated.") { $0.retried }
        .counting("millrace_call_limited_total", "Answers that asked for fewer calls.") {
            $0.limited
        }
}
