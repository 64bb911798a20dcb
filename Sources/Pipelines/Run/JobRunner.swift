import Connectors
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
        /// How far behind the clock rows came to each sink of the last life, by its id.
        public let lags: [String: EventLag]
        /// The keys that an unusual share of a step's rows had in the last life, by the step's id.
        public var hotKeys: [String: [HotKeys.Key]] = [:]
        /// The rows that each worker took of each source, step and sink in the last life, by its id.
        public var spread: [String: [Int64]] = [:]

        /// The same with another end.
        func ended(_ outcome: Job.Outcome) -> Summary {
            Summary(
                outcome: outcome, rows: rows, nanos: nanos, checkpoints: checkpoints,
                figures: figures, lags: lags, hotKeys: hotKeys, spread: spread)
        }

        /// Both lives of a job that was started again; rows read twice count twice.
        func followed(by later: Summary) -> Summary {
            Summary(
                outcome: later.outcome, rows: rows + later.rows, nanos: nanos + later.nanos,
                checkpoints: checkpoints.followed(by: later.checkpoints),
                figures: figures.merging(later.figures) { Summary.sum($0, $1) },
                lags: later.lags, hotKeys: later.hotKeys, spread: later.spread)
        }

        /// The figures of two lives: counts add up, what a table has is what it had last.
        private static func sum(
            _ before: [StepCounters.Figure: Int64], _ later: [StepCounters.Figure: Int64]
        ) -> [StepCounters.Figure: Int64] {
            var sum = later
            for (figure, value) in before where figure != .tableRows && figure != .checksum {
                sum[figure, default: 0] += value
            }
            return sum
        }
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
    /// Where requests bring records; through all lives of the job.
    private var desk: StreamDesk?
    /// What brings records in from files and services; through all lives of the job.
    private var collectors: Collectors?
    private var remote: RedisRows?
    /// How long rows are waited for that a Redis server does not take, once the job is to stop.
    private static let remoteSeconds: Int64 = 10
    /// The figures of the present life.
    private var registry = MetricsRegistry()
    /// How often the job was started again, and why.
    let restarts: JobRestarts
    /// Topics of the present life that have got more partitions.
    private var growth = KafkaGrowth()
    /// What sends the calls of the present life.
    private var calls = CallSenders()

    /// A runner of a checked plan.
    init(plan: JobPlan, options: RunOptions, clock: any Clock = SystemClock()) {
        self.plan = plan
        self.options = options
        self.clock = clock
        restarts = JobRestarts(
            plan.settings.restart, of: "the job", options: options, clock: clock)
    }

    /// The definitions as the server tells them.
    private var definitions = RegistryPages()
    /// The port features are served on, once `run` is under way.
    private(set) var servedPort: Int?
    /// The port features are served on in the protocol of Redis, once `run` is under way.
    private(set) var redisPort: Int?
    /// The port figures are told on, in a job without features.
    private(set) var figuresPort: Int?
    /// The figures as the endpoint tells them.
    var metrics: String { registry.render() }

    /// Runs to the end of the input, or until it is asked to stop. A failure that a restart mends ends only
    /// the job's present life: the next one goes on from the last committed checkpoint.
    ///
    /// - Parameter isStopping: asked a few times a second.
    func run(isStopping: () -> Bool) throws(JobFailure) -> Summary {
        try Directories.make(plan.settings.stateDirectory)
        try plan.settlePromotion()
        try noteDefinitions()
        desk = options.serves ? try StreamDesk(plan, clock: clock) : nil
        collectors = try Collectors(plan, clock: clock)
        defer {
            collectors?.stop()
            collectors = nil
        }
        if options.untilEnd {
            try collectors?.collectOnce(isStopping: isStopping)
        } else {
            try collectors?.start()
        }
        var progress = ProgressLine(
            sources: plan.sources.map(\.name), json: options.json, now: clock.nanos)
        let lag = try LagFigures(plan)
        defer { lag.stop() }
        var before: Summary?
        var own = options.untilEnd ? try plan.ownRanges().ends : 0
        var lives = 1
        while true {
            let failure: JobFailure
            do throws(JobFailure) {
                var summary = try live(&progress, lag, isStopping)
                if let before { summary = before.followed(by: summary) }
                before = summary
                switch summary.outcome {
                case .finished:
                    let reached = options.untilEnd ? try plan.ownRanges().ends : 0
                    guard reached > own, lives < JobRunner.livesMax, !isStopping() else {
                        return summary
                    }
                    // The job has written what it reads itself: it goes on with that.
                    own = reached
                    lives += 1
                    continue
                case .stopped:
                    guard let reason = growth.reason, !isStopping() else { return summary }
                    restarts.noteOrderly(reason)
                    continue
                case .failed(let told): failure = told
                }
            } catch {
                // What does not even begin is for the user: a wrong address, a directory in use.
                guard before != nil else { throw error }
                failure = error
            }
            guard let wait = restarts.wait(after: failure) else {
                return before!.ended(.failed(failure))
            }
            guard pause(nanos: wait, isStopping) else { return before!.ended(.stopped) }
        }
    }

    /// Adds what the plan declares and no run has had before to the registry of definitions.
    private func noteDefinitions() throws(JobFailure) {
        definitions = try FeatureRegistry(plan).noted(
            in: plan.settings.stateDirectory, time: clock.nowMicros)
    }

    /// Waits; false when the process is asked to stop meanwhile.
    private func pause(nanos: Int64, _ isStopping: () -> Bool) -> Bool {
        let end = clock.nanos + nanos
        while clock.nanos < end {
            if isStopping() { return false }
            usleep(UInt32(min(end - clock.nanos, 50_000_000) / 1000) + 1)
        }
        return !isStopping()
    }

    /// One life of the job: from the last committed checkpoint to its end or its first failure.
    private func live(
        _ progress: inout ProgressLine, _ lag: LagFigures, _ isStopping: () -> Bool
    ) throws(JobFailure) -> Summary {
        growth = KafkaGrowth()
        endLife()
        let budget = MemoryBudget(total: plan.settings.memoryBytes)
        HeapMemory.keep(ofBudget: budget.total)
        let transactions = try JobTransactions(plan: plan)
        defer { transactions.close() }
        let job = try open(budget, transactions)
        EngineMetrics.register(job, in: registry, clock: clock)
        try serve(job, lag)
        try plan.remember()
        progress.begin(now: clock.nanos)
        let began = clock.nanos
        // A file without anything to read is there to serve: there is no job that could end.
        if plan.sources.isEmpty {
            while !options.untilEnd, !isStopping() { usleep(50_000) }
            remote?.end(within: JobRunner.remoteSeconds)
            try online?.sync()
            return Summary(
                outcome: .finished, rows: 0, nanos: clock.nanos - began,
                checkpoints: job.checkpoints, figures: [:], lags: [:], spread: [:])
        }
        try job.start()
        var outcome: Job.Outcome?
        var notice = StoreNotice()
        var budgetNotice = BudgetNotice(
            tableBytes: StateBackend.tableBytes(memoryBytes: budget.state)
                / job.workerCounters.count)
        var isStarting = true
        var checkpoints = 0
        while outcome == nil {
            outcome = job.wait(nanos: 50_000_000)
            let report = job.checkpoints
            if let line = notice.line(report) { Terminal.error(line) }
            if let line = budgetNotice.line(job) { Terminal.error(line) }
            if isStarting, clock.nanos - began > JobRunner.startNanos {
                isStarting = false
                ProgramMemory.releaseStart()
            }
            if report.count > checkpoints {
                checkpoints = report.count
                restarts.noteProgress()
            }
            if isStopping() {
                job.requestStop()
                remote?.end(within: JobRunner.remoteSeconds)
            } else if growth.reason != nil {
                job.requestStop()
            }
            if outcome == nil, !options.isQuiet { progress.show(job, now: clock.nanos) }
        }
        let nanos = clock.nanos - began
        if !options.isQuiet { progress.show(job, now: clock.nanos, isLast: true) }
        // What a bounded run has sealed is called before it ends; other runs leave it to the next.
        if case .finished = outcome!, options.untilEnd, let failure = finishCalls(isStopping) {
            outcome = .failed(failure)
        }
        calls.stop()
        try online?.sync()
        return Summary(
            outcome: outcome!,
            rows: plan.sources.reduce(0) {
                $0 + JobRunner.sum(job.counters[$1.name] ?? [], .rowsIn)
            },
            nanos: nanos, checkpoints: job.checkpoints,
            figures: job.counters.mapValues { workers in
                Dictionary(
                    uniqueKeysWithValues: StepCounters.Figure.allCases.filter {
                        $0 != .watermarkMicros
                    }.map {
                        ($0, JobRunner.sum(workers, $0))
                    })
            }, lags: job.lags,
            hotKeys: job.counters.mapValues { HotKeys.together($0.map(\.hotKeys)) },
            spread: job.counters.mapValues { $0.map { $0.read(.rowsIn) } })
    }

    /// Waits until what was sealed is answered, as long as answers come.
    private func finishCalls(_ isStopping: () -> Bool) -> JobFailure? {
        var open = calls.open
        var since = clock.nanos
        let isDone = calls.drain {
            let now = calls.open
            if now != open { (open, since) = (now, clock.nanos) }
            return isStopping() || clock.nanos - since > JobRunner.callNanos
        }
        if !isDone, calls.failure == nil {
            Terminal.error(
                "warning: \(calls.open) calls have no answer yet; the next run makes them again\n")
        }
        return calls.failure
    }

    /// How often a bounded run goes on with what it wrote: a job that feeds itself without end has to stop.
    private static let livesMax = 16
    /// After so long each task has begun: half a second.
    private static let startNanos: Int64 = 500_000_000
    /// How long a bounded run waits for the next answer to a call: ten seconds.
    private static let callNanos: Int64 = 10_000_000_000

    /// Opens what the job needs and builds it.
    private func open(
        _ budget: MemoryBudget, _ transactions: JobTransactions
    ) throws(JobFailure) -> Job {
        let workers = options.workers ?? plan.settings.workers ?? JobRunner.cores
        var stored = DurableStorage.Settings(
            directory: plan.settings.stateDirectory, job: plan.name,
            fingerprint: plan.fingerprint, memoryBytes: budget.state,
            retained: plan.settings.checkpointKeep, renames: plan.renames)
        stored.archive = try CheckpointArchives.open(plan.settings.checkpointStore)
        stored.archiveScope = CheckpointArchives.scope(job: plan.name)
        let storage = try DurableStorage(stored, transaction: transactions.domain)
        for notice in storage.skipped { Terminal.error("warning: \(notice)\n") }
        if plan.hasFeatures {
            try OnlineStores.check(plan, isFetched: storage.isFetched)
            let opened = try OnlineStores.openShared(
                plan, budget: budget.online, checkpoint: storage.restored?.checkpoint ?? 0,
                metrics: registry)
            online = opened.store
            remote = opened.redis
        }
        try plan.makeCallTopics()
        let lookups = LookupDesks()
        let graph = GraphBuilder(
            plan: plan, isBounded: options.untilEnd, online: online, domain: transactions.domain,
            meters: online == nil ? nil : FeatureMeters(registry),
            growth: restarts.isAllowed ? growth : nil, calls: calls,
            workers: workers, lookups: lookups
        ).graph()
        var followers: [any CheckpointFollower] = transactions.followers
        if let online { followers.append(SnapshotFollower(online)) }
        followers.append(lookups)
        let settings = RunSettings(
            workers: workers, batchRows: options.batchRows ?? Limits.batchRows,
            checkpointNanos: plan.settings.checkpointEvery.micros * 1000)
        return try Job(
            graph: graph, settings: settings, storage: storage, transaction: transactions.domain,
            followers: followers, clock: clock)
    }

    /// Begins to serve features, or figures alone where there are none and the file says so.
    private func serve(_ job: Job, _ lag: LagFigures) throws(JobFailure) {
        let restarts = restarts
        registry.reading(
            "millrace_job_restarts_total",
            help: "How often the job went on from its last checkpoint in this process.",
            grows: true
        ) { Double(restarts.count) }
        guard
            options.serves,
            online != nil || plan.settings.isServed || options.port != nil || desk != nil
        else { return }
        desk?.register(in: registry)
        collectors?.register(in: registry)
        // Clients find the next life where they found the one before.
        let port = servedPort ?? figuresPort ?? options.port ?? plan.settings.servePort
        lag.register(in: registry) { _ in true }
        lag.start()
        guard let online else {
            let server = try FeatureServer.ofFigures(
                registry, settings: plan.settings, port: port, ingest: desk)
            figuresPort = try server.start()
            self.server = server
            return
        }
        var serving = try ServingOptions.make(plan.settings)
        serving.port = port
        serving.registry = definitions
        serving.ingest = desk
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
        try serveRemoteCalls(online, serving, writes)
        try serveRedis(online)
    }

    private func serveRemoteCalls(
        _ online: OnlineStore, _ serving: FeatureServer.Options, _ writes: WriteQueue
    ) throws(JobFailure) {
        guard let port = plan.settings.serving.grpcPort else { return }
        var serving = serving
        serving.port = port
        let grpc = GRPCServer(
            store: online, metrics: registry, options: serving, writes: writes)
        let bound = try grpc.start()
        self.grpc = grpc
        if port == 0 { Terminal.error("serving gRPC on port \(bound)\n") }
    }

    private func serveRedis(_ online: OnlineStore) throws(JobFailure) {
        guard let server = try RESPServing.server(plan, online: online, metrics: registry) else {
            return
        }
        redisPort = try server.start()
        redis = server
    }

    /// Lets go of what the life before has left open. It served until now: what it wrote after its last
    /// checkpoint is told apart when the store is opened again.
    private func endLife() {
        stopLanes()
        online = nil
        registry = MetricsRegistry()
        calls.stop()
        calls = CallSenders(metrics: registry)
    }

    /// Stops serving: no new request, those under way are answered.
    func stopServing() {
        stopLanes()
        desk?.close()
        desk = nil
    }

    private func stopLanes() {
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
