import Glibc

/// Reads one partition of a topic, block by block.
final class TopicReader: PartitionReader {
    let partition: Int32
    private(set) var position: Int64

    private let files: PartitionFiles
    private let view: CommitView
    private let limit: Int64?
    private var file: LogFile?
    private var segment: Int64 = 0
    private var next: Int64 = 0
    private let buffer = ByteArena(capacity: LogLimits.readBytes)
    private var bufferAt: Int64 = 0
    /// A block of which only part was handed on, and how much of it.
    private var rest: (batch: RecordBatch, row: Int)?

    var name: String { files.name }

    init(
        _ files: PartitionFiles, view: CommitView, limit: Int64?
    ) throws(JobFailure) {
        self.files = files
        self.view = view
        self.limit = limit
        partition = Int32(files.partition)
        position = 0
        position = try oldest()
    }

    private var end: PartitionEnd { view.ends.ends[files.partition] }

    private func oldest() throws(JobFailure) -> Int64 {
        try files.bases().first { $0 <= end.segment } ?? end.offset
    }

    func seek(to offset: Int64) throws(JobFailure) {
        forget()
        try view.refresh()
        let first = try oldest()
        guard offset >= first else {
            throw JobFailure(
                .source,
                "offset \(offset) of \(name) is no longer there: retention has taken everything "
                    + "before \(first)",
                at: files.directory,
                remedy: "start the job afresh from offset \(first), or restore the older segments "
                    + "from a copy and raise the topic's retention")
        }
        guard offset <= end.offset else {
            throw JobFailure(
                .source,
                "offset \(offset) of \(name) is not there yet: the topic ends at "
                    + "\(end.offset)", at: files.directory,
                remedy: "the topic was created anew or taken back since the checkpoint: restore it "
                    + "from a copy, or start the job afresh")
        }
        position = offset
    }

    private func forget() {
        file = nil
        rest = nil
        buffer.count = 0
    }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        precondition(maxRecords > 0, "a read asks for records")
        if let rest { return .records(take(rest.batch, from: rest.row, maxRecords)) }
        if let limit {
            if position >= limit { return .ended }
        } else if position >= end.offset {
            if try view.refresh() { forget() }
            if position >= end.offset { return .caughtUp }
        }
        var result: RecordBatch?
        while position < (limit ?? end.offset) {
            let (header, raw) = try nextBlock()
            let skip = Int(position - header.baseOffset)
            if let batch = result {
                let bytes = batch.values.arena!.count + header.unpackedBytes
                if batch.count + header.count > maxRecords || bytes > maxBytes { break }
                try unpack(header, raw, into: batch, arena: batch.values.arena!)
                consume(header)
                continue
            }
            let arena = ByteArena(capacity: header.unpackedBytes)
            let batch = RecordBatch(partition: partition, capacity: header.count, arena: arena)
            try unpack(header, raw, into: batch, arena: arena)
            consume(header)
            if skip > 0 || header.count > maxRecords {
                return .records(take(batch, from: skip, maxRecords))
            }
            result = batch
        }
        guard let result else { return .caughtUp }
        return .records(result)
    }

    /// Hands on part of a block and keeps the rest.
    private func take(_ batch: RecordBatch, from row: Int, _ maxRecords: Int) -> RecordBatch {
        let count = min(maxRecords, batch.count - row)
        let part = batch.slice(from: row, count: count)
        rest = row + count < batch.count ? (batch, row + count) : nil
        position = part.offsets.int64s[count - 1] + 1
        return part
    }

    private func unpack(
        _ header: BlockHeader, _ raw: UnsafePointer<UInt8>, into batch: RecordBatch,
        arena: ByteArena
    ) throws(JobFailure) {
        guard header.isWhole(raw), BlockReader.unpack(header, raw, into: batch, arena: arena) else {
            throw files.corruption(segment, offset: header.baseOffset, position: next)
        }
    }

    private func consume(_ header: BlockHeader) {
        next += Int64(header.bytes)
        position = header.nextOffset
    }

    // MARK: finding blocks

    /// The whole block that holds `position`; the pointer is good until the next call.
    private func nextBlock() throws(JobFailure) -> (BlockHeader, UnsafePointer<UInt8>) {
        if file == nil { try locate() }
        while true {
            guard try fill(BlockHeader.size) else {
                try follow()
                continue
            }
            guard let header = BlockHeader(here) else { throw damaged() }
            if header.baseOffset > position {
                guard header.continues(at: position) else { throw damaged() }
                position = header.baseOffset
            }
            if header.nextOffset <= position {
                next += Int64(header.bytes)
                continue
            }
            guard try fill(header.bytes) else { throw damaged() }
            return (header, UnsafePointer(here))
        }
    }

    private var here: UnsafeMutablePointer<UInt8> { buffer.base + Int(next - bufferAt) }

    private func damaged() -> JobFailure {
        files.corruption(segment, offset: position, position: next)
    }

    /// Has `count` bytes of the file from `next` on in the buffer.
    ///
    /// - Returns: false when the segment's readable part ends at `next`.
    /// - Throws: when it ends between.
    private func fill(_ count: Int) throws(JobFailure) -> Bool {
        if next >= bufferAt && next + Int64(count) <= bufferAt + Int64(buffer.count) { return true }
        guard let file else { return false }
        // Nothing beyond the commit is ever looked at: it may be cut off and written anew.
        let readable = segment == end.segment ? end.position : Int64(try file.size())
        let wanted = min(max(count, LogLimits.readBytes), Int(readable - next))
        buffer.count = 0
        guard wanted > 0 else { return false }
        buffer.reserve(wanted)
        bufferAt = next
        buffer.count = try file.read(into: buffer.base, count: wanted, at: Int(next))
        guard buffer.count >= count else { throw damaged() }
        return true
    }

    /// Goes on with the segment that starts where this one ends.
    private func follow() throws(JobFailure) {
        guard position > segment, LogDirectory.exists(files.segment(position)) else {
            // Retention may have overtaken a slow reader: then `seek` says so.
            try seek(to: position)
            throw damaged()
        }
        try openSegment(position)
    }

    private func openSegment(_ base: Int64) throws(JobFailure) {
        file = try LogFile(files.segment(base), O_RDONLY)
        segment = base
        next = 0
        buffer.count = 0
    }

    /// Opens the segment that holds `position` and goes to the index's entry before it.
    private func locate() throws(JobFailure) {
        guard let base = try files.bases().last(where: { $0 <= position }) else {
            try seek(to: position)
            throw damaged()
        }
        try openSegment(base)
        guard base < end.segment else { return }
        let index = try files.sealedIndex(base).index
        next = index.entry(for: position).position
    }
}

/// The committed ends of a topic as a reader last saw them.
final class CommitView {
    private let topic: String
    private let directory: String
    private(set) var ends: CommittedEnds

    init(topic: String, directory: String, ends: CommittedEnds) {
        self.topic = topic
        self.directory = directory
        self.ends = ends
    }

    /// Looks whether there was a commit since.
    ///
    /// - Note: reads the file, some microseconds: two commits within a tick of the file system's clock
    ///   can have the same time and inode, so a `stat` would miss the second.
    /// - Returns: whether records were taken back, so that what was read ahead is of no use.
    @discardableResult
    func refresh() throws(JobFailure) -> Bool {
        guard LogDirectory.exists(directory + "/" + TopicSettings.fileName) else {
            throw JobFailure(
                .source, "topic \(topic) was deleted while it was read", at: directory,
                remedy: "restore it from a copy, or start the job afresh on another topic")
        }
        let fresh = try CommittedEnds.read(directory, partitions: ends.ends.count)
        defer { ends = fresh }
        return zip(fresh.ends, ends.ends).contains { $0.offset < $1.offset }
    }
}

/// A topic of the embedded log as a source of records.
public final class TopicSource: RecordSource {
    /// The topic's name.
    public let topic: String
    private let directory: String
    private let settings: TopicSettings
    private let bounded: Bool
    private let opened: CommittedEnds

    init(
        topic: String, directory: String, settings: TopicSettings, bounded: Bool
    ) throws(JobFailure) {
        self.topic = topic
        self.directory = directory
        self.settings = settings
        self.bounded = bounded
        opened = try CommittedEnds.read(directory, partitions: settings.partitions)
    }

    /// The files of a partition, and where what is committed now ends.
    func committed(_ partition: Int32) throws(JobFailure) -> (PartitionFiles, PartitionEnd) {
        let ends = try CommittedEnds.read(directory, partitions: settings.partitions).ends
        guard ends.indices.contains(Int(partition)) else { throw noPartition(partition) }
        return (files(partition), ends[Int(partition)])
    }

    private func files(_ partition: Int32) -> PartitionFiles {
        PartitionFiles(
            topic: topic, partition: Int(partition), directory: directory + "/\(partition)")
    }

    private func noPartition(_ partition: Int32) -> JobFailure {
        JobFailure(
            .source, "topic \(topic) has no partition \(partition)", at: directory,
            remedy: "use 0 to \(settings.partitions - 1)")
    }

    /// All partitions of the topic.
    public func partitions() throws(JobFailure) -> [Int32] {
        (0..<Int32(settings.partitions)).map { $0 }
    }

    /// A reader of `partition`, at its oldest record.
    ///
    /// - Throws: when the topic has no such partition.
    public func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        guard (0..<settings.partitions).contains(Int(partition)) else {
            throw noPartition(partition)
        }
        return try TopicReader(
            files(partition), view: CommitView(topic: topic, directory: directory, ends: opened),
            limit: bounded ? opened.ends[Int(partition)].offset : nil)
    }
}
