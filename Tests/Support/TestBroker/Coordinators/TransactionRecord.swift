/// One transactional id as its coordinator keeps it.
///
/// - Source: Apache Kafka 4.0, `TransactionMetadata` with transaction version 0 and 1.
struct TransactionRecord: Equatable, Sendable {
    /// Where the transaction stands.
    enum Phase: UInt8, Equatable, Sendable {
        /// The producer has begun none since it was initialised.
        case empty
        /// Partitions have been added.
        case ongoing
        /// It will commit: markers are being written.
        case prepareCommit
        /// It will abort: markers are being written.
        case prepareAbort
        /// The last one committed.
        case completeCommit
        /// The last one aborted.
        case completeAbort
    }

    /// The transactional id.
    var id: String
    /// The producer's id.
    var producer: Int64
    /// The producer's epoch; older ones are fenced.
    var epoch: Int16
    /// The epoch before the last bump by a producer that asked for one; -1 for none.
    var lastEpoch: Int16 = -1
    /// Milliseconds after which an open transaction is aborted.
    var timeout: Int64
    /// Where the transaction stands.
    var phase = Phase.empty
    /// When the open transaction began; milliseconds.
    var began: Int64 = 0
    /// Partitions that get a marker.
    var partitions: [TopicPartition] = []
    /// Groups whose offsets become visible with the transaction.
    var groups: [String] = []

    /// Whether markers are owed.
    var isEnding: Bool { phase == .prepareCommit || phase == .prepareAbort }
}

/// What the transaction coordinator wants done, in this order.
enum TransactionAction: Equatable, Sendable {
    /// Must be durable before anything after it happens.
    case persist(CoordinatorRecord)
    /// Ends the producer's transaction in a partition's log.
    case marker(TopicPartition, producer: Int64, epoch: Int16, isCommit: Bool)
    /// Makes a group's pending offsets visible, or drops them.
    case groupMarker(String, producer: Int64, isCommit: Bool)
}
