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
