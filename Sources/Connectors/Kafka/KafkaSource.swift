import CRdKafka
import StreamRuntime

/// A Kafka topic as a source of records; partitions are assigned, without a consumer group.
public final class KafkaSource: RecordSource {
    private(set) var client: KafkaClient
    private let connection: KafkaConnection
    let topic: String
    private let bounded: Bool
    private let watch: KafkaTopicWatch

    /// The topic as a source; with `bounded` each partition ends at what it has when its reader is made.
    ///
    /// - Parameter growth: takes note when the topic gets more partitions; without one that is a failure.
    /// - Throws: when a property is not allowed. Nothing is asked of the cluster yet.
    public init(
        _ connection: KafkaConnection, topic: String, bounded: Bool, growth: KafkaGrowth? = nil
    ) throws(JobFailure) {
        self.topic = topic
        self.bounded = bounded
        self.connection = connection
        client = try KafkaSource.client(connection, partitions: KafkaSource.fewPartitions)
        watch = KafkaTopicWatch(client, topic, isBounded: bounded, growth: growth)
    }

    /// Up to so many partitions the first client will do; with more each has less to read ahead.
    private static let fewPartitions = 4

    private static func client(
        _ connection: KafkaConnection, partitions: Int
    ) throws(JobFailure) -> KafkaClient {
        var defaults = KafkaReadAhead.settings(partitions: partitions)
        defaults["fetch.wait.max.ms"] = "100"
        defaults["isolation.level"] = "read_committed"
        return try KafkaClient(
            RD_KAFKA_CONSUMER, connection, defaults: defaults,
            fixed: [
                "enable.partition.eof": "true", "enable.auto.commit": "false",
                "enable.auto.offset.store": "false", "auto.offset.reset": "error",
                "allow.auto.create.topics": "false",
            ])
    }

    /// All partitions the topic has.
    ///
    /// - Throws: when the cluster cannot be reached or has no such topic.
    public func partitions() throws(JobFailure) -> [Int32] {
        let count = try watch.begin()
        if count > KafkaSource.fewPartitions {
            client = try KafkaSource.client(connection, partitions: count)
            try watch.use(client)
        }
        return (0..<Int32(count)).map { $0 }
    }

    /// A reader of `partition`, at its oldest record.
    ///
    /// - Throws: when the topic has no such partition or the cluster cannot be reached.
    public func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        let extent = try client.extent(topic, partition)
        return KafkaReader(
            client, try KafkaTopic(client, topic), watch, partition: partition,
            start: extent.oldest,
            limit: bounded ? extent.end : nil)
    }
}

/// A topic handle of librdkafka.
final class KafkaTopic {
    let name: String
    let handle: OpaquePointer
    private let client: KafkaClient

    init(_ client: KafkaClient, _ name: String) throws(JobFailure) {
        guard let made = rd_kafka_topic_new(client.handle, name, nil) else {
            throw client.failure(rd_kafka_last_error(), topic: name, partition: nil, doing: "open")
        }
        handle = made
        self.name = name
        self.client = client
    }

    deinit { rd_kafka_topic_destroy(handle) }
}
