import CRdKafka
import Glibc
import StreamRuntime
import Synchronization

/// What a client's callbacks have told, until somebody asks.
final class KafkaEvents: Sendable {
    struct Told {
        /// Since when all brokers are gone, on the monotonic clock, and what was said.
        var outage: (sinceMillis: Int64, reason: String)?
        /// Why the brokers do not let the client in, told since one has answered last.
        var refusal: (code: rd_kafka_resp_err_t, reason: String)?
        /// An error after which the client is of no use.
        var fatal: String?
        /// The first record that could not be delivered.
        var undelivered: (topic: String, partition: Int32, code: rd_kafka_resp_err_t)?
        /// What the group has decided since somebody asked, oldest first.
        var rebalances: [KafkaShareGroup.Event] = []
        /// Whether the client leaves its group: what is taken from it then is given at once.
        var isLeaving = false
    }

    let told = Mutex(Told())
}

/// A handle of librdkafka: a consumer or a producer.
///
/// - Note: librdkafka's handles may be used by any thread, and the events are behind a lock: that is
///   why sharing is safe.
final class KafkaClient: @unchecked Sendable {
    let handle: OpaquePointer
    let connection: KafkaConnection
    let events: KafkaEvents
    private let kind: JobFailure.Kind
    private let isAbandoned = Atomic<Bool>(false)

    /// A client of `connection`; `defaults` yield to the connection's properties, `fixed` do not.
    init(
        _ type: rd_kafka_type_t, _ connection: KafkaConnection, defaults: [String: String],
        fixed: [String: String], configure: (OpaquePointer?) -> Void = { _ in }
    ) throws(JobFailure) {
        self.connection = connection
        kind = type == RD_KAFKA_CONSUMER ? .source : .sink
        events = KafkaEvents()
        let configuration = rd_kafka_conf_new()
        var settings = defaults
        settings.merge(connection.properties) { $1 }
        settings.merge(fixed) { $1 }
        settings["bootstrap.servers"] = connection.bootstrap
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
            do {
                try KafkaClient.set(name, value, configuration, connection)
            } catch {
                rd_kafka_conf_destroy(configuration)
                throw error
            }
        }
        let mechanism = settings["sasl.mechanism"] ?? settings["sasl.mechanisms"]
        let hasTokens = mechanism?.uppercased() == "OAUTHBEARER"
        if hasTokens { rd_kafka_conf_enable_sasl_queue(configuration, 1) }
        rd_kafka_conf_set_opaque(configuration, Unmanaged.passUnretained(events).toOpaque())
        configure(configuration)
        // Without a callback of ours the library writes to the standard error.
        rd_kafka_conf_set_log_cb(configuration) { _, _, _, _ in }
        rd_kafka_conf_set_error_cb(configuration) { client, code, reason, opaque in
            KafkaClient.note(client, code, reason, opaque)
        }
        rd_kafka_conf_set_dr_msg_cb(configuration) { _, message, opaque in
            guard let message, let opaque, message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR
            else { return }
            let events = Unmanaged<KafkaEvents>.fromOpaque(opaque).takeUnretainedValue()
            events.told.withLock {
                if $0.undelivered == nil {
                    let topic = String(cString: rd_kafka_topic_name(message.pointee.rkt))
                    $0.undelivered = (topic, message.pointee.partition, message.pointee.err)
                }
            }
        }
        var text = [CChar](repeating: 0, count: 512)
        guard let made = rd_kafka_new(type, configuration, &text, text.count) else {
            rd_kafka_conf_destroy(configuration)
            throw JobFailure(
                .environment, "the Kafka client does not start: \(KafkaClient.string(text))",
                at: connection.bootstrap, remedy: "correct the connection's properties")
        }
        handle = made
        // Tokens are made by a callback, and not every client of ours is polled.
        if hasTokens { rd_kafka_error_destroy(rd_kafka_sasl_background_callbacks_enable(made)) }
    }

    deinit {
        if !isAbandoned.load(ordering: .relaxed) { rd_kafka_destroy(handle) }
    }

    /// Leaves the client of librdkafka to the end of the process: one that is destroyed in the midst of a
    /// transaction may end the process by an assertion (librdkafka 2.0.2, AddPartitionsToTxn).
    func abandon() {
        guard !isAbandoned.exchange(true, ordering: .relaxed) else { return }
        // Its callbacks go on.
        _ = Unmanaged.passRetained(events)
    }

    /// Leaves the consumer's group within `millis`: a close that meets a rebalance can wait for ever in
    /// librdkafka 2.0, and the session's end does what it would have done.
    ///
    /// - Returns: whether the group was told.
    func closeConsumer(millis: Int64) -> Bool {
        guard let queue = rd_kafka_queue_new(handle) else { return false }
        if let error = rd_kafka_consumer_close_queue(handle, queue) {
            rd_kafka_error_destroy(error)
            return false
        }
        let clock = SystemClock()
        let until = clock.nanos + millis * 1_000_000
        while rd_kafka_consumer_closed(handle) == 0, clock.nanos < until {
            guard let event = rd_kafka_queue_poll(queue, 50) else { continue }
            if rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE {
                // Nothing of what is owned is in use any more.
                KafkaClient.obey(
                    handle, rd_kafka_event_error(event),
                    rd_kafka_event_topic_partition_list(event))
            }
            rd_kafka_event_destroy(event)
        }
        return rd_kafka_consumer_closed(handle) != 0
    }

    /// Does at once what a cooperative rebalance says.
    static func obey(
        _ handle: OpaquePointer?, _ code: rd_kafka_resp_err_t,
        _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
    ) {
        let error =
            code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
            ? rd_kafka_incremental_assign(handle, list)
            : rd_kafka_incremental_unassign(handle, list)
        if let error { rd_kafka_error_destroy(error) }
    }

    private static func set(
        _ name: String, _ value: String, _ configuration: OpaquePointer?,
        _ connection: KafkaConnection
    ) throws(JobFailure) {
        var text = [CChar](repeating: 0, count: 512)
        let result = rd_kafka_conf_set(configuration, name, value, &text, text.count)
        guard result != RD_KAFKA_CONF_OK else { return }
        let problem =
            KafkaConnection.isSecret(name)
            ? "the value of property \"\(name)\" is not allowed" : string(text)
        throw JobFailure(
            .environment, "the Kafka client refuses its configuration: \(problem)",
            at: connection.bootstrap,
            remedy: "correct \"\(name)\" in the connection's properties; librdkafka's "
                + "CONFIGURATION.md lists them")
    }

    private static func note(
        _ client: OpaquePointer?, _ code: Int32, _ reason: UnsafePointer<CChar>?,
        _ opaque: UnsafeMutableRawPointer?
    ) {
        guard let opaque else { return }
        let events = Unmanaged<KafkaEvents>.fromOpaque(opaque).takeUnretainedValue()
        let reason = reason.map { String(cString: $0) } ?? "no reason given"
        events.told.withLock {
            if code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN.rawValue, $0.outage == nil {
                $0.outage = (KafkaClient.millis(), reason)
            }
            if code == RD_KAFKA_RESP_ERR__AUTHENTICATION.rawValue
                || code == RD_KAFKA_RESP_ERR__SSL.rawValue
            {
                $0.refusal = (rd_kafka_resp_err_t(rawValue: code), reason)
            }
            if code == RD_KAFKA_RESP_ERR__FATAL.rawValue, $0.fatal == nil { $0.fatal = reason }
        }
    }

    static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func millis() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }

    /// Runs the callbacks that are due.
    ///
    /// - Throws: when the client is done for, when a record could not be delivered, or when all brokers
    ///   have been gone for longer than the connection allows and still do not answer.
    func serve(waitingMillis: Int32 = 0, topic: String) throws(JobFailure) {
        rd_kafka_poll(handle, waitingMillis)
        let told = events.told.withLock { $0 }
        if let fatal = told.fatal {
            throw JobFailure(
                kind, "the Kafka client cannot go on: \(fatal)", at: place(topic),
                remedy: "restart from the last checkpoint", recovery: .restart)
        }
        if let (topic, partition, code) = told.undelivered {
            throw failure(code, topic: topic, partition: partition, doing: "write to")
        }
        if let (since, reason) = told.outage,
            KafkaClient.millis() - since >= Int64(connection.outageMillis)
        {
            // The end of an outage is not told when there is nothing to read: so we ask.
            guard isAnswered() else { throw unreachable(topic, reason) }
            noteAnswer()
        }
    }

    /// Gives up the records that are still on their way.
    func purge() {
        rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
    }

    /// Says that a broker has answered: an outage, if there was one, is over.
    func noteAnswer() {
        events.told.withLock {
            if $0.outage != nil { $0.outage = nil }
            if $0.refusal != nil { $0.refusal = nil }
        }
    }

    private func isAnswered() -> Bool {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(handle, 0, nil, &metadata, Int32(connection.requestMillis))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else { return false }
        rd_kafka_metadata_destroy(metadata)
        return true
    }

    // MARK: what there is

    /// The number of partitions of a topic.
    ///
    /// - Throws: when the cluster cannot be reached or has no such topic.
    func partitionCount(_ topic: OpaquePointer, named name: String) throws(JobFailure) -> Int {
        let deadline = KafkaClient.millis() + Int64(connection.requestMillis)
        while true {
            var metadata: UnsafePointer<rd_kafka_metadata>?
            let left = Int32(max(deadline - KafkaClient.millis(), 1))
            let code = rd_kafka_metadata(handle, 0, topic, &metadata, left)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else {
                throw failure(code, topic: name, partition: nil, doing: "look up")
            }
            defer { rd_kafka_metadata_destroy(metadata) }
            let found = metadata.pointee.topics[0]
            // A topic that has just been created has no leaders for a moment.
            let isComing =
                found.err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
                || (found.err == RD_KAFKA_RESP_ERR_NO_ERROR && found.partition_cnt == 0)
            if isComing && KafkaClient.millis() < deadline {
                usleep(20_000)
                continue
            }
            guard found.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw failure(found.err, topic: name, partition: nil, doing: "look up")
            }
            return Int(found.partition_cnt)
        }
    }

    /// The oldest offset of a partition and the one its next record gets, as the broker says.
    func extent(
        _ topic: String, _ partition: Int32
    ) throws(JobFailure) -> (oldest: Int64, end: Int64) {
        var oldest: Int64 = 0
        var end: Int64 = 0
        let code = rd_kafka_query_watermark_offsets(
            handle, topic, partition, &oldest, &end, Int32(connection.requestMillis))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw failure(code, topic: topic, partition: partition, doing: "find the extent of")
        }
        return (oldest, end)
    }

    // MARK: failures

    func place(_ topic: String, _ partition: Int32? = nil) -> String {
        let name = partition.map { "\(topic)/\($0)" } ?? topic
        return "Kafka topic \(name) at \(connection.bootstrap)"
    }

    /// Why the brokers do not let the client in; nil when they do, or have not said.
    func refused(_ topic: String) -> JobFailure? {
        // Not every client is polled, and what it was told waits until then.
        rd_kafka_poll(handle, 0)
        guard let (code, reason) = events.told.withLock({ $0.refusal }) else { return nil }
        let isSecret = code == RD_KAFKA_RESP_ERR__AUTHENTICATION
        return JobFailure(
            .environment,
            isSecret
                ? "Kafka does not accept the connection's credentials: \(reason)"
                : "no secure connection to Kafka can be made: \(reason)", at: place(topic),
            remedy: isSecret
                ? "correct sasl.username and sasl.password (or sasl.mechanism) in the "
                    + "connection's properties, or give the user that password at the broker"
                : "correct ssl.ca.location and the other ssl properties of the connection, or "
                    + "its security.protocol")
    }

    private func unreachable(_ topic: String, _ reason: String) -> JobFailure {
        if let refused = refused(topic) { return refused }
        return JobFailure(
            kind, "no Kafka broker can be reached: \(reason)", at: place(topic),
            remedy: "start the brokers, or correct the connection's bootstrap and security "
                + "properties",
            recovery: .retry(afterMillis: 5000))
    }

    /// The failure that a code of librdkafka tells of.
    func failure(
        _ code: rd_kafka_resp_err_t, topic: String, partition: Int32?, doing verb: String
    ) -> JobFailure {
        let text = String(cString: rd_kafka_err2str(code))
        let name = partition.map { "\(topic)/\($0)" } ?? topic
        switch code {
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
            RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__RESOLVE,
            RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
            return unreachable(topic, text)
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
            return JobFailure(
                kind, "Kafka has no topic \(name), or no longer", at: place(topic, partition),
                remedy: "create it, or correct the name in the pipelines file")
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
            return JobFailure(
                kind, "Kafka topic \(topic) has no partition \(partition ?? 0)",
                at: place(topic, partition),
                remedy: "the topic was created anew with fewer partitions: start the job afresh")
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, RD_KAFKA_RESP_ERR__AUTHENTICATION:
            return JobFailure(
                kind, "Kafka does not let us \(verb) \(name): \(text)",
                at: place(topic, partition),
                remedy: "give the connection's user that right, or correct its credentials")
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
            return JobFailure(
                kind, "a record is too large for \(name)", at: place(topic, partition),
                remedy: "raise message.max.bytes in the connection's properties and at the topic")
        default:
            return JobFailure(
                kind, "cannot \(verb) \(name): \(text)", at: place(topic, partition),
                remedy: "see the broker's log; restart the job when it is well",
                recovery: .restart)
        }
    }
}
