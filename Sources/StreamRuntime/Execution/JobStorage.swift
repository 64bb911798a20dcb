/// Where a job's state lives and its checkpoints go: a seam.
public protocol JobStorage: AnyObject, Sendable {
    /// The checkpoint the job continues from, if there is one.
    var restored: RestoredCheckpoint? { get }

    /// The state of worker `worker`, restored; called once for each, before the workers start.
    func openStore(worker: Int, of workers: Int) throws(JobFailure) -> StateStore

    /// Writes a whole checkpoint, on the coordinator's thread. When it returns, the checkpoint is
    /// durable and the next recovery starts from it.
    func complete(_ parts: CheckpointParts) throws(JobFailure) -> CheckpointSummary

    /// Puts `checkpoint`, which was completed before, where other machines find it; on the coordinator's
    /// thread. Only when it returns may the checkpoint count.
    ///
    /// - Throws: with a recovery of `retry` when it may be called again for the same checkpoint.
    func publish(_ checkpoint: Int64) throws(JobFailure)

    /// The job's transaction has committed `checkpoint`, which was completed before; called on the
    /// coordinator's thread, and not at all in a job without a transaction.
    func settled(_ checkpoint: Int64) throws(JobFailure)

    /// Writes what the next checkpoint will need and is there already; called often, between
    /// checkpoints, on the coordinator's thread.
    func writeAhead() throws(JobFailure)
}

extension JobStorage {
    /// Nothing to do where no other machine looks.
    public func publish(_ checkpoint: Int64) throws(JobFailure) {}

    /// Nothing to remember.
    public func settled(_ checkpoint: Int64) throws(JobFailure) {}
    /// Storage that writes nothing, or all at once, has nothing to do ahead.
    public func writeAhead() throws(JobFailure) {}
}

/// What a checkpoint says about sources and sinks.
public struct RestoredCheckpoint: Sendable {
    /// The checkpoint's number.
    public let checkpoint: Int64
    /// Source positions, by "source/partition".
    public let positions: [String: [UInt8]]
    /// Sink tokens, by the sink's id.
    public let tokens: [String: [UInt8]]
    /// What the log does not tell of the epoch.
    public let decisions: EpochDecisions

    /// A checkpoint of this number, with its source positions, sink tokens and decisions.
    public init(
        checkpoint: Int64, positions: [String: [UInt8]], tokens: [String: [UInt8]],
        decisions: EpochDecisions = EpochDecisions()
    ) {
        self.decisions = decisions
        self.checkpoint = checkpoint
        self.positions = positions
        self.tokens = tokens
    }
}

/// All that the tasks handed over for one checkpoint.
public struct CheckpointParts: Sendable {
    /// The checkpoint's number.
    public let checkpoint: Int64
    /// The changed state of every step and sink.
    public let snapshots: [StateSnapshot]
    /// Source positions, by "source/partition".
    public let positions: [String: [UInt8]]
    /// Sink tokens, by the sink's id.
    public let tokens: [String: [UInt8]]
    /// What the log does not tell of the epoch.
    public let decisions: EpochDecisions

    /// The parts of checkpoint `checkpoint`.
    public init(
        checkpoint: Int64, snapshots: [StateSnapshot], positions: [String: [UInt8]],
        tokens: [String: [UInt8]], decisions: EpochDecisions = EpochDecisions()
    ) {
        self.decisions = decisions
        self.checkpoint = checkpoint
        self.snapshots = snapshots
        self.positions = positions
        self.tokens = tokens
    }
}

/// What a checkpoint cost.
public struct CheckpointSummary: Sendable {
    /// Bytes that this checkpoint added.
    public let bytes: Int64
    /// What tells its manifest from any other; empty when there is none.
    public let manifest: String

    /// A checkpoint that added this many bytes, with this manifest.
    public init(bytes: Int64, manifest: String = "") {
        self.bytes = bytes
        self.manifest = manifest
    }
}

/// State in memory and no checkpoints: for tests and for jobs that need not survive.
public final class MemoryStorage: JobStorage {
    /// Storage that begins and ends empty.
    public init() {}
    /// Nothing: memory does not outlive its job.
    public var restored: RestoredCheckpoint? { nil }
    /// An empty store.
    public func openStore(worker: Int, of workers: Int) throws(JobFailure) -> StateStore {
        StateStore()
    }
    /// Nothing to do: nothing outlives the job.
    public func complete(_ parts: CheckpointParts) throws(JobFailure) -> CheckpointSummary {
        CheckpointSummary(bytes: 0)
    }
}
