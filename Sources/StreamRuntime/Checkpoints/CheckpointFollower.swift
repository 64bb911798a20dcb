/// Hears of every checkpoint that counts, after it does, and decides nothing: a consumer group's
/// committed offsets, for people and tools that watch how far a job has come.
public protocol CheckpointFollower: AnyObject, Sendable {
    /// `checkpoint`, with this manifest and at these source positions, counts.
    ///
    /// Called on the coordinator's thread, which goes on when it returns.
    func follow(checkpoint: CommittedCheckpoint, positions: [String: [UInt8]])
}
