import NIOCore
import NIOPosix
import StreamRuntime
import Synchronization

/// Accepts connections on one port, and lets them finish when it stops.
final class Listener: Sendable {
    private let host: String
    private let port: Int
    private let limits: ServerLimits
    private let group: MultiThreadedEventLoopGroup
    private let draining = Atomic<Bool>(false)
    private let listening = Mutex<(any Channel)?>(nil)
    private let connections = Mutex<[ObjectIdentifier: any Channel]>([:])

    init(_ options: FeatureServer.Options) {
        host = options.host
        port = options.port
        limits = options.limits
        group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
    }

    /// The event loops connections are spread over.
    var loops: [any EventLoop] { Array(group.makeIterator()) }

    /// Whether it stops: nothing new is begun.
    var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Binds and begins to accept; `prepare` fits out each connection on its own event loop.
    ///
    /// - Returns: the port.
    /// - Throws: when the address cannot be bound: the port is in use, or is not ours to take.
    func start(
        _ prepare: @escaping @Sendable (any Channel) throws -> Void
    ) throws(JobFailure) -> Int {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 1 << 14)
            )
            .childChannelInitializer { [self] channel in
                guard admit(channel) else { return channel.close() }
                return channel.eventLoop.makeCompletedFuture { try prepare(channel) }
            }
        do {
            let channel = try bootstrap.bind(host: host, port: port).wait()
            listening.withLock { $0 = channel }
            return channel.localAddress?.port ?? port
        } catch {
            try? group.syncShutdownGracefully()
            throw FeatureServer.bindFailure(error, host: host, port: port)
        }
    }

    /// Takes a new connection into the books; false when there are too many, or the server is stopping.
    private func admit(_ channel: any Channel) -> Bool {
        let taken = connections.withLock { connections in
            guard connections.count < limits.connections else { return false }
            connections[ObjectIdentifier(channel)] = channel
            return true
        }
        guard taken else { return false }
        channel.closeFuture.whenComplete { [self] _ in
            connections.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) }
        }
        return !isDraining
    }

    /// Stops accepting, tells connections to finish what has begun within `graceMillis`, closes the rest.
    ///
    /// - Parameter hurry: called once they have been told.
    func stop(graceMillis: Int64, hurry: () -> Void = {}) {
        guard let channel = listening.withLock({ $0.take() }) else { return }
        draining.store(true, ordering: .relaxed)
        try? channel.close().wait()
        let open = connections.withLock { Array($0.values) }
        for channel in open {
            channel.pipeline.fireUserInboundEventTriggered(HTTPConnection.Drain())
        }
        hurry()
        let loop = group.next()
        let deadline = loop.scheduleTask(in: .milliseconds(graceMillis)) {
            for channel in open { channel.close(promise: nil) }
        }
        try? EventLoopFuture.andAllComplete(open.map(\.closeFuture), on: loop).wait()
        deadline.cancel()
        try? group.syncShutdownGracefully()
    }
}
