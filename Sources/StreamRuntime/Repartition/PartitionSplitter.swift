/// Splits batches by the partition, and so the share of the job, that each row's key belongs to.
///
/// - Shape: the partition of a key is the low half of its hash times the number of partitions, shifted
///   right by 32: fixed for life, and independent of key groups, which use the top bits.
final class PartitionSplitter {
    private let partitions: Int
    private var rows: UnsafeMutablePointer<Int32>
    private var capacity = 4096
    private let ends: UnsafeMutablePointer<Int>

    init(partitions: Int) {
        precondition(partitions >= 1, "a partition at least")
        self.partitions = partitions
        rows = .allocate(capacity: capacity * partitions)
        ends = .allocate(capacity: partitions)
    }

    deinit {
        rows.deallocate()
        ends.deallocate()
    }

    /// The partition of the key with this hash.
    @inline(__always) static func partition(hash: Int64, of partitions: Int) -> Int {
        Int((UInt64(bitPattern: hash) & 0xFFFF_FFFF) &* UInt64(partitions) &>> 32)
    }

    /// The part of `batch` that belongs to each partition, rows in their order; nil for none.
    func split(_ batch: ColumnBatch, hashes: Column) -> [ColumnBatch?] {
        let count = batch.count
        if count > capacity {
            rows.deallocate()
            capacity = count
            rows = .allocate(capacity: capacity * partitions)
        }
        let rows = rows
        let ends = ends
        let partitions = partitions
        let capacity = capacity
        for partition in 0..<partitions { ends[partition] = 0 }
        withExtendedLifetime(hashes) {
            let words = hashes.int64s
            var row = 0
            while row < count {
                let partition = PartitionSplitter.partition(hash: words[row], of: partitions)
                rows[partition &* capacity &+ ends[partition]] = Int32(truncatingIfNeeded: row)
                ends[partition] &+= 1
                row &+= 1
            }
        }
        return (0..<partitions).map { partition in
            if ends[partition] == 0 { return nil }
            if ends[partition] == count { return batch }
            return batch.gathered(rows + partition * capacity, count: ends[partition])
        }
    }
}
