/// A step that asks outside of the job for its rows, and takes them in order once their answers are there.
///
/// Its task tells it of rows as they come, before the sorter in front of it holds them, so that asking and
/// waiting for event time go on at once. The sorter releases no row whose answer is missing, and event time
/// passes the step only as far as its rows have. What the sorter holds is state: after a recovery the rows
/// come again through `prepare`.
public protocol AskingOperator: Operator {
    /// Begins to ask for the rows of `batch`, which come through `process` later.
    func prepare(_ batch: ColumnBatch) throws(JobFailure)

    /// Takes the answers that have come since.
    ///
    /// - Returns: whether `answered` may be another one now.
    func takeAnswers() throws(JobFailure) -> Bool

    /// Every row prepared whose time is before this has its answer; the end of time when all have.
    var answered: EventTime { get }

    /// Whether so many rows wait for answers that no further ones are to come for now.
    var isFull: Bool { get }

    /// The barrier of `checkpoint` is here, behind what was flushed.
    func pass(checkpoint: Int64)

    /// Lets go of what it asks with, whatever happened.
    func close()
}
