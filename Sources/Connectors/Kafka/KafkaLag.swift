import CRdKafka
import StreamRuntime

/// Tells how far a consumer group is behind the ends of topics.
///
/// - Note: any thread may ask; every question waits for the cluster, at most the connection's
///   `requestMillis`.
public final class KafkaLag: Sendable {
    /// Where the group stands in one partition.
    public struct Partition: Equatable, Sendable {
        /// The partition's number.
        public let partition: Int32
        /// The offset that the group has committed; nil when it has none.
        public let committed: Int64?
        /// The oldest offset there is.
        public let oldest: Int64
        /// The offset the next record gets.
        public let end: Int64

        /// Offsets that the group has still before it; those that are gone do not count.
        public var records: Int64 { max(end - max(committed ?? 0, oldest), 0) }
    }

    private let client: KafkaClient
    private let group: String

    /// The lag of `group`; nothing is asked yet.
    ///
    /// - Throws: when a property is not allowed.
    public init(_ connection: KafkaConnection, group: String) throws(JobFailure) {
        self.group = group
        client = try KafkaClient(
            RD_KAFKA_CONSUMER, connection, defaults: [:],
            fixed: [
                // A consumer that joins nothing: its questions change nothing.
                "group.id": group, "isolation.level": "read_committed",
                "enable.auto.commit": "false", "allow.auto.create.topics": "false",
            ])
    }

    /// Where the group stands in the partitions of `topic`, by number.
    ///
    /// - Throws: when the cluster cannot be reached or has no such topic.
    public func partitions(of topic: String) throws(JobFailure) -> [Partition] {
        let handle = try KafkaTopic(client, topic)
        let count = try client.partitionCount(handle.handle, named: topic)
        let list = rd_kafka_topic_partition_list_new(Int32(count))!
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in 0..<count {
            rd_kafka_topic_partition_list_add(list, topic, Int32(partition))
        }
        let code = rd_kafka_committed(
            client.handle, list, Int32(client.connection.requestMillis))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw client.failure(code, topic: topic, partition: nil, doing: "find the lag of")
        }
        var found: [Partition] = []
        for index in 0..<Int(list.pointee.cnt) {
            let entry = list.pointee.elems[index]
            let extent = try client.extent(topic, entry.partition)
            found.append(
                Partition(
                    partition: entry.partition, committed: entry.offset < 0 ? nil : entry.offset,
                    oldest: extent.oldest, end: extent.end))
        }
        return found.sorted { $0.partition < $1.partition }
    }
}
