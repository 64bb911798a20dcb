import CRdKafka
import Testing

extension Client {
    /// A consumer that heartbeats often, so that rebalances are quick.
    static func member(
        _ bootstrap: String, _ properties: [String: String] = [:],
        instance: String? = nil
    ) throws -> Client {
        var all = [
            "heartbeat.interval.ms": "20", "session.timeout.ms": "2000",
            "partition.assignment.strategy": "cooperative-sticky",
            "isolation.level": "read_committed",
        ]
        all["group.instance.id"] = instance
        return try Client(RD_KAFKA_CONSUMER, bootstrap, all.merging(properties) { $1 })
    }

    func subscribe(_ topic: String) {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA)
        #expect(rd_kafka_subscribe(handle, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    /// The next record, if there is one within `millis`.
    func poll(millis: Int32 = 5) -> Record? {
        guard let message = rd_kafka_consumer_poll(handle, millis) else { return nil }
        defer { rd_kafka_message_destroy(message) }
        return message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR ? Record(message) : nil
    }

    /// The partitions it owns.
    var assignment: [Int32] {
        var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
        rd_kafka_assignment(handle, &list)
        guard let list else { return [] }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        return (0..<Int(list.pointee.cnt)).map { list.pointee.elems[$0].partition }.sorted()
    }

    /// Whether the client is of no use any more, and why.
    var fatal: rd_kafka_resp_err_t {
        var text = [CChar](repeating: 0, count: 512)
        return rd_kafka_fatal_error(handle, &text, text.count)
    }

    /// Ends membership; a static member keeps its seat for the time of its session.
    func close() { rd_kafka_consumer_close(handle) }

    /// Puts the next offset of a partition into a transaction of `producer`, as this member.
    func sendOffset(
        _ offset: Int64, _ topic: String, _ partition: Int32, to producer: Client
    ) throws {
        let metadata = rd_kafka_consumer_group_metadata(handle)
        defer { rd_kafka_consumer_group_metadata_destroy(metadata) }
        try Client.sendOffset(offset, topic, partition, metadata, to: producer)
    }

    static func sendOffset(
        _ offset: Int64, _ topic: String, _ partition: Int32, _ metadata: OpaquePointer?,
        to producer: Client
    ) throws {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = offset
        try producer.check(
            rd_kafka_send_offsets_to_transaction(
                producer.handle, list, metadata, Client.patienceMillis))
    }

    /// The group's committed offset; -1001 when there is none.
    func committed(_ topic: String, _ partition: Int32 = 0) throws -> Int64 {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, partition)
        let code = rd_kafka_committed(handle, list, Client.patienceMillis)
        if code != RD_KAFKA_RESP_ERR_NO_ERROR { throw Refusal(code: code) }
        return list!.pointee.elems[0].offset
    }

    /// Lets members take part in their group until `isDone`, for a bounded time.
    static func meet(
        _ members: [Client], until isDone: ([[Int32]]) -> Bool
    ) -> [[Int32]] {
        for _ in 0..<1000 {
            let owned = members.map(\.assignment)
            if isDone(owned) { return owned }
            for member in members { _ = member.poll() }
        }
        return members.map(\.assignment)
    }
}
