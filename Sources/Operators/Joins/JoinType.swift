import StreamRuntime

/// Which left rows a join gives out, and how often.
public enum JoinType: String, Sendable, CaseIterable {
    /// A row for each partner.
    case inner
    /// The same, and a left row with nothing beside it where there is none.
    case left
    /// A row for each pair, and a right row with nothing beside it that has no partner.
    case right
    /// A row for each pair, and the rows of both sides that have no partner.
    case full
    /// A left row that has a partner, once and as it is.
    case semi
    /// A left row that has none, as it is.
    case anti

    /// Whether the right row comes out too.
    public var showsRight: Bool { self != .semi && self != .anti }

    /// Whether a left row without partner comes out.
    public var showsUnmatched: Bool { self == .left || self == .full || self == .anti }

    /// Whether a right row without partner comes out.
    public var showsUnmatchedRight: Bool { self == .right || self == .full }
}

/// What the joins of a file have in common: the sides, the condition, and what comes out.
public struct JoinForm {
    /// The shared form both sides come in; the last column holds right rows.
    public let input: Schema
    /// The fields of a right row.
    public let right: [Field]
    /// Which left rows come out.
    public let type: JoinType
    /// The columns of the key.
    public let keys: [Int]
    /// For each of them the field of a right row that it is compared with; a right row without partner has
    /// its values in the columns of the key. Needed where such rows come out.
    public let rightKeys: [Int]
    /// What must hold besides, over the left columns and the right row as a struct; nil for nothing.
    public let condition: CompiledExpression?
    /// What becomes of a pair that the condition fails on.
    public let onError: FailurePolicy

    /// A form of rows that come as `JoinSide` makes them.
    public init(
        input: Schema, right: [Field], type: JoinType, keys: [Int],
        rightKeys: [Int] = [], condition: CompiledExpression? = nil, onError: FailurePolicy = .fail
    ) {
        self.input = input
        self.right = right
        self.type = type
        self.keys = keys
        self.rightKeys = rightKeys
        self.condition = condition
        self.onError = onError
    }

    /// The position of the right row.
    var rightColumn: Int { input.count - 1 }

    /// The left columns and the right row as a struct.
    public var pairSchema: Schema {
        Schema(
            input.fields.dropLast() + [Field(input.fields[rightColumn].name, .structure(right))])
    }

    /// What comes out.
    public var outputSchema: Schema {
        type.showsRight ? pairSchema : Schema(Array(input.fields.dropLast()))
    }
}
