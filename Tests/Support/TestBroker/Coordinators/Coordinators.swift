/// Answers the requests about groups and transactions: does what the pure coordinators decide.
///
/// Runs on the broker's thread. Every change is in the journal before anyone is told of it; what was being
/// completed when the broker died is completed when it comes back.
final class Coordinators: RequestHandler {
    /// Groups and offsets.
    var groups: GroupCoordinator
    /// Transactions.
    var transactions: TransactionCoordinator
    /// How long markers are held back after a transaction's end was answered, as a busy broker does.
    var markerDelayMillis: Int64 = 0

    let services: BrokerServices
    private var journal: CoordinatorJournal
    private var joins: [UInt64: (JoinReply) -> Void] = [:]
    private var syncs: [UInt64: (SyncReply) -> Void] = [:]
    private var lastToken: UInt64 = 0
    private var timer: (number: Int, due: Int64)?
    private let incarnation: Int64
    private var lastMember = 0

    /// Coordinators with the state that the broker's directory holds.
    init(services: BrokerServices) throws(BrokerFailure) {
        self.services = services
        var settings = GroupSettings()
        settings.initialDelay = Int64(services.settings.groupInitialDelayMillis)
        settings.sessionTimeoutMin = Int64(services.settings.groupMinSessionMillis)
        settings.sessionTimeoutMax = Int64(services.settings.groupMaxSessionMillis)
        groups = GroupCoordinator(settings: settings)
        transactions = TransactionCoordinator()
        transactions.timeoutMax = Int64(services.settings.transactionMaxTimeoutMillis)
        incarnation = services.scheduler.nowMillis
        let path = services.directory + "/coordinators.log"
        journal = try CoordinatorJournal(path: path)
        for record in try journal.replay() {
            switch record {
            case .producers(let next): transactions.restore(nextProducer: next)
            case .transaction(let transaction): transactions.restore(transaction)
            default: groups.restore(record, now: incarnation)
            }
        }
        journal = try CoordinatorJournal.rewrite(
            path: path, records: transactions.snapshot + groups.snapshot)
        services.partitions.transactionGate = { [unowned self] place, producer, epoch in
            transactions.admits(producer, epoch: epoch, to: place)
        }
    }

    /// Completes what the last broker of this directory had begun; called once the partitions can be written.
    func start() {
        for id in transactions.ending { complete(id) }
        schedule()
    }

    var apis: [API] {
        [
            .findCoordinator, .joinGroup, .syncGroup, .heartbeat, .leaveGroup, .offsetCommit,
            .offsetFetch, .describeGroups, .listGroups, .deleteGroups, .offsetDelete,
            .initProducerId, .addPartitionsToTxn, .addOffsetsToTxn, .endTxn, .txnOffsetCommit,
        ]
    }

    var now: Int64 { services.scheduler.nowMillis }

    func handle(
        _ request: inout RequestReader, header: RequestHeader, origin: RequestOrigin,
        reply: @escaping (ResponseWriter?) -> Void
    ) throws(WireFailure) {
        defer { schedule() }
        let call = CoordinatorCall(header: header, origin: origin, reply: reply)
        switch header.api {
        case .findCoordinator: try findCoordinator(&request, call)
        case .joinGroup: try joinGroup(&request, call)
        case .syncGroup: try syncGroup(&request, call)
        case .heartbeat: try heartbeat(&request, call)
        case .leaveGroup: try leaveGroup(&request, call)
        case .offsetCommit: try offsetCommit(&request, call)
        case .offsetFetch: try offsetFetch(&request, call)
        case .describeGroups: try describeGroups(&request, call)
        case .listGroups: try listGroups(&request, call)
        case .deleteGroups: try deleteGroups(&request, call)
        case .offsetDelete: try offsetDelete(&request, call)
        case .initProducerId: try initProducerId(&request, call)
        case .addPartitionsToTxn: try addPartitionsToTxn(&request, call)
        case .addOffsetsToTxn: try addOffsetsToTxn(&request, call)
        case .endTxn: try endTxn(&request, call)
        case .txnOffsetCommit: try txnOffsetCommit(&request, call)
        default: throw WireFailure("\(header.api) is not a coordinator's request")
        }
    }

    /// Whether the node that was asked coordinates `key`; `.notCoordinator` if another does.
    func refusal(_ kind: CoordinatorKind, _ key: String, _ call: CoordinatorCall) -> ErrorCode {
        if key.isEmpty { return kind == .group ? .invalidGroupId : .invalidRequest }
        let node = services.nodes.coordinator(of: kind, key)
        return node.id == call.origin.node ? .none : .notCoordinator
    }

    /// An id that no member has had, also not before a restart.
    func freshMember(_ prefix: String) -> String {
        lastMember += 1
        return "\(prefix)-\(String(incarnation, radix: 36))-\(lastMember)"
    }

    func waitJoin(_ answer: @escaping (JoinReply) -> Void) -> UInt64 {
        lastToken += 1
        joins[lastToken] = answer
        return lastToken
    }

    func waitSync(_ answer: @escaping (SyncReply) -> Void) -> UInt64 {
        lastToken += 1
        syncs[lastToken] = answer
        return lastToken
    }

    /// Does what a group decided.
    func perform(_ actions: [GroupAction]) {
        for action in actions {
            switch action {
            case .persist(let record): persist(record)
            case .joined(let reply, let token): joins.removeValue(forKey: token)?(reply)
            case .synced(let reply, let token): syncs.removeValue(forKey: token)?(reply)
            }
        }
    }

    /// Does what a transaction decided.
    func perform(_ actions: [TransactionAction]) {
        for action in actions {
            switch action {
            case .persist(let record): persist(record)
            case .marker(let place, let producer, let epoch, let isCommit):
                // A partition that was deleted meanwhile needs no marker.
                _ = services.partitions.appendMarker(
                    place, producer: producer, epoch: epoch, isCommit: isCommit)
            case .groupMarker(let group, let producer, let isCommit):
                var actions: [GroupAction] = []
                groups.end(
                    producer: producer, group: group, isCommit: isCommit, into: &actions)
                perform(actions)
            }
        }
    }

    /// Writes the markers of an ended transaction.
    func complete(_ id: String) {
        var actions: [TransactionAction] = []
        transactions.complete(id, into: &actions)
        perform(actions)
    }

    /// Writes the markers of an ended transaction, now or after the delay that was set.
    func completeSoon(_ id: String) {
        guard markerDelayMillis > 0 else { return complete(id) }
        services.scheduler.after(markerDelayMillis) { [weak self] in self?.complete(id) }
    }

    private func persist(_ record: CoordinatorRecord) {
        do throws(BrokerFailure) {
            try journal.append([record])
        } catch {
            // What cannot be written must not be answered.
            fatalError(error.description)
        }
    }

    /// Sets the timer to the next session, rebalance or transaction that may run out.
    private func schedule() {
        let due = [groups.nextDeadline, transactions.nextDeadline].compactMap { $0 }.min()
        if let timer {
            if timer.due == due { return }
            services.scheduler.cancel(timer.number)
        }
        timer = nil
        guard let due else { return }
        let number = services.scheduler.after(max(0, due - now)) { [weak self] in
            self?.advance()
        }
        timer = (number, due)
    }

    private func advance() {
        timer = nil
        var actions: [GroupAction] = []
        groups.advance(now: now, into: &actions)
        perform(actions)
        var ends: [TransactionAction] = []
        transactions.advance(now: now, into: &ends)
        perform(ends)
        if markerDelayMillis == 0 { for id in transactions.ending { complete(id) } }
        schedule()
    }
}

/// A request that is being answered.
struct CoordinatorCall {
    let header: RequestHeader
    let origin: RequestOrigin
    let reply: (ResponseWriter?) -> Void

    var version: Int16 { header.version }

    /// Answers with what `body` writes; the throttle time stands first from version `throttled` on.
    func answer(throttled: Int16 = 0, _ body: (inout ResponseWriter) -> Void) {
        var writer = ResponseWriter(answering: header)
        if version >= throttled { writer.int32(0) }
        body(&writer)
        writer.tags()
        reply(writer)
    }
}
