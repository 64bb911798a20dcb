import CRdKafka
import StreamRuntime

/// Writes rows to a Kafka topic, at least once.
///
/// - Shape: records as `OutgoingRecords` makes them, from one idempotent producer. Rows are on their
///   way as soon as they are written; `prepare` returns when the brokers have acknowledged all of
///   them. After a crash the rows since the last checkpoint are written again.
public final class KafkaSink: Sink {
    private let writer: KafkaRecordWriter
    private let records: OutgoingRecords

    /// A sink for rows of `schema`, keyed by the columns at `key` (none for no key).
    ///
    /// - Parameter policy: what becomes of rows whose records are too large.
    /// - Throws: when the cluster cannot be reached or has no such topic.
    public init(
        _ connection: KafkaConnection, topic name: String, encoder: any RecordEncoder,
        schema: Schema, key: [Int], policy: FailurePolicy = .fail
    ) throws(JobFailure) {
        let client = try KafkaClient(
            RD_KAFKA_PRODUCER, connection, defaults: KafkaRecordWriter.defaults,
            fixed: KafkaRecordWriter.fixed)
        writer = try KafkaRecordWriter(client, topic: name)
        records = OutgoingRecords(
            encoder: encoder, schema: schema, key: key,
            bound: KafkaRecordWriter.bound(client, topic: name, policy: policy))
    }

    /// Counts the rows that are left out in `counters`.
    public func report(to counters: StepCounters) { records.report(to: counters) }

    /// Nothing to settle: what an earlier run wrote stays.
    public func recover(token: [UInt8]?) throws(JobFailure) {}

    /// Whether the producer's queue is less than half full.
    public var isReady: Bool { writer.isReady }

    /// Puts a record for each row on its way.
    ///
    /// - Throws: when an earlier record could not be delivered, naming its partition and why.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        try writer.write(batch, as: records)
    }

    /// Waits until the brokers have acknowledged everything written.
    ///
    /// - Throws: when a record could not be delivered; the job must go back to its last checkpoint.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        let client = writer.client
        while rd_kafka_flush(client.handle, 100) == RD_KAFKA_RESP_ERR__TIMED_OUT {
            try client.serve(topic: writer.topic.name)
        }
        try client.serve(topic: writer.topic.name)
        return []
    }

    /// Nothing to do: what was prepared is visible already.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}

    /// Gives up what is still on its way; a checkpoint does not cover it.
    public func close() { writer.client.purge() }
}
