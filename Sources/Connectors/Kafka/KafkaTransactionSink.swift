import StreamRuntime

/// Writes rows to a Kafka topic exactly once: each is visible when its checkpoint is committed, to
/// consumers that read committed records.
///
/// - Shape: records as `OutgoingRecords` makes them. Rows go to the domain's producer of their epoch and
///   are on their way as soon as they are written; the checkpoint's commit waits for all of them.
public final class KafkaTransactionSink: Sink {
    private let domain: KafkaTransactionDomain
    private let writers: [KafkaRecordWriter]
    private let records: OutgoingRecords
    private var epoch: Int64 = 0
    /// The producer of the present epoch, once it has been written to.
    private var opened: TransactionProtocol.Producer?

    /// A sink for rows of `schema`, keyed by the columns at `key` (none for no key).
    ///
    /// - Parameter policy: what becomes of rows whose records are too large.
    /// - Throws: when the cluster cannot be reached or has no such topic.
    public init(
        _ domain: KafkaTransactionDomain, topic: String, encoder: any RecordEncoder,
        schema: Schema, key: [Int], policy: FailurePolicy = .fail
    ) throws(JobFailure) {
        self.domain = domain
        var writers: [KafkaRecordWriter] = []
        for client in domain.producers {
            writers.append(try KafkaRecordWriter(client, topic: topic))
        }
        self.writers = writers
        records = OutgoingRecords(
            encoder: encoder, schema: schema, key: key,
            bound: KafkaRecordWriter.bound(writers[0].client, topic: topic, policy: policy))
    }

    /// Counts the rows that are left out in `counters`.
    public func report(to counters: StepCounters) { records.report(to: counters) }

    /// Nothing to settle: the domain has asked the broker what was committed and aborted the rest.
    public func recover(token: [UInt8]?) throws(JobFailure) { epoch = domain.firstEpoch }

    /// Whether the epoch's producer has room, and the brokers have all of the epoch before.
    public var isReady: Bool {
        (opened != nil || domain.hasAll(before: epoch))
            && writers[TransactionProtocol.Producer(epoch: epoch).rawValue].isReady
    }

    /// Puts a record for each row on its way, in the transaction of the present epoch.
    ///
    /// - Throws: when an earlier record could not be delivered, or the transaction is lost.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        if opened == nil { opened = try domain.open(epoch: epoch) }
        let producer = opened!
        let writer = writers[producer.rawValue]
        do throws(JobFailure) {
            try writer.write(batch, as: records)
        } catch {
            throw domain.explain(error, producer)
        }
    }

    /// Goes on with the next epoch, whose rows wait until this one's have arrived; the worker does not.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        precondition(checkpoint == epoch, "a sink meets every barrier in turn")
        epoch += 1
        opened = nil
        return []
    }

    /// Nothing to do: the broker has committed.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}
}
