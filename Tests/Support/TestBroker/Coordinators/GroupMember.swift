/// One member of a consumer group as its coordinator sees it.
struct GroupMember: Equatable, Sendable {
    /// Given by the coordinator; a static member's changes with each of its lives.
    var id: String
    /// `group.instance.id`; nil for a dynamic member.
    var instance: String?
    /// The client's id.
    var client: String
    /// Milliseconds without a heartbeat after which the member is dead.
    var sessionTimeout: Int64
    /// Milliseconds that a rebalance waits for the member.
    var rebalanceTimeout: Int64
    /// The assignors it knows, best first.
    var protocols: [GroupProtocol]
    /// Its share in the current generation.
    var assignment: [UInt8] = []
    /// When it is dead unless it is heard of before; milliseconds.
    var expiry: Int64
    /// The join that waits for the others.
    var joining: UInt64?
    /// The sync that waits for the leader.
    var syncing: UInt64?

    /// The member's subscription under an assignor.
    func metadata(of protocolName: String?) -> [UInt8] {
        protocols.first { $0.name == protocolName }?.metadata ?? []
    }

    /// It was heard of: its session begins anew.
    mutating func renew(now: Int64) { expiry = now + sessionTimeout }
}

/// What of a group outlives its broker.
struct GroupSnapshot: Equatable, Sendable {
    /// The group's id.
    var id: String
    /// Its generation.
    var generation: Int32
    /// Nil for a group that has had no members.
    var protocolType: String?
    /// The assignor of the generation.
    var protocolName: String?
    /// The leader's member id.
    var leader: String?
    /// The members with their assignments; sessions begin anew after a restart.
    var members: [GroupMember]
}
