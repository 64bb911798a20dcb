import Glibc

/// Appends to the segment files of one partition; owned by its `TopicWriter`, which holds the lock.
final class PartitionWriter {
    private let files: PartitionFiles
    private let settings: TopicSettings
    private let write: FileWrite
    private let builder = BlockBuilder()
    private var active: LogFile?
    private var activeIndex: SegmentIndex
    private var sealed: [SegmentIndex] = []
    private var unsynced: [LogFile] = []
    private var directoryChanged = false
    /// Whether the next block leaves out the offsets before it.
    private var followsGap = false
    /// Where the next block goes.
    private(set) var end: PartitionEnd

    /// Opens the partition so that it ends at `end`: whatever is behind it is cut off.
    ///
    /// - Throws: when the blocks before `end` are not whole; those before `trusted` were synced and
    ///   are not read again.
    init(
        _ files: PartitionFiles, settings: TopicSettings, end: PartitionEnd, trusted: PartitionEnd,
        write: FileWrite
    ) throws(JobFailure) {
        self.files = files
        self.settings = settings
        self.write = write
        self.end = end
        activeIndex = SegmentIndex(base: end.segment)
        try LogDirectory.create(files.directory)
        for base in try files.bases() where base < end.segment {
            let (index, rebuilt) = try files.sealedIndex(base, checkedFrom: trusted.offset)
            sealed.append(index)
            if rebuilt { try writeIndex(index) }
        }
        try check(trusted: trusted)
        for base in try files.bases().reversed() where base > end.segment {
            try LogDirectory.remove(files.segment(base))
            try LogDirectory.remove(files.index(base))
        }
        try LogDirectory.remove(files.index(end.segment))
        if end.position == 0 {
            try LogDirectory.remove(files.segment(end.segment))
        } else {
            let file = try LogFile(files.segment(end.segment), O_RDWR)
            if try file.size() > Int(end.position) { try file.truncate(to: Int(end.position)) }
            active = file
        }
        directoryChanged = true
    }

    /// Walks the blocks of the segment that `end` is in, and takes them into its index.
    private func check(trusted: PartitionEnd) throws(JobFailure) {
        if let last = sealed.last, last.nextOffset != end.segment {
            throw files.corruption(last.base, offset: last.nextOffset, position: last.bytes)
        }
        guard end.position > 0 else { return }
        guard LogDirectory.exists(files.segment(end.segment)) else {
            throw files.corruption(end.segment, offset: end.segment, position: 0)
        }
        let file = try LogFile(files.segment(end.segment), O_RDONLY)
        var scan = SegmentScan(file, offset: end.segment, position: 0, limit: end.position)
        while let header = try scan.next(checking: scan.offset >= trusted.offset) {
            activeIndex.append(header)
        }
        guard scan.position == end.position, scan.offset == end.offset else {
            throw files.corruption(end.segment, offset: scan.offset, position: scan.position)
        }
    }

    /// Adds a record to the next block, and writes the block when it is full.
    func append(
        key: UnsafeBufferPointer<UInt8>?, value: UnsafeBufferPointer<UInt8>?, timestamp: Int64,
        headers: UnsafeBufferPointer<UInt8>?, appendId: Int64, scratch: BlockScratch
    ) throws(JobFailure) {
        let bytes = (key?.count ?? 0) + (value?.count ?? 0) + (headers?.count ?? 0)
        guard bytes <= LogLimits.recordBytesMax else {
            throw JobFailure(
                .sink, "a record of \(bytes) bytes is too large for the log", at: files.name,
                remedy: "keep records under \(LogLimits.recordBytesMax) bytes")
        }
        // A block that could not be written is still full.
        if builder.isFull || (builder.count > 0 && builder.bytes + bytes > LogLimits.blockBytes) {
            try flush(appendId: appendId, scratch: scratch)
        }
        builder.append(key: key, value: value, timestamp: timestamp, headers: headers)
        if builder.isFull { try flush(appendId: appendId, scratch: scratch) }
    }

    /// Writes the records collected so far as one block.
    ///
    /// - Throws: when the disk refuses; the file is then as before and the records are kept, so that
    ///   another flush may succeed.
    func flush(appendId: Int64, scratch: BlockScratch) throws(JobFailure) {
        guard builder.count > 0 else { return }
        let header = builder.pack(
            baseOffset: end.offset, followsGap: followsGap, appendId: appendId,
            scratch: scratch.body, into: scratch.block)
        if end.position > 0 && Int(end.position) + header.bytes > settings.segmentBytes {
            try roll()
        }
        let file = try activeFile()
        do {
            try write.all(scratch.block.base, header.bytes, to: file, at: Int(end.position))
        } catch {
            try? file.truncate(to: Int(end.position))
            throw error
        }
        builder.removeAll()
        followsGap = false
        activeIndex.append(header)
        end.offset = header.nextOffset
        end.position += Int64(header.bytes)
        if unsynced.last !== file { unsynced.append(file) }
    }

    private func activeFile() throws(JobFailure) -> LogFile {
        if let active { return active }
        let file = try LogFile(files.segment(end.segment), O_RDWR | O_CREAT | O_TRUNC)
        active = file
        directoryChanged = true
        return file
    }

    private func roll() throws(JobFailure) {
        try writeIndex(activeIndex)
        sealed.append(activeIndex)
        active = nil
        // A gap is within the segment that it leads to, so that segments join without one.
        activeIndex = SegmentIndex(base: activeIndex.nextOffset)
        end = PartitionEnd(offset: end.offset, segment: activeIndex.base, position: 0)
    }

    /// The offset the next record gets.
    var nextOffset: Int64 { end.offset + Int64(builder.count) }

    /// Leaves out the offsets up to `offset`, which the next record gets; one must follow.
    ///
    /// - Precondition: `offset` is beyond `nextOffset`.
    func skip(to offset: Int64, appendId: Int64, scratch: BlockScratch) throws(JobFailure) {
        precondition(offset > nextOffset, "offsets only grow")
        try flush(appendId: appendId, scratch: scratch)
        if sealed.isEmpty && activeIndex.bytes == 0 {
            activeIndex = SegmentIndex(base: offset)
            end.segment = offset
        } else {
            followsGap = true
        }
        end.offset = offset
    }

    private func writeIndex(_ index: SegmentIndex) throws(JobFailure) {
        let file = try LogFile(files.index(index.base), O_WRONLY | O_CREAT | O_TRUNC)
        try write.all(index.fileBytes, to: file)
    }

    /// Makes everything written survive a power cut.
    func sync() throws(JobFailure) { try syncing()() }

    /// What is left to do before everything written survives a power cut; from any thread, once.
    func syncing() -> DurableWork {
        let written = unsynced
        let directory = directoryChanged ? files.directory : nil
        unsynced.removeAll()
        directoryChanged = false
        return { () throws(JobFailure) in
            for file in written { try file.sync() }
            if let directory { try LogDirectory.sync(directory) }
        }
    }

    /// Removes the oldest segments that hold nothing from `offset` on.
    func trim(before offset: Int64) throws(JobFailure) {
        while let oldest = sealed.first, oldest.nextOffset <= offset {
            try LogDirectory.remove(files.segment(oldest.base))
            try LogDirectory.remove(files.index(oldest.base))
            sealed.removeFirst()
        }
    }

    /// Removes the oldest segments that the topic's retention lets go and that are wholly before
    /// `committed`.
    func applyRetention(committed: PartitionEnd) throws(JobFailure) {
        var bytes = sealed.reduce(activeIndex.bytes) { $0 + $1.bytes }
        let newest = sealed.reduce(activeIndex.timestampMax) { max($0, $1.timestampMax) }
        while let oldest = sealed.first, oldest.nextOffset <= committed.offset {
            let tooMany = settings.retentionBytes.map { bytes - oldest.bytes >= Int64($0) } ?? false
            let tooOld =
                settings.retentionMicros.map {
                    let (horizon, overflow) = newest.subtractingReportingOverflow($0)
                    return !overflow && oldest.timestampMax < horizon
                } ?? false
            guard tooMany || tooOld else { return }
            try LogDirectory.remove(files.segment(oldest.base))
            try LogDirectory.remove(files.index(oldest.base))
            bytes -= oldest.bytes
            sealed.removeFirst()
        }
    }
}

/// Memory that all partitions of a writer pack their blocks in.
final class BlockScratch {
    let body = ByteArena()
    let block = ByteArena()
}
