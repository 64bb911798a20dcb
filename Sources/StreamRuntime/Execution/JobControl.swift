import Synchronization

/// What the tasks of a job and its coordinator tell each other.
///
/// - Note: what is not atomic is behind the monitor's lock, which is why sharing is safe.
final class JobControl: @unchecked Sendable {
    /// The newest checkpoint asked for; sources send its barrier.
    let requestedCheckpoint = Atomic<Int>(0)
    /// The checkpoint after which a bounded run is over; 0 before it is asked for.
    let finalCheckpoint = Atomic<Int>(0)
    /// The newest checkpoint whose manifest is whole; sinks commit it.
    let completedCheckpoint = Atomic<Int>(0)
    /// Workers whose state cannot shrink before the checkpoint under way is on disk.
    let pressedWorkers = Atomic<Int>(0)
    /// Workers whose waiting rows take more than their share of memory; sources that are ahead of
    /// others wait for them.
    let crowdedWorkers = Atomic<Int>(0)
    /// Set once: every worker stops.
    let stopRequested = Atomic<Bool>(false)

    private let monitor = Monitor()
    /// Only touched with the monitor's lock held.
    private var state = State()

    private struct State {
        var acknowledgements: [TaskAcknowledgement] = []
        var failure: JobFailure?
        var endedSources = 0
        var committed: [String: Int64] = [:]
    }

    /// A task took its snapshot.
    func acknowledge(_ acknowledgement: TaskAcknowledgement) {
        tell { $0.acknowledgements.append(acknowledgement) }
    }

    /// The acknowledgements that came since the last call.
    func takeAcknowledgements() -> [TaskAcknowledgement] {
        monitor.locked {
            defer { state.acknowledgements = [] }
            return state.acknowledgements
        }
    }

    /// A task cannot go on; the first failure is the job's.
    func fail(_ failure: JobFailure) {
        tell { if $0.failure == nil { $0.failure = failure } }
        stopRequested.store(true, ordering: .releasing)
    }

    /// Why the job failed, if it did.
    var failure: JobFailure? { monitor.locked { state.failure } }

    /// A source task has sent all it has.
    func sourceEnded() { tell { $0.endedSources += 1 } }

    var endedSources: Int { monitor.locked { state.endedSources } }

    /// A sink has made everything up to `checkpoint` visible.
    func committed(task: String, checkpoint: Int64) { tell { $0.committed[task] = checkpoint } }

    /// How many sinks have made everything up to `checkpoint` visible.
    func sinksCommitted(upTo checkpoint: Int64) -> Int {
        monitor.locked { state.committed.values.count { $0 >= checkpoint } }
    }

    func wake() { tell { _ in } }

    /// Waits until something was told, at most `nanos`.
    func wait(nanos: Int) { monitor.locked { monitor.wait(nanos: nanos) } }

    private func tell(_ change: (inout State) -> Void) {
        monitor.locked {
            change(&state)
            monitor.signal()
        }
    }
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
    /// Which partitions were idle in the epoch.
    var idleness: [EpochDecisions.Idleness] = []
    /// What a sink leaves to the coordinator before the checkpoint is whole.
    var work: DurableWork?
    /// How long the task stood still for it.
    let pauseNanos: Int64
}
