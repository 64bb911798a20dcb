/// A log whose older records come from an archive and whose newer ones from the topic itself, under the
/// same offsets.
public final class SeamedSource: LogLookup {
    private let archive: any LogLookup
    private let live: any LogLookup

    /// Reads each partition from `archive` up to its end, then from `live`.
    public init(archive: any LogLookup, live: any LogLookup) {
        self.archive = archive
        self.live = live
    }

    /// The partitions of the topic.
    public func partitions() throws(JobFailure) -> [Int32] { try live.partitions() }

    /// From the older of the two beginnings to the topic's end.
    public func extent(partition: Int32) throws(JobFailure) -> LogExtent {
        let there = try live.extent(partition: partition)
        guard let kept = try archived(partition) else { return there }
        return LogExtent(
            oldest: kept.oldest < kept.end ? min(kept.oldest, there.oldest) : there.oldest,
            end: max(there.end, kept.end))
    }

    /// The offset at which the topic takes over; nil for a partition that is not in the archive.
    public func seam(partition: Int32) throws(JobFailure) -> Int64? {
        try archived(partition).map(\.end)
    }

    private func archived(_ partition: Int32) throws(JobFailure) -> LogExtent? {
        guard try archive.partitions().contains(partition) else { return nil }
        return try archive.extent(partition: partition)
    }

    /// The first offset of that time in the archive, else in the topic.
    public func offset(
        partition: Int32, atOrAfter micros: Int64
    ) throws(JobFailure) -> Int64? {
        if try archived(partition) != nil,
            let offset = try archive.offset(partition: partition, atOrAfter: micros)
        {
            return offset
        }
        return try live.offset(partition: partition, atOrAfter: micros)
    }

    /// A reader at the oldest record of the two.
    public func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        let there = try live.reader(partition: partition)
        guard let kept = try archived(partition), kept.oldest < kept.end else { return there }
        return SeamedReader(
            archive: try archive.reader(partition: partition), live: there, seam: kept.end)
    }
}

/// Reads one partition of an archive, then goes on in the topic.
final class SeamedReader: PartitionReader {
    private let archive: any PartitionReader
    private let live: any PartitionReader
    private let seam: Int64
    private let oldestLive: Int64
    private let oldestArchived: Int64
    private var isLive = false

    var partition: Int32 { live.partition }
    var name: String { live.name }
    /// Offsets that neither has, because retention took them before they were archived.
    var hole: Range<Int64>? { seam < oldestLive ? seam..<oldestLive : nil }
    var position: Int64 { isLive ? live.position : archive.position }

    init(archive: any PartitionReader, live: any PartitionReader, seam: Int64) {
        self.archive = archive
        self.live = live
        self.seam = seam
        oldestLive = live.position
        oldestArchived = archive.position
        if archive.position > live.position { isLive = true }
    }

    func seek(to offset: Int64) throws(JobFailure) {
        isLive = offset >= seam || offset < oldestArchived && offset >= oldestLive
        guard isLive else { return try archive.seek(to: offset) }
        // What retention took between the two is a hole that the offsets show.
        try live.seek(to: offset >= seam ? max(offset, oldestLive) : offset)
    }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        guard !isLive else { return try live.read(maxRecords: maxRecords, maxBytes: maxBytes) }
        let outcome = try archive.read(maxRecords: maxRecords, maxBytes: maxBytes)
        switch outcome {
        case .records, .waiting: return outcome
        case .caughtUp, .ended:
            isLive = true
            try live.seek(to: max(seam, oldestLive))
            return try live.read(maxRecords: maxRecords, maxBytes: maxBytes)
        }
    }
}
