import StreamRuntime

/// Serves a pipeline's rows as features: the end of the path from an event to a lookup.
///
/// Writing makes a row visible at once, before its checkpoint: a lookup never waits for one. That is
/// safe because an upsert is idempotent by event time: what a crashed run wrote, the run after it
/// writes again, and a row never replaces a newer one. So a checkpoint only waits until the rows are
/// durable, which the coordinator sees to; `commit` has nothing left to do, and `recover` nothing to undo.
/// Each version is told its checkpoint, so that snapshots show it only from then on.
public final class FeatureSink: Sink {
    private let writer: FeatureWriter
    private var counters: StepCounters?
    /// The checkpoint that will cover the rows written now.
    private var epoch: Int64 = 1

    /// A sink into the view that `writer` writes.
    ///
    /// - Parameter counters: where rows without a key count as rejected and older ones as stale.
    public init(_ writer: FeatureWriter, counters: StepCounters? = nil) {
        self.writer = writer
        self.counters = counters
    }

    /// Counts rows without a key as rejected and older ones as stale in `counters`.
    public func report(to counters: StepCounters) { self.counters = counters }

    /// Nothing to undo: the rows after the checkpoint come again.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        epoch = writer.store.completedEpoch + 1
    }

    /// Upserts the rows; they are readable when this returns.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        let written = try writer.write(batch, epoch: epoch)
        counters?.add(.rejected, written.keyless)
        counters?.add(.stale, written.older)
    }

    /// The rows from here on belong to the next checkpoint. Nothing to name: the token is empty.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        epoch = checkpoint + 1
        return []
    }

    /// Makes all rows written so far durable, and perhaps later ones too, which does no harm.
    public var durableWork: DurableWork? {
        let store = writer.store
        return { () throws(JobFailure) in try store.sync() }
    }

    /// Nothing left to do: the rows have been visible since they were written.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}
}
