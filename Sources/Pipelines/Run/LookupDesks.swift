import Connectors
import StreamRuntime
import Synchronization

/// The desks of a running job's lookups, which hear of its checkpoints.
final class LookupDesks: CheckpointFollower {
    private let desks = Mutex<[LookupDesk]>([])

    func add(_ desk: LookupDesk) { desks.withLock { $0.append(desk) } }

    /// Lets them forget what no kept checkpoint needs.
    func follow(checkpoint: CommittedCheckpoint, positions: [String: [UInt8]]) {
        for desk in desks.withLock({ $0 }) { desk.commit(checkpoint: checkpoint.checkpoint) }
    }
}
