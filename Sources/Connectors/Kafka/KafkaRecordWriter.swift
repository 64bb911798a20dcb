import CRdKafka
import StreamRuntime

/// Hands rows, as records of one topic, to one producer.
///
/// - Note: Kafka keeps timestamps in milliseconds, so the microseconds of an event time are cut off;
///   times before 1970 become its first millisecond.
final class KafkaRecordWriter {
    /// Records the producer holds at most before `isReady` is false: half of its queue.
    private static let backlogMax: Int32 = 50_000
    /// How long `write` waits for room in the queue at a time.
    private static let roomMillis: Int32 = 50
    /// What a record takes on the wire besides its key and value: the head of its batch (61 bytes)
    /// and its own (at most 36).
    private static let packingBytes = 128

    /// What any producer of ours is set to, unless the connection says otherwise.
    static let defaults = [
        "linger.ms": "5", "compression.type": "lz4", "queue.buffering.max.messages": "100000",
        "queue.buffering.max.kbytes": "65536",
    ]
    /// What no connection may change.
    static let fixed = [
        "enable.idempotence": "true", "acks": "all", "delivery.report.only.error": "true",
    ]

    let client: KafkaClient
    let topic: KafkaTopic
    let partitions: Int

    /// - Throws: when the cluster cannot be reached or has no such topic.
    init(_ client: KafkaClient, topic name: String) throws(JobFailure) {
        self.client = client
        topic = try KafkaTopic(client, name)
        partitions = try client.partitionCount(topic.handle, named: name)
    }

    /// What `client` and the topic behind it take, as far as the brokers tell.
    static func bound(
        _ client: KafkaClient, topic: String, policy: FailurePolicy
    ) -> RecordBound {
        var text = [CChar](repeating: 0, count: 32)
        var size = text.count
        let code = rd_kafka_conf_get(
            rd_kafka_conf(client.handle), "message.max.bytes", &text, &size)
        var bytesMax = code == RD_KAFKA_CONF_OK ? Int(KafkaClient.string(text)) ?? .max : .max
        // Without a row to leave out, the broker's own refusal says all there is to say.
        if policy == .drop,
            let told = try? KafkaAdmin(client.connection).setting("max.message.bytes", of: topic),
            let limit = Int(told)
        {
            bytesMax = min(bytesMax, max(limit - KafkaRecordWriter.packingBytes, 0))
        }
        return RecordBound(
            topic: topic, bytesMax: bytesMax, policy: policy,
            setting: "message.max.bytes of the connection and max.message.bytes of the topic")
    }

    /// Whether the producer's queue is less than half full.
    var isReady: Bool {
        rd_kafka_poll(client.handle, 0)
        return rd_kafka_outq_len(client.handle) < KafkaRecordWriter.backlogMax
    }

    /// Puts a record for each row on its way.
    ///
    /// - Throws: when an earlier record could not be delivered, naming its partition and why.
    func write(_ batch: ColumnBatch, as records: OutgoingRecords) throws(JobFailure) {
        try client.serve(topic: topic.name)
        try records.forEach(in: batch, partitions: partitions) { record throws(JobFailure) in
            try produce(record)
        }
    }

    private func produce(_ record: OutgoingRecords.Record) throws(JobFailure) {
        try append(
            partition: record.partition, key: record.key, value: record.value,
            timestamp: record.timestamp)
    }

    /// Puts one record on its way to `partition`.
    ///
    /// - Units: `timestamp` in microseconds.
    func append(
        partition: Int, key: UnsafeBufferPointer<UInt8>?, value: UnsafeBufferPointer<UInt8>?,
        timestamp: Int64
    ) throws(JobFailure) {
        while true {
            let code = millrace_kafka_produce(
                client.handle, topic.handle, Int32(partition),
                KafkaRecordWriter.millis(timestamp), KafkaRecordWriter.start(key),
                key?.count ?? 0, KafkaRecordWriter.start(value), value?.count ?? 0)
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return
            case RD_KAFKA_RESP_ERR__QUEUE_FULL:
                try client.serve(waitingMillis: KafkaRecordWriter.roomMillis, topic: topic.name)
            default:
                throw client.failure(
                    code, topic: topic.name, partition: Int32(partition), doing: "write to")
            }
        }
    }

    /// Kafka has no times before 1970, and its client takes 0 for the present.
    private static func millis(_ micros: Int64) -> Int64 { max(micros / 1000, 1) }

    /// Null only for no bytes at all: an empty key or value is a pointer to nothing.
    private static func start(_ bytes: UnsafeBufferPointer<UInt8>?) -> UnsafeRawPointer? {
        guard let bytes else { return nil }
        return UnsafeRawPointer(bytes.baseAddress) ?? UnsafeRawPointer(bitPattern: 1)
    }
}
