import CEpoll

/// The broker on its own thread: nodes that listen, topics, and the handlers of requests.
final class Broker {
    let registry: TopicRegistry
    let cluster: Cluster
    let settings: BrokerSettings
    let loop: EventLoop
    var faults = Faults()
    private let listeners: [Listener]
    private let control: Listener?
    private var handlers: [API: any RequestHandler] = [:]
    private let versions: MetadataHandler
    private var connections: [Int: Connection] = [:]
    /// Who is at the other ends of the connections.
    private var logins: [Int: Login] = [:]
    private var connectionCount = 0
    private var frozenNodes: Set<Int32> = []
    /// What decides about groups and transactions.
    let coordinators: Coordinators
    private var controls: [Int: ControlSession] = [:]

    init(
        directory: String, ports: [Int32], controlPort: Int32?, settings: BrokerSettings,
        loop: EventLoop
    ) throws(BrokerFailure) {
        self.settings = settings
        self.loop = loop
        try Directory.make(directory)
        var listeners: [Listener] = []
        for port in ports { listeners.append(try Listener(port: port)) }
        self.listeners = listeners
        if let controlPort {
            control = try Listener(port: controlPort)
        } else {
            control = nil
        }
        cluster = Cluster(
            nodes: listeners.enumerated().map {
                BrokerNode(
                    id: Int32($0.offset + 1), host: "127.0.0.1",
                    port: settings.advertisedPort ?? $0.element.port)
            })
        registry = try TopicRegistry(
            directory: directory, settings: settings, nodeCount: Int32(ports.count),
            scheduler: loop)
        versions = MetadataHandler(registry, cluster, settings)
        let services = BrokerServices(
            partitions: registry, scheduler: loop, nodes: cluster, settings: settings,
            directory: directory)
        coordinators = try Coordinators(services: services)
        let all: [any RequestHandler] =
            [
                versions, ProduceHandler(registry), FetchHandler(registry, loop),
                OffsetsHandler(registry), TopicsHandler(registry),
                ConfigurationHandler(registry, settings),
                coordinators,
            ]
        for handler in all {
            for api in handler.apis { handlers[api] = handler }
        }
        versions.answered =
            Array(handlers.keys)
            + (settings.passwords.isEmpty ? [] : [.saslHandshake, .saslAuthenticate])
        begin()
        coordinators.start()
    }

    var controlPort: Int32? { control?.port }
    /// Where the nodes listen.
    var ports: [Int32] { listeners.map(\.port) }

    private func begin() {
        for (listener, node) in zip(listeners, cluster.nodes) {
            loop.watch(listener.descriptor, EPOLLIN.rawValue) { [unowned self] _ in
                while let descriptor = listener.accept() { connect(descriptor, node.id) }
            }
        }
        if let control {
            loop.watch(control.descriptor, EPOLLIN.rawValue) { [unowned self] _ in
                while let descriptor = control.accept() { beginControl(descriptor) }
            }
        }
        keepRetention()
    }

    private func keepRetention() {
        loop.after(settings.retentionCheckMillis) { [unowned self] in
            // A disk that refuses now is tried again the next time.
            try? registry.applyRetention()
            keepRetention()
        }
    }

    private func beginControl(_ descriptor: Int32) {
        connectionCount += 1
        let id = connectionCount
        controls[id] = ControlSession(descriptor, loop, self) { [unowned self] in
            controls[id] = nil
        }
    }

    /// Closes everything; nothing is written that was not on disk before.
    func stop() {
        for listener in listeners + (control.map { [$0] } ?? []) {
            loop.forget(listener.descriptor)
            listener.close()
        }
        for connection in Array(connections.values) { connection.close() }
        loop.stop()
    }

    // MARK: connections

    private func connect(_ descriptor: Int32, _ node: Int32) {
        connectionCount += 1
        let connection = Connection(
            id: connectionCount, node: node, descriptor: descriptor, loop: loop,
            onRequest: { [unowned self] in receive($1, from: $0) },
            onClose: { [unowned self] in
                connections[$0.id] = nil
                logins[$0.id] = nil
            })
        connections[connection.id] = connection
        logins[connection.id] = Login(settings.passwords)
        if frozenNodes.contains(node) { connection.isFrozen = true }
    }

    /// Stops reading and writing at a node, or at all of them, or goes on.
    func freeze(_ isFrozen: Bool, node: Int32?) {
        let nodes = cluster.nodes.map(\.id).filter { node == nil || $0 == node }
        if isFrozen {
            frozenNodes.formUnion(nodes)
        } else {
            frozenNodes.subtract(nodes)
        }
        for connection in Array(connections.values) where nodes.contains(connection.node) {
            connection.isFrozen = isFrozen
        }
    }

    /// Closes the connections of a node, or of all.
    func disconnect(node: Int32?) {
        for connection in Array(connections.values) where node == nil || connection.node == node {
            connection.close()
        }
    }

    // MARK: requests

    private func receive(_ bytes: UnsafeMutableRawBufferPointer, from connection: Connection) {
        var reader = RequestReader(UnsafeRawBufferPointer(bytes), isFlexible: false)
        do throws(WireFailure) {
            guard let api = API(rawValue: try reader.int16()) else {
                throw WireFailure("a request that this broker does not know")
            }
            let header = RequestHeader(
                api: api, version: try reader.int16(), correlation: try reader.int32(),
                client: try reader.nullableString())
            guard api.versions.contains(header.version) else {
                guard api == .apiVersions else {
                    throw WireFailure("version \(header.version) of \(api)")
                }
                return send(versions.versions(header), header, to: connection)
            }
            reader.isFlexible = header.isFlexible
            try reader.tags()
            guard logins[connection.id]?.allows(api) == true else {
                throw WireFailure("\(api) of somebody unknown")
            }
            if api == .saslHandshake || api == .saslAuthenticate {
                return try logIn(header, &reader, connection)
            }
            try meet(faults.next(for: api, node: connection.node), header, reader, connection)
        } catch {
            connection.close()
        }
    }

    private func logIn(
        _ header: RequestHeader, _ reader: inout RequestReader, _ connection: Connection
    ) throws(WireFailure) {
        guard var login = logins[connection.id] else { return connection.close() }
        let (answer, isOver) = try login.answer(&reader, header)
        logins[connection.id] = login
        send(answer, header, to: connection)
        if isOver { connection.close() }
    }

    /// Handles a request, or does to it what a fault says.
    private func meet(
        _ fault: Faults.Fault?, _ header: RequestHeader, _ reader: RequestReader,
        _ connection: Connection
    ) throws(WireFailure) {
        var reader = reader
        switch fault {
        case nil: try handle(&reader, header, connection)
        case .dropBefore: connection.close()
        case .dropAfter: try handle(&reader, header, connection, isDropped: true)
        case .fail(let code):
            guard let answer = try FaultAnswers.answer(header, &reader, code) else {
                return connection.close()
            }
            send(answer, header, to: connection)
        case .delay(let millis):
            let kept = try reader.lent(reader.remaining)
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: kept.count, alignment: 16)
            copy.copyMemory(from: kept)
            loop.after(millis) { [unowned self] in
                defer { copy.deallocate() }
                guard !connection.isClosed else { return }
                var reader = RequestReader(
                    UnsafeRawBufferPointer(copy), isFlexible: header.isFlexible)
                do throws(WireFailure) {
                    try handle(&reader, header, connection)
                } catch {
                    connection.close()
                }
            }
        }
    }

    private func handle(
        _ reader: inout RequestReader, _ header: RequestHeader, _ connection: Connection,
        isDropped: Bool = false
    ) throws(WireFailure) {
        guard let handler = handlers[header.api] else {
            throw WireFailure("no handler of \(header.api)")
        }
        let origin = RequestOrigin(
            connection: connection.id, node: connection.node, host: "/127.0.0.1")
        try handler.handle(&reader, header: header, origin: origin) { [unowned self] answer in
            if isDropped {
                connection.close()
            } else if let answer {
                send(answer, header, to: connection)
            } else {
                connection.requestDone()
            }
        }
    }

    private func send(
        _ answer: ResponseWriter, _ header: RequestHeader, to connection: Connection
    ) {
        // Who asks for the versions does not know yet which header the answer would have.
        let hasTags = header.isFlexible && header.api != .apiVersions
        var frame = ResponseWriter(isFlexible: hasTags)
        frame.int32(Int32(answer.count + (hasTags ? 5 : 4)))
        frame.int32(header.correlation)
        frame.tags()
        connection.send(frame.pieces + answer.pieces)
        connection.requestDone()
    }
}
