/// Writes rows to the partition of the share that owns their key, with their places in the total order,
/// and tells every share how far event time is here.
///
/// - Shape: a record holds the rows of one batch that belong to one partition, at most about
///   `Limits.repartitionBytes`. Watermarks follow the rows they cover, at barriers and after every
///   `Limits.repartitionRows` rows: nothing is readable before the barrier anyway.
public final class RepartitionSink: Sink {
    private let carrier: any RepartitionCarrier
    private let share: Int
    private let encoder: KeyEncoder
    private let splitter: PartitionSplitter
    private let bytes = ByteArena(capacity: 1 << 16)

    private var reached = WatermarkTracker(inputs: 1)
    private var announced = EventTime.earliest
    private var saidIdle = false
    private var saidEnd = false
    private var rowsSince = 0

    /// A sink of share `share`, for rows keyed by the columns at `key`.
    public init(_ carrier: any RepartitionCarrier, share: Int, key: [Int]) {
        precondition(share < carrier.partitions, "a share has a partition of its own")
        self.carrier = carrier
        self.share = share
        encoder = KeyEncoder(columns: key)
        splitter = PartitionSplitter(partitions: carrier.partitions)
    }

    /// Whether the carrier takes records now.
    public var isReady: Bool { carrier.isReady }

    /// Commits or cuts off what an earlier run left, as `token` says.
    public func recover(token: [UInt8]?) throws(JobFailure) { try carrier.recover(token: token) }

    /// Writes the rows of `batch`, those of each partition in their order.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        // The reader hashes the keys again: they are not worth their bytes.
        let rows = batch.replacingColumns(batch.columns, schema: batch.schema)
        let hashes = encoder.encode(batch).hashes
        let parts = splitter.split(rows, hashes: hashes)
        for (partition, part) in parts.enumerated() {
            if let part { try append(part, to: partition) }
        }
        rowsSince += batch.count
    }

    /// Keeps in mind how far event time is, and passes it on when many rows wait for it.
    public func follow(_ time: WatermarkTracker) throws(JobFailure) {
        reached = time
        if rowsSince >= Limits.repartitionRows { try announce() }
    }

    /// Passes event time on and makes everything durable.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        try announce()
        return try carrier.prepare(checkpoint: checkpoint)
    }

    /// Makes it readable.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try carrier.commit(checkpoint: checkpoint, token: token)
    }

    /// Lets go of the carrier.
    public func close() { carrier.close() }

    private func append(_ rows: ColumnBatch, to partition: Int) throws(JobFailure) {
        RepartitionFormat.encode(.rows(rows), share: share, into: bytes)
        if bytes.count > Limits.repartitionBytes, rows.count > 1 {
            let half = rows.count / 2
            try append(RepartitionSink.slice(rows, 0..<half), to: partition)
            return try append(RepartitionSink.slice(rows, half..<rows.count), to: partition)
        }
        try carrier.append(
            partition: partition,
            value: UnsafeBufferPointer(start: bytes.base, count: bytes.count),
            timestamp: max(rows.order.eventTimes.int64s[0], 0))
    }

    private static func slice(_ rows: ColumnBatch, _ range: Range<Int>) -> ColumnBatch {
        let indexes = range.map { Int32($0) }
        return indexes.withUnsafeBufferPointer {
            rows.gathered($0.baseAddress!, count: $0.count)
        }
    }

    /// Tells every share what it does not know yet.
    private func announce() throws(JobFailure) {
        rowsSince = 0
        if reached.isEnded {
            if !saidEnd { try broadcast(.end) }
            saidEnd = true
            return
        }
        if reached.combined > announced || (saidIdle && !reached.isIdle) {
            announced = reached.combined
            saidIdle = false
            try broadcast(.watermark(announced))
        }
        if reached.isIdle, !saidIdle {
            saidIdle = true
            try broadcast(.idle)
        }
    }

    private func broadcast(_ record: RepartitionRecord) throws(JobFailure) {
        RepartitionFormat.encode(record, share: share, into: bytes)
        for partition in 0..<carrier.partitions {
            try carrier.append(
                partition: partition,
                value: UnsafeBufferPointer(start: bytes.base, count: bytes.count),
                timestamp: max(announced.micros, 0))
        }
    }
}
