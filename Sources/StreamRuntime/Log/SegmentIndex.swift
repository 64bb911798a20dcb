import Glibc

/// What is known of a segment file without reading it: its extent, and where some offsets are.
///
/// - Shape of the file beside a full segment: magic "MLI1", entries (u32), base offset, bytes, next
///   offset, newest timestamp (i64 each), then offset and position of each entry, CRC-32C.
struct SegmentIndex {
    /// Where the block that starts with `offset` is.
    struct Entry: Equatable {
        let offset: Int64
        let position: Int64
    }

    private static let magic: UInt32 = 0x3149_4C4D  // "MLI1"

    let base: Int64
    private(set) var bytes: Int64 = 0
    private(set) var nextOffset: Int64
    private(set) var timestampMax = Int64.min
    private(set) var entries: [Entry] = []

    /// The index of a segment with nothing in it.
    init(base: Int64) {
        self.base = base
        nextOffset = base
    }

    /// Takes in the block that follows.
    mutating func append(_ header: BlockHeader) {
        if bytes - (entries.last?.position ?? -Int64(LogLimits.indexSpacing))
            >= Int64(LogLimits.indexSpacing)
        {
            entries.append(Entry(offset: header.baseOffset, position: bytes))
        }
        bytes += Int64(header.bytes)
        nextOffset = header.nextOffset
        timestampMax = max(timestampMax, header.timestampMax)
    }

    /// The last entry at or before `offset`.
    func entry(for offset: Int64) -> Entry {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].offset <= offset { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? entries[low - 1] : Entry(offset: base, position: 0)
    }

    var fileBytes: [UInt8] {
        var fields = FieldWriter()
        fields.append(SegmentIndex.magic)
        fields.append(UInt32(entries.count))
        for value in [base, bytes, nextOffset, timestampMax] { fields.append(value) }
        for entry in entries {
            fields.append(entry.offset)
            fields.append(entry.position)
        }
        return fields.sealed()
    }

    /// Nil when `bytes` are not an index of the segment at `base` with `segmentBytes`.
    init?(fileBytes: [UInt8], base: Int64, segmentBytes: Int) {
        guard var fields = FieldReader(sealed: fileBytes),
            fields.next(UInt32.self) == SegmentIndex.magic,
            let count = fields.next(UInt32.self), fields.next(Int64.self) == base,
            let bytes = fields.next(Int64.self), bytes == Int64(segmentBytes),
            let nextOffset = fields.next(Int64.self), let timestampMax = fields.next(Int64.self)
        else { return nil }
        self.base = base
        self.bytes = bytes
        self.nextOffset = nextOffset
        self.timestampMax = timestampMax
        for _ in 0..<count {
            guard let offset = fields.next(Int64.self), let position = fields.next(Int64.self)
            else { return nil }
            entries.append(Entry(offset: offset, position: position))
        }
    }
}

/// A walk over the heads of a segment's blocks.
struct SegmentScan {
    private let file: LogFile
    private let limit: Int64
    private(set) var position: Int64
    private(set) var offset: Int64

    /// Starts at `position`, where the block of `offset` is, and goes no further than `limit` bytes.
    init(_ file: LogFile, offset: Int64, position: Int64, limit: Int64) {
        self.file = file
        self.offset = offset
        self.position = position
        self.limit = limit
    }

    /// The head of the next block, or nil where the whole blocks end.
    ///
    /// - Shape: with `checking`, the block's checksum has been found right.
    mutating func next(checking: Bool = false) throws(JobFailure) -> BlockHeader? {
        guard position + Int64(BlockHeader.size) <= limit else { return nil }
        let raw = UnsafeMutableRawPointer.allocate(byteCount: BlockHeader.size, alignment: 8)
        defer { raw.deallocate() }
        let got = try file.read(into: raw, count: BlockHeader.size, at: Int(position))
        guard got == BlockHeader.size, let header = BlockHeader(raw),
            header.continues(at: offset), position + Int64(header.bytes) <= limit
        else { return nil }
        if checking {
            let whole = UnsafeMutableRawPointer.allocate(byteCount: header.bytes, alignment: 8)
            defer { whole.deallocate() }
            let got = try file.read(into: whole, count: header.bytes, at: Int(position))
            guard got == header.bytes, header.isWhole(whole) else { return nil }
        }
        position += Int64(header.bytes)
        offset = header.nextOffset
        return header
    }
}

/// The files of one partition.
struct PartitionFiles {
    let topic: String
    let partition: Int
    let directory: String

    /// "orders/3", as a person names it.
    var name: String { "\(topic)/\(partition)" }

    func segment(_ base: Int64) -> String { directory + "/" + PartitionFiles.digits(base) + ".log" }
    func index(_ base: Int64) -> String { directory + "/" + PartitionFiles.digits(base) + ".index" }

    static func digits(_ base: Int64) -> String {
        let text = String(base)
        return String(repeating: "0", count: 20 - text.utf8.count) + text
    }

    /// Base offsets of the segments there are, ascending.
    func bases() throws(JobFailure) -> [Int64] {
        var bases: [Int64] = []
        for name in try LogDirectory.names(directory) where name.hasSuffix(".log") {
            if let base = Int64(name.dropLast(4)), name.utf8.count == 24 { bases.append(base) }
        }
        return bases
    }

    /// The index of a full segment: its file if that is right, or a walk over its blocks.
    ///
    /// - Parameter checkedFrom: blocks from this offset on are read and their checksums tried.
    /// - Returns: the index, and whether it had to be made anew.
    func sealedIndex(
        _ base: Int64, checkedFrom: Int64 = .max
    ) throws(JobFailure) -> (index: SegmentIndex, rebuilt: Bool) {
        let file = try LogFile(segment(base), O_RDONLY)
        let size = try file.size()
        if let bytes = try LogDirectory.bytes(index(base)),
            let index = SegmentIndex(fileBytes: bytes, base: base, segmentBytes: size),
            index.nextOffset <= checkedFrom
        {
            return (index, false)
        }
        var index = SegmentIndex(base: base)
        var scan = SegmentScan(file, offset: base, position: 0, limit: Int64(size))
        while let header = try scan.next(checking: scan.offset >= checkedFrom) {
            index.append(header)
        }
        guard index.bytes == Int64(size) else {
            throw corruption(base, offset: index.nextOffset, position: index.bytes)
        }
        return (index, true)
    }

    /// Says that the block of `offset` is not what was written.
    func corruption(_ base: Int64, offset: Int64, position: Int64) -> JobFailure {
        JobFailure(
            .corruption, "the records of \(name) from offset \(offset) on are damaged",
            at: "\(segment(base)), byte \(position)",
            remedy: "restore the file from a copy, or delete the topic and produce it again")
    }
}
