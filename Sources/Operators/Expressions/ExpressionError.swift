/// What is wrong with an expression, where in its text, and what to write instead.
public struct ExpressionError: Error, Equatable, Sendable {
    /// What is wrong, quoting what was written.
    public let message: String
    /// Where the fault begins.
    ///
    /// - Units: UTF-8 bytes from the start of the expression's text.
    public let offset: Int
    /// How many bytes are at fault; 0 at the end of the text.
    public let length: Int
    /// What to write instead, where that is known.
    public let fix: String?

    /// An error at `length` bytes from `offset` on.
    public init(message: String, offset: Int, length: Int, fix: String? = nil) {
        self.message = message
        self.offset = offset
        self.length = length
        self.fix = fix
    }

    init(_ message: String, at range: Range<Int>, fix: String? = nil) {
        self.init(message: message, offset: range.lowerBound, length: range.count, fix: fix)
    }
}

/// An error in one of several named expressions.
public struct NamedExpressionError: Error, Equatable, Sendable {
    /// The output whose expression is at fault.
    public let name: String
    /// What is wrong with it.
    public let error: ExpressionError

    /// An error in the expression of output `name`.
    public init(name: String, error: ExpressionError) {
        self.name = name
        self.error = error
    }
}
