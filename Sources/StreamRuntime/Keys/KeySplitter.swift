/// Splits batches by the owner of each row's key.
///
/// - Shape: every worker owns a range of key groups; rows keep their order within a part.
public final class KeySplitter {
    /// How many parts there are.
    public let workers: Int
    private var rows: UnsafeMutablePointer<Int32>
    private var capacity: Int
    private let ends: UnsafeMutablePointer<Int>
    /// The smallest hash (as unsigned) that worker i no longer owns; the last one owns the rest.
    private let bounds: UnsafeMutablePointer<UInt64>

    /// A splitter for this many workers.
    public init(workers: Int) {
        precondition(workers >= 1 && workers <= KeyGroup.count, "between 1 and 1024 workers")
        self.workers = workers
        capacity = 4096
        rows = .allocate(capacity: capacity * workers)
        ends = .allocate(capacity: workers)
        bounds = .allocate(capacity: workers)
        for worker in 0..<workers {
            let end = KeyGroup.range(worker: worker, of: workers).upperBound
            bounds[worker] = end == KeyGroup.count ? .max : UInt64(end) << 54
        }
    }

    deinit {
        rows.deallocate()
        ends.deallocate()
        bounds.deallocate()
    }

    /// The part of `batch` that each worker owns; nil for a worker that owns none of it.
    ///
    /// - Precondition: the batch has keys.
    /// - Note: a batch that one worker owns whole is handed on as it is.
    public func split(_ batch: ColumnBatch) -> [ColumnBatch?] {
        guard let keys = batch.keys else { preconditionFailure("a batch to split has keys") }
        let count = batch.count
        if count > capacity {
            rows.deallocate()
            capacity = count
            rows = .allocate(capacity: capacity * workers)
        }
        assign(keys.hashes.int64s, count)
        return (0..<workers).map { worker in
            let owned = ends[worker]
            if owned == 0 { return nil }
            if owned == count { return batch }
            return batch.gathered(rows + worker * capacity, count: owned)
        }
    }

    /// Writes each row's index to its owner's list: to every list, but only one grows.
    private func assign(_ hashes: UnsafePointer<Int64>, _ count: Int) {
        let rows = rows
        let bounds = bounds
        if workers == 2 {
            let second = rows + capacity
            let bound = bounds[0]
            var left = 0
            var right = 0
            var row = 0
            while row < count {
                let index = Int32(truncatingIfNeeded: row)
                rows[left] = index
                second[right] = index
                let isRight = UInt64(bitPattern: hashes[row]) >= bound ? 1 : 0
                right &+= isRight
                left &+= 1 &- isRight
                row &+= 1
            }
            ends[0] = left
            ends[1] = right
            return
        }
        let ends = ends
        let workers = workers
        let capacity = capacity
        for worker in 0..<workers { ends[worker] = 0 }
        var row = 0
        while row < count {
            let worker = KeyGroup.worker(of: KeyGroup.of(hash: hashes[row]), workers: workers)
            rows[worker &* capacity &+ ends[worker]] = Int32(truncatingIfNeeded: row)
            ends[worker] &+= 1
            row &+= 1
        }
    }
}
