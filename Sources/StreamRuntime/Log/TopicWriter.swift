import Codecs
import Glibc

/// Appends records to a topic of the embedded log; the only writer the topic has at a time.
///
/// What is appended is on its way to disk but not yet readable: `prepare` makes it durable and
/// `commit` makes the appends of all partitions readable at once. Before the first append `recover`
/// settles what an earlier writer left; an append without it counts as `recover(token: nil)`.
///
/// - Note: owned by one task.
public final class TopicWriter {
    /// The topic's name.
    public let topic: String
    /// The number of partitions.
    public var partitions: Int { settings.partitions }

    private let directory: String
    private let settings: TopicSettings
    private let syncing: Bool
    private let write: FileWrite
    private let lock: WriterLock
    private let scratch = BlockScratch()
    private var writers: [PartitionWriter] = []
    private var committed: CommittedEnds
    private var appendId: Int64 = 0
    private var isClosed = false

    /// Takes the topic's writer lock.
    ///
    /// - Throws: when another writer holds it, with that process's id.
    init(
        topic: String, directory: String, settings: TopicSettings, syncing: Bool, write: FileWrite
    ) throws(JobFailure) {
        self.topic = topic
        self.directory = directory
        self.settings = settings
        self.syncing = syncing
        self.write = write
        lock = try WriterLock(directory, topic: topic)
        committed = try CommittedEnds.read(directory, partitions: settings.partitions)
    }

    // MARK: recovery

    /// Settles what an earlier writer left uncommitted.
    ///
    /// - Shape: without a token everything uncommitted is cut off. With one, the topic afterwards ends,
    ///   readable, exactly where the token says.
    /// - Throws: when what the token names is not there whole, or when another producer has appended
    ///   behind it meanwhile; nothing was changed then.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        precondition(!isClosed, "a closed writer has given its lock away")
        let target: CommittedEnds
        if let token {
            guard let named = CommittedEnds(bytes: token, partitions: partitions) else {
                throw JobFailure(
                    .checkpoint, "the checkpoint's token is not one of topic \(topic)",
                    at: directory,
                    remedy:
                        "the topic was created anew with other partitions since: restore it from "
                        + "a copy, or start the job afresh")
            }
            target = named
        } else {
            target = committed
        }
        writers = []
        for partition in 0..<partitions {
            try refuseForeign(partition, behind: target.ends[partition])
        }
        let before = committed
        let rollsBack = zip(target.ends, before.ends).contains { $0.offset < $1.offset }
        if rollsBack { try publish(target) }
        var opened: [PartitionWriter] = []
        for partition in 0..<partitions {
            let end = target.ends[partition]
            let known = before.ends[partition]
            opened.append(
                try PartitionWriter(
                    files(partition), settings: settings, end: end,
                    trusted: known.offset < end.offset ? known : end, write: write))
        }
        if syncing { for writer in opened { try writer.sync() } }
        if target != committed { try publish(target) }
        writers = opened
    }

    private func files(_ partition: Int) -> PartitionFiles {
        PartitionFiles(
            topic: topic, partition: partition, directory: directory + "/\(partition)")
    }

    /// Taking back what a plain producer committed would lose it: the job would not write it again.
    private func refuseForeign(
        _ partition: Int, behind end: PartitionEnd
    ) throws(JobFailure) {
        let known = committed.ends[partition]
        let files = files(partition)
        guard end.offset < known.offset else { return }
        var position = end.position
        var offset = end.offset
        for base in try files.bases() where base >= end.segment && base <= known.segment {
            let file = try LogFile(files.segment(base), O_RDONLY)
            let limit = base == known.segment ? known.position : Int64(try file.size())
            if base > end.segment { (offset, position) = (base, 0) }
            var scan = SegmentScan(file, offset: offset, position: position, limit: limit)
            while let header = try scan.next() {
                guard header.appendId == 0 else { continue }
                throw JobFailure(
                    .checkpoint,
                    "another producer has appended to \(files.name) since the checkpoint, from "
                        + "offset \(header.baseOffset) on",
                    at: files.segment(base),
                    remedy: "copy those records to another topic and recover again, or start the "
                        + "job afresh")
            }
        }
    }

    // MARK: appending

    /// The offset that the next record of `partition` gets.
    public func nextOffset(partition: Int) throws(JobFailure) -> Int64 {
        if writers.isEmpty { try recover(token: nil) }
        return writers[partition].nextOffset
    }

    /// Appends one record.
    ///
    /// - Shape: a null value is a tombstone; `headers` are as `RecordHeaders.encode` makes them.
    /// - Units: `timestamp` in microseconds.
    /// - Precondition: `partition` is one of the topic's.
    /// - Throws: when the disk refuses; the log is valid and what was not committed stays unreadable.
    public func append(
        partition: Int, key: UnsafeBufferPointer<UInt8>?, value: UnsafeBufferPointer<UInt8>?,
        timestamp: Int64, headers: UnsafeBufferPointer<UInt8>? = nil
    ) throws(JobFailure) {
        if writers.isEmpty { try recover(token: nil) }
        try writers[partition].append(
            key: key, value: value, timestamp: timestamp, headers: headers, appendId: appendId,
            scratch: scratch)
    }

    /// Appends one record to `partition`, or to the one its key belongs to, or without a key to
    /// `fallback`.
    public func append(
        key: [UInt8]?, value: [UInt8]?, timestamp: Int64, partition: Int? = nil,
        headers: [RecordHeaders.Header] = [], fallback: Int = 0
    ) throws(JobFailure) {
        let encoded = RecordHeaders.encode(headers)
        let chosen = key.map { Murmur2.partition(key: $0, $0.count, of: partitions) }
        let partition = partition ?? chosen ?? fallback
        try append(partition: partition, key, value, timestamp, encoded)
    }

    private func append(
        partition: Int, _ key: [UInt8]?, _ value: [UInt8]?, _ timestamp: Int64, _ headers: [UInt8]
    ) throws(JobFailure) {
        try TopicWriter.lend(key) { key throws(JobFailure) in
            try TopicWriter.lend(value) { value throws(JobFailure) in
                try TopicWriter.lend(headers) { headers throws(JobFailure) in
                    try append(
                        partition: partition, key: key, value: value, timestamp: timestamp,
                        headers: headers)
                }
            }
        }
    }

    private static func lend(
        _ bytes: [UInt8]?, to body: (UnsafeBufferPointer<UInt8>?) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        guard let bytes else { return try body(nil) }
        try bytes.withUnsafeBufferPointer { buffer throws(JobFailure) in try body(buffer) }
    }

    /// Appends all records of `batch` to `partition`; their offsets are assigned anew.
    public func append(_ batch: RecordBatch, partition: Int) throws(JobFailure) {
        for row in 0..<batch.count {
            try append(
                partition: partition,
                key: batch.keys.isValid(row) ? batch.keys.bytes(row) : nil,
                value: batch.values.isValid(row) ? batch.values.bytes(row) : nil,
                timestamp: batch.timestamps.int64s[row], headers: batch.headers?.bytes(row))
        }
    }

    /// Appends all records of `batch` to the partition they come from, under their own offsets: offsets
    /// between them stay without a record.
    ///
    /// - Throws: when the partition has come past the first of them already.
    public func appendKeepingOffsets(_ batch: RecordBatch) throws(JobFailure) {
        if writers.isEmpty { try recover(token: nil) }
        let writer = writers[Int(batch.partition)]
        for row in 0..<batch.count {
            let offset = batch.offsets.int64s[row]
            let next = writer.nextOffset
            guard offset >= next else {
                throw JobFailure(
                    .sink, "offset \(offset) of \(topic)/\(batch.partition) is there already",
                    at: directory, remedy: "go on behind offset \(next)")
            }
            if offset > next { try writer.skip(to: offset, appendId: appendId, scratch: scratch) }
            try append(
                partition: Int(batch.partition),
                key: batch.keys.isValid(row) ? batch.keys.bytes(row) : nil,
                value: batch.values.isValid(row) ? batch.values.bytes(row) : nil,
                timestamp: batch.timestamps.int64s[row], headers: batch.headers?.bytes(row))
        }
    }

    // MARK: committing

    /// Makes everything appended so far durable under `checkpoint`, not yet readable.
    ///
    /// - Returns: the token that `commit` and `recover` take, 24 bytes a partition and 20 more.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        let (token, work) = try prepareLater(checkpoint: checkpoint)
        try work()
        return token
    }

    /// As `prepare`, but it is durable only when `work` has run, on whichever thread, before `commit`.
    func prepareLater(
        checkpoint: Int64
    ) throws(JobFailure) -> (token: [UInt8], work: DurableWork) {
        if writers.isEmpty { try recover(token: nil) }
        for writer in writers { try writer.flush(appendId: checkpoint, scratch: scratch) }
        let works = syncing ? writers.map { $0.syncing() } : []
        appendId = checkpoint + 1
        return (
            CommittedEnds(checkpoint: checkpoint, ends: writers.map(\.end)).bytes,
            { () throws(JobFailure) in for work in works { try work() } }
        )
    }

    /// Makes what `prepare` returned `token` for readable, in all partitions at once. Idempotent.
    public func commit(token: [UInt8]) throws(JobFailure) {
        guard let named = CommittedEnds(bytes: token, partitions: partitions) else {
            throw JobFailure(
                .checkpoint, "the token to commit is not one of topic \(topic)", at: directory,
                remedy: "report this with the log of the run")
        }
        guard zip(named.ends, committed.ends).contains(where: { $0.offset > $1.offset }) else {
            return
        }
        try publish(named)
        for (writer, end) in zip(writers, named.ends) { try writer.applyRetention(committed: end) }
    }

    /// Removes the segments of `partition` that hold committed records before `offset` only.
    public func trim(partition: Int, before offset: Int64) throws(JobFailure) {
        guard writers.indices.contains(partition) else { return }
        try writers[partition].trim(before: min(offset, committed.ends[partition].offset))
    }

    /// Makes everything a plain producer has appended durable and readable.
    public func commit() throws(JobFailure) {
        let producing = appendId
        appendId = 0
        let token = try prepare(checkpoint: 0)
        appendId = producing
        try commit(token: token)
    }

    /// Lets another writer have the topic; what was not committed is cut off by the next one.
    public func close() {
        isClosed = true
        writers = []
        lock.release()
    }

    private func publish(_ ends: CommittedEnds) throws(JobFailure) {
        try LogDirectory.replace(
            CommittedEnds.fileName, in: directory, with: ends.bytes, syncing: syncing, write: write)
        committed = ends
    }

    /// Says that appends from here on belong to checkpoint `id` or a later one.
    ///
    /// A sink calls it before its first write, so that its records are told from a plain producer's.
    public func beginCheckpoints(after id: Int64) { appendId = id + 1 }

    /// The checkpoint that was committed last; 0 when a plain producer did.
    public var committedCheckpoint: Int64 { committed.checkpoint }
}
