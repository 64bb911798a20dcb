/// What decides, outside the job, which checkpoint counts: a seam.
///
/// With one, a checkpoint whose manifest is whole is only a proposal. It counts once `commit` has
/// returned, and a restart continues from exactly the checkpoint that `lastCommitted` names, however
/// many newer manifests there are. Without one the newest whole manifest counts.
public protocol CheckpointTransaction: AnyObject, Sendable {
    /// The checkpoint that was committed last, or nil when none ever was.
    ///
    /// Asked once, before anything is restored. When it returns, no earlier instance of the job can
    /// commit any more, and what it had begun is committed or aborted for good.
    func lastCommitted() throws(JobFailure) -> CommittedCheckpoint?

    /// The same question once more, when the first answer cannot be right: a checkpoint is known to have
    /// been committed, and `lastCommitted` knew of none.
    ///
    /// Another instance that began at the same time may have committed its first ones meanwhile.
    func lastCommittedAgain() throws(JobFailure) -> CommittedCheckpoint?

    /// The job goes on after `checkpoint` (0: from the beginning): its next one is the one after it.
    ///
    /// Called once, after `lastCommitted` and before any sink is opened.
    func resume(after checkpoint: Int64)

    /// Commits `checkpoint`, whose manifest `manifest` is durable, at the source positions `positions`.
    ///
    /// - Shape: positions by "source/partition", as `SourcePosition` reads them.
    /// - Throws: when it is not committed, or it is not known whether it is. The job then stops, and the
    ///   next `lastCommitted` tells which of the two it was.
    func commit(
        checkpoint: Int64, manifest: String, positions: [String: [UInt8]]
    ) throws(JobFailure)
}

extension CheckpointTransaction {
    /// Nothing else than before.
    public func lastCommittedAgain() throws(JobFailure) -> CommittedCheckpoint? { nil }

    /// Nothing to do for a transaction that does not number its epochs.
    public func resume(after checkpoint: Int64) {}
}

/// A checkpoint as the one who committed it remembers it.
public struct CommittedCheckpoint: Hashable, Sendable {
    /// The checkpoint's number.
    public let checkpoint: Int64
    /// The identity of its manifest: numbers are given anew after a failed commit, identities never.
    public let manifest: String

    /// The checkpoint of this number with this manifest.
    public init(checkpoint: Int64, manifest: String) {
        self.checkpoint = checkpoint
        self.manifest = manifest
    }
}
