/// The key of every row of a batch: its bytes, whose order is key order, and their stable hash.
///
/// - Shape: `bytes` is a bytes column, `hashes` an int64 column, both of the batch's rows.
public struct KeyColumn {
    /// The keys' bytes.
    public let bytes: Column
    /// The keys' hashes.
    public let hashes: Column

    /// Keys with their hashes.
    public init(bytes: Column, hashes: Column) {
        precondition(bytes.count == hashes.count, "a hash for every key")
        self.bytes = bytes
        self.hashes = hashes
    }

    /// The number of keys.
    public var count: Int { bytes.count }

    /// The keys of the rows at `rows`, in that order.
    public func gathered(_ rows: UnsafePointer<Int32>, count: Int) -> KeyColumn {
        KeyColumn(
            bytes: bytes.gathered(rows, count: count), hashes: hashes.gathered(rows, count: count))
    }
}

/// One of the 1,024 shares that keys are divided into, for good; workers own ranges of them.
public enum KeyGroup {
    /// The number of groups; fixed for life.
    public static let count = 1024

    /// The group of a key, from the top ten bits of its hash.
    @inlinable public static func of(hash: Int64) -> Int { Int(UInt64(bitPattern: hash) &>> 54) }

    /// The groups that worker `worker` of `workers` owns.
    public static func range(worker: Int, of workers: Int) -> Range<Int> {
        (worker * count / workers)..<((worker + 1) * count / workers)
    }

    /// The worker that owns `group`: the inverse of `range`.
    @inlinable public static func worker(of group: Int, workers: Int) -> Int {
        ((group &+ 1) &* workers &- 1) / count
    }
}
