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
