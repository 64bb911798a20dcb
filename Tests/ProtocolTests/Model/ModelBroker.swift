@testable import StreamRuntime
@testable import TestBroker

/// The broker of a modelled world: the test broker's own coordinators, and logs as plain values.
struct ModelBroker: Sendable {
    static let group = "g"

    private(set) var groups = GroupCoordinator()
    private(set) var transactions = TransactionCoordinator()
    private(set) var logs = [ModelLog(), ModelLog()]
    /// What the coordinators have made durable.
    private var journal: [CoordinatorRecord] = []
    private var groupNow: Int64 = 0
    private var transactionNow: Int64 = 0
    private var members = 0
    /// Answers that have become ready, by the number of their call.
    var ready: [(number: UInt64, reply: ModelReply)] = []

    /// How many steps of its work the broker does before it dies; none: it lives.
    private var stepsLeft = Int.max
    /// Whether the broker has died in the middle of its work.
    private(set) var isDead = false

    /// Takes a request; with `deathAfter` the broker dies after so many durable steps of it.
    ///
    /// - Returns: the answer, unless it comes later or never.
    mutating func take(_ call: ModelCall, deathAfter: Int?) -> ModelReply? {
        stepsLeft = deathAfter ?? .max
        let reply = answer(call)
        if isDead || deathAfter != nil {
            restart()
            return nil
        }
        return reply
    }

    private mutating func answer(_ call: ModelCall) -> ModelReply? {
        var ends: [TransactionAction] = []
        var actions: [GroupAction] = []
        var reply: ModelReply?
        switch call.request {
        case .initialize(let id):
            reply = .identity(
                transactions.initialize(
                    id, timeout: 1000, known: nil, now: transactionNow, into: &ends))
        case .ask: return told(share: call.share)
        case .addPartition(let id, let producer, let partition):
            reply = .code(
                transactions.add(
                    [Self.place(partition)], to: id, producer: producer.id, epoch: producer.epoch,
                    now: transactionNow, into: &ends))
        case .produce(let producer, let partition, let sequence, let row):
            return .code(append(row, producer, partition, sequence))
        case .addOffsets(let id, let producer):
            reply = .code(
                transactions.add(
                    [], groups: [Self.group], to: id, producer: producer.id,
                    epoch: producer.epoch, now: transactionNow, into: &ends))
        case .offsets(let producer, let membership, let positions, let checkpoint):
            let code = transactions.admits(
                producer.id, epoch: producer.epoch, toGroup: Self.group)
            guard code == .none else { return .code(code) }
            reply = .code(
                groups.commit(
                    Self.offsets(call.share, positions, checkpoint), group: Self.group,
                    by: membership, producer: producer.id, now: groupNow, into: &actions))
        case .plainOffsets(let membership, let positions, let checkpoint):
            reply = .code(
                groups.commit(
                    Self.offsets(call.share, positions, checkpoint), group: Self.group,
                    by: membership, now: groupNow, into: &actions))
        case .end(let id, let producer, let isCommit):
            reply = .code(
                transactions.end(
                    id, producer: producer.id, epoch: producer.epoch, isCommit: isCommit,
                    into: &ends))
        case .join(let request):
            members += 1
            let fresh = "m\(members)"
            let now = groupNow
            groups.withGroup(Self.group) {
                $0.join(
                    request, freshId: fresh, token: call.number, now: now, into: &actions)
            }
        case .sync(let request):
            let now = groupNow
            groups.withGroup(Self.group) {
                $0.sync(request, token: call.number, now: now, into: &actions)
            }
        case .heartbeat(let membership):
            let now = groupNow
            reply = .code(
                groups.withGroup(Self.group) { $0.heartbeat(membership, now: now) })
        }
        perform(ends)
        perform(actions)
        return isDead ? nil : reply
    }

    private mutating func append(
        _ row: ModelLog.Row, _ producer: ModelProducer, _ partition: Int, _ sequence: Int32
    ) -> ErrorCode {
        let code = transactions.admits(
            producer.id, epoch: producer.epoch, to: Self.place(partition))
        guard code == .none else { return code }
        switch logs[partition].append(
            row, producer: producer.id, epoch: producer.epoch, sequence: sequence)
        {
        case .taken, .repeated: return .none
        case .fenced: return .invalidProducerEpoch
        case .outOfOrder: return .outOfOrderSequenceNumber
        }
    }

    private func told(share: Int) -> ModelReply {
        let offsets = groups.offsets[Self.group] ?? GroupOffsets()
        var positions: [Int] = []
        var found: CommittedCheckpoint?
        for part in 0..<2 {
            let place = Self.source(share, part)
            if offsets.isUnstable(place) {
                return .told(nil, positions: [], isUnstable: true)
            }
            guard let known = offsets.committed[place] else { continue }
            positions.append(Int(known.offset))
            found = CommittedCheckpoint(
                checkpoint: Int64(known.leaderEpoch), manifest: known.metadata)
        }
        return .told(found, positions: positions, isUnstable: false)
    }

    private static func place(_ partition: Int) -> TopicPartition {
        TopicPartition(topic: "out", partition: Int32(partition))
    }

    private static func source(_ share: Int, _ part: Int) -> TopicPartition {
        TopicPartition(topic: "in", partition: Int32(share * 2 + part))
    }

    /// The checkpoint's number travels as the leader epoch, which saves the model a parser.
    private static func offsets(
        _ share: Int, _ positions: [Int], _ checkpoint: CommittedCheckpoint
    ) -> [TopicPartition: CommittedOffset] {
        var offsets: [TopicPartition: CommittedOffset] = [:]
        for (part, position) in positions.enumerated() {
            offsets[source(share, part)] = CommittedOffset(
                offset: Int64(position), leaderEpoch: Int32(checkpoint.checkpoint),
                metadata: checkpoint.manifest)
        }
        return offsets
    }

    /// Transactions whose markers are owed.
    var ending: [String] { transactions.ending }

    /// Writes owed markers; with `deathAfter` the broker dies on the way.
    mutating func complete(_ id: String, deathAfter: Int?) {
        stepsLeft = deathAfter ?? .max
        var ends: [TransactionAction] = []
        transactions.complete(id, into: &ends)
        perform(ends)
        if isDead || deathAfter != nil { restart() }
    }

    /// Time passes for open transactions, which are aborted after 1000 milliseconds.
    mutating func age(by millis: Int64) {
        stepsLeft = .max
        transactionNow += millis
        var ends: [TransactionAction] = []
        transactions.advance(now: transactionNow, into: &ends)
        perform(ends)
    }

    /// The sessions of all but `alive` are over, and rebalances have waited long enough.
    mutating func expireSessions(except alive: [Membership]) {
        stepsLeft = .max
        groupNow += 900
        let now = groupNow
        groups.withGroup(Self.group) { group in
            for membership in alive { group.heardOf(membership, now: now) }
        }
        groupNow += 101
        var actions: [GroupAction] = []
        groups.advance(now: groupNow, into: &actions)
        perform(actions)
    }

    /// The broker dies and comes back with what it has made durable.
    mutating func restart() {
        isDead = false
        stepsLeft = .max
        ready = []
        var freshGroups = GroupCoordinator()
        var freshTransactions = TransactionCoordinator()
        for record in journal {
            switch record {
            case .producers(let next): freshTransactions.restore(nextProducer: next)
            case .transaction(let transaction): freshTransactions.restore(transaction)
            default: freshGroups.restore(record, now: groupNow)
            }
        }
        groups = freshGroups
        transactions = freshTransactions
        journal = transactions.snapshot + groups.snapshot
    }

    private mutating func isAlive() -> Bool {
        if stepsLeft == 0 { isDead = true }
        if stepsLeft != .max { stepsLeft -= 1 }
        return !isDead
    }

    private mutating func perform(_ actions: [TransactionAction]) {
        for action in actions {
            guard isAlive() else { return }
            switch action {
            case .persist(let record): journal.append(record)
            case .marker(let place, let producer, let epoch, let isCommit):
                logs[Int(place.partition)].mark(
                    producer: producer, epoch: epoch, isCommit: isCommit)
            case .groupMarker(let group, let producer, let isCommit):
                var actions: [GroupAction] = []
                groups.end(
                    producer: producer, group: group, isCommit: isCommit, into: &actions)
                perform(actions)
            }
        }
    }

    private mutating func perform(_ actions: [GroupAction]) {
        for action in actions {
            switch action {
            case .persist(let record):
                guard isAlive() else { return }
                journal.append(record)
            case .joined(let reply, let token): ready.append((token, .joined(reply)))
            case .synced(let reply, let token): ready.append((token, .synced(reply)))
            }
        }
    }
}

extension ModelCall {
    /// The share that the call is about; 0 for the group's.
    var share: Int {
        switch thread {
        case .group: 0
        case .coordinator(let share), .sink(let share): share
        }
    }
}
