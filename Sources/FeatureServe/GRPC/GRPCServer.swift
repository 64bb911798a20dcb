import NIOCore
import NIOHTTP2
import StreamRuntime
import Synchronization

/// Serves lookups, pushes and health over gRPC, by the names Feast's clients call them.
///
/// `start` binds and returns; `stop` lets calls that have begun finish, within a grace period.
public final class GRPCServer: Sendable {
    private let store: OnlineStore
    private let metrics: MetricsRegistry
    private let writes: WriteQueue?
    private let listener: Listener
    private let limits: ServerLimits
    private let access: AccessRules
    private let served: ServedLog?
    private let tlsFiles: TLSServer.Files?
    private let now: @Sendable () -> Int64
    private let lookups = Mutex<SlowLookups?>(nil)

    /// A server of what `store` holds, whose figures go to `metrics`.
    ///
    /// - Parameters:
    ///   - writes: takes what clients write; without it they write nothing. Stopped by who made it, after
    ///     the server.
    ///   - now: microseconds since 1970; ages are judged by it.
    public init(
        store: OnlineStore, metrics: MetricsRegistry, options: FeatureServer.Options,
        writes: WriteQueue? = nil,
        now: @escaping @Sendable () -> Int64 = { WallClock.micros() }
    ) {
        self.store = store
        self.metrics = metrics
        self.writes = writes
        self.now = now
        limits = options.limits
        access = options.access
        served = options.served
        tlsFiles = options.tls
        listener = Listener(options)
    }

    /// Binds and begins to answer.
    ///
    /// - Returns: the port.
    /// - Throws: when the address cannot be bound: the port is in use, or is not ours to take.
    @discardableResult
    public func start() throws(JobFailure) -> Int {
        let listener = listener
        let limits = limits
        let access = access
        let served = served
        let tls = try tlsFiles.map { files throws(JobFailure) in
            try TLSServer(files, protocol: "h2", metrics: metrics)
        }
        let engine: @Sendable () -> GRPCLookup = { [store, metrics, now] in
            GRPCLookup(store: store, metrics: metrics, served: served, now: now)
        }
        let slow = SlowLookups(store: store, make: engine)
        lookups.withLock { $0 = slow }
        var responders: [ObjectIdentifier: GRPCResponder] = [:]
        for loop in listener.loops {
            responders[ObjectIdentifier(loop)] = GRPCResponder(
                lookups: engine(), slow: slow, metrics: metrics, writes: writes, access: access,
                messageBytesMax: limits.bodyBytes,
                isHealthy: { [weak listener] in !(listener?.isDraining ?? true) })
        }
        let responderOf = responders
        do throws(JobFailure) {
            return try listener.start { channel in
                guard let responder = responderOf[ObjectIdentifier(channel.eventLoop)] else {
                    return
                }
                if let tls { try channel.pipeline.syncOperations.addHandler(TLSHandler(tls)) }
                try channel.pipeline.syncOperations.addHandlers([
                    NIOHTTP2Handler(mode: .server, initialSettings: GRPCConnection.settings),
                    GRPCConnection(responder: responder, limits: limits),
                ])
            }
        } catch {
            lookups.withLock { $0.take() }?.stop()
            throw error
        }
    }

    /// Stops accepting, finishes what has begun within `graceMillis`, closes the rest.
    public func stop(graceMillis: Int64 = 5000) {
        let lookups = lookups.withLock { $0.take() }
        listener.stop(graceMillis: graceMillis) { lookups?.hurry() }
        lookups?.stop()
    }
}
