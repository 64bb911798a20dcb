import CRdKafka
import StreamRuntime

/// Writes rows to a Kafka topic, at least once.
///
/// - Shape: records as `OutgoingRecords` makes them, from one idempotent producer. Rows are on their
///   way as soon as they are written; `prepare` returns when the brokers have acknowledged all of
///   them. After a crash the rows since the last checkpoint are written again.
/// - Note: Kafka keeps timestamps in milliseconds, so the microseconds of an event time are cut off;
///   times before 1970 become its first millisecond.
public final class KafkaSink: Sink {
    /// Records the producer holds at most before `isReady` is false: half of its queue.
    private static let backlogMax: Int32 = 50_000
    /// How long `write` waits for room in the queue at a time.
    private static let roomMillis: Int32 = 50

    private let client: KafkaClient
    private let topic: KafkaTopic
    private let partitions: Int
    private let records: OutgoingRecords

    /// A sink for rows of `schema`, keyed by the columns at `key` (none for no key).
    ///
    /// - Throws: when the cluster cannot be reached or has no such topic.
    public init(
        _ connection: KafkaConnection, topic name: String, encoder: any RecordEncoder,
        schema: Schema, key: [Int]
    ) throws(JobFailure) {
        client = try KafkaClient(
            RD_KAFKA_PRODUCER, connection,
            defaults: [
                "linger.ms": "5", "compression.type": "lz4",
                "queue.buffering.max.messages": "100000", "queue.buffering.max.kbytes": "65536",
            ],
            fixed: [
                "enable.idempotence": "true", "acks": "all", "delivery.report.only.error": "true",
            ])
        topic = try KafkaTopic(client, name)
        partitions = try client.partitionCount(topic.handle, named: name)
        records = OutgoingRecords(encoder: encoder, schema: schema, key: key)
    }

    /// Nothing to settle: what an earlier run wrote stays.
    public func recover(token: [UInt8]?) throws(JobFailure) {}

    /// Whether the producer's queue is less than half full.
    public var isReady: Bool {
        rd_kafka_poll(client.handle, 0)
        return rd_kafka_outq_len(client.handle) < KafkaSink.backlogMax
    }

    /// Puts a record for each row on its way.
    ///
    /// - Throws: when an earlier record could not be delivered, naming its partition and why.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        try client.serve(topic: topic.name)
        try records.forEach(in: batch, partitions: partitions) { record throws(JobFailure) in
            try produce(record)
        }
    }

    private func produce(_ record: OutgoingRecords.Record) throws(JobFailure) {
        while true {
            let code = millrace_kafka_produce(
                client.handle, topic.handle, Int32(record.partition), KafkaSink.millis(record),
                KafkaSink.start(record.key), record.key?.count ?? 0,
                KafkaSink.start(record.value), record.value?.count ?? 0)
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return
            case RD_KAFKA_RESP_ERR__QUEUE_FULL:
                try client.serve(waitingMillis: KafkaSink.roomMillis, topic: topic.name)
            default:
                throw client.failure(
                    code, topic: topic.name, partition: Int32(record.partition), doing: "write to")
            }
        }
    }

    /// Kafka has no times before 1970, and its client takes 0 for the present.
    private static func millis(_ record: OutgoingRecords.Record) -> Int64 {
        max(record.timestamp / 1000, 1)
    }

    /// Null only for no bytes at all: an empty key or value is a pointer to nothing.
    private static func start(_ bytes: UnsafeBufferPointer<UInt8>?) -> UnsafeRawPointer? {
        guard let bytes else { return nil }
        return UnsafeRawPointer(bytes.baseAddress) ?? UnsafeRawPointer(bitPattern: 1)
    }

    /// Waits until the brokers have acknowledged everything written.
    ///
    /// - Throws: when a record could not be delivered; the job must go back to its last checkpoint.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        while rd_kafka_flush(client.handle, 100) == RD_KAFKA_RESP_ERR__TIMED_OUT {
            try client.serve(topic: topic.name)
        }
        try client.serve(topic: topic.name)
        return []
    }

    /// Nothing to do: what was prepared is visible already.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}

    /// Gives up what is still on its way; a checkpoint does not cover it.
    public func close() {
        rd_kafka_purge(
            client.handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
    }
}
