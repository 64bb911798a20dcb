import Synchronization

/// Which checkpoints count: what decides whether a version belongs to a snapshot.
///
/// - Note: checkpoint numbers are used again after a crash, so a row at rest names the opening of the
///   store (`generation`) that wrote it.
final class StoreEpochs: Sendable {
    /// The newest checkpoint that counts.
    let completed: Atomic<Int64>
    /// Which opening of the store this is.
    let generation: UInt64
    /// The openings so far that took epochs back, with the checkpoints their jobs went on from: both rise.
    private let openings: [Opening]

    struct Opening: Equatable, Sendable {
        let generation: UInt64
        let restored: Int64
    }

    /// Held while an epoch is ended, and by a lookup that must not be overtaken again.
    let turn = Mutex<Void>(())

    init(_ openings: [Opening]) {
        let last = openings.last ?? Opening(generation: 0, restored: 0)
        completed = Atomic(last.restored)
        generation = last.generation
        self.openings = openings
    }

    @inline(__always) var newest: UInt32 {
        UInt32(truncatingIfNeeded: completed.load(ordering: .acquiring))
    }

    /// The epoch of a version at rest that the opening `generation` wrote as `epoch`: no later opening may
    /// have gone on from before it.
    func settled(_ epoch: UInt32, generation: UInt64) -> UInt32 {
        guard generation != self.generation,
            let next = openings.first(where: { $0.generation > generation }),
            Int64(epoch) > next.restored
        else { return epoch }
        return ViewVersion.orphan
    }
}
