import CRdKafka
import Glibc
import StreamRuntime
import Synchronization

/// The transactions of one job on one Kafka cluster: what its exactly-once sinks write and the source
/// offsets of each checkpoint become visible together, or not at all.
///
/// `TransactionProtocol` decides; this executes.
///
/// - Note: the sinks' worker calls `open`, the coordinator `lastCommitted` and `commit`. The decision is
///   behind a lock that is not held while a broker is waited for, and librdkafka's handles may be used
///   by any thread: that is why sharing is safe.
public final class KafkaTransactionDomain: CheckpointTransaction {
    /// What a domain is told.
    public struct Settings: Sendable {
        /// The producers are called this, and ".0" or ".1".
        public var name: String
        /// What is committed for which consumer group.
        public var group: KafkaGroup
        /// Milliseconds between two checkpoints; 0 when only the end of the input makes one.
        public var checkpointMillis: Int

        /// The transactions called `name` of a job that commits offsets for `group`.
        public init(name: String, group: KafkaGroup, checkpointMillis: Int) {
            self.name = name
            self.group = group
            self.checkpointMillis = checkpointMillis
        }
    }

    let producers: [KafkaClient]
    private let connection: KafkaConnection
    private let settings: Settings
    private let transactionMillis: Int
    private let membership: (any KafkaMembership)?
    private let state = Mutex(State())

    private struct State {
        var decision = TransactionProtocol()
        var stopped: JobFailure?
        var isFenced = false
        /// When each producer's transaction was begun, on the monotonic clock.
        var begunMillis: [Int64] = [0, 0]
    }

    /// The domain; nothing is asked of the cluster yet.
    ///
    /// - Parameter membership: the process's place in its consumer group; nil when the job is one process.
    /// - Throws: when a property is not allowed, or the time a transaction may take cannot hold.
    public init(
        _ connection: KafkaConnection, _ settings: Settings,
        membership: (any KafkaMembership)? = nil
    ) throws(JobFailure) {
        self.connection = connection
        self.settings = settings
        self.membership = membership
        transactionMillis = try TransactionTimeout.millis(
            connection, checkpointMillis: settings.checkpointMillis)
        var producers: [KafkaClient] = []
        for producer in TransactionProtocol.Producer.allCases {
            var fixed = KafkaRecordWriter.fixed
            fixed["transactional.id"] = "\(settings.name).\(producer.rawValue)"
            fixed["transaction.timeout.ms"] = String(transactionMillis)
            producers.append(
                try KafkaClient(
                    RD_KAFKA_PRODUCER, connection, defaults: KafkaRecordWriter.defaults,
                    fixed: fixed))
        }
        self.producers = producers
    }

    // MARK: the job's side

    /// Fences older instances, settles what they left, and asks the broker what it has committed.
    public func lastCommitted() throws(JobFailure) -> CommittedCheckpoint? {
        if case .restore(let committed) = try run(.started) { return committed }
        throw stopped(.fatal, "the transactions have been started before")
    }

    /// Asks the broker once more, now that older instances are fenced.
    public func lastCommittedAgain() throws(JobFailure) -> CommittedCheckpoint? {
        if case .restore(let committed) = try run(.doubted) { return committed }
        throw stopped(.fatal, "the transactions have been started before")
    }

    /// Sets the number that the next checkpoint follows.
    public func resume(after checkpoint: Int64) {
        _ = state.withLock { $0.decision.receive(.resumed(after: checkpoint)) }
    }

    /// Commits the epoch's rows and the source offsets in one transaction.
    public func commit(
        checkpoint: Int64, manifest: String, positions: [String: [UInt8]]
    ) throws(JobFailure) {
        let committed = CommittedCheckpoint(checkpoint: checkpoint, manifest: manifest)
        guard case .publish = try run(.manifestWhole(committed), positions) else {
            throw stopped(.fatal, "the transactions have ended before")
        }
    }

    /// Gives up what is open, so that consumers need not wait for it; a later instance does the same.
    public func close() {
        for producer in producers {
            producer.purge()
            let failure = KafkaFailure(
                rd_kafka_abort_transaction(producer.handle, 2000), producer.handle)
            // Nothing open is no failure.
            if let failure, failure.code != RD_KAFKA_RESP_ERR__STATE { producer.abandon() }
        }
    }

    /// Whether another process has taken over the transactions.
    public var isFenced: Bool { state.withLock { $0.isFenced } }

    /// Lets go of everything as a process does that dies.
    func abandon() { for producer in producers { producer.abandon() } }

    // MARK: the sinks' side

    /// The epoch of the first rows that a sink writes.
    var firstEpoch: Int64 { state.withLock { $0.decision.firstEpoch } }

    /// Whether the brokers have every record of the epoch before `epoch`.
    ///
    /// Two producers keep no order between them: what one of them writes must not be on its way before
    /// the other's records are there, or a key's records could change places.
    func hasAll(before epoch: Int64) -> Bool {
        let producer = producers[TransactionProtocol.Producer(epoch: epoch - 1).rawValue]
        rd_kafka_poll(producer.handle, 0)
        return rd_kafka_outq_len(producer.handle) == 0
    }

    /// The producer of rows of `epoch`, its transaction begun and all rows before them delivered; once an
    /// epoch and sink.
    func open(epoch: Int64) throws(JobFailure) -> TransactionProtocol.Producer {
        let before = TransactionProtocol.Producer(epoch: epoch - 1)
        while !hasAll(before: epoch) {
            do throws(JobFailure) {
                try producers[before.rawValue].serve(waitingMillis: 1, topic: settings.name)
            } catch {
                throw explain(error, before)
            }
        }
        switch try run(.writing(epoch: epoch)) {
        case .write(let producer): return producer
        default: throw stopped(.fatal, "the transactions have ended before")
        }
    }

    /// What a failed write means: a lost transaction explains itself better than its records do.
    func explain(_ failure: JobFailure, _ producer: TransactionProtocol.Producer) -> JobFailure {
        var text = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(producers[producer.rawValue].handle, &text, text.count)
        guard KafkaFailure.isFencing(code) else { return failure }
        return fenced(producer)
    }

    // MARK: executing

    /// Does what the decision asks for until it is something for the caller.
    private func run(
        _ event: TransactionProtocol.Event, _ positions: [String: [UInt8]] = [:]
    ) throws(JobFailure) -> TransactionProtocol.Action {
        let began = KafkaClient.millis()
        var action = state.withLock { $0.decision.receive(event) }
        var reason = ""
        var code = RD_KAFKA_RESP_ERR_NO_ERROR
        var producer = TransactionProtocol.Producer.even
        while true {
            var failure: KafkaFailure?
            var done: TransactionProtocol.Event?
            switch action {
            case .initialize(let which):
                producer = which
                failure = call(which) { rd_kafka_init_transactions($0, $1) }
                done = .initialized(which)
            case .ask:
                switch settings.group.lastCommitted(at: connection) {
                case .checkpoint(let committed): done = .told(committed)
                case .again(let text): failure = KafkaFailure(.again, text)
                case .failed(let code, let text): failure = KafkaFailure(.fatal, text, code)
                }
            case .begin(let which):
                producer = which
                failure = call(which) { client, _ in rd_kafka_begin_transaction(client) }
                if failure == nil {
                    state.withLock { $0.begunMillis[which.rawValue] = KafkaClient.millis() }
                }
                done = .begun(which)
            case .addOffsets(let which, let committed):
                producer = which
                let member =
                    try membership?.member() ?? KafkaGroupMember(group: settings.group.name)
                let offsets = settings.group.offsets(of: committed, at: positions)
                failure = call(which) {
                    rd_kafka_send_offsets_to_transaction($0, offsets.list, member.handle, $1)
                }
                done = .offsetsAdded(which)
            case .commit(let which):
                producer = which
                failure = call(which) { rd_kafka_commit_transaction($0, $1) }
                done = .committed(which)
            case .abort(let which):
                failure = call(which) { rd_kafka_abort_transaction($0, $1) }
                done = .aborted(which)
            case .stop(let stop): throw stopped(stop, reason, code, producer)
            case .none, .restore, .write, .publish: return action
            }
            guard let failure else {
                action = state.withLock { $0.decision.receive(done!) }
                continue
            }
            (reason, code) = (failure.reason, failure.code)
            // Whom the brokers do not let in at the start need not try for minutes.
            if failure.failure == .again, event == .started,
                let refused = producers[producer.rawValue].refused(settings.name)
            {
                throw refused
            }
            let isOut =
                failure.failure == .again
                && KafkaClient.millis() - began > Int64(connection.outageMillis)
            if failure.failure == .again, !isOut { usleep(20_000) }
            action = state.withLock {
                $0.decision.receive(.failed(isOut ? .outage : failure.failure))
            }
        }
    }

    private func call(
        _ producer: TransactionProtocol.Producer,
        _ body: (OpaquePointer, Int32) -> OpaquePointer?
    ) -> KafkaFailure? {
        let client = producers[producer.rawValue]
        return KafkaFailure(body(client.handle, Int32(connection.requestMillis)), client.handle)
    }

    // MARK: failures

    /// The failure that ends this instance; the first one stays.
    private func stopped(
        _ stop: TransactionProtocol.Stop, _ reason: String,
        _ code: rd_kafka_resp_err_t = RD_KAFKA_RESP_ERR_NO_ERROR,
        _ producer: TransactionProtocol.Producer = .even
    ) -> JobFailure {
        let made = failure(stop, reason, code, producer)
        return state.withLock { state in
            if state.stopped == nil { state.stopped = made }
            return state.stopped!
        }
    }

    private func failure(
        _ stop: TransactionProtocol.Stop, _ reason: String, _ code: rd_kafka_resp_err_t,
        _ producer: TransactionProtocol.Producer
    ) -> JobFailure {
        let place = "Kafka transactions \(settings.name) at \(connection.bootstrap)"
        if code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT {
            return TransactionTimeout.refused(
                transactionMillis, checkpointMillis: settings.checkpointMillis, at: place)
        }
        let undelivered = producers[producer.rawValue].events.told.withLock { $0.undelivered }
        if stop == .restart, let undelivered {
            return producers[producer.rawValue].failure(
                undelivered.code, topic: undelivered.topic, partition: undelivered.partition,
                doing: "write to")
        }
        switch stop {
        case .restart:
            return JobFailure(
                .sink, "a transaction was aborted: \(reason)", at: place,
                remedy: "restart: the job goes on from the checkpoint before", recovery: .restart)
        case .unknown:
            return JobFailure(
                .sink, "Kafka has not said whether a checkpoint was committed: \(reason)",
                at: place,
                remedy: "start the brokers, then restart: the job asks them and goes on from what "
                    + "they know", recovery: .retry(afterMillis: 5000))
        case .fenced: return fenced(producer)
        case .fatal:
            return JobFailure(
                .sink, "Kafka refuses the job's transactions: \(reason)", at: place,
                remedy: KafkaFailure.remedy(code), recovery: KafkaFailure.recovery(code))
        }
    }

    private func fenced(_ producer: TransactionProtocol.Producer) -> JobFailure {
        let begun = state.withLock { $0.begunMillis[producer.rawValue] }
        let place = "Kafka transactions \(settings.name) at \(connection.bootstrap)"
        guard KafkaClient.millis() - begun < Int64(transactionMillis) else {
            return JobFailure(
                .sink,
                "a transaction was open for longer than \(transactionMillis) ms, and Kafka has "
                    + "aborted it", at: place,
                remedy: "restart: the job goes on from the checkpoint before; if it happens again, "
                    + "checkpoint more often or raise transaction.timeout.ms", recovery: .restart)
        }
        state.withLock { $0.isFenced = true }
        return JobFailure(
            .sink, "another process runs this job: Kafka has given it the job's transactions",
            at: place, remedy: "stop one of the two, or give them different names (job: {name: …})")
    }
}
