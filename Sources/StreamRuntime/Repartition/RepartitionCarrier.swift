/// What takes records from one share of a job to the partitions of all: a seam.
///
/// - Note: owned by the sink's task. The two phases are those of `Sink`.
public protocol RepartitionCarrier: AnyObject {
    /// As many as the job has shares.
    var partitions: Int { get }

    /// Called once, before any append; see `Sink.recover`.
    func recover(token: [UInt8]?) throws(JobFailure)

    /// Whether a record can be taken now without waiting.
    var isReady: Bool { get }

    /// Appends one record to `partition`; records of one partition keep their order.
    ///
    /// - Units: `timestamp` in microseconds.
    func append(
        partition: Int, value: UnsafeBufferPointer<UInt8>, timestamp: Int64
    ) throws(JobFailure)

    /// Makes what was appended durable under `checkpoint`, not yet readable; see `Sink.prepare`.
    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8]

    /// Makes it readable; see `Sink.commit`.
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure)

    /// Stops without committing anything more.
    func close()
}

/// Records between shares by a topic of the embedded log, which has one writer: one topic a share.
public final class EmbeddedCarrier: RepartitionCarrier {
    private let writer: TopicWriter

    /// A carrier over the topic of one upstream share, with a partition for every share.
    public init(_ writer: TopicWriter) { self.writer = writer }

    /// The topic's.
    public var partitions: Int { writer.partitions }

    /// Always: the log takes what comes.
    public var isReady: Bool { true }

    /// Commits or cuts off what an earlier run left, as `token` says.
    public func recover(token: [UInt8]?) throws(JobFailure) {
        try writer.recover(token: token)
        writer.beginCheckpoints(after: writer.committedCheckpoint)
    }

    /// Appends one record.
    public func append(
        partition: Int, value: UnsafeBufferPointer<UInt8>, timestamp: Int64
    ) throws(JobFailure) {
        try writer.append(partition: partition, key: nil, value: value, timestamp: timestamp)
    }

    /// Makes what was appended durable, not yet readable.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        try writer.prepare(checkpoint: checkpoint)
    }

    /// Makes it readable.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try writer.commit(token: token)
    }

    /// Lets another writer have the topic.
    public func close() { writer.close() }
}
