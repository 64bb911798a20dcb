/// Rows in their total order, left where they lie in the batches they came in.
///
/// - Shape: row i of `count` is `picks[i]`, of one of `batches`, which all have the same schema and keys
///   or none has. A batch comes again as long as `isLast` does not say that none of its rows is left.
/// - Note: `picks` are good until the call that got them returns.
public struct PickedRows {
    /// Where the rows lie, in their order.
    public let picks: UnsafePointer<RowPick>
    /// How many rows there are.
    public let count: Int
    /// The batches they lie in.
    public let batches: [ColumnBatch]
    /// For each batch whether these are the last rows of it.
    public let isLast: [Bool]

    /// Rows at `picks` of `batches`.
    public init(
        picks: UnsafePointer<RowPick>, count: Int, batches: [ColumnBatch], isLast: [Bool]
    ) {
        precondition(batches.count == isLast.count, "a word on every batch")
        self.picks = picks
        self.count = count
        self.batches = batches
        self.isLast = isLast
    }
}

/// A step that takes ordered rows where they lie: one that keeps most of them for a while, and would
/// copy them a second time.
public protocol PickingOperator: Operator {
    /// Takes rows that follow in total order those it got before.
    func process(_ rows: PickedRows, into output: any Output) throws(JobFailure)
}

/// An output that takes rows where they lie.
public protocol PickOutput: Output {
    /// Hands the rows on, in their order.
    func emit(_ rows: PickedRows)
}
