/// What travels along an edge of the dataflow, in order.
public enum StreamElement: Sendable {
    /// Rows.
    case batch(ColumnBatch)
    /// A promise: every later row of this edge has `RowOrder.time` at or after it.
    case watermark(EventTime)
    /// A finer promise: no later row of this edge comes before the place in the total order.
    case place(OrderPlace)
    /// All rows of a partition's records up to an offset have been before it.
    case mark(SourceMark)
    /// Nothing more is known to come here for now: the edge no longer holds the watermark back, until
    /// its next element.
    case idle
    /// The cut between two epochs: rows before it belong to `checkpoint`, rows after it to the next.
    case barrier(checkpoint: Int64)
    /// No row follows, though barriers still may.
    case end
}
