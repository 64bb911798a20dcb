/// Decides over transactions: who produces, what belongs together, how it ends. A pure value.
///
/// An end is two steps, as in Kafka: `end` makes the outcome durable and answers the producer; `complete` writes
/// the markers that make it visible. A crash between the two is completed after the restart.
///
/// - Source: Apache Kafka 4.0, `TransactionCoordinator` with the clients' versions before KIP-890.
struct TransactionCoordinator: Equatable, Sendable {
    /// What a producer is told at its initialisation.
    struct Identity: Equatable, Sendable {
        /// `.none` when the producer may go on.
        var error: ErrorCode
        /// The producer's id; -1 with an error.
        var producer: Int64 = -1
        /// The producer's epoch; -1 with an error.
        var epoch: Int16 = -1
    }

    /// Transactions by their id.
    private(set) var records: [String: TransactionRecord] = [:]
    /// `transaction.max.timeout.ms`.
    var timeoutMax: Int64 = 900_000
    private var owners: [Int64: String] = [:]
    private var nextProducer: Int64 = 1000

    /// A coordinator that knows no transaction.
    init() {}

    /// What must be written for a coordinator to come back to this state.
    var snapshot: [CoordinatorRecord] {
        [.producers(next: nextProducer)]
            + records.values.sorted { $0.id < $1.id }.map { .transaction($0) }
    }

    /// Takes back what was written.
    mutating func restore(_ record: TransactionRecord) {
        if let older = records[record.id], older.producer != record.producer {
            owners[older.producer] = nil
        }
        records[record.id] = record
        owners[record.producer] = record.id
        nextProducer = max(nextProducer, record.producer + 1)
    }

    /// Takes back which producer ids were given.
    mutating func restore(nextProducer next: Int64) { nextProducer = max(nextProducer, next) }

    /// Transactions whose markers are owed.
    var ending: [String] { records.values.filter(\.isEnding).map(\.id).sorted() }

    /// A producer introduces itself; its predecessor is fenced, and what that one left open is aborted.
    ///
    /// - Parameters:
    ///   - id: nil for a producer that is only idempotent.
    ///   - known: the identity of a producer that recovers from an error.
    /// - Returns: `.concurrentTransactions` when markers are still owed: the producer asks again.
    mutating func initialize(
        _ id: String?, timeout: Int64, known: (producer: Int64, epoch: Int16)?, now: Int64,
        into actions: inout [TransactionAction]
    ) -> Identity {
        guard let id else {
            let producer = takeProducer(into: &actions)
            return Identity(error: .none, producer: producer, epoch: 0)
        }
        if id.isEmpty { return Identity(error: .invalidRequest) }
        guard timeout > 0, timeout <= timeoutMax else {
            return Identity(error: .invalidTransactionTimeout)
        }
        guard var record = records[id] else {
            if known != nil { return Identity(error: .invalidProducerIdMapping) }
            let producer = takeProducer(into: &actions)
            let fresh = TransactionRecord(
                id: id, producer: producer, epoch: 0, timeout: timeout, began: now)
            store(fresh, into: &actions)
            return Identity(error: .none, producer: producer, epoch: 0)
        }
        if let known {
            let isCurrent = known.producer == record.producer && known.epoch == record.epoch
            let isRepeated = known.producer == record.producer && known.epoch == record.lastEpoch
            guard isCurrent || isRepeated else { return Identity(error: .producerFenced) }
            if isRepeated, !isCurrent, record.phase == .empty {
                // The answer to the first request was lost.
                return Identity(error: .none, producer: record.producer, epoch: record.epoch)
            }
        }
        if record.isEnding { return Identity(error: .concurrentTransactions) }
        if record.phase == .ongoing {
            record.phase = .prepareAbort
            record.lastEpoch = -1
            record.epoch += 1
            store(record, into: &actions)
            return Identity(error: .concurrentTransactions)
        }
        if record.epoch >= Int16.max - 1 {
            owners[record.producer] = nil
            record.producer = takeProducer(into: &actions)
            record.epoch = 0
            record.lastEpoch = -1
        } else {
            record.lastEpoch = known == nil ? -1 : record.epoch
            record.epoch += 1
        }
        record.phase = .empty
        record.timeout = timeout
        store(record, into: &actions)
        return Identity(error: .none, producer: record.producer, epoch: record.epoch)
    }

    /// Partitions, or a group's offsets, become part of the producer's transaction.
    mutating func add(
        _ partitions: [TopicPartition], groups: [String] = [], to id: String, producer: Int64,
        epoch: Int16, now: Int64, into actions: inout [TransactionAction]
    ) -> ErrorCode {
        let refusal = check(id, producer: producer, epoch: epoch)
        guard refusal == .none, var record = records[id] else { return refusal }
        if record.isEnding { return .concurrentTransactions }
        if record.phase != .ongoing {
            record.phase = .ongoing
            record.began = now
            record.partitions = []
            record.groups = []
        }
        let newPartitions = partitions.filter { !record.partitions.contains($0) }
        let newGroups = groups.filter { !record.groups.contains($0) }
        guard !newPartitions.isEmpty || !newGroups.isEmpty else { return .none }
        record.partitions += newPartitions
        record.groups += newGroups
        store(record, into: &actions)
        return .none
    }

    /// The producer ends its transaction; asking again for the same outcome is answered the same.
    mutating func end(
        _ id: String, producer: Int64, epoch: Int16, isCommit: Bool,
        into actions: inout [TransactionAction]
    ) -> ErrorCode {
        let refusal = check(id, producer: producer, epoch: epoch)
        guard refusal == .none, var record = records[id] else { return refusal }
        switch record.phase {
        case .ongoing:
            record.phase = isCommit ? .prepareCommit : .prepareAbort
            store(record, into: &actions)
            return .none
        case .completeCommit: return isCommit ? .none : .invalidTxnState
        case .completeAbort: return isCommit ? .invalidTxnState : .none
        case .prepareCommit: return isCommit ? .concurrentTransactions : .invalidTxnState
        case .prepareAbort: return isCommit ? .invalidTxnState : .concurrentTransactions
        case .empty: return .invalidTxnState
        }
    }

    /// Writes the markers that `id` owes.
    mutating func complete(_ id: String, into actions: inout [TransactionAction]) {
        guard var record = records[id], record.isEnding else { return }
        let isCommit = record.phase == .prepareCommit
        for place in record.partitions {
            actions.append(
                .marker(
                    place, producer: record.producer, epoch: record.epoch, isCommit: isCommit))
        }
        for group in record.groups {
            actions.append(.groupMarker(group, producer: record.producer, isCommit: isCommit))
        }
        record.phase = isCommit ? .completeCommit : .completeAbort
        record.partitions = []
        record.groups = []
        store(record, into: &actions)
    }

    /// Aborts what has been open for too long; its producer is fenced by the next epoch.
    mutating func advance(now: Int64, into actions: inout [TransactionAction]) {
        for id in records.keys.sorted() {
            guard var record = records[id], record.phase == .ongoing,
                now >= record.began + record.timeout
            else { continue }
            record.phase = .prepareAbort
            record.lastEpoch = -1
            record.epoch += 1
            store(record, into: &actions)
        }
    }

    /// The earliest time at which `advance` has something to do; milliseconds.
    var nextDeadline: Int64? {
        records.values.filter { $0.phase == .ongoing }.map { $0.began + $0.timeout }.min()
    }

    /// Whether the producer may write to `place` now; `.none` if so.
    ///
    /// Producers that have no transactional id are not its concern.
    func admits(_ producer: Int64, epoch: Int16, to place: TopicPartition) -> ErrorCode {
        admits(producer, epoch: epoch) { $0.partitions.contains(place) }
    }

    /// Whether the producer may write offsets of `group` now; `.none` if so.
    func admits(_ producer: Int64, epoch: Int16, toGroup group: String) -> ErrorCode {
        admits(producer, epoch: epoch) { $0.groups.contains(group) }
    }

    private func admits(
        _ producer: Int64, epoch: Int16, _ isPart: (TransactionRecord) -> Bool
    ) -> ErrorCode {
        guard let id = owners[producer], let record = records[id] else {
            return .invalidProducerIdMapping
        }
        guard record.epoch == epoch else { return .invalidProducerEpoch }
        return record.phase == .ongoing && isPart(record) ? .none : .invalidTxnState
    }

    private func check(_ id: String, producer: Int64, epoch: Int16) -> ErrorCode {
        if id.isEmpty { return .invalidRequest }
        guard let record = records[id], record.producer == producer else {
            return .invalidProducerIdMapping
        }
        return record.epoch == epoch ? .none : .producerFenced
    }

    private mutating func takeProducer(into actions: inout [TransactionAction]) -> Int64 {
        defer { nextProducer += 1 }
        actions.append(.persist(.producers(next: nextProducer + 1)))
        return nextProducer
    }

    private mutating func store(
        _ record: TransactionRecord, into actions: inout [TransactionAction]
    ) {
        records[record.id] = record
        owners[record.producer] = record.id
        actions.append(.persist(.transaction(record)))
    }
}
