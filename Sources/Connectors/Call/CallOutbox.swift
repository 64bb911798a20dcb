import StreamRuntime

/// The sealed requests of a call, in a topic of its own in the job's state: what a checkpoint covers, in order.
struct CallOutbox: Sendable {
    /// The directory of the outbox, the ledger beside it.
    let directory: String
    /// The topic's name in it.
    static let topic = "requests"
    /// Bytes of a file of it, which goes when all its requests are over.
    private static let segmentBytes = 16 << 20

    var log: EmbeddedLog { EmbeddedLog(root: directory) }
    var ledger: String { directory + "/ledger" }

    /// A request as it lies there.
    struct Record: Sendable {
        let offset: Int64
        let tenant: String
        let bytes: [UInt8]
    }

    /// The writer, of which there is one.
    func writer() throws(JobFailure) -> TopicWriter {
        try log.ensureTopic(
            CallOutbox.topic,
            TopicSettings(partitions: 1, segmentBytes: CallOutbox.segmentBytes))
        return try log.writer(CallOutbox.topic)
    }

    /// A reader of what is sealed.
    func reader() throws(JobFailure) -> CallOutboxReader {
        CallOutboxReader(
            try log.source(CallOutbox.topic, bounded: false).reader(partition: 0))
    }

    /// Where the sealed requests end.
    func end() throws(JobFailure) -> Int64 { try log.extents(CallOutbox.topic)[0].end }
}

/// Reads requests one after another, or one at a place; used by one thread.
final class CallOutboxReader {
    private let reader: any PartitionReader

    init(_ reader: any PartitionReader) { self.reader = reader }

    func seek(to offset: Int64) throws(JobFailure) { try reader.seek(to: offset) }

    /// The next requests, at most `count`; none at the end of what is sealed.
    func read(_ count: Int) throws(JobFailure) -> [CallOutbox.Record] {
        guard case .records(let batch) = try reader.read(maxRecords: count, maxBytes: 1 << 20)
        else { return [] }
        return (0..<batch.count).map { row in
            CallOutbox.Record(
                offset: batch.offsets.int64s[row],
                tenant: batch.keys.isValid(row)
                    ? String(decoding: batch.keys.bytes(row), as: UTF8.self) : "",
                bytes: batch.values.isValid(row) ? Array(batch.values.bytes(row)) : [])
        }
    }

    /// The request at `offset`.
    func record(at offset: Int64) throws(JobFailure) -> CallOutbox.Record {
        try reader.seek(to: offset)
        guard let record = try read(1).first, record.offset == offset else {
            throw JobFailure(
                .corruption, "request \(offset) of a call is not in its outbox", at: reader.name,
                remedy: "restore the job's state directory from a copy")
        }
        return record
    }
}
