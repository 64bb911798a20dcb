import Synchronization

/// What the tasks of a job and its coordinator tell each other.
final class JobControl: Sendable {
    /// The newest checkpoint asked for; sources send its barrier.
    let requestedCheckpoint = Atomic<Int>(0)
    /// The checkpoint after which a bounded run is over; 0 before it is asked for.
    let finalCheckpoint = Atomic<Int>(0)
    /// The newest checkpoint whose manifest is whole; sinks commit it.
    let completedCheckpoint = Atomic<Int>(0)
    /// Workers whose state cannot shrink before the checkpoint under way is on disk.
    let pressedWorkers = Atomic<Int>(0)
    /// Set once: every worker stops.
    let stopRequested = Atomic<Bool>(false)

    private let monitor = Monitor()
    private let state = Mutex(State())

    private struct State {
        var acknowledgements: [TaskAcknowledgement] = []
        var failure: JobFailure?
        var endedSources = 0
        var committed: [String: Int64] = [:]
    }

    /// A task took its snapshot.
    func acknowledge(_ acknowledgement: TaskAcknowledgement) {
        state.withLock { $0.acknowledgements.append(acknowledgement) }
        monitor.locked { monitor.signal() }
    }

    /// The acknowledgements that came since the last call.
    func takeAcknowledgements() -> [TaskAcknowledgement] {
        state.withLock { state in
            defer { state.acknowledgements = [] }
            return state.acknowledgements
        }
    }

    /// A task cannot go on; the first failure is the job's.
    func fail(_ failure: JobFailure) {
        state.withLock { if $0.failure == nil { $0.failure = failure } }
        stopRequested.store(true, ordering: .releasing)
        monitor.locked { monitor.signal() }
    }

    /// Why the job failed, if it did.
    var failure: JobFailure? { state.withLock { $0.failure } }

    /// A source task has sent all it has.
    func sourceEnded() {
        state.withLock { $0.endedSources += 1 }
        monitor.locked { monitor.signal() }
    }

    var endedSources: Int { state.withLock { $0.endedSources } }

    /// A sink has made everything up to `checkpoint` visible.
    func committed(task: String, checkpoint: Int64) {
        state.withLock { $0.committed[task] = checkpoint }
        monitor.locked { monitor.signal() }
    }

    /// How many sinks have made everything up to `checkpoint` visible.
    func sinksCommitted(upTo checkpoint: Int64) -> Int {
        state.withLock { $0.committed.values.count { $0 >= checkpoint } }
    }

    func wake() { monitor.locked { monitor.signal() } }

    /// Waits until something was told, at most `nanos`.
    func wait(nanos: Int) { monitor.locked { monitor.wait(nanos: nanos) } }
}

/// What a task hands over at a barrier.
struct TaskAcknowledgement: Sendable {
    let task: String
    let checkpoint: Int64
    let snapshot: StateSnapshot?
    /// Source positions, by the partition's address.
    var positions: [String: [UInt8]] = [:]
    /// Sink tokens, by the sink's id.
    var tokens: [String: [UInt8]] = [:]
    /// How long the task stood still for it.
    let pauseNanos: Int64
}
