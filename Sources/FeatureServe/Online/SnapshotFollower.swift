import StreamRuntime

/// Tells an online store which checkpoints count, so that snapshots show them.
public final class SnapshotFollower: CheckpointFollower {
    private let store: OnlineStore

    /// A follower for `store`.
    public init(_ store: OnlineStore) { self.store = store }

    /// The values that `checkpoint` covers belong to snapshots from now on.
    public func follow(checkpoint: CommittedCheckpoint, positions: [String: [UInt8]]) {
        store.complete(checkpoint: checkpoint.checkpoint)
    }
}
