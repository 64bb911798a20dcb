import Glibc
import NIOCore
import NIOPosix
import StreamRuntime
import Synchronization

/// Serves lookups, health and metrics over HTTP/1.1.
///
/// `start` binds and returns; `stop` lets requests that have begun to arrive finish, within a grace period.
public final class FeatureServer: Sendable {
    /// Where and how to serve.
    public struct Options: Sendable {
        /// The address to listen on.
        public var host = "127.0.0.1"
        /// The port; 0 takes a free one.
        public var port = 6566
        /// Event loop threads; the default leaves half of the cores to the pipelines.
        public var threads = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)) / 2)
        /// The bounds on clients.
        public var limits = ServerLimits()
        /// Whose answers are given where Feast's servers disagree.
        public var style = Compatibility.millrace
        /// How far a view's pipeline has got: all events before these microseconds have been applied. Nil when
        /// nothing but clients writes the view.
        public var progress: @Sendable (_ view: String) -> Int64? = { _ in nil }
        /// Where a sample of what is given is noted; nil for nowhere.
        public var served: ServedLog?
        /// Who may do what.
        public var access = AccessRules.open
        /// The files of TLS; nil for none.
        public var tls: TLSServer.Files?
        /// How often these are looked at for changes, at most.
        var tlsIntervalNanos = TLSServer.usualIntervalNanos
        /// The definitions behind what is served.
        public var registry = RegistryPages()
        /// Takes records for streams; nil when no stream takes requests.
        public var ingest: (any IngestDesk)?

        /// The usual options.
        public init() {}
    }

    private let store: OnlineStore
    private let writes: WriteQueue?
    private let metrics: MetricsRegistry
    private let options: Options
    private let now: @Sendable () -> Int64
    private let listener: Listener
    private let lookups = Mutex<[SlowLookups]>([])
    private let ingest = Mutex<IngestQueue?>(nil)

    /// A server of what `store` holds, whose figures go to `metrics`.
    ///
    /// - Parameters:
    ///   - writes: takes what clients write; without it they write nothing. Stopped by who made it, after
    ///     the server.
    ///   - now: microseconds since 1970; ages are judged by it.
    public init(
        store: OnlineStore, metrics: MetricsRegistry, options: Options = Options(),
        writes: WriteQueue? = nil,
        now: @escaping @Sendable () -> Int64 = { WallClock.micros() }
    ) {
        self.store = store
        self.writes = writes
        self.metrics = metrics
        self.options = options
        self.now = now
        listener = Listener(options)
        registerFigures()
    }

    private func registerFigures() {
        let store = store
        let now = now
        metrics.reading(
            "millrace_online_rows", help: "Entity rows of the online store in memory."
        ) { Double(store.size().rows) }
        metrics.reading(
            "millrace_online_bytes", help: "Memory of the online store's rows."
        ) { Double(store.size().bytes) }
        metrics.reading(
            "millrace_lookups_waiting", help: "Lookups that wait for a record."
        ) { Double(store.board.waiting) }
        if !store.histories.isEmpty {
            metrics.reading(
                "millrace_history_versions",
                help: "Past versions of values written since the start."
            ) { Double(store.histories.reduce(0) { $0 + $1.figures.written }) }
            metrics.reading(
                "millrace_history_trimmed", help: "Past versions of values trimmed since the start."
            ) { Double(store.histories.reduce(0) { $0 + $1.figures.removed }) }
        }
        for (view, index) in store.geo {
            let labels = [("feature_view", view)]
            metrics.reading(
                "millrace_geo_entities", help: "Entities that can be found by their place.",
                labels: labels
            ) { Double(index.entityCount) }
            metrics.reading(
                "millrace_geo_bytes", help: "Memory of the index of places.", labels: labels
            ) { Double(index.byteCount) }
            metrics.reading(
                "millrace_geo_left_out",
                help: "Times an entity found no room in the index of places.", labels: labels
            ) { Double(index.leftOutCount) }
        }
        for view in store.catalog.views {
            metrics.reading(
                "feast_feature_freshness_seconds",
                help: "Age of the newest event in a feature view.",
                labels: [("feature_view", view.name), ("project", "millrace")]
            ) { store.newestEventMicros(view: view.name).map { Double(now() - $0) / 1e6 } }
        }
    }

    /// Binds and begins to answer.
    ///
    /// - Returns: the port.
    /// - Throws: when the address cannot be bound: the port is in use, or is not ours to take.
    @discardableResult
    public func start() throws(JobFailure) -> Int {
        let listener = listener
        let tls = try options.tls.map { files throws(JobFailure) in
            try TLSServer(
                files, protocol: "http/1.1", metrics: metrics,
                intervalNanos: options.tlsIntervalNanos)
        }
        let materialize = MaterializeAnswer(
            catalog: store.catalog, style: options.style, progress: options.progress)
        let lookups = SlowLookups(store: store) { [store, metrics, options, now] in
            LookupEngine(
                store: store, metrics: metrics, style: options.style, served: options.served,
                now: now)
        }
        let ingest = options.ingest.map { IngestQueue($0) }
        self.ingest.withLock { $0 = ingest }
        let rankings = SlowLookups(store: store) { [store, metrics, now] in
            RankEngine(store: store, metrics: metrics, now: now)
        }
        self.lookups.withLock { $0 = [lookups, rankings] }
        var responders: [ObjectIdentifier: Responder] = [:]
        for loop in listener.loops {
            responders[ObjectIdentifier(loop)] = Responder(
                engine: LookupEngine(
                    store: store, metrics: metrics, style: options.style,
                    served: options.served, now: now),
                rank: RankEngine(store: store, metrics: metrics, now: now), rankings: rankings,
                registry: options.registry, lookups: lookups, writes: writes,
                materialize: materialize, style: options.style,
                metrics: metrics, access: options.access, ingest: ingest,
                isHealthy: { [weak listener] in !(listener?.isDraining ?? true) })
        }
        let responderOf = responders
        let limits = options.limits
        do throws(JobFailure) {
            return try listener.start { channel in
                guard let responder = responderOf[ObjectIdentifier(channel.eventLoop)] else {
                    return
                }
                let handlers = channel.pipeline.syncOperations
                if let tls { try handlers.addHandler(TLSHandler(tls)) }
                try handlers.addHandler(HTTPConnection(responder: responder, limits: limits))
            }
        } catch {
            self.ingest.withLock { $0.take() }?.stop()
            takeLookups().forEach { $0.stop() }
            throw error
        }
    }

    /// Why `host` and `port` could not be listened on, as a failure with its remedy.
    static func bindFailure(_ error: any Error, host: String, port: Int) -> JobFailure {
        let place = "\(host):\(port)"
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            return JobFailure(
                .environment, "port \(port) is in use", at: place,
                remedy: "stop the process that has it, or serve on another port")
        case EACCES:
            return JobFailure(
                .environment, "port \(port) may not be taken", at: place,
                remedy: "use a port above 1023, or run with the right to bind it")
        case EADDRNOTAVAIL:
            return JobFailure(
                .environment, "\(host) is not an address of this machine", at: place,
                remedy: "listen on 127.0.0.1 or 0.0.0.0")
        default:
            return JobFailure(
                .environment, "cannot listen: \(error)", at: place,
                remedy: "correct the address and the port")
        }
    }

    /// Stops accepting, finishes what has begun within `graceMillis`, closes the rest.
    public func stop(graceMillis: Int64 = 5000) {
        let lookups = takeLookups()
        listener.stop(graceMillis: graceMillis) { lookups.forEach { $0.hurry() } }
        lookups.forEach { $0.stop() }
        ingest.withLock { $0.take() }?.stop()
    }

    private func takeLookups() -> [SlowLookups] {
        lookups.withLock { lookups in
            defer { lookups = [] }
            return lookups
        }
    }
}
