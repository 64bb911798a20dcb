/// Why there is no answer, or not the one that was needed.
public struct HTTPFailure: Error, Equatable, Sendable {
    /// What kind of thing went wrong.
    public enum Kind: Equatable, Sendable {
        /// No connection: unknown host, refused, no route.
        case unreachable
        /// No answer in time.
        case timeout
        /// The connection broke in the middle.
        case torn
        /// The server or this client could not be trusted.
        case tls
        /// The server answered with this status.
        case status(Int)
        /// The answer is larger than was allowed.
        case tooLarge
        /// A file on this machine could not be read or written.
        case file
        /// The request itself is malformed.
        case malformed
    }

    /// What kind of thing went wrong.
    public let kind: Kind
    /// What went wrong, in a sentence.
    public let problem: String
    /// Host and port.
    public let host: String
    /// What can be done about it.
    public let remedy: String

    /// A failure of a request to `host`.
    public init(_ kind: Kind, _ problem: String, host: String, remedy: String) {
        self.kind = kind
        self.problem = problem
        self.host = host
        self.remedy = remedy
    }

    /// Whether the same request may succeed a little later.
    public var isPassing: Bool {
        switch kind {
        case .unreachable, .timeout, .torn: true
        case .status(let status): HTTPFailure.isPassing(status: status)
        case .tls, .tooLarge, .file, .malformed: false
        }
    }

    /// Whether an answer of this status may be another one a little later.
    public static func isPassing(status: Int) -> Bool {
        status == 408 || status == 429 || status == 500 || status == 502 || status == 503
            || status == 504
    }
}

extension HTTPFailure: CustomStringConvertible {
    /// One line for the log and the terminal.
    public var description: String { "\(problem) (\(host)); fix: \(remedy)" }
}
