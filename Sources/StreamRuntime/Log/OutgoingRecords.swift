import Codecs
import Glibc

/// Turns rows into the records of a keyed topic, for the sinks of every kind of topic.
///
/// - Shape: one record a row. A row's key is the text of its key columns (see `docs/FORMATS.md`) and
///   chooses the partition as Kafka's Java client would; a row without one goes where the hash of its
///   origin and offset says. The timestamp is the row's event time. A delete becomes a tombstone of its
///   key; the row before an update is not written, since the row after it replaces it.
public final class OutgoingRecords {
    /// One record, good until the call returns.
    public struct Record {
        /// The partition its key belongs to.
        public let partition: Int
        /// The key's text, or nil.
        public let key: UnsafeBufferPointer<UInt8>?
        /// The encoded row, or nil for a tombstone.
        public let value: UnsafeBufferPointer<UInt8>?
        /// The row's event time in microseconds.
        public let timestamp: Int64
    }

    private let encoder: any RecordEncoder
    private let bound: RecordBound
    private var counters: StepCounters?
    private var keyText: RecordKeyText
    private let values = Column(.bytes, capacity: 4096)
    private let keys = Column(.bytes, capacity: 4096)

    /// Records of rows of `schema`, keyed by the columns at `key` (none for no key), within `bound`.
    public init(encoder: any RecordEncoder, schema: Schema, key: [Int], bound: RecordBound) {
        self.encoder = encoder
        self.bound = bound
        keyText = RecordKeyText(schema: schema, columns: key)
    }

    /// Counts rows whose records are too large in `counters`.
    public func report(to counters: StepCounters) { self.counters = counters }

    /// Hands the records of `batch`, in order, to `body`, for a topic of `partitions`.
    ///
    /// - Throws: what `body` throws, or at a row that no record holds, or one beyond the bound, and that is
    ///   not to be left out.
    public func forEach(
        in batch: ColumnBatch, partitions: Int, _ body: (Record) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        values.removeAll()
        keys.removeAll()
        encoder.encode(batch, into: values)
        let hasFailed = encoder.failure != nil
        if let failure = encoder.failure, !bound.isDropping { throw failure }
        precondition(values.count == batch.count, "a value for every row")
        keyText.append(batch, into: keys)
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
            if hasFailed, !isDelete, !values.isValid(row) {
                counters?.add(.rejected, 1)
                continue
            }
            let isTombstone = isDelete || !values.isValid(row)
            let bytes = (key?.count ?? 0) &+ (isTombstone ? 0 : ByteView.length(values.views[row]))
            if bytes > bound.bytesMax {
                guard bound.isDropping else { throw bound.failure(bytes: bytes, key: key) }
                counters?.add(.rejected, 1)
                continue
            }
            let partition: Int
            if let key {
                let start = key.baseAddress ?? UnsafePointer(keys.arena!.base)
                partition = Murmur2.partition(key: start, key.count, of: partitions)
            } else {
                partition = OutgoingRecords.partition(of: batch.order, row, partitions)
            }
            try body(
                Record(
                    partition: partition, key: key,
                    value: isTombstone ? nil : values.bytes(row),
                    timestamp: times[row]))
        }
    }

    private static func partition(of order: RowOrder, _ row: Int, _ partitions: Int) -> Int {
        var place = (order.origins.int64s[row].littleEndian, order.offsets.int64s[row].littleEndian)
        let hash = withUnsafeBytes(of: &place) {
            Hash.xxh3($0.baseAddress!.assumingMemoryBound(to: UInt8.self), $0.count)
        }
        return Int(hash & .max) % partitions
    }
}
