import StreamRuntime

/// How rows that are equal by the order of a `top` are numbered.
public enum TopTies: String, CaseIterable, Sendable {
    /// Each has a number of its own, the earlier row the smaller one.
    case rowNumber = "row_number"
    /// They have the same number, and the next one is as much larger as they are many.
    case rank
    /// They have the same number, and the next one is the next larger.
    case denseRank = "dense_rank"
}

/// A step that keeps the first rows of each key by an order.
public struct TopSpec: Sendable {
    let order: SortOrder
    let expressions: [CompiledExpression]
    let count: Int
    let ties: TopTies
    let rankName: String?
    let changes: Changelog
    let input: Changelog?
    let windowEnd: Int?
    let timeToLive: Int64?
    let latePort: Int?
    let onError: FailurePolicy

    /// The rows with a number of at most `count` in `order`.
    ///
    /// - Shape: `expressions` are those of `order`. With `rankName` the number is a column behind the others.
    ///   `changes` says whether replaced rows come out too; `input` what the rows that come in say of a table.
    ///   With `windowEnd`, the column that says when a row's window ends, the rows of a window come out once,
    ///   at its end, and its columns are among those of the key; late rows leave on `latePort` or are counted.
    /// - Note: with `timeToLive` a key is forgotten so long after its first rows changed last.
    public init(
        order: SortOrder, expressions: [CompiledExpression], count: Int,
        ties: TopTies = .rowNumber, rankName: String? = nil, changes: Changelog = .full,
        input: Changelog? = nil, windowEnd: Int? = nil, timeToLive: Duration? = nil,
        latePort: Int? = nil, onError: FailurePolicy = .fail
    ) {
        precondition(count > 0, "at least one row")
        self.order = order
        self.expressions = expressions
        self.count = count
        self.ties = ties
        self.rankName = rankName
        self.changes = changes
        self.input = input
        self.windowEnd = windowEnd
        self.timeToLive = timeToLive?.micros
        self.latePort = latePort
        self.onError = onError
    }

    /// The columns of the rows that come out.
    public func outputSchema(_ input: Schema) -> Schema {
        Schema(input.fields + (rankName.map { [Field($0, .int64)] } ?? []))
    }

    /// The operator that does it, for rows of `schema`.
    public func makeOperator(schema: Schema) -> any Operator {
        if windowEnd != nil { return WindowTop(self, schema: schema) }
        if input != nil { return TopOverChanges(self, schema: schema) }
        if count == 1, ties == .rowNumber, changes == .upsert {
            return FirstRow(self, schema: schema)
        }
        return Top(self, schema: schema)
    }

    /// The most changes that one row can cause, a power of two: what elements of a row's place are counted in.
    var changesMax: Int64 {
        if ties != .rowNumber || input != nil { return 1 << 24 }
        var limit: Int64 = 2
        while limit < 2 * Int64(count) + 2 { limit *= 2 }
        return limit
    }
}
