@testable import TestBroker

/// One group whose members are moved by hand; answers are kept by the token of their request.
struct GroupHarness {
    var coordinator: GroupCoordinator
    var now: Int64 = 0
    var joined: [UInt64: JoinReply] = [:]
    var synced: [UInt64: SyncReply] = [:]
    var persisted: [CoordinatorRecord] = []
    private var lastToken: UInt64 = 0
    private var lastMember = 0

    init(_ settings: GroupSettings = GroupSettings()) {
        coordinator = GroupCoordinator(settings: settings)
    }

    var group: ConsumerGroup? { coordinator.groups["g"] }

    mutating func apply(_ actions: [GroupAction]) {
        for action in actions {
            switch action {
            case .persist(let record): persisted.append(record)
            case .joined(let reply, let token):
                precondition(joined.updateValue(reply, forKey: token) == nil, "answered twice")
            case .synced(let reply, let token):
                precondition(synced.updateValue(reply, forKey: token) == nil, "answered twice")
            }
        }
    }

    /// - Returns: the token of the join.
    mutating func join(
        _ member: String = "", instance: String? = nil, protocols: [String] = ["sticky"],
        metadata: [UInt8] = [1], session: Int64 = 1000, rebalance: Int64 = 5000,
        isKnownNeeded: Bool = true, skips: Bool = false
    ) -> UInt64 {
        lastToken += 1
        lastMember += 1
        let token = lastToken
        let request = JoinRequest(
            member: member, instance: instance, client: "c", sessionTimeout: session,
            rebalanceTimeout: rebalance, protocolType: "consumer",
            protocols: protocols.map { GroupProtocol(name: $0, metadata: metadata) },
            needsKnownMember: isKnownNeeded, skipsAssignment: skips)
        var actions: [GroupAction] = []
        let fresh = "m\(lastMember)"
        let now = now
        coordinator.withGroup("g") {
            $0.join(request, freshId: fresh, token: token, now: now, into: &actions)
        }
        apply(actions)
        return token
    }

    /// - Returns: the token of the sync.
    mutating func sync(
        _ member: String, _ generation: Int32, instance: String? = nil,
        giving shares: [String: [UInt8]] = [:]
    ) -> UInt64 {
        lastToken += 1
        let token = lastToken
        let request = SyncRequest(
            member: member, instance: instance, generation: generation,
            assignments: shares.sorted { $0.key < $1.key }
                .map { SyncRequest.Assignment(member: $0.key, bytes: $0.value) })
        var actions: [GroupAction] = []
        let now = now
        coordinator.withGroup("g") {
            $0.sync(request, token: token, now: now, into: &actions)
        }
        apply(actions)
        return token
    }

    mutating func heartbeat(
        _ member: String, _ generation: Int32, instance: String? = nil
    ) -> ErrorCode {
        let membership = Membership(member: member, instance: instance, generation: generation)
        let now = now
        return coordinator.withGroup("g") { $0.heartbeat(membership, now: now) }
    }

    mutating func leave(_ member: String, instance: String? = nil) -> ErrorCode {
        var actions: [GroupAction] = []
        let now = now
        let code = coordinator.withGroup("g") {
            $0.leave(member: member, instance: instance, now: now, into: &actions)
        }
        apply(actions)
        return code
    }

    mutating func advance(to time: Int64) {
        now = time
        var actions: [GroupAction] = []
        coordinator.advance(now: now, into: &actions)
        apply(actions)
    }

    /// A new member joins with the id that it is given first.
    ///
    /// - Returns: its id and the token of its join.
    mutating func enter(metadata: [UInt8] = [1]) -> (member: String, token: UInt64) {
        let first = join(metadata: metadata)
        let member = joined[first]?.member ?? ""
        return (member, join(member, metadata: metadata))
    }

    mutating func commit(
        _ offset: Int64, _ membership: Membership = .none, producer: Int64? = nil
    ) -> ErrorCode {
        var actions: [GroupAction] = []
        let place = TopicPartition(topic: "t", partition: 0)
        let code = coordinator.commit(
            [place: CommittedOffset(offset: offset, metadata: "checkpoint=\(offset)")],
            group: "g", by: membership, producer: producer, now: now, into: &actions)
        apply(actions)
        return code
    }

    /// A coordinator that has read what this one wrote.
    func reopened() -> GroupHarness {
        var other = self
        other.coordinator = GroupCoordinator(settings: coordinator.settings)
        for record in persisted { other.coordinator.restore(record, now: now) }
        return other
    }
}
