import StreamRuntime

/// Answers requests on the spot, or says what they have to wait for; one for a thread.
protocol DeferringEngine: AnyObject, Sendable {
    /// Appends the answer to `body`, unless something must be waited for that `stage` leaves to others.
    func attempt(
        _ body: UnsafeBufferPointer<UInt8>, _ stage: LookupStage, into answer: ByteArena
    ) -> LookupOutcome

    /// What is to be said beside the last answer, by name.
    var notes: [LookupNote] { get }
}

/// Something said beside an answer.
struct LookupNote: Equatable, Sendable {
    let name: String
    let value: String
}

extension DeferringEngine {
    var notes: [LookupNote] { [] }
}

/// How far an engine may go for an answer.
struct LookupStage {
    /// Whether rows that are not in memory are waited for on this thread.
    var fetches = true
    /// Whether to say what must be waited for, instead of answering without it.
    var defers = false
    /// Whether the record that the request waits for has been applied; nil when nobody has looked.
    var applied: Bool?
    /// Who asks.
    var caller = AccessCaller.anyone
    /// What is asked for beyond the request itself, where the lane says that beside it.
    var options: LookupOptions?
    /// What the lane's path names, such as a service.
    var name = ""
    /// Whether statuses and event times were asked for, where that takes asking.
    var details = false
    /// Whether repetitions may be left out of the answer, for `RepeatGzip` to put them in again.
    var packs = false
    /// When the request came, on the clock that never jumps; nil for now.
    var startNanos: Int64?

    /// Everything on this thread, but for the wait for a record.
    static let whole = LookupStage()
    /// What needs no waiting.
    static let prompt = LookupStage(fetches: false, defers: true)
}

/// What a lookup came to.
enum LookupOutcome {
    /// It was answered with this status.
    case answered(Int)
    /// Nothing was written; something must be waited for first.
    case deferred(LookupDeferral)
}

/// What a lookup has to wait for.
struct LookupDeferral {
    /// A record that views have to apply; nil when rows have to be read from rest.
    var record: Record?
    /// When an answer must be there, on the clock that never jumps; nil for whenever.
    var deadlineNanos: Int64?
    /// When the request came.
    var startNanos: Int64

    init(_ options: LookupOptions, start: Int64, record: Record?) {
        self.record = record
        startNanos = start
        deadlineNanos = options.deadlineMillis.map { start + $0 * 1_000_000 }
    }

    struct Record {
        let targets: [(view: Int, origin: Int64)]
        let offset: Int64
        let deadlineNanos: Int64
    }
}
