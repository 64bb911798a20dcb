import Synchronization

/// A value of a key that is asked for.
public enum LookupKey: Hashable, Sendable {
    /// Text.
    case text(String)
    /// A whole number.
    case integer(Int64)

    /// The value as text.
    public var text: String {
        switch self {
        case .text(let text): text
        case .integer(let number): "\(number)"
        }
    }
}

/// What is asked of a table elsewhere: what it has for a key.
public struct LookupQuestion: Sendable {
    /// The asker's own number of it.
    public let number: Int
    /// The key, encoded as state keys are.
    public let key: [UInt8]
    /// The stable hash of `key`.
    public let hash: Int64
    /// The values the key is made of.
    public let parts: [LookupKey]
    /// The event time of the row it is asked for, in microseconds.
    public let time: Int64

    /// A question for a row of `time`.
    public init(number: Int, key: [UInt8], hash: Int64, parts: [LookupKey], time: Int64) {
        self.number = number
        self.key = key
        self.hash = hash
        self.parts = parts
        self.time = time
    }
}

/// A stretch of a cell in which rows have another answer than what was found for the cell: nobody knew the key, or
/// there was no answer, when they were asked for.
public struct LookupException: Equatable, Sendable {
    /// Whether the key was missing or the question failed.
    public let kind: LookupTerms.Kind
    /// When the stretch begins, in microseconds of event time.
    public let time: Int64
    /// Why the question failed.
    public let reason: String

    /// An exception from `time` on, as long as answers of `kind` hold.
    public init(kind: LookupTerms.Kind, time: Int64, reason: String = "") {
        self.kind = kind
        self.time = time
        self.reason = reason
    }
}

/// What came of a question.
public struct LookupAnswer: Sendable {
    /// What there is.
    public enum Outcome: Equatable, Sendable {
        /// The fields, as a JSON object.
        case found([UInt8])
        /// Nothing is known of the key.
        case missing
        /// There is no answer, for this reason.
        case failed(String)
    }

    /// The question's number.
    public let number: Int
    /// What there is.
    public let outcome: Outcome
    /// All that was answered otherwise in the cell of what was found; no more is added to it.
    public let exceptions: [LookupException]

    /// The answer to question `number`.
    public init(number: Int, outcome: Outcome, exceptions: [LookupException] = []) {
        self.number = number
        self.outcome = outcome
        self.exceptions = exceptions
    }
}

/// How long answers hold, and for which rows.
///
/// Event time is cut into cells; all rows of a key in one cell have the same answer, whoever of them asked for
/// it. So the answer of a row is a function of its key and its event time once it is written down: order,
/// batches and workers do not matter. Cells of different keys begin at different moments. Those of misses lie in one of
/// what was found each: a miss that is written down later covers no row that was given something.
public struct LookupTerms: Equatable, Sendable {
    /// What kind of answer a cell has.
    public enum Kind: UInt8, Sendable {
        case found, missing, failed
    }

    /// How long what was found holds, in microseconds; 0 for rows of the same time only.
    public var foundMicros: Int64
    /// How long it holds that nothing is known of a key; no longer than what was found.
    public var missingMicros: Int64

    /// What was found holds `foundMicros`, that there is nothing `missingMicros`.
    public init(foundMicros: Int64, missingMicros: Int64) {
        self.foundMicros = max(foundMicros, 1)
        self.missingMicros = min(max(missingMicros, 1), self.foundMicros)
    }

    /// How long answers of `kind` hold; a failure is that of the very moment.
    public func micros(_ kind: Kind) -> Int64 {
        switch kind {
        case .found: foundMicros
        case .missing: missingMicros
        case .failed: 1
        }
    }

    /// When the cell begins that `time` lies in, of keys with this hash.
    @inline(__always)
    public func cell(_ kind: Kind, hash: Int64, time: Int64) -> Int64 {
        if kind == .failed || foundMicros == 1 { return time }
        let length = foundMicros
        let shift = Int64(truncatingIfNeeded: UInt64(bitPattern: hash) % UInt64(length))
        let rest = (time &- shift) % length
        let into = rest < 0 ? rest &+ length : rest
        return time &- (kind == .found ? into : into % missingMicros)
    }
}

/// A table elsewhere that a step asks by key, on other threads than the workers'.
///
/// - Note: shared by the step's instances on all workers.
public protocol LookupSource: AnyObject, Sendable {
    /// How long answers hold.
    var terms: LookupTerms { get }
    /// Gets ready; called by each instance before it asks.
    func open() throws(JobFailure)
    /// Takes the questions; each is answered into `inbox` once, at once or later.
    func ask(_ questions: [LookupQuestion], for inbox: LookupInbox)
    /// Notes that so many rows had their answer in memory.
    func noteHits(_ count: Int)
    /// An instance asks no more.
    func close()
}

/// Where the answers for one instance of a step arrive.
public final class LookupInbox: Sendable {
    private struct Content {
        var answers: [LookupAnswer] = []
        var failure: JobFailure?
    }

    private let content = Mutex(Content())
    private let isFilled = Atomic<Bool>(false)
    private let wake: @Sendable () -> Void

    /// An empty inbox; `wake` is called when something arrives.
    public init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    /// Adds answers.
    public func put(_ answers: [LookupAnswer]) {
        content.withLock { $0.answers += answers }
        isFilled.store(true, ordering: .sequentiallyConsistent)
        wake()
    }

    /// Says that there will be no more answers, and why.
    public func fail(_ failure: JobFailure) {
        content.withLock { $0.failure = failure }
        isFilled.store(true, ordering: .sequentiallyConsistent)
        wake()
    }

    /// The answers that have arrived since.
    public func take() throws(JobFailure) -> [LookupAnswer] {
        guard isFilled.load(ordering: .sequentiallyConsistent) else { return [] }
        isFilled.store(false, ordering: .sequentiallyConsistent)
        let (answers, failure) = content.withLock { content in
            defer { content.answers = [] }
            return (content.answers, content.failure)
        }
        if let failure { throw failure }
        return answers
    }
}
