import StreamRuntime

/// A keyed state machine as it is declared: what a key remembers, and what becomes of rows and timers.
public struct ProcessSpec: Equatable, Sendable {
    /// A column of a key's state.
    public struct StateColumn: Equatable, Sendable {
        /// What expressions call it.
        public let name: String
        /// What it holds.
        public let type: ColumnType
        /// A constant expression: its value for a key without state; null when nil.
        public let initial: String?

        /// A column called `name`.
        public init(name: String, type: ColumnType, initial: String? = nil) {
            self.name = name
            self.type = type
            self.initial = initial
        }
    }

    /// A name and the expression whose value it gets.
    public struct Item: Equatable, Sendable {
        /// A state column, a timer or a column of the rows out.
        public let name: String
        /// The expression.
        public let text: String

        /// `name` gets the value of `text`.
        public init(_ name: String, _ text: String) {
            self.name = name
            self.text = text
        }
    }

    /// What an entry is about.
    public enum Cause: Equatable, Sendable {
        case row
        case timer(String)
    }

    /// What is done with a row or a timer for which the condition holds.
    public struct Entry: Equatable, Sendable {
        /// What it is about.
        public var cause: Cause
        /// The condition; nil for one that always holds.
        public var condition: String?
        /// The state columns it changes; every value is computed from the state before.
        public var sets: [Item]
        /// The timers it sets; null cancels one.
        public var timers: [Item]
        /// The rows it gives out, computed from the state after `sets`.
        public var emits: [[Item]]
        /// Whether the key's state and timers are forgotten in the end.
        public var clears: Bool

        /// An entry that does these things.
        public init(
            cause: Cause = .row, condition: String? = nil, sets: [Item] = [],
            timers: [Item] = [], emits: [[Item]] = [], clears: Bool = false
        ) {
            self.cause = cause
            self.condition = condition
            self.sets = sets
            self.timers = timers
            self.emits = emits
            self.clears = clears
        }
    }

    /// What a key remembers.
    public var state: [StateColumn]
    /// The first entry of a cause whose condition holds is taken.
    public var entries: [Entry]
    /// How long after the last row that an entry took a key is forgotten, in event time; nil for never.
    public var timeToLive: Duration?

    /// A state machine.
    public init(state: [StateColumn], entries: [Entry], timeToLive: Duration? = nil) {
        self.state = state
        self.entries = entries
        self.timeToLive = timeToLive
    }
}

/// Something wrong with a declared state machine, and at which of its parts.
public struct ProcessProblem: Error, Equatable, Sendable {
    /// A part of a `ProcessSpec`, by its positions there.
    public enum Place: Hashable, Sendable {
        case step
        case state(Int)
        case initial(Int)
        case entry(Int)
        case condition(Int)
        case set(Int, Int)
        case timer(Int, Int)
        case emits(Int, Int)
        case emit(Int, Int, Int)
    }

    /// Where it is.
    public let place: Place
    /// Whether an expression is at fault, which `error` then tells the place in.
    public let isExpression: Bool
    /// What is wrong, and what to write instead.
    public let error: ExpressionError

    init(_ place: Place, _ error: ExpressionError) {
        self.place = place
        self.error = error
        isExpression = true
    }

    init(_ place: Place, _ message: String, fix: String) {
        self.place = place
        error = ExpressionError(message, at: 0..<0, fix: fix)
        isExpression = false
    }
}
