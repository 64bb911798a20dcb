import StreamRuntime
import Synchronization

/// Makes what all views' sinks of one job have written durable, once for each checkpoint.
///
/// Every sink asks for it, after the last of them has written its rows: the first one does it for all. With dozens of
/// views, syncing for each of them wrote what had changed meanwhile again and again.
public final class OnlineSync: Sendable {
    private let store: OnlineStore
    private let synced = Atomic<Int64>(-1)

    /// For the sinks of one run of a job, whose checkpoints have numbers of their own.
    public init(_ store: OnlineStore) { self.store = store }

    /// Makes every write before `checkpoint` durable.
    func sync(checkpoint: Int64) throws(JobFailure) {
        guard synced.load(ordering: .acquiring) != checkpoint else { return }
        try store.sync()
        synced.store(checkpoint, ordering: .releasing)
    }
}
