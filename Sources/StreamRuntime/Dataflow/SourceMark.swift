/// How far a partition of a source has been read, on its way behind the rows.
///
/// A mark follows every row of the records up to `offset`, whether or not rows of them are left: where it
/// comes out, all that those records have to say at once has been said.
///
/// - Note: what the end of a window says of them comes when event time has got there.
public struct SourceMark: Hashable, Sendable {
    /// The partition, as `RowOrder.origins` has it.
    public let origin: Int64
    /// The last record read.
    public let offset: Int64
    /// No row of the records up to it has a later time (`RowOrder.time`), in microseconds.
    public let time: Int64

    /// The mark behind record `offset` of partition `origin`.
    public init(origin: Int64, offset: Int64, time: Int64) {
        self.origin = origin
        self.offset = offset
        self.time = time
    }

    /// The source's position in the plan.
    public var source: Int { Int(origin >> 32) }
    /// The number of the partition.
    public var partition: Int32 { Int32(truncatingIfNeeded: origin) }
}
