import Synchronization

/// Which checkpoints count: what decides whether a version belongs to a snapshot.
///
/// - Note: checkpoint numbers are used again after a crash, so a row at rest names the opening of the
///   store (`generation`) that wrote it.
final class StoreEpochs: Sendable {
    /// The newest checkpoint that counts.
    let completed: Atomic<Int64>
    /// The checkpoint the job went on from.
    let restored: Int64
    /// Which opening of the store this is.
    let generation: UInt64
    /// Held while an epoch is ended, and by a lookup that must not be overtaken again.
    let turn = Mutex<Void>(())

    init(restored: Int64, generation: UInt64) {
        completed = Atomic(restored)
        self.restored = restored
        self.generation = generation
    }

    @inline(__always) var newest: UInt32 {
        UInt32(truncatingIfNeeded: completed.load(ordering: .acquiring))
    }

    /// The epoch of a version at rest that the opening `generation` wrote as `epoch`.
    func settled(_ epoch: UInt32, generation: UInt64) -> UInt32 {
        generation == self.generation || Int64(epoch) <= restored ? epoch : ViewVersion.orphan
    }
}
