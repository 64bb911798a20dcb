import FeatureServe
import StreamRuntime

/// A job that reads given ranges of its inputs and keeps everything it makes in a scratch place.
struct BoundedRun {
    /// How a run went.
    struct Summary {
        let outcome: Job.Outcome
        let rows: Int64
        let nanos: Int64
    }

    /// The plan, redirected already.
    let plan: JobPlan
    let ranges: SourceRanges
    var rules: RangedSource.Rules
    let account: RangeAccount
    var settings: RunSettings
    /// Opens a stream's source in place of the planned one: an archive, for example.
    var open: ((PlannedSource) throws(JobFailure) -> any RecordSource)?
    /// Told the positions the run goes on from, by "stream/partition"; none on a fresh start.
    var begun: (([String: Int64]) throws(JobFailure) -> Void)?
    /// Called before each checkpoint is written, on the coordinator's thread.
    var beforeCheckpoint: (@Sendable () throws(JobFailure) -> Void)?

    /// Runs until every range has been read, or it is asked to stop.
    ///
    /// - Parameter show: called a few times a second while the job runs.
    func run(
        isStopping: () -> Bool = { false }, show: (Job) -> Void = { _ in }
    ) throws(JobFailure) -> Summary {
        try Directories.make(plan.settings.stateDirectory)
        let budget = MemoryBudget(total: plan.settings.memoryBytes)
        let storage = try DurableStorage(
            DurableStorage.Settings(
                directory: plan.settings.stateDirectory, job: plan.name,
                fingerprint: plan.fingerprint, memoryBytes: budget.state,
                retained: plan.settings.checkpointKeep))
        for notice in storage.skipped { Terminal.error("warning: \(notice)\n") }
        try begun?(BoundedRun.offsets(storage.restored?.positions ?? [:]))
        let online =
            plan.featureViews.isEmpty
            ? nil
            : try OnlineStores.open(
                plan, budget: budget.online, checkpoint: storage.restored?.checkpoint ?? 0)
        let job = try Job(
            graph: graph(online), settings: settings,
            storage: NoticedStorage(storage, beforeCheckpoint),
            followers: online.map { [SnapshotFollower($0)] } ?? [])
        let clock = SystemClock()
        let began = clock.nanos
        try job.start()
        var outcome: Job.Outcome?
        while outcome == nil {
            outcome = job.wait(nanos: 20_000_000)
            let isHeld = rules.finish == .hold && account.isDone(partitions: ranges.count)
            if isHeld || isStopping() { job.requestStop() }
            if outcome == nil { show(job) }
        }
        try online?.sync()
        return Summary(outcome: outcome!, rows: account.records, nanos: clock.nanos - began)
    }

    /// The offsets of a checkpoint's positions.
    static func offsets(_ positions: [String: [UInt8]]) -> [String: Int64] {
        positions.compactMapValues { SourcePosition($0)?.offset }
    }

    private func graph(_ online: OnlineStore?) -> JobGraph {
        var graph = GraphBuilder(
            plan: plan, isBounded: false, online: online, keepsVersions: false
        ).graph()
        for (index, node) in graph.sources.enumerated() {
            let planned = plan.sources[index]
            graph.sources[index] = JobGraph.SourceNode(
                name: node.name, ordinal: node.ordinal,
                // The end of a range is not a quiet stream: nothing is idle here.
                time: TimeRule(
                    column: node.time.column,
                    outOfOrdernessMicros: node.time.outOfOrdernessMicros, idleNanos: .max),
                policy: node.policy,
                open: { () throws(JobFailure) in
                    let source: any RecordSource
                    if let open {
                        source = try open(planned)
                    } else {
                        source = try node.open()
                    }
                    return RangedSource(
                        source, name: node.name, ranges: ranges.partitions(of: node.name),
                        rules: rules,
                        account: account)
                },
                decoder: node.decoder)
        }
        return graph
    }
}

/// Storage that tells somebody before each checkpoint.
private final class NoticedStorage: JobStorage {
    private let inner: DurableStorage
    private let notice: (@Sendable () throws(JobFailure) -> Void)?

    init(_ inner: DurableStorage, _ notice: (@Sendable () throws(JobFailure) -> Void)?) {
        self.inner = inner
        self.notice = notice
    }

    var restored: RestoredCheckpoint? { inner.restored }

    func openStore(worker: Int, of workers: Int) throws(JobFailure) -> StateStore {
        try inner.openStore(worker: worker, of: workers)
    }

    func complete(_ parts: CheckpointParts) throws(JobFailure) -> CheckpointSummary {
        try notice?()
        return try inner.complete(parts)
    }

    func writeAhead() throws(JobFailure) { try inner.writeAhead() }
}
