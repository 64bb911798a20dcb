import FeatureServe
import Glibc
import StreamRuntime
import Synchronization

/// A process's part in a job that is cut into shares: it runs shares, tells their figures, and joins again
/// when it has lost the group.
final class ShareSession {
    private let plan: JobPlan
    private let options: RunOptions
    private let clock: any Clock
    private let figures: ShareFigures
    private let restarts: JobRestarts
    private var server: FeatureServer?

    /// - Precondition: the plan has shares.
    init(plan: JobPlan, options: RunOptions, clock: any Clock = SystemClock()) {
        self.plan = plan
        self.options = options
        self.clock = clock
        figures = ShareFigures(clock: clock)
        restarts = JobRestarts(
            plan.settings.restart, of: "this process", options: options, clock: clock)
    }

    /// The port that figures are told on, once `run` is under way; nil when they are not.
    private(set) var servedPort: Int?

    /// The figures as the endpoint tells them.
    var metrics: String { figures.text }

    /// How often this process has joined the group again.
    var rejoins: Int { restarts.count }

    /// Runs until it is asked to stop, or to the end of the input.
    ///
    /// - Parameter isStopping: asked a few times a second.
    /// - Returns: why the process must end with an error, if it must.
    func run(isStopping: () -> Bool) throws(JobFailure) -> JobFailure? {
        let definitions = try FeatureRegistry(plan).noted(
            in: plan.settings.stateDirectory, time: clock.nowMicros)
        let lag = try LagFigures(plan)
        defer {
            lag.stop()
            server?.stop()
        }
        var hasJoined = false
        while true {
            let runner = try ShareRunner(
                plan: plan, options: options, clock: clock, figures: figures)
            do throws(JobFailure) {
                return try runner.run(isStopping: isStopping) { () throws(JobFailure) in
                    hasJoined = true
                    try self.serve(lag, definitions)
                }
            } catch {
                // What does not even begin is for the user.
                guard hasJoined, let wait = restarts.wait(after: error) else { throw error }
                let end = clock.nanos + wait
                while clock.nanos < end, !isStopping() { usleep(20_000) }
                if isStopping() { return nil }
            }
        }
    }

    /// Tells figures where the file or the command line says so: on one machine there may be several
    /// processes of the job, and only one has the port.
    private func serve(
        _ lag: LagFigures, _ definitions: RegistryPages
    ) throws(JobFailure) {
        guard server == nil, options.serves, plan.settings.isServed || options.port != nil else {
            return
        }
        let restarts = restarts
        figures.registry.reading(
            "millrace_process_rejoins_total",
            help: "How often this process has joined the job's group again after a failure.",
            grows: true
        ) { Double(restarts.count) }
        let figures = figures
        lag.register(in: figures.registry) { share in figures.isOwned(share) }
        lag.start()
        let desk = try StreamDesk(plan, clock: clock)
        desk?.register(in: figures.registry)
        let server = try FeatureServer.ofFigures(
            figures.registry, settings: plan.settings,
            port: options.port ?? plan.settings.servePort, ingest: desk,
            definitions: definitions)
        let port = try server.start()
        servedPort = port
        self.server = server
        if !options.isQuiet, !options.json {
            Terminal.error("figures at http://\(plan.settings.serveHost):\(port)/metrics\n")
        }
    }
}

extension FeatureServer {
    /// A server of a process without features: health and figures.
    static func ofFigures(
        _ registry: MetricsRegistry, settings: JobSettings, port: Int,
        ingest: (any IngestDesk)? = nil, definitions: RegistryPages = RegistryPages()
    ) throws(JobFailure) -> FeatureServer {
        var serving = try ServingOptions.make(settings)
        serving.registry = definitions
        serving.ingest = ingest
        serving.port = port
        serving.threads = 1
        let store = try OnlineStore(
            catalog: try FeatureCatalog(entities: [], views: [], services: []), rows: MemoryRows())
        return FeatureServer(store: store, metrics: registry, options: serving)
    }
}

/// The figures of the shares that a process runs, each with its `share`.
///
/// - Note: the runner's thread changes them, the server's reads: behind a lock.
final class ShareFigures: Sendable {
    let registry = MetricsRegistry()
    private let clock: any Clock
    private let owned = Mutex<Set<Int>>([])

    init(clock: any Clock) {
        self.clock = clock
        registry.reading("millrace_shares", help: "Shares of the job that this process has.") {
            [weak self] in self.map { Double($0.owned.withLock { $0.count }) }
        }
    }

    /// The figures as the endpoint tells them.
    var text: String { registry.render() }

    /// Takes note of what the process has now.
    func note(owned shares: Set<Int>) { owned.withLock { $0 = shares } }

    func isOwned(_ share: Int) -> Bool { owned.withLock { $0.contains(share) } }

    /// Tells the figures of a share's job while it runs.
    func add(_ job: Job, of share: ShareJob) {
        EngineMetrics.register(job, in: registry, clock: clock, share: share.share) {
            [weak share] in share?.job != nil
        }
    }

    /// Tells how often a share was started again.
    func add(_ restarts: JobRestarts, share: Int) {
        registry.reading(
            "millrace_job_restarts_total",
            help: "How often the job went on from its last checkpoint in this process.",
            labels: [("share", "\(share)")], grows: true
        ) { Double(restarts.count) }
    }
}
