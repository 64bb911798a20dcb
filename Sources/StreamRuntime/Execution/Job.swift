import Glibc
import Synchronization

/// A running job: its workers, and the coordinator that cuts its stream into epochs.
///
/// - Note: `start`, `requestStop` and the readings may be called from any thread; what the workers own
///   is built before they start and not touched afterwards, which is why sharing is safe.
public final class Job: @unchecked Sendable {
    /// How a run ended.
    public enum Outcome: Equatable, Sendable {
        /// Every source ended and every sink committed.
        case finished
        /// Stopped as asked, after a last checkpoint.
        case stopped
        case failed(JobFailure)
    }

    private let settings: RunSettings
    private let storage: any JobStorage
    private let transaction: (any CheckpointTransaction)?
    private let followers: [any CheckpointFollower]
    private let clock: any Clock
    private let control = JobControl()
    private var workers: [Worker] = []
    private var taskNames: Set<String> = []
    private var sinkTasks = 0
    private var sourceTasks = 0
    private let coordinator = Mutex<pthread_t?>(nil)
    private let stopAsked = Atomic<Bool>(false)
    private let checkpointAsked = Atomic<Bool>(false)
    private let result = Mutex<Outcome?>(nil)
    private let done = Monitor()
    private let report = Mutex(CheckpointReport())

    /// The figures of every node, by its id: one for each worker.
    public private(set) var counters: [String: [StepCounters]] = [:]

    /// How far behind the clock rows came to each sink, by its id.
    public private(set) var lags: [String: EventLag] = [:]

    /// What the state of each worker takes in memory (`.stateBytes`).
    public private(set) var workerCounters: [StepCounters] = []

    /// Builds the job: opens state, makes operators and sinks, wires the tasks. Nothing runs yet.
    ///
    /// - Parameter transaction: decides which checkpoints count; `storage` must have restored what it
    ///   committed last.
    /// - Parameter followers: hear of every checkpoint that counts.
    public init(
        graph: JobGraph, settings: RunSettings, storage: any JobStorage,
        transaction: (any CheckpointTransaction)? = nil,
        followers: [any CheckpointFollower] = [], clock: any Clock = SystemClock()
    ) throws(JobFailure) {
        self.settings = settings
        self.storage = storage
        self.transaction = transaction
        self.followers = followers
        self.clock = clock
        let restored = storage.restored
        control.requestedCheckpoint.store(Int(restored?.checkpoint ?? 0), ordering: .relaxed)
        control.completedCheckpoint.store(Int(restored?.checkpoint ?? 0), ordering: .relaxed)
        transaction?.resume(after: restored?.checkpoint ?? 0)
        let builder = JobBuilder(
            graph: graph, settings: settings, storage: storage, clock: clock, control: control)
        try builder.build()
        workers = builder.workers
        workerCounters = workers.map(\.counters)
        taskNames = Set(builder.taskNames)
        precondition(taskNames.count == builder.taskNames.count, "task names are unique")
        sinkTasks = graph.sinks.count
        sourceTasks = graph.sources.count * settings.workers + graph.repartitions.count
        counters = builder.counters
        lags = builder.lags
    }

    /// Starts the workers and the coordinator.
    public func start() throws(JobFailure) {
        for worker in workers { try worker.start() }
        let passed = Unmanaged.passRetained(self).toOpaque()
        var made = pthread_t()
        let code = pthread_create(
            &made, nil,
            { passed in
                Unmanaged<Job>.fromOpaque(passed!).takeRetainedValue().coordinate()
                return nil
            }, passed)
        guard code == 0 else {
            Unmanaged<Job>.fromOpaque(passed).release()
            control.stopRequested.store(true, ordering: .releasing)
            throw JobFailure(
                .environment, "no thread for the coordinator", at: "job",
                remedy: "raise the limit on threads (ulimit -u)")
        }
        coordinator.withLock { $0 = made }
    }

    /// Asks for a last checkpoint and then the end. Returns at once.
    public func requestStop() {
        stopAsked.store(true, ordering: .releasing)
        control.wake()
    }

    /// Ends the job at once, without a checkpoint: what is not committed is given up. Returns at once;
    /// the outcome is `failure`.
    public func abandon(_ failure: JobFailure) { control.fail(failure) }

    /// Asks for a checkpoint now.
    public func requestCheckpoint() {
        checkpointAsked.store(true, ordering: .releasing)
        control.wake()
    }

    /// Waits at most `nanos` for the end; nil while the job runs.
    public func wait(nanos: Int) -> Outcome? {
        done.locked { if result.withLock({ $0 }) == nil { done.wait(nanos: nanos) } }
        guard let outcome = result.withLock({ $0 }) else { return nil }
        // The coordinator holds on to the job and its storage until its thread is gone.
        coordinator.withLock { thread in
            if let thread { pthread_join(thread, nil) }
            thread = nil
        }
        return outcome
    }

    /// Waits for the end.
    public func wait() -> Outcome {
        while true { if let outcome = wait(nanos: 1_000_000_000) { return outcome } }
    }

    /// Whether all outputs have made everything up to `checkpoint` visible.
    public func isVisible(upTo checkpoint: Int64) -> Bool {
        control.sinksCommitted(upTo: checkpoint) == sinkTasks
    }

    /// What the checkpoints so far cost.
    public var checkpoints: CheckpointReport { report.withLock { $0 } }

    /// The smallest watermark of the sources that are still at work, in microseconds; nil before any.
    public func sourceWatermark(of names: [String]) -> Int64? {
        names.flatMap { counters[$0] ?? [] }.map { $0.read(.watermarkMicros) }.filter { $0 != 0 }
            .min()
    }

    // MARK: coordinator

    private func coordinate() {
        var tracker = CheckpointTracker(
            tasks: taskNames, everyNanos: settings.checkpointNanos,
            restored: storage.restored?.checkpoint ?? 0, now: clock.nanos)
        var parts: [TaskAcknowledgement] = []
        var began: Int64 = 0
        var last: Int64?
        var outcome: Outcome?
        while outcome == nil {
            if let failure = control.failure {
                outcome = .failed(failure)
                break
            }
            let isStopping = stopAsked.load(ordering: .acquiring)
            let isOver = control.endedSources == sourceTasks
            if let last {
                // The last checkpoint is whole: leave when all sinks have made it visible.
                if control.sinksCommitted(upTo: last) == sinkTasks {
                    outcome = isOver ? .finished : .stopped
                    break
                }
            } else if let begun = tracker.begin(
                now: clock.nanos,
                isForced: isStopping || isOver
                    || checkpointAsked.exchange(false, ordering: .acquiringAndReleasing))
            {
                began = clock.nanos
                parts = []
                isLast = isStopping || isOver
                if isOver { control.finalCheckpoint.store(Int(begun), ordering: .releasing) }
                control.requestedCheckpoint.store(Int(begun), ordering: .releasing)
                for worker in workers { worker.signal.notify() }
            }
            var isWhole = false
            for part in control.takeAcknowledgements() {
                parts.append(part)
                isWhole = tracker.acknowledge(part.task, checkpoint: part.checkpoint) || isWhole
            }
            if isWhole {
                do throws(JobFailure) {
                    try complete(parts, began: began)
                } catch {
                    control.fail(error)
                    continue
                }
                if isLast { last = parts[0].checkpoint }
                parts = []
                tracker.finish()
                for worker in workers { worker.signal.notify() }
                continue
            }
            do throws(JobFailure) { try storage.writeAhead() } catch { control.fail(error) }
            // After the last checkpoint no other one falls due: sinks wake this thread when they have committed.
            let next = last == nil ? tracker.wait(now: clock.nanos) : nil
            control.wait(nanos: Int(min(next ?? 50_000_000, 50_000_000)))
        }
        finish(outcome!)
    }

    /// Whether the checkpoint under way is the one before the end; the coordinator's own.
    private var isLast = false

    private func complete(_ parts: [TaskAcknowledgement], began: Int64) throws(JobFailure) {
        var positions: [String: [UInt8]] = [:]
        var tokens: [String: [UInt8]] = [:]
        let idleness = parts.flatMap(\.idleness)
        for part in parts {
            positions.merge(part.positions) { $1 }
            tokens.merge(part.tokens) { $1 }
        }
        let checkpoint = parts[0].checkpoint
        for part in parts { try part.work?() }
        let summary = try storage.complete(
            CheckpointParts(
                checkpoint: checkpoint, snapshots: parts.compactMap(\.snapshot),
                positions: positions, tokens: tokens,
                decisions: EpochDecisions(idleness: EpochDecisions.sorted(idleness))))
        try publish(checkpoint)
        if let transaction {
            // Other sinks commit after it: what it does not commit, nobody may see.
            try transaction.commit(
                checkpoint: checkpoint, manifest: summary.manifest, positions: positions)
            try storage.settled(checkpoint)
        }
        control.completedCheckpoint.store(Int(checkpoint), ordering: .releasing)
        let identity = CommittedCheckpoint(checkpoint: checkpoint, manifest: summary.manifest)
        for follower in followers { follower.follow(checkpoint: identity, positions: positions) }
        let pause = parts.map(\.pauseNanos).max() ?? 0
        let took = clock.nanos - began
        report.withLock { report in
            report.count += 1
            report.lastNumber = checkpoint
            report.lastNanos = took
            report.lastPauseNanos = pause
            report.longestPauseNanos = max(report.longestPauseNanos, pause)
            report.lastBytes = summary.bytes
            report.totalNanos += took
        }
    }

    /// Puts a checkpoint into the shared store. While the store does not answer the job goes on, only its
    /// checkpoints wait, until that has taken too long.
    private func publish(_ checkpoint: Int64) throws(JobFailure) {
        let began = clock.nanos
        while true {
            do throws(JobFailure) {
                try storage.publish(checkpoint)
                report.withLock { $0.failingSinceNanos = nil }
                return
            } catch {
                // Whoever stops the job does not want to wait as long as one that runs on.
                let limit =
                    stopAsked.load(ordering: .acquiring)
                    ? min(settings.publishNanos, 10_000_000_000) : settings.publishNanos
                guard case .retry(let millis) = error.recovery, clock.nanos - began < limit else {
                    throw error
                }
                report.withLock { report in
                    report.failures += 1
                    report.lastFailure = error
                    report.failingSinceNanos = began
                }
                try pause(nanos: Int64(millis) * 1_000_000)
            }
        }
    }

    /// Waits; throws when a task has failed meanwhile, and returns early when a stop is asked for.
    private func pause(nanos: Int64) throws(JobFailure) {
        let wasStopping = stopAsked.load(ordering: .acquiring)
        let end = clock.nanos + nanos
        while clock.nanos < end, stopAsked.load(ordering: .acquiring) == wasStopping {
            if let failure = control.failure { throw failure }
            control.wait(nanos: Int(min(end - clock.nanos, 50_000_000)))
        }
    }

    private func finish(_ outcome: Outcome) {
        control.stopRequested.store(true, ordering: .releasing)
        for worker in workers {
            worker.signal.notify()
            worker.join()
        }
        workers = []
        result.withLock { $0 = control.failure.map { .failed($0) } ?? outcome }
        done.locked { done.signal() }
    }
}

/// What a job's checkpoints cost so far.
public struct CheckpointReport: Sendable {
    /// Checkpoints that became whole.
    public var count = 0
    /// The number of the last one.
    public var lastNumber: Int64 = 0
    /// From the barrier's start to the durable manifest.
    public var lastNanos: Int64 = 0
    /// The longest any task stood still for the last one, and for any.
    public var lastPauseNanos: Int64 = 0
    /// The longest any task stood still for one, in nanoseconds.
    public var longestPauseNanos: Int64 = 0
    /// Bytes that the last one added.
    public var lastBytes: Int64 = 0
    /// Time spent on all of them, in nanoseconds.
    public var totalNanos: Int64 = 0
    /// Tries to put a checkpoint into the shared store that failed and were repeated.
    public var failures = 0
    /// Why the last of those failed.
    public var lastFailure: JobFailure?
    /// Since when, on the job's clock, the shared store does not take the checkpoint under way; nil
    /// when it does.
    public var failingSinceNanos: Int64?

    /// The report of a job that went on as another one: sums where there are sums, else the later one's.
    public func followed(by later: CheckpointReport) -> CheckpointReport {
        var both = later.count > 0 ? later : self
        both.count = count + later.count
        both.longestPauseNanos = max(longestPauseNanos, later.longestPauseNanos)
        both.totalNanos = totalNanos + later.totalNanos
        both.failures = failures + later.failures
        both.lastFailure = later.lastFailure ?? lastFailure
        both.failingSinceNanos = later.failingSinceNanos
        return both
    }
}
