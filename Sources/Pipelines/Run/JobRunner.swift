import FeatureServe
import Glibc
import StreamRuntime

/// One run of a plan: opens state and the online store, serves, runs the job, shuts down in order.
public final class JobRunner {
    /// How a run went.
    public struct Summary: Sendable {
        /// How the run ended.
        public let outcome: Job.Outcome
        /// Records read.
        public let rows: Int64
        /// How long it took, in nanoseconds.
        public let nanos: Int64
        /// What its checkpoints cost.
        public let checkpoints: CheckpointReport
        /// Each step's figures, by its id: name of the figure → sum over workers.
        public let figures: [String: [StepCounters.Figure: Int64]]
    }

    let plan: JobPlan
    private let options: RunOptions
    private let clock: any Clock
    private(set) var online: OnlineStore?
    private var server: FeatureServer?
    private var redis: RESPServer?
    private var writes: WriteQueue?
    private var served: ServedLogWriter?
    private var pushed: PushedLogWriter?
    private var grpc: GRPCServer?
    private var remote: RedisRows?
    /// How long rows are waited for that a Redis server does not take, once the job is to stop.
    private static let remoteSeconds: Int64 = 10

    /// A runner of a checked plan.
    init(plan: JobPlan, options: RunOptions, clock: any Clock = SystemClock()) {
        self.plan = plan
        self.options = options
        self.clock = clock
    }

    /// The port features are served on, once `run` is under way.
    private(set) var servedPort: Int?
    /// The port features are served on in the protocol of Redis, once `run` is under way.
    private(set) var redisPort: Int?

    /// Runs to the end of the input, or until it is asked to stop.
    ///
    /// - Parameter isStopping: asked a few times a second.
    func run(isStopping: () -> Bool) throws(JobFailure) -> Summary {
        try Directories.make(plan.settings.stateDirectory)
        try plan.settlePromotion()
        let budget = MemoryBudget(total: plan.settings.memoryBytes)
        let workers = options.workers ?? plan.settings.workers ?? JobRunner.cores
        let transactions = try JobTransactions(plan: plan)
        defer { transactions.close() }
        var stored = DurableStorage.Settings(
            directory: plan.settings.stateDirectory, job: plan.name,
            fingerprint: plan.fingerprint, memoryBytes: budget.state,
            retained: plan.settings.checkpointKeep, renames: plan.renames)
        stored.archive = try CheckpointArchives.open(plan.settings.checkpointStore)
        stored.archiveScope = CheckpointArchives.scope(job: plan.name)
        let storage = try DurableStorage(stored, transaction: transactions.domain)
        for notice in storage.skipped { Terminal.error("warning: \(notice)\n") }
        let registry = MetricsRegistry()
        if plan.hasFeatures {
            try OnlineStores.check(plan, isFetched: storage.isFetched)
            let opened = try OnlineStores.openShared(
                plan, budget: budget.online, checkpoint: storage.restored?.checkpoint ?? 0,
                metrics: registry)
            online = opened.store
            remote = opened.redis
        }
        let graph = GraphBuilder(
            plan: plan, isBounded: options.untilEnd, online: online, domain: transactions.domain,
            meters: online == nil ? nil : FeatureMeters(registry)
        ).graph()
        var followers: [any CheckpointFollower] = transactions.followers
        if let online { followers.append(SnapshotFollower(online)) }
        let settings = RunSettings(
            workers: workers, batchRows: options.batchRows ?? Limits.batchRows,
            checkpointNanos: plan.settings.checkpointEvery.micros * 1000)
        let job = try Job(
            graph: graph, settings: settings, storage: storage, transaction: transactions.domain,
            followers: followers, clock: clock)
        EngineMetrics.register(job, in: registry, clock: clock)
        if options.serves, let online {
            var serving = try ServingOptions.make(plan.settings)
            serving.port = options.port ?? plan.settings.servePort
            serving.style = OnlineStores.style(plan)
            serving.progress = OnlineStores.progress(plan, counters: job.counters)
            let writes = WriteQueue(
                store: online, targets: WriteTargets(of: online.catalog), metrics: registry,
                style: serving.style)
            self.writes = writes
            served = try ServedLogWriter(plan, metrics: registry)
            pushed = try PushedLogWriter(plan, store: online)
            serving.served = served?.log
            let server = FeatureServer(
                store: online, metrics: registry, options: serving, writes: writes)
            servedPort = try server.start()
            self.server = server
            if let port = plan.settings.serving.grpcPort {
                serving.port = port
                let grpc = GRPCServer(
                    store: online, metrics: registry, options: serving, writes: writes)
                let bound = try grpc.start()
                self.grpc = grpc
                if port == 0 { Terminal.error("serving gRPC on port \(bound)\n") }
            }
            try serveRedis(online, registry)
        }
        try plan.remember()
        let sources = plan.sources.map(\.name)
        var progress = ProgressLine(sources: sources, json: options.json, now: clock.nanos)
        let began = clock.nanos
        try job.start()
        var outcome: Job.Outcome?
        var notice = StoreNotice()
        while outcome == nil {
            outcome = job.wait(nanos: 50_000_000)
            if let line = notice.line(job.checkpoints) { Terminal.error(line) }
            if isStopping() {
                job.requestStop()
                remote?.end(within: JobRunner.remoteSeconds)
            }
            if outcome == nil, !options.isQuiet { progress.show(job, now: clock.nanos) }
        }
        let nanos = clock.nanos - began
        if !options.isQuiet { progress.show(job, now: clock.nanos, isLast: true) }
        try online?.sync()
        return Summary(
            outcome: outcome!,
            rows: sources.reduce(0) { $0 + JobRunner.sum(job.counters[$1] ?? [], .rowsIn) },
            nanos: nanos, checkpoints: job.checkpoints,
            figures: job.counters.mapValues { workers in
                Dictionary(
                    uniqueKeysWithValues: StepCounters.Figure.allCases.filter {
                        $0 != .watermarkMicros
                    }.map {
                        ($0, JobRunner.sum(workers, $0))
                    })
            })
    }

    /// Stops serving: no new request, those under way are answered.
    func stopServing() {
        grpc?.stop()
        grpc = nil
        server?.stop()
        server = nil
        redis?.stop()
        redis = nil
        writes?.stop()
        writes = nil
        served?.stop()
        served = nil
        pushed?.stop()
        pushed = nil
        remote?.end(within: JobRunner.remoteSeconds)
        try? online?.sync()
        remote?.close()
        remote = nil
    }

    private func serveRedis(
        _ online: OnlineStore, _ registry: MetricsRegistry
    ) throws(JobFailure) {
        guard let server = try RESPServing.server(plan, online: online, metrics: registry) else {
            return
        }
        redisPort = try server.start()
        redis = server
    }

    private static func sum(_ workers: [StepCounters], _ figure: StepCounters.Figure) -> Int64 {
        workers.reduce(0) { $0 + $1.read(figure) }
    }

    static var cores: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}

/// How the one number for memory is shared out.
struct MemoryBudget {
    let total: Int
    /// State of all workers together: tables, snapshots, and the database's caches and buffers.
    let state: Int
    /// The online store's rows in memory.
    let online: Int

    /// Without a number in the file: 512 MiB.
    init(total: Int?) {
        let total = total ?? 512 << 20
        self.total = total
        // What is left, a quarter, is for batches under way, sorters and the log's buffers.
        state = total / 8 * 5
        online = total / 8
    }
}
