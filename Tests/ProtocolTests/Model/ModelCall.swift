@testable import StreamRuntime
@testable import TestBroker

/// A producer as its transaction coordinator made it.
struct ModelProducer: Hashable, Sendable {
    var id: Int64 = -1
    var epoch: Int16 = -1
    /// Of the next row, by output partition.
    var sequences: [Int32] = [0, 0]
    /// Output partitions that are in the open transaction.
    var added: [Bool] = [false, false]
    /// Whether the open transaction has anything that must be ended.
    var hasBegun = false
}

/// What a client asks the broker.
enum ModelRequest: Equatable, Sendable {
    case initialize(id: String)
    case ask
    case addPartition(id: String, ModelProducer, partition: Int)
    case produce(ModelProducer, partition: Int, sequence: Int32, ModelLog.Row)
    case addOffsets(id: String, ModelProducer)
    case offsets(ModelProducer, Membership, [Int], CommittedCheckpoint)
    case plainOffsets(Membership, [Int], CommittedCheckpoint)
    case end(id: String, ModelProducer, isCommit: Bool)
    case join(JoinRequest)
    case sync(SyncRequest)
    case heartbeat(Membership)
}

/// What the broker answers.
enum ModelReply: Equatable, Sendable {
    case code(ErrorCode)
    case identity(TransactionCoordinator.Identity)
    case told(CommittedCheckpoint?, positions: [Int], isUnstable: Bool)
    case joined(JoinReply)
    case synced(SyncReply)
}

/// A request between a client and the broker, or its answer on the way back.
struct ModelCall: Equatable, Sendable {
    /// Which of a client's threads waits for the answer.
    enum Thread: Equatable, Sendable {
        case group
        case coordinator(share: Int)
        case sink(share: Int)
    }

    var number: UInt64
    var process: Int
    /// The life of the process, or of the job in it, that asked: an answer to an older one is dropped.
    var life: Int
    var thread: Thread
    var request: ModelRequest
    /// Whether the broker has taken it.
    var isTaken = false
    var reply: ModelReply?
}

extension ModelCall: CustomStringConvertible {
    var description: String { "process \(process) \(thread): \(request)" }
}
