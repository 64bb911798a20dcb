/// How far a partition goes: the next offset, and where in which segment file it will be.
struct PartitionEnd: Equatable, Sendable {
    var offset: Int64 = 0
    /// Base offset of the segment that holds, or will hold, the end.
    var segment: Int64 = 0
    /// Bytes of that segment.
    var position: Int64 = 0
}

/// The ends of all partitions of a topic at one commit: what readers may see.
///
/// - Shape: the same bytes are the topic's commit file and a sink's token.
struct CommittedEnds: Equatable, Sendable {
    static let fileName = "committed"
    private static let magic: UInt32 = 0x3143_4C4D  // "MLC1"

    /// The checkpoint that was committed last; 0 for a plain producer.
    var checkpoint: Int64
    var ends: [PartitionEnd]

    init(checkpoint: Int64, ends: [PartitionEnd]) {
        self.checkpoint = checkpoint
        self.ends = ends
    }

    var bytes: [UInt8] {
        var fields = FieldWriter()
        fields.append(CommittedEnds.magic)
        fields.append(UInt32(ends.count))
        fields.append(checkpoint)
        for end in ends {
            fields.append(end.offset)
            fields.append(end.segment)
            fields.append(end.position)
        }
        return fields.sealed()
    }

    /// Nil when `bytes` are not what `bytes` made for a topic of `partitions`.
    init?(bytes: [UInt8], partitions: Int) {
        guard var fields = FieldReader(sealed: bytes),
            fields.next(UInt32.self) == CommittedEnds.magic,
            let count = fields.next(UInt32.self), count == UInt32(partitions),
            let checkpoint = fields.next(Int64.self)
        else { return nil }
        self.checkpoint = checkpoint
        ends = []
        for _ in 0..<count {
            guard let offset = fields.next(Int64.self), let segment = fields.next(Int64.self),
                let position = fields.next(Int64.self)
            else { return nil }
            ends.append(PartitionEnd(offset: offset, segment: segment, position: position))
        }
    }

    /// What the topic in `directory` has committed.
    static func read(_ directory: String, partitions: Int) throws(JobFailure) -> CommittedEnds {
        let path = directory + "/" + fileName
        guard let bytes = try LogDirectory.bytes(path),
            let ends = CommittedEnds(bytes: bytes, partitions: partitions)
        else {
            throw JobFailure(
                .corruption, "the topic's commit file is missing or damaged", at: path,
                remedy: "restore it from a copy, or delete the topic and produce it again")
        }
        return ends
    }
}
