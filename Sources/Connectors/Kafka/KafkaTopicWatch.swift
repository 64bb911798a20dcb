import CRdKafka
import StreamRuntime
import Synchronization

/// Remembers that a topic that is read has got more partitions, for whoever can end the job in order.
///
/// - Note: written by the workers, read by who runs the job.
public final class KafkaGrowth: Sendable {
    private let told = Mutex<String?>(nil)

    /// Nothing has grown.
    public init() {}

    /// Which topic has grown from how many partitions to how many; nil while none has.
    public var reason: String? { told.withLock { $0 } }

    func note(_ reason: String) { told.withLock { if $0 == nil { $0 = reason } } }
}

/// Notices when a topic that is read gets other partitions, or goes.
///
/// A new partition cannot be taken up on the way: its rows would be older than what event time has
/// already reached, and results would depend on the moment. The job stops instead; when it goes on from
/// its last checkpoint it reads the new partition from its beginning, and nothing is skipped.
final class KafkaTopicWatch {
    private var client: KafkaClient
    private let topic: String
    private let isBounded: Bool
    private let growth: KafkaGrowth?
    private var handle: KafkaTopic?
    private var partitions = 0
    private var lookAt: Int64 = 0

    /// - Parameter growth: takes note of more partitions; without one they are a failure.
    init(_ client: KafkaClient, _ topic: String, isBounded: Bool, growth: KafkaGrowth? = nil) {
        self.growth = growth
        self.client = client
        self.topic = topic
        self.isBounded = isBounded
    }

    /// The number of partitions, which should stay as it is.
    func begin() throws(JobFailure) -> Int {
        let handle = try KafkaTopic(client, topic)
        partitions = try client.partitionCount(handle.handle, named: topic)
        self.handle = handle
        lookAt = KafkaClient.millis() + Int64(client.connection.metadataMillis)
        return partitions
    }

    /// Goes on with another client.
    func use(_ client: KafkaClient) throws(JobFailure) {
        handle = try KafkaTopic(client, topic)
        self.client = client
    }

    /// Looks, when it is time to; brokers that do not answer are somebody else's concern.
    func look() throws(JobFailure) {
        // A bounded read ends at what was there, whatever comes.
        guard !isBounded, let handle, KafkaClient.millis() >= lookAt else { return }
        defer { lookAt = KafkaClient.millis() + Int64(client.connection.metadataMillis) }
        guard client.events.told.withLock({ $0.outage == nil }) else { return }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let code = rd_kafka_metadata(client.handle, 0, handle.handle, &metadata, 1000)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else { return }
        defer { rd_kafka_metadata_destroy(metadata) }
        let found = metadata.pointee.topics[0]
        if found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART {
            throw client.failure(found.err, topic: topic, partition: nil, doing: "read")
        }
        let count = Int(found.partition_cnt)
        guard found.err == RD_KAFKA_RESP_ERR_NO_ERROR, count != partitions, count > 0 else {
            return
        }
        if count > partitions {
            if let growth {
                growth.note("topic \(topic) has grown from \(partitions) to \(count) partitions")
                return
            }
            throw JobFailure(
                .source, "the topic has grown from \(partitions) to \(count) partitions",
                at: client.place(topic),
                remedy:
                    "restart: the job goes on and reads the new partitions from their beginning",
                recovery: .restart)
        }
        throw JobFailure(
            .source, "the topic has \(count) partitions and had \(partitions): it was created anew",
            at: client.place(topic),
            remedy: "restore the topic, or start afresh with an empty state directory")
    }
}
