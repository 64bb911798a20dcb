/// A partition of a topic.
struct TopicPartition: Hashable, Comparable, CustomStringConvertible {
    var topic: String
    var partition: Int32

    var description: String { "\(topic)/\(partition)" }

    static func < (left: TopicPartition, right: TopicPartition) -> Bool {
        (left.topic, left.partition) < (right.topic, right.partition)
    }
}

/// The partitions' logs, as the transaction coordinator uses them.
protocol PartitionStore: AnyObject {
    /// The number of partitions of a topic; nil when there is no such topic.
    func partitionCount(of topic: String) -> Int?

    /// Ends a producer's transaction in a partition: commit or abort.
    ///
    /// The partition takes `epoch` as the producer's: batches of an older epoch are refused from then on.
    /// Doing it a second time for a transaction that has ended adds a marker without effect.
    ///
    /// - Returns: `.none`, or why it was not written (no such partition, a newer epoch, the disk).
    func appendMarker(
        _ partition: TopicPartition, producer: Int64, epoch: Int16, isCommit: Bool
    ) -> ErrorCode

    /// Asked before a producer's first batch of a transaction is taken by a partition.
    ///
    /// - Returns: `.none` when the partition belongs to the producer's open transaction (KIP-890).
    var transactionGate:
        ((_ partition: TopicPartition, _ producer: Int64, _ epoch: Int16) -> ErrorCode)?
    { get set }
}

/// Time, on the broker's thread.
protocol BrokerScheduler: AnyObject {
    /// The wall clock in milliseconds since 1970.
    var nowMillis: Int64 { get }

    /// Runs `action` on the broker's thread in `millis` or a little later.
    ///
    /// - Returns: what `cancel` takes.
    @discardableResult
    func after(_ millis: Int64, _ action: @escaping () -> Void) -> Int

    /// Takes an action back; nothing happens if it has run.
    func cancel(_ timer: Int)
}

/// A port of the broker that acts as a broker of its own.
struct BrokerNode: Hashable, Sendable {
    var id: Int32
    var host: String
    var port: Int32
}

/// Which node does what.
protocol NodeDirectory: AnyObject {
    /// All nodes, by id from 1.
    var nodes: [BrokerNode] { get }

    /// The node that coordinates a group ("group") or a transactional id ("transaction").
    func coordinator(of kind: CoordinatorKind, _ key: String) -> BrokerNode
}

/// What a coordinator coordinates; the numbers are the protocol's.
enum CoordinatorKind: Int8 {
    case group = 0
    case transaction = 1
}

/// What coordinators are made with.
struct BrokerServices {
    var partitions: any PartitionStore
    var scheduler: any BrokerScheduler
    var nodes: any NodeDirectory
    var settings: BrokerSettings
    /// The broker's directory: files of a coordinator go in here, under names of its own.
    var directory: String
}
