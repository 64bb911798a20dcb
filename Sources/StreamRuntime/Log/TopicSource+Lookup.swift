import Glibc

extension TopicSource: LogLookup {
    /// The extent of what is committed now.
    public func extent(partition: Int32) throws(JobFailure) -> LogExtent {
        let (files, end) = try committed(partition)
        let oldest = try files.bases().first { $0 <= end.segment } ?? end.offset
        return LogExtent(oldest: oldest, end: end.offset)
    }

    /// The first offset whose record has a timestamp of at least `micros`; nil when none has.
    ///
    /// Segments and blocks tell their newest timestamp, so only one block is unpacked.
    public func offset(
        partition: Int32, atOrAfter micros: Int64
    ) throws(JobFailure) -> Int64? {
        let (files, end) = try committed(partition)
        for base in try files.bases() where base <= end.segment {
            var limit = end.position
            if base < end.segment {
                let index = try files.sealedIndex(base).index
                guard index.timestampMax >= micros else { continue }
                limit = index.bytes
            }
            guard limit > 0 else { continue }
            let file = try LogFile(files.segment(base), O_RDONLY)
            var scan = SegmentScan(file, offset: base, position: 0, limit: limit)
            while let header = try scan.next() {
                guard header.timestampMax >= micros else { continue }
                return try first(in: header.baseOffset, partition: partition, micros)
            }
        }
        return nil
    }

    /// The first record from `offset` on that is new enough.
    private func first(
        in offset: Int64, partition: Int32, _ micros: Int64
    ) throws(JobFailure) -> Int64? {
        let reader = try reader(partition: partition)
        try reader.seek(to: offset)
        guard
            case .records(let batch) = try reader.read(
                maxRecords: LogLimits.blockRecords, maxBytes: Limits.batchBytes)
        else { return nil }
        let times = batch.timestamps.int64s
        return (0..<batch.count).first { times[$0] >= micros }.map { batch.offsets.int64s[$0] }
    }
}
