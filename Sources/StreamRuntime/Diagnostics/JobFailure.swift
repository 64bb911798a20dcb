/// Why a job cannot go on: the thing, the place and the remedy, in the words of the domain.
public struct JobFailure: Error, Equatable, Sendable {
    /// The boundary at which it happened.
    public enum Kind: String, Sendable {
        case source, sink, state, checkpoint, step, environment, corruption
        /// What was asked for does not exist or cannot be understood.
        case request
    }

    /// What may be done next without asking anybody.
    public enum Recovery: Equatable, Sendable {
        case retry(afterMillis: Int)
        case restart
        case stopAndAsk
    }

    /// The boundary at which it happened.
    public let kind: Kind
    /// What is wrong.
    public let problem: String
    /// Where: the file, topic, partition and offset, step or directory.
    public let place: String
    /// What the user can do about it.
    public let remedy: String
    /// What may be done without the user.
    public let recovery: Recovery

    /// A failure at the boundary `kind`.
    public init(
        _ kind: Kind, _ problem: String, at place: String, remedy: String,
        recovery: Recovery = .stopAndAsk
    ) {
        self.kind = kind
        self.problem = problem
        self.place = place
        self.remedy = remedy
        self.recovery = recovery
    }
}

extension JobFailure: CustomStringConvertible {
    /// One line for the log and the terminal.
    public var description: String { "\(kind.rawValue): \(problem) (\(place)); fix: \(remedy)" }
}
