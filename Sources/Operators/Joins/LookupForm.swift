import StreamRuntime

/// How a lookup join puts rows and answers together.
public struct LookupForm {
    /// The columns that come in.
    public let input: Schema
    /// What the answer is called.
    public let alias: String
    /// The fields of an answer.
    public let fields: [Field]
    /// The columns of the key.
    public let keys: [Int]
    /// Which rows come out.
    public let type: JoinType
    /// Whether a failed question counts as a key that is not there.
    public let takesFailureAsMissing: Bool
    /// Answers kept in memory, over all workers.
    public let cacheRows: Int
    /// What becomes of rows without an answer, and of those the condition fails on.
    public let onError: FailurePolicy
    /// What an answer must hold besides, over the columns that come in and the answer as a struct; nil for nothing.
    public var condition: CompiledExpression?

    /// Rows of `input` are joined by `keys` with the fields of an answer, called `alias`.
    public init(
        input: Schema, alias: String, fields: [Field], keys: [Int], type: JoinType,
        takesFailureAsMissing: Bool, cacheRows: Int, onError: FailurePolicy
    ) {
        self.input = input
        self.alias = alias
        self.fields = fields
        self.keys = keys
        self.type = type
        self.takesFailureAsMissing = takesFailureAsMissing
        self.cacheRows = cacheRows
        self.onError = onError
    }

    /// The columns that come in, and the answer.
    public var pairSchema: Schema {
        Schema(input.fields + [Field(alias, .structure(fields))])
    }

    /// The columns that come out.
    public var outputSchema: Schema { type.showsRight ? pairSchema : input }
}
