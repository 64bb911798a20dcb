/// Writes rows to a topic of the embedded log, readable once their checkpoint is committed.
public final class TopicSink: Sink {
    private let writer: TopicWriter
    private let records: OutgoingRecords
    /// Waits for the disk, which would keep rows waiting if the sink did it.
    public private(set) var durableWork: DurableWork?

    /// A sink over `writer` for rows of `schema`, keyed by the columns at `key` (none for no key).
    ///
    /// - Shape: records as `OutgoingRecords` makes them.
    /// - Parameters:
    ///   - policy: what becomes of rows whose records are too large.
    ///   - recordBytesMax: how large they may be, when that is less than the log takes.
    public init(
        _ writer: TopicWriter, encoder: any RecordEncoder, schema: Schema, key: [Int],
        policy: FailurePolicy = .fail, recordBytesMax: Int? = nil
    ) {
        self.writer = writer
        records = OutgoingRecords(
            encoder: encoder, schema: schema, key: key,
            bound: RecordBound(
                topic: writer.topic,
                bytesMax: min(recordBytesMax ?? .max, LogLimits.recordBytesMax), policy: policy))
    }

    /// Counts the rows that are left out in `counters`.
    public func report(to counters: StepCounters) { records.report(to: counters) }

    /// Commits or cuts off what an earlier run left, as `token` says.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        try writer.recover(token: token)
        writer.beginCheckpoints(after: writer.committedCheckpoint)
    }

    /// Appends a record for each row.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        try records.forEach(in: batch, partitions: writer.partitions) { record throws(JobFailure) in
            try writer.append(
                partition: record.partition, key: record.key, value: record.value,
                timestamp: record.timestamp)
        }
    }

    /// Writes out what was written so far, not yet readable.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        let (token, work) = try writer.prepareLater(checkpoint: checkpoint)
        durableWork = work
        return token
    }

    /// Makes it readable.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try writer.commit(token: token)
    }

    /// Lets another writer have the topic.
    public func close() { writer.close() }
}
