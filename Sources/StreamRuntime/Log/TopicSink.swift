import Codecs
import Glibc

/// Writes rows to a topic of the embedded log, readable once their checkpoint is committed.
///
/// - Shape: one record a row. A row's key is the text of the key columns (see `RecordKeyText`) and
///   chooses the partition as Kafka's Java client would; a row without one goes where the hash of its
///   origin and offset says. The timestamp is the row's event time. A delete becomes a tombstone of its
///   key; the row before an update is not written, since the row after it replaces it.
public final class TopicSink: Sink {
    private let writer: TopicWriter
    private let encoder: any RecordEncoder
    private let keys: RecordKeyText
    private let values = Column(.bytes, capacity: 4096)
    private let keyBytes = Column(.bytes, capacity: 4096)

    /// A sink over `writer` for rows of `schema`, keyed by the columns at `key` (none for no key).
    public init(
        _ writer: TopicWriter, encoder: any RecordEncoder, schema: Schema, key: [Int]
    ) {
        self.writer = writer
        self.encoder = encoder
        keys = RecordKeyText(schema: schema, columns: key)
    }

    /// Commits or cuts off what an earlier run left, as `token` says.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        try writer.recover(token: token)
        writer.beginCheckpoints(after: writer.committedCheckpoint)
    }

    /// Appends a record for each row.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        values.removeAll()
        keyBytes.removeAll()
        encoder.encode(batch, into: values)
        precondition(values.count == batch.count, "a value for every row")
        keys.append(batch, into: keyBytes)
        let partitions = writer.partitions
        let keys = keyBytes
        let values = values
        let changes = batch.changes?.bools
        let times = batch.order.eventTimes.int64s
        var row = 0
        while row < batch.count {
            defer { row &+= 1 }
            let change = changes.map { $0[row] } ?? RowChange.insert.rawValue
            let isDelete = change == RowChange.delete.rawValue
            let hasKey = keys.isValid(row)
            if change == RowChange.updateBefore.rawValue || (isDelete && !hasKey) { continue }
            let key = hasKey ? keys.bytes(row) : nil
            let partition: Int
            if let key {
                let start = key.baseAddress ?? UnsafePointer(keys.arena!.base)
                partition = Murmur2.partition(key: start, key.count, of: partitions)
            } else {
                partition = TopicSink.partition(of: batch.order, row, partitions)
            }
            try writer.append(
                partition: partition, key: key,
                value: isDelete || !values.isValid(row) ? nil : values.bytes(row),
                timestamp: times[row])
        }
    }

    private static func partition(of order: RowOrder, _ row: Int, _ partitions: Int) -> Int {
        var place = (order.origins.int64s[row].littleEndian, order.offsets.int64s[row].littleEndian)
        let hash = withUnsafeBytes(of: &place) {
            Hash.xxh3($0.baseAddress!.assumingMemoryBound(to: UInt8.self), $0.count)
        }
        return Int(hash & .max) % partitions
    }

    /// Makes what was written durable, not yet readable.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        try writer.prepare(checkpoint: checkpoint)
    }

    /// Makes it readable.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try writer.commit(token: token)
    }
}
