import StreamRuntime

/// Serves a pipeline's rows as features: the end of the path from an event to a lookup.
///
/// Writing makes a row visible at once, before its checkpoint: a lookup never waits for one. That is
/// safe because an upsert is idempotent by event time: what a crashed run wrote, the run after it
/// writes again, and a row never replaces a newer one. So a checkpoint only waits until the rows are
/// durable, which the coordinator sees to. Each version is told its checkpoint, so that snapshots show it
/// only from then on. The log of versions is written as a topic is: what a crashed run told of after the last
/// checkpoint is cut off and told again.
public final class FeatureSink: Sink {
    private let writer: FeatureWriter
    private var counters: StepCounters?
    private let sync: OnlineSync?
    /// The checkpoint that will cover the rows written now.
    private var epoch: Int64 = 1

    /// A sink into the view that `writer` writes.
    ///
    /// - Parameters:
    ///   - counters: where rows without a key count as rejected and older ones as stale.
    ///   - sync: what the job's sinks share to make their rows durable; nil for a sink on its own.
    public init(
        _ writer: FeatureWriter, counters: StepCounters? = nil, sync: OnlineSync? = nil
    ) {
        self.sync = sync
        self.writer = writer
        self.counters = counters
    }

    /// Counts rows without a key as rejected and older ones as stale in `counters`.
    public func report(to counters: StepCounters) {
        self.counters = counters
        writer.versions?.report(to: counters)
    }

    /// Nothing to undo: the rows after the checkpoint come again. Versions told of after it are forgotten.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        epoch = writer.store.completedEpoch + 1
        // A checkpoint of a run without a feature log has an empty token.
        try writer.versions?.recover(token: token.flatMap { $0.isEmpty ? nil : $0 })
    }

    /// Whether versions can be told of now.
    public var isReady: Bool { writer.versions?.isReady ?? true }

    /// Upserts the rows; they are readable when this returns.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        writer.store.waitForRoom()
        let written = try writer.write(batch, epoch: epoch)
        counters?.add(.rejected, written.keyless)
        counters?.add(.stale, written.older)
    }

    /// Makes the versions of the checkpoint durable; the rows from here on belong to the next one.
    ///
    /// - Returns: the token of the versions' log; empty without one, since the rows need none.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        epoch = checkpoint + 1
        return try writer.versions?.prepare(checkpoint: checkpoint) ?? []
    }

    /// Lookups that wait for the record are answered now.
    public func reach(_ mark: SourceMark) {
        writer.store.board.reach(view: writer.viewIndex, mark)
    }

    /// Makes all rows written so far durable, and perhaps later ones too, which does no harm.
    public var durableWork: DurableWork? {
        if let sync {
            let checkpoint = epoch - 1
            return { () throws(JobFailure) in try sync.sync(checkpoint: checkpoint) }
        }
        let store = writer.store
        return { () throws(JobFailure) in try store.sync() }
    }

    /// Makes the versions readable in their log; the rows have been visible since they were written.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try writer.versions?.commit(checkpoint: checkpoint, token: token)
    }

    /// Lets others have the log of versions.
    public func close() { writer.versions?.close() }
}
