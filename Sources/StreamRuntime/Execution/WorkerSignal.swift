import Synchronization

/// Wakes a parked worker.
///
/// A worker that finds nothing to do says so (`prepare`), looks once more, and parks only then: what comes
/// in between is found by that look or wakes it, so nothing waits for the end of a sleep.
final class WorkerSignal: Sendable {
    /// Whether the worker is parked, or will be without looking again.
    private let parked = Atomic<Bool>(false)
    private let monitor = Monitor()

    /// There is something to do. Costs a fence and a load while the worker is running.
    func notify() {
        // What there is to do was stored before this, and must be seen by whoever parks after the load.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        guard parked.load(ordering: .relaxed) else { return }
        monitor.locked {
            parked.store(false, ordering: .relaxed)
            monitor.signal()
        }
    }

    /// Says that the worker will park unless its next look finds something.
    func prepare() {
        parked.store(true, ordering: .relaxed)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    /// Says that the look found something.
    func stay() { parked.store(false, ordering: .relaxed) }

    /// Sleeps until `notify`, at most `Limits.parkNanos`.
    ///
    /// - Returns: false when there was a notice since `prepare`, and no sleep.
    @discardableResult
    func park() -> Bool {
        monitor.locked {
            guard parked.load(ordering: .relaxed) else { return false }
            monitor.wait(nanos: Limits.parkNanos)
            parked.store(false, ordering: .relaxed)
            return true
        }
    }
}
