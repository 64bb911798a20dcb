/// Raw records of one partition, as a log lends them.
///
/// - Shape: `count` rows; `keys` and `values` are bytes columns (null = no key, or a tombstone) over
///   arenas with scan padding; `timestamps` in microseconds; `offsets` ascending.
/// - Note: owned by the reader's task. Columns decoded from it may share its arenas, so a reader makes
///   a new batch for every read instead of refilling one that was handed on.
public final class RecordBatch {
    /// The partition the records are of.
    public let partition: Int32
    /// The records' keys; null for none.
    public let keys: Column
    /// The records' values; null for tombstones.
    public let values: Column
    /// The records' timestamps, in microseconds.
    public let timestamps: Column
    /// The records' offsets, ascending.
    public let offsets: Column
    /// Each record's headers, encoded as the log does, or nil when no record has any.
    public var headers: Column?
    /// Offsets before or between the records that hold none: compacted away, or marks of transactions.
    public var skipped = 0

    /// No records yet of this partition, with room for `capacity`.
    public init(partition: Int32, capacity: Int) {
        self.partition = partition
        keys = Column(.bytes, capacity: capacity)
        values = Column(.bytes, capacity: capacity)
        timestamps = Column(.timestamp, capacity: capacity)
        offsets = Column(.int64, capacity: capacity)
    }

    /// A batch of columns a reader has filled, or will fill, itself.
    public init(
        partition: Int32, keys: Column, values: Column, timestamps: Column, offsets: Column
    ) {
        self.partition = partition
        self.keys = keys
        self.values = values
        self.timestamps = timestamps
        self.offsets = offsets
    }

    /// The number of records.
    public var count: Int { offsets.count }
}

/// What a read found.
public enum ReadOutcome {
    /// Records; there may be more.
    case records(RecordBatch)
    /// The log ends here for now.
    case caughtUp
    /// The input is bounded and over.
    case ended
    /// Nothing yet: the data is on its way (a network source).
    case waiting

    var isRecords: Bool { if case .records = self { true } else { false } }
}

/// One partition of a topic or a set of files, read in offset order by one task.
public protocol PartitionReader: AnyObject {
    var partition: Int32 { get }
    /// A name a person knows the partition by: "orders/3", "counts.csv".
    var name: String { get }
    /// The offset of the next record.
    var position: Int64 { get }

    /// Continues at `offset`.
    ///
    /// - Throws: when retention or truncation has taken that offset away: never skips.
    func seek(to offset: Int64) throws(JobFailure)

    /// Reads records from `position` on, at most `maxRecords` and about `maxBytes`, and at least one
    /// whatever its size.
    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome
}

/// A topic, a directory, a subscription: what a stream is read from.
public protocol RecordSource: AnyObject {
    /// The partitions there are, ascending by number.
    func partitions() throws(JobFailure) -> [Int32]
    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader
}

/// Turns raw records into typed rows; one per source task.
public protocol RecordDecoder: AnyObject {
    var schema: Schema { get }

    /// Appends one row (or more, or none) for each record of `records`.
    ///
    /// - Shape: `rows.batch` gets the columns of `schema`; `rows.records` gets, for each row, the index of
    ///   its record in `records`. Each record that cannot be read goes to `rejects` with its reason.
    func decode(_ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows)
}

/// What a decoder fills: columns, and which record each row came from.
public final class DecodedRows {
    /// The columns of the schema, each of `count` rows.
    public let columns: [Column]
    /// An int64 column: for each row the index of its record.
    public let records: Column
    /// Set when the decoder can go no further, through no fault of a record: what it needs besides (a
    /// schema registry) fails. The job then fails too, and no record is lost.
    public var failure: JobFailure?
    /// What each row says about its table, as `ColumnBatch.changes`; nil when all are inserts.
    public var changes: Column?
    /// The records that are known to carry no row, and were passed over; tombstones are not counted.
    public var skipped = 0

    /// No rows yet, with room for `capacity`.
    public init(schema: Schema, capacity: Int) {
        columns = schema.fields.map { Column($0.type, capacity: capacity) }
        records = Column(.int64, capacity: capacity)
    }

    /// The number of rows.
    public var count: Int { records.count }
}

/// Records or rows that could not be used, with the reason for each.
public struct RejectedRows {
    /// One of them.
    public struct Reject: Sendable {
        /// Index of the record or row in the batch at hand.
        public let row: Int
        /// The field or expression at fault, or empty.
        public let column: String
        /// What is wrong, in the words of the domain.
        public let reason: String
    }
    /// What was rejected, in the order it was met.
    public private(set) var rejects: [Reject] = []

    /// Nothing rejected yet.
    public init() {}
    /// Notes that row `row` cannot be used because of `column`.
    public mutating func append(row: Int, column: String, reason: String) {
        rejects.append(Reject(row: row, column: column, reason: reason))
    }
}
