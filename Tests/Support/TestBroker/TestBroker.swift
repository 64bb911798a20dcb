import CPlatform
import Dispatch
import Glibc
import Synchronization

/// A Kafka broker for tests: one thread of this process, on the loopback address, with its log on disk.
///
/// It speaks to librdkafka 2.0 and later, isolates transactions, fences producers, keeps what it has
/// acknowledged over its own end, and fails on command. It can play several nodes.
///
/// - Note: the broker itself belongs to its thread; everything here hands work to that thread and waits.
///   That is why sharing is safe.
public final class TestBroker: @unchecked Sendable {
    /// The addresses to give to a client: "127.0.0.1:port,…".
    public let bootstrap: String
    /// The nodes' ports, in the order of their ids from 1.
    public let ports: [Int32]
    /// The port for commands, one a line; nil without one.
    public let controlPort: Int32?
    private let broker: Broker
    private let loop: EventLoop
    private let isStopped = Mutex(false)
    private let ended = DispatchSemaphore(value: 0)

    /// Starts a broker over what a directory holds; the directory is made if need be.
    ///
    /// - Parameters:
    ///   - directory: its topics, groups and transactions; nobody else may use it at the same time.
    ///   - ports: where the nodes listen, 0 for a free port; as many nodes as ports.
    ///   - controlPort: where commands are taken, 0 for a free port; nil: nowhere.
    /// - Throws: when a port is taken or the directory cannot be used.
    public init(
        directory: String, ports: [Int32], settings: BrokerSettings = BrokerSettings(),
        controlPort: Int32? = nil
    ) throws(BrokerFailure) {
        precondition(!ports.isEmpty)
        loop = try EventLoop()
        broker = try Broker(
            directory: directory, ports: ports, controlPort: controlPort, settings: settings,
            loop: loop)
        self.ports = broker.ports
        self.controlPort = broker.controlPort
        bootstrap = self.ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
        var thread = pthread_t()
        let run = Unmanaged.passRetained(Run(loop: loop, ended: ended))
        let code = pthread_create(&thread, nil, { Run.main($0) }, run.toOpaque())
        guard code == 0 else {
            run.release()
            throw BrokerFailure("start", "a thread", code)
        }
        pthread_detach(thread)
    }

    /// Starts a broker with some nodes on free ports.
    public convenience init(
        directory: String, nodes: Int = 1, settings: BrokerSettings = BrokerSettings()
    ) throws(BrokerFailure) {
        try self.init(
            directory: directory, ports: [Int32](repeating: 0, count: nodes), settings: settings)
    }

    deinit { stop() }

    /// What the thread is given.
    private final class Run {
        let loop: EventLoop
        let ended: DispatchSemaphore

        init(loop: EventLoop, ended: DispatchSemaphore) {
            self.loop = loop
            self.ended = ended
        }

        static func main(_ opaque: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
            let run = Unmanaged<Run>.fromOpaque(opaque!).takeRetainedValue()
            millrace_name_thread("test-broker")
            run.loop.run()
            run.ended.signal()
            return nil
        }
    }

    /// Ends the broker as a kill would: connections break, and nothing is written that was not on disk.
    ///
    /// - Shape: returns when the thread has ended and the ports are free; a second time does nothing.
    public func stop() {
        let isFirst = isStopped.withLock { isStopped in
            if isStopped { return false }
            isStopped = true
            loop.hand { [broker] in broker.stop() }
            return true
        }
        if isFirst { ended.wait() }
    }

    /// Runs `body` on the broker's thread and waits for its result.
    func call<Result>(
        _ body: @escaping (Broker) throws(BrokerFailure) -> Result
    ) throws(BrokerFailure) -> Result {
        let answer = Answer<Result>()
        let work = { [broker] in
            do throws(BrokerFailure) {
                answer.result = .success(try body(broker))
            } catch {
                answer.result = .failure(error)
            }
            answer.isThere.signal()
        }
        // Under the lock: what is handed over before the stop is carried out before it.
        let isRunning = isStopped.withLock { isStopped in
            if !isStopped { loop.hand(work) }
            return !isStopped
        }
        guard isRunning else { throw BrokerFailure("the broker was stopped") }
        answer.isThere.wait()
        guard let result = answer.result else {
            throw BrokerFailure("the broker was stopped")
        }
        return try result.get()
    }

    private final class Answer<Result> {
        let isThere = DispatchSemaphore(value: 0)
        var result: Swift.Result<Result, BrokerFailure>?
    }

    // MARK: topics

    /// Makes a topic.
    ///
    /// - Parameter configuration: settings by their Kafka names, such as "retention.ms".
    public func create(
        _ topic: String, partitions: Int32, _ configuration: [String: String] = [:]
    ) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in
            try broker.create(topic, partitions: partitions, configuration)
        }
    }

    /// Deletes a topic and its records; nothing happens if there is none.
    public func delete(_ topic: String) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in try broker.registry.delete(topic) }
    }

    /// Where a partition begins, how far it has no open transaction, and where it ends.
    public func extent(
        _ topic: String, _ partition: Int32
    ) throws(BrokerFailure) -> (start: Int64, stable: Int64, end: Int64) {
        try call { (broker) throws(BrokerFailure) in
            let log = try broker.partition(topic, partition).log
            return (log.start, log.stable, log.end)
        }
    }

    /// Deletes what the topics' retention says, now.
    public func applyRetention() throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in try broker.registry.applyRetention() }
    }

    /// Keeps of every key of a topic the last record only, now.
    public func compact(_ topic: String) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in try broker.compact(topic) }
    }

    // MARK: nodes

    /// Makes a node the leader of a partition, in a new leader epoch.
    public func moveLeader(
        _ topic: String, _ partition: Int32, to node: Int32
    ) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in
            try broker.registry.move(
                try broker.partition(topic, partition), to: try broker.checked(node: node))
        }
    }

    /// Makes a node the coordinator of a group.
    public func moveGroup(_ group: String, to node: Int32) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in
            broker.cluster.move(.group, group, to: try broker.checked(node: node))
        }
    }

    /// Makes a node the coordinator of a transactional id.
    public func moveTransaction(_ id: String, to node: Int32) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in
            broker.cluster.move(.transaction, id, to: try broker.checked(node: node))
        }
    }

    // MARK: faults

    /// Answers the next requests of an API with an error, without carrying them out.
    ///
    /// - Parameter node: only those at this node.
    public func fail(
        _ api: API, with code: ErrorCode, times: Int = 1, node: Int32? = nil
    ) throws(BrokerFailure) {
        try plan(.fail(code), api, times, node)
    }

    /// Carries the next requests of an API out later.
    public func delay(
        _ api: API, millis: Int64, times: Int = 1, node: Int32? = nil
    ) throws(BrokerFailure) {
        try plan(.delay(millis: millis), api, times, node)
    }

    /// Closes the connection instead of carrying the next requests of an API out.
    public func dropBefore(
        _ api: API, times: Int = 1, node: Int32? = nil
    ) throws(BrokerFailure) {
        try plan(.dropBefore, api, times, node)
    }

    /// Carries the next requests of an API out and closes the connection instead of answering.
    public func dropAfter(
        _ api: API, times: Int = 1, node: Int32? = nil
    ) throws(BrokerFailure) {
        try plan(.dropAfter, api, times, node)
    }

    private func plan(
        _ fault: Faults.Fault, _ api: API, _ times: Int, _ node: Int32?
    ) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in
            try broker.plan(fault, api, times: times, node: node)
        }
    }

    /// Writes the markers of transactions that end from now on so much later than their end is answered.
    public func delayMarkers(millis: Int64) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in
            broker.coordinators.markerDelayMillis = millis
        }
    }

    /// Forgets the faults that have not been met.
    public func clearFaults() throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in broker.faults.clear() }
    }

    /// Stops reading and answering, at a node or at all, with connections left open.
    public func freeze(node: Int32? = nil) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in broker.freeze(true, node: node) }
    }

    /// Goes on after `freeze`.
    public func thaw(node: Int32? = nil) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in broker.freeze(false, node: node) }
    }

    /// Closes the connections there are, of a node or of all; clients may connect again.
    public func disconnect(node: Int32? = nil) throws(BrokerFailure) {
        try call { (broker) throws(BrokerFailure) in broker.disconnect(node: node) }
    }
}
