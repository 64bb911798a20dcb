import StreamRuntime

/// A pattern of rows as it is declared: what rows are called, in what order they come, what is told of them.
public struct MatchSpec: Equatable, Sendable {
    /// A name and its expression.
    public typealias Item = ProcessSpec.Item

    /// Names of rows with `?`, `*`, `+`, `{n,m}`, `|` and brackets, as `decline{3,} approve`.
    public var pattern: String
    /// The condition of each name; a name without one is any row.
    public var definitions: [Item]
    /// How long after its first row a match may go on, in event time.
    public var within: Duration
    /// Where the next match may begin.
    public var skip: MatchSkip
    /// How many rows of a key are kept at most.
    public var rowsMax: Int
    /// What is told of a match.
    public var select: [Item]

    /// A pattern of rows.
    public init(
        pattern: String, definitions: [Item], within: Duration, skip: MatchSkip = .pastLast,
        rowsMax: Int = 1000, select: [Item]
    ) {
        self.pattern = pattern
        self.definitions = definitions
        self.within = within
        self.skip = skip
        self.rowsMax = rowsMax
        self.select = select
    }
}

/// Something wrong with a declared pattern, and at which of its parts.
public struct MatchProblem: Error, Equatable, Sendable {
    /// A part of a `MatchSpec`.
    public enum Place: Hashable, Sendable {
        case pattern
        case skip
        case definition(Int)
        /// The name of a definition, which the pattern does not have.
        case name(Int)
        case select(Int)
    }

    /// Where it is.
    public let place: Place
    /// What is wrong, with its place in the text of that part.
    public let error: ExpressionError
}
