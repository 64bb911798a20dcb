import FeatureServe
import Glibc
import StreamRuntime
import Synchronization

/// Makes versions that clients wrote readable in their log, five times a second, on a thread of its own.
///
/// - Note: `@unchecked Sendable` because `stop` is called by the thread that made it.
final class PushedLogWriter: @unchecked Sendable {
    private static let pauseMicros: UInt32 = 200_000

    private let store: OnlineStore
    private let versions: PushedVersions
    private let isStopping = Atomic<Bool>(false)
    private var thread: pthread_t?

    /// Begins to log what clients write into `store`; nil when the plan keeps no versions.
    init?(_ plan: JobPlan, store: OnlineStore) throws(JobFailure) {
        guard FeatureLogs(plan) != nil else { return nil }
        self.store = store
        versions = PushedVersions { (view) throws(JobFailure) in
            try FeatureLogs.place(plan).sink(view, isPushed: true)
        }
        store.pushedVersions = versions
        let passed = Unmanaged.passRetained(self).toOpaque()
        var made = pthread_t()
        let code = pthread_create(
            &made, nil,
            { passed in
                Unmanaged<PushedLogWriter>.fromOpaque(passed!).takeRetainedValue().run()
                return nil
            }, passed)
        guard code == 0 else {
            Unmanaged<PushedLogWriter>.fromOpaque(passed).release()
            throw JobFailure(
                .environment, "no thread for the log of pushed features", at: "job",
                remedy: "raise the limit on threads (ulimit -u)")
        }
        thread = made
    }

    private func run() {
        while !isStopping.load(ordering: .relaxed) {
            usleep(PushedLogWriter.pauseMicros)
            commit { () throws(JobFailure) in try self.versions.commit() }
        }
    }

    /// What could not be made readable is tried again with the next round.
    private func commit(_ body: () throws(JobFailure) -> Void) {
        do throws(JobFailure) {
            try body()
        } catch {
            Terminal.error("warning: versions that were pushed are not in their log: \(error)\n")
        }
    }

    /// Makes the rest readable and ends.
    func stop() {
        guard let thread else { return }
        isStopping.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
        self.thread = nil
        store.pushedVersions = nil
        commit { () throws(JobFailure) in try versions.close() }
    }
}
