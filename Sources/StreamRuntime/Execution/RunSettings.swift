/// How a job runs: what does not change its results.
public struct RunSettings: Sendable {
    /// Worker threads.
    public var workers: Int
    /// Rows a source reads at once.
    public var batchRows: Int
    /// Bytes of raw records a source reads at once, about.
    public var batchBytes = Limits.batchBytes
    /// Time between two checkpoints, in nanoseconds; 0 for none but the last.
    public var checkpointNanos: Int64
    /// How long the shared store of checkpoints may fail before the job does, in nanoseconds.
    public var publishNanos: Int64 = 600_000_000_000
    /// Whether each worker keeps to a core of its own.
    public var pinsThreads: Bool

    /// Settings; what is left out is as a job of its own would want it.
    public init(
        workers: Int, batchRows: Int = Limits.batchRows, checkpointNanos: Int64 = 10_000_000_000,
        pinsThreads: Bool = false
    ) {
        precondition(workers >= 1 && workers <= KeyGroup.count, "between 1 and 1024 workers")
        precondition(batchRows >= 1, "a batch holds a row at least")
        self.workers = workers
        self.batchRows = batchRows
        self.checkpointNanos = checkpointNanos
        self.pinsThreads = pinsThreads
    }
}
