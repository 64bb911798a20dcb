import StreamRuntime

/// What a table elsewhere says to a question.
public enum LookupReply: Equatable, Sendable {
    /// The fields, as a JSON object.
    case found([UInt8])
    /// Nothing is known of the key.
    case missing
    /// It failed, and may succeed when it is tried again.
    case failed(String)
    /// The service cannot be reached, or does not work for anybody: it is tried again for a while.
    case outage(String)
    /// The service asks not to be asked before this time, in microseconds since 1970; nil when it does not say.
    case limited(String, until: Int64?)
    /// It will not succeed.
    case refused(String)
}

/// A table elsewhere.
public protocol LookupTarget: AnyObject, Sendable {
    /// Questions that one request may have.
    var batchMax: Int { get }
    /// Asks, blocking the caller; a reply for each question, in their order. Called by many threads at once.
    func ask(_ questions: [LookupQuestion]) -> [LookupReply]
}
