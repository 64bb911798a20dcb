import Glibc
import NIOCore
import NIOPosix
import StreamRuntime
import Synchronization

/// Serves an online store in the protocol of Redis and the layout of Feast's Redis online store.
///
/// An unmodified Feast client whose online store is a Redis at this address reads and writes the declared views,
/// and keeps what it likes of its own beside them.
public final class RESPServer: Sendable {
    /// Where and how to serve.
    public struct Options: Sendable {
        /// The address to listen on.
        public var host = "127.0.0.1"
        /// The port; 0 takes a free one.
        public var port = 6379
        /// The Feast project whose keys are the declared entities'.
        public var project = "millrace"
        /// The password commands need, or nil for none.
        public var password: String?
        /// Who may do what; with keys declared, AUTH takes a key's secret.
        public var access = AccessRules.open
        /// The files of TLS; nil for none.
        public var tls: TLSServer.Files?
        /// Event loop threads; the default leaves half of the cores to the pipelines.
        public var threads = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)) / 2)
        /// The bounds on clients.
        public var limits = ServerLimits()

        /// The usual options.
        public init() {}
    }

    private struct Running: Sendable {
        let group: MultiThreadedEventLoopGroup
        let listener: any Channel
        let syncing: RepeatedTask
        let waiting: RESPWaiting
    }

    private let shared: RESPShared
    private let options: Options
    private let metrics: MetricsRegistry
    private let running = Mutex<Running?>(nil)
    private let connections = Mutex<[ObjectIdentifier: any Channel]>([:])
    private let nextId = Atomic<Int>(1)

    /// How often hashes are made durable, what Redis calls `appendfsync everysec`, and rows of views are put
    /// where a killed process leaves them.
    private static let syncEvery = TimeAmount.seconds(1)

    /// A server of what `store` holds, with `hashes` for everything else, whose figures go to `metrics`.
    ///
    /// - Parameter now: microseconds since 1970.
    /// - Throws: when the catalog cannot be laid out as Feast does.
    public init(
        store: OnlineStore, hashes: HashStore, metrics: MetricsRegistry,
        options: Options = Options(),
        now: @escaping @Sendable () -> Int64 = { WallClock.micros() }
    ) throws(JobFailure) {
        self.options = options
        self.metrics = metrics
        let password = options.password ?? ""
        let pushed = Set(store.catalog.pushSources.map(\.view))
        let readOnly = store.catalog.views.filter { $0.source != nil && !pushed.contains($0.name) }
        shared = try RESPShared(
            store: store, hashes: hashes, project: options.project,
            readOnly: Set(readOnly.map(\.name)), password: password.isEmpty ? nil : password,
            access: options.access, metrics: metrics, now: now)
    }

    /// Binds and begins to answer.
    ///
    /// - Returns: the port.
    /// - Throws: when the address cannot be bound.
    @discardableResult
    public func start() throws(JobFailure) -> Int {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        var engines: [ObjectIdentifier: RESPEngine] = [:]
        for loop in group.makeIterator() {
            engines[ObjectIdentifier(loop)] = RESPEngine(shared, waits: false)
        }
        let engineOf = engines
        let limits = options.limits
        let isOpen = shared.isOpen
        let tls: TLSServer?
        do throws(JobFailure) {
            tls = try options.tls.map { files throws(JobFailure) in
                try TLSServer(files, protocol: "redis", metrics: metrics)
            }
        } catch {
            try? group.syncShutdownGracefully()
            throw error
        }
        let waiting = RESPWaiting(shared)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1 << 15)
            )
            .childChannelInitializer { [self] channel in
                guard admit(channel), let engine = engineOf[ObjectIdentifier(channel.eventLoop)]
                else { return channel.close() }
                let id = nextId.add(1, ordering: .relaxed).oldValue
                let host = channel.localAddress?.ipAddress ?? ""
                return channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler(tls))
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        RESPConnection(
                            engine: engine, waiting: waiting, limits: limits,
                            session: RESPSession(id: id, host: host, isAdmitted: isOpen)))
                }
            }
        do {
            let listener = try bootstrap.bind(host: options.host, port: options.port).wait()
            let port = listener.localAddress?.port ?? options.port
            shared.port.store(port, ordering: .relaxed)
            let hashes = shared.hashes
            let store = shared.store
            let syncing = group.next().scheduleRepeatedAsyncTask(
                initialDelay: RESPServer.syncEvery, delay: RESPServer.syncEvery
            ) { task in
                NIOThreadPool.singleton.runIfActive(eventLoop: group.next()) {
                    try hashes.sync()
                    try store.handOver()
                }
            }
            running.withLock {
                $0 = Running(
                    group: group, listener: listener, syncing: syncing, waiting: waiting)
            }
            return port
        } catch {
            waiting.stop()
            try? group.syncShutdownGracefully()
            throw FeatureServer.bindFailure(error, host: options.host, port: options.port)
        }
    }

    /// Takes a new connection into the books; false when there are too many.
    private func admit(_ channel: any Channel) -> Bool {
        let taken = connections.withLock { connections in
            guard connections.count < options.limits.connections else { return false }
            connections[ObjectIdentifier(channel)] = channel
            return true
        }
        guard taken else { return false }
        channel.closeFuture.whenComplete { [self] _ in
            connections.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) }
        }
        return true
    }

    /// Stops accepting, sends the answers under way, closes; hashes are durable when this returns.
    public func stop() {
        guard let running = running.withLock({ $0.take() }) else { return }
        running.syncing.cancel()
        try? running.listener.close().wait()
        let open = connections.withLock { Array($0.values) }
        for channel in open {
            channel.pipeline.fireUserInboundEventTriggered(HTTPConnection.Drain())
        }
        let loop = running.group.next()
        let deadline = loop.scheduleTask(in: .seconds(2)) {
            for channel in open { channel.close(promise: nil) }
        }
        try? EventLoopFuture.andAllComplete(open.map(\.closeFuture), on: loop).wait()
        deadline.cancel()
        running.waiting.stop()
        try? running.group.syncShutdownGracefully()
        try? shared.hashes.sync()
    }
}
