/// The offsets of one partition that a bounded reading covers: `from` up to and without `to`.
public struct OffsetRange: Equatable, Sendable, Codable {
    /// The first offset.
    public var from: Int64
    /// The offset to stop before; nil for an input with an end of its own (a file).
    public var to: Int64?

    /// The offsets from `from` up to and without `to`.
    public init(from: Int64, to: Int64?) {
        self.from = from
        self.to = to
    }

    /// Whether no offset is in it.
    public var isEmpty: Bool { to.map { $0 <= from } ?? false }
}

/// A partition's oldest offset, and the one its next record gets.
public struct LogExtent: Equatable, Sendable {
    /// The offset of the oldest record that can be read.
    public let oldest: Int64
    /// The offset the next record gets.
    public let end: Int64

    /// An extent from `oldest` up to and without `end`.
    public init(oldest: Int64, end: Int64) {
        self.oldest = oldest
        self.end = end
    }
}

/// A source that can tell where its partitions begin and end, and which offset a time has.
public protocol LogLookup: RecordSource {
    /// How far `partition` goes now.
    func extent(partition: Int32) throws(JobFailure) -> LogExtent

    /// The first offset whose record has a timestamp of at least `micros`; nil when none has.
    func offset(partition: Int32, atOrAfter micros: Int64) throws(JobFailure) -> Int64?
}
