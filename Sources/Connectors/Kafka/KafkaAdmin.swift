import CRdKafka
import StreamRuntime

/// Looks at and changes the topics of a Kafka cluster.
///
/// - Note: any thread may use it; every call waits for the cluster, at most the connection's
///   `requestMillis`.
public final class KafkaAdmin: Sendable {
    /// A topic as the cluster describes it.
    public struct Topic: Equatable, Sendable {
        /// The topic's name.
        public let name: String
        /// The number of its partitions.
        public let partitions: Int
    }

    private let client: KafkaClient

    /// An administrator of the cluster behind `connection`.
    ///
    /// - Throws: when a property is not allowed. Nothing is asked of the cluster yet.
    public init(_ connection: KafkaConnection) throws(JobFailure) {
        client = try KafkaClient(
            RD_KAFKA_PRODUCER, connection, defaults: [:],
            fixed: ["allow.auto.create.topics": "false"])
    }

    /// The topics there are, by name, without Kafka's own.
    public func topics() throws(JobFailure) -> [Topic] {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(
            client.handle, 1, nil, &metadata, Int32(client.connection.requestMillis))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else {
            throw client.failure(code, topic: "topics", partition: nil, doing: "list")
        }
        defer { rd_kafka_metadata_destroy(metadata) }
        let all = UnsafeBufferPointer(
            start: metadata.pointee.topics, count: Int(metadata.pointee.topic_cnt))
        return all.map { Topic(name: String(cString: $0.topic), partitions: Int($0.partition_cnt)) }
            .filter { !$0.name.hasPrefix("__") }
            .sorted { $0.name < $1.name }
    }

    /// The oldest offset of a partition and the one its next record gets.
    ///
    /// - Throws: when the topic has no such partition or the cluster cannot be reached.
    public func extent(
        _ topic: String, partition: Int32
    ) throws(JobFailure) -> (oldest: Int64, end: Int64) {
        try client.extent(topic, partition)
    }

    /// The offset of the first record of a partition whose timestamp is at least `micros`, or the
    /// partition's end when there is none.
    public func offset(
        _ topic: String, partition: Int32, atOrAfter micros: Int64
    ) throws(JobFailure) -> Int64 {
        let list = rd_kafka_topic_partition_list_new(1)!
        defer { rd_kafka_topic_partition_list_destroy(list) }
        let asked = rd_kafka_topic_partition_list_add(list, topic, partition)!
        // The broker compares milliseconds: a part of one counts as the next.
        asked.pointee.offset = micros / 1000 + (micros % 1000 > 0 ? 1 : 0)
        let code = rd_kafka_offsets_for_times(
            client.handle, list, Int32(client.connection.requestMillis))
        let found = code == RD_KAFKA_RESP_ERR_NO_ERROR ? asked.pointee.err : code
        guard found == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw client.failure(
                found, topic: topic, partition: partition, doing: "find a time in")
        }
        return asked.pointee.offset >= 0
            ? asked.pointee.offset : try client.extent(topic, partition).end
    }

    /// Makes a topic.
    ///
    /// - Parameters:
    ///   - replicas: copies of each partition; -1 for what the cluster usually makes.
    ///   - settings: the topic's own settings, such as "retention.ms".
    /// - Returns: whether it was made; false when there is one of this name already.
    @discardableResult
    public func create(
        _ name: String, partitions: Int, replicas: Int = -1, settings: [String: String] = [:]
    ) throws(JobFailure) -> Bool {
        var text = [CChar](repeating: 0, count: 512)
        guard
            var topic = rd_kafka_NewTopic_new(
                name, Int32(partitions), Int32(replicas), &text, text.count) as OpaquePointer?
        else { throw refused(name, KafkaClient.string(text)) }
        defer { rd_kafka_NewTopic_destroy(topic) }
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            guard rd_kafka_NewTopic_set_config(topic, key, value) == RD_KAFKA_RESP_ERR_NO_ERROR
            else { throw refused(name, "setting \"\(key)\" cannot be \"\(value)\"") }
        }
        return try withReply(topic: name, doing: "create") { options, queue in
            withUnsafeMutablePointer(to: &topic) { pointer in
                pointer.withMemoryRebound(to: OpaquePointer?.self, capacity: 1) {
                    rd_kafka_CreateTopics(client.handle, $0, 1, options, queue)
                }
            }
        } read: { event throws(JobFailure) in
            var count = 0
            let results = rd_kafka_CreateTopics_result_topics(
                rd_kafka_event_CreateTopics_result(event), &count)
            guard let results, count == 1, let result = results[0] else {
                throw refused(name, "the cluster gave no answer")
            }
            switch rd_kafka_topic_result_error(result) {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return true
            case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: return false
            default:
                let reason = rd_kafka_topic_result_error_string(result)
                throw refused(name, reason.map { String(cString: $0) } ?? "no reason given")
            }
        }
    }

    /// Makes a topic of the job's own, whose records stay until the job has no more need of them.
    ///
    /// - Throws: when there is one with another number of partitions.
    public func ensureInternal(_ name: String, partitions: Int) throws(JobFailure) {
        let there = try topics().first { $0.name == name }
        if there == nil {
            try create(
                name, partitions: partitions,
                settings: ["retention.ms": "-1", "cleanup.policy": "delete"])
        }
        let handle = try KafkaTopic(client, name)
        let found: Int
        if let there {
            found = there.partitions
        } else {
            found = try client.partitionCount(handle.handle, named: name)
        }
        guard found == partitions else {
            throw JobFailure(
                .environment,
                "topic \(name) has \(found) partitions, and the job has \(partitions) shares",
                at: client.place(name),
                remedy: "the number of shares is fixed for the life of the state: write "
                    + "shares: \(found), or start afresh under another job name")
        }
    }

    /// The committed offsets of a consumer group, transactions settled.
    public func committedOffsets(
        of group: String
    ) throws(JobFailure) -> [(topic: String, partition: Int32, offset: Int64)] {
        try withReply(topic: group, doing: "read the offsets of group") { options, queue in
            rd_kafka_error_destroy(
                rd_kafka_AdminOptions_set_require_stable_offsets(options, 1))
            var request = rd_kafka_ListConsumerGroupOffsets_new(group, nil)
            rd_kafka_ListConsumerGroupOffsets(client.handle, &request, 1, options, queue)
            rd_kafka_ListConsumerGroupOffsets_destroy(request)
        } read: { event throws(JobFailure) in
            var count = 0
            guard let result = rd_kafka_event_ListConsumerGroupOffsets_result(event),
                let groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count),
                count == 1
            else { return [] }
            if let error = rd_kafka_group_result_error(groups[0]) {
                throw client.failure(
                    rd_kafka_error_code(error), topic: group, partition: nil,
                    doing: "read the offsets of group")
            }
            guard let list = rd_kafka_group_result_partitions(groups[0]) else { return [] }
            return (0..<Int(list.pointee.cnt)).compactMap { index in
                let entry = list.pointee.elems[index]
                guard entry.err == RD_KAFKA_RESP_ERR_NO_ERROR, entry.offset >= 0 else { return nil }
                return (String(cString: entry.topic), entry.partition, entry.offset)
            }
        }
    }

    /// Forgets a topic's records below the given offsets; partitions that are gone are passed over.
    ///
    /// - Parameter offsets: for each partition the first offset that stays.
    public func deleteRecords(_ topic: String, before offsets: [Int32: Int64]) throws(JobFailure) {
        guard !offsets.isEmpty else { return }
        let list = rd_kafka_topic_partition_list_new(Int32(offsets.count))!
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
            rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = offset
        }
        var request: OpaquePointer? = rd_kafka_DeleteRecords_new(list)
        defer { rd_kafka_DeleteRecords_destroy(request) }
        _ = try withReply(topic: topic, doing: "shorten") { options, queue in
            rd_kafka_DeleteRecords(client.handle, &request, 1, options, queue)
        } read: { event throws(JobFailure) in
            let results = rd_kafka_DeleteRecords_result_offsets(
                rd_kafka_event_DeleteRecords_result(event))
            guard let results else { return true }
            for index in 0..<Int(results.pointee.cnt) {
                let code = results.pointee.elems[index].err
                guard
                    code == RD_KAFKA_RESP_ERR_NO_ERROR
                        || code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE
                        || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                else {
                    throw client.failure(
                        code, topic: topic, partition: results.pointee.elems[index].partition,
                        doing: "shorten")
                }
            }
            return true
        }
    }

    /// A topic's own setting of this name, as the cluster has it; nil when it knows none.
    public func setting(_ name: String, of topic: String) throws(JobFailure) -> String? {
        var resource: OpaquePointer? = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic)
        defer { rd_kafka_ConfigResource_destroy(resource) }
        return try withReply(topic: topic, doing: "read the settings of") { options, queue in
            rd_kafka_DescribeConfigs(client.handle, &resource, 1, options, queue)
        } read: { event throws(JobFailure) in
            var count = 0
            let resources = rd_kafka_DescribeConfigs_result_resources(
                rd_kafka_event_DescribeConfigs_result(event), &count)
            guard let resources, count == 1, let found = resources[0] else { return nil }
            let code = rd_kafka_ConfigResource_error(found)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw client.failure(
                    code, topic: topic, partition: nil, doing: "read the settings of")
            }
            let entries = rd_kafka_ConfigResource_configs(found, &count)
            for index in 0..<count {
                guard let entry = entries?[index],
                    String(cString: rd_kafka_ConfigEntry_name(entry)) == name
                else { continue }
                return rd_kafka_ConfigEntry_value(entry).map { String(cString: $0) }
            }
            return nil
        }
    }

    // MARK: inside

    /// Sends a request, waits for its one event, and reads it.
    private func withReply<Value>(
        topic: String, doing verb: String,
        send: (_ options: OpaquePointer?, _ queue: OpaquePointer?) -> Void,
        read: (_ event: OpaquePointer) throws(JobFailure) -> Value
    ) throws(JobFailure) -> Value {
        let millis = Int32(client.connection.requestMillis)
        let options = rd_kafka_AdminOptions_new(client.handle, RD_KAFKA_ADMIN_OP_ANY)
        defer { rd_kafka_AdminOptions_destroy(options) }
        var text = [CChar](repeating: 0, count: 256)
        rd_kafka_AdminOptions_set_request_timeout(options, millis, &text, text.count)
        let queue = rd_kafka_queue_new(client.handle)
        defer { rd_kafka_queue_destroy(queue) }
        send(options, queue)
        guard let event = rd_kafka_queue_poll(queue, millis + 1000) else {
            throw client.failure(
                RD_KAFKA_RESP_ERR__TIMED_OUT, topic: topic, partition: nil, doing: verb)
        }
        defer { rd_kafka_event_destroy(event) }
        let code = rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw client.failure(code, topic: topic, partition: nil, doing: verb)
        }
        return try read(event)
    }

    private func refused(_ topic: String, _ reason: String) -> JobFailure {
        JobFailure(
            .environment, "Kafka does not create topic \(topic): \(reason)",
            at: client.place(topic), remedy: "correct the topic's settings, or create it by hand")
    }
}
