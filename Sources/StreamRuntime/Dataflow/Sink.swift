/// Where rows leave the engine; one instance, called by its task only.
///
/// Writing is in two phases, so that what leaves is what a whole checkpoint covers: `prepare` makes
/// everything written since the last barrier durable but not yet visible and names it by a token; the
/// token goes into the manifest; `commit` makes it visible and may be repeated. After a crash `recover`
/// gets the token of the checkpoint that was restored: it commits what that token names and
/// discards everything written after it.
public protocol Sink: AnyObject {
    /// Called once, before anything else: rows that the sink leaves out are counted in `counters`.
    func report(to counters: StepCounters)

    /// Called once, before any write. `token` is nil when the job starts afresh.
    func recover(token: [UInt8]?) throws(JobFailure)

    /// Takes the rows of `batch`, in order.
    func write(_ batch: ColumnBatch) throws(JobFailure)

    /// Whether `write` can take a batch now without waiting; false is back-pressure.
    var isReady: Bool { get }

    /// The sink's inputs have told how far event time is: every row that belongs before it was written.
    ///
    /// - Note: only for sinks that take rows unordered; a sorter in front keeps rows back.
    func follow(_ time: WatermarkTracker) throws(JobFailure)

    /// Every row of the records up to `mark` that comes here was written, but for what the end of a window
    /// says of them.
    func reach(_ mark: SourceMark)

    /// The input has ended, and every row there will be was written; called once, before the last `prepare`.
    func end() throws(JobFailure)

    /// Makes all rows written so far durable under `checkpoint`.
    ///
    /// - Returns: what `commit` and `recover` need, at most a few KB.
    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8]

    /// What is left to do before what was prepared last is durable, for the coordinator's thread: it runs
    /// before the checkpoint's manifest is written, while the sink takes further rows.
    var durableWork: DurableWork? { get }

    /// Makes what `prepare` returned `token` for visible. Idempotent.
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure)

    /// Stops without committing anything more.
    func close()
}

/// Work that waits for a disk and may run on any thread.
public typealias DurableWork = @Sendable () throws(JobFailure) -> Void

extension Sink {
    /// Most sinks have done all in `prepare`.
    public var durableWork: DurableWork? { nil }
    /// Most sinks take every row.
    public func report(to counters: StepCounters) {}
    /// A sink that takes rows at any time is always ready.
    public var isReady: Bool { true }
    /// Most sinks only keep rows, and rows have their own times.
    public func follow(_ time: WatermarkTracker) throws(JobFailure) {}
    /// Most sinks write nothing more at the end than before it.
    public func end() throws(JobFailure) {}
    /// Most sinks tell nobody how far they are.
    public func reach(_ mark: SourceMark) {}
    /// A sink that holds nothing open has nothing to close.
    public func close() {}
}
