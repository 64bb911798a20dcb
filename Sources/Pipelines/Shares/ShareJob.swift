import Connectors
import Foundation
import StreamRuntime
import Synchronization

/// The job of one share, on a thread of its own: opening state and settling transactions may take long,
/// and must hold up neither the other shares nor the group.
///
/// - Note: what is behind the lock is read and written by its thread and the runner's.
final class ShareJob: Sendable {
    let share: Int
    private let state = Mutex(State())

    private struct State {
        var job: Job?
        var isStopping = false
        var abandoned: JobFailure?
        var ended: (outcome: Job.Outcome, isFenced: Bool)?
        var checkpoints = 0
    }

    /// A running job and what must outlive it.
    struct Running {
        let job: Job
        let domain: KafkaTransactionDomain
    }

    /// Makes the job; asks on its way whether it is still wanted.
    typealias Make = @Sendable (_ isWanted: () -> Bool) throws(JobFailure) -> Running?

    /// Begins to make and run the job.
    ///
    /// - Parameter make: makes the job, or nil when it is told meanwhile that nobody wants it.
    init(share: Int, make: @escaping Make) {
        self.share = share
        let thread = Thread { [self] in run(make) }
        thread.name = "share-\(share)"
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// How it ended, and whether that was because another process has its transactions; nil before.
    var ended: (outcome: Job.Outcome, isFenced: Bool)? { state.withLock { $0.ended } }

    /// The job, once it runs.
    var job: Job? { state.withLock { $0.job } }

    /// Whether a checkpoint was committed since the last call.
    func hasProgressed() -> Bool {
        state.withLock { state in
            let count = state.job?.checkpoints.count ?? state.checkpoints
            defer { state.checkpoints = count }
            return count > state.checkpoints
        }
    }

    /// Asks for a last checkpoint and the end.
    func stop() {
        state.withLock { state in
            state.isStopping = true
            state.job?.requestStop()
        }
    }

    /// Ends the job at once; nothing more is committed.
    func abandon() {
        let failure = JobFailure(
            .environment, "share \(share) of the job was given to another process", at: "job",
            remedy: "nothing: that process goes on with it")
        state.withLock { state in
            state.abandoned = failure
            state.job?.abandon(failure)
        }
    }

    private func run(_ make: Make) {
        var outcome = Job.Outcome.stopped
        var isFenced = false
        do throws(JobFailure) {
            if let running = try make({ isWanted }) {
                defer { running.domain.close() }
                if begin(running.job) {
                    try running.job.start()
                    outcome = running.job.wait()
                }
                isFenced = running.domain.isFenced
            }
        } catch {
            outcome = .failed(error)
        }
        state.withLock { state in
            state.job = nil
            state.ended = (outcome, isFenced)
        }
    }

    private var isWanted: Bool {
        state.withLock { !$0.isStopping && $0.abandoned == nil }
    }

    /// Makes the job known to whoever wants to end it; false when somebody already does.
    private func begin(_ job: Job) -> Bool {
        state.withLock { state in
            guard !state.isStopping, state.abandoned == nil else { return false }
            state.job = job
            return true
        }
    }
}
