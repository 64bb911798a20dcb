/// The partitions of a source that one share of a job reads: those whose number leaves the share's when
/// divided by the number of shares.
public final class ShareSource: RecordSource {
    private let whole: any RecordSource
    private let share: Int
    private let shares: Int

    /// Share `share` of `shares` of `whole`.
    public init(_ whole: any RecordSource, share: Int, of shares: Int) {
        precondition(share >= 0 && share < shares, "one of the shares")
        self.whole = whole
        self.share = share
        self.shares = shares
    }

    /// The share's partitions, ascending.
    public func partitions() throws(JobFailure) -> [Int32] {
        try whole.partitions().filter { Int($0) % shares == share }
    }

    /// A reader of one of them.
    public func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        precondition(Int(partition) % shares == share, "another share reads this partition")
        return try whole.reader(partition: partition)
    }
}
