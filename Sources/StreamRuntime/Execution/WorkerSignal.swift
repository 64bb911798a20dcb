import Synchronization

/// Wakes a parked worker.
final class WorkerSignal: Sendable {
    private let parked = Atomic<Bool>(false)
    private let monitor = Monitor()

    /// There is something to do. Costs one load while the worker is running.
    func notify() {
        guard parked.load(ordering: .sequentiallyConsistent) else { return }
        monitor.locked { monitor.signal() }
    }

    /// Sleeps until `notify`, at most `Limits.parkNanos`.
    func park() {
        monitor.locked {
            parked.store(true, ordering: .sequentiallyConsistent)
            monitor.wait(nanos: Limits.parkNanos)
            parked.store(false, ordering: .sequentiallyConsistent)
        }
    }
}
