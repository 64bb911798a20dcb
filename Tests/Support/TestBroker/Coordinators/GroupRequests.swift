/// What a member says when it asks to join its group.
struct JoinRequest: Equatable, Sendable {
    /// Empty for a member that has no id yet.
    var member: String
    /// `group.instance.id`, for static membership.
    var instance: String?
    /// The client's id, from the request's header; part of new member ids.
    var client: String
    /// Milliseconds without a heartbeat after which the member is dead.
    var sessionTimeout: Int64
    /// Milliseconds that a rebalance waits for the member.
    var rebalanceTimeout: Int64
    /// "consumer" for consumers.
    var protocolType: String
    /// The assignors the member knows, best first, each with its subscription.
    var protocols: [GroupProtocol]
    /// Whether a new dynamic member must come back with the id it is given (version 4 and newer).
    var needsKnownMember = true
    /// Whether the leader can be told not to assign (version 9 and newer).
    var skipsAssignment = false
}

/// An assignor's name with what the member says to it.
struct GroupProtocol: Equatable, Sendable {
    /// Such as "cooperative-sticky".
    var name: String
    /// The member's subscription; bytes of the clients' own.
    var metadata: [UInt8]
}

/// What the coordinator answers to a join.
struct JoinReply: Equatable, Sendable {
    /// What the leader is told of each member.
    struct Member: Equatable, Sendable {
        /// The member's id.
        var id: String
        /// Its `group.instance.id`.
        var instance: String?
        /// Its subscription.
        var metadata: [UInt8]
    }

    /// `.none` when the member is in.
    var error: ErrorCode
    /// The group's generation; -1 with an error.
    var generation: Int32 = -1
    /// The group's protocol type.
    var protocolType: String?
    /// The assignor that was chosen.
    var protocolName: String?
    /// The leader's member id.
    var leader = ""
    /// Whether the leader must not assign anew.
    var skipAssignment = false
    /// The id of the member that is answered.
    var member = ""
    /// All members, for the leader alone.
    var members: [Member] = []
}

/// What a member says when it asks for its assignment, with everyone's if it leads.
struct SyncRequest: Equatable, Sendable {
    /// The member's id.
    var member: String
    /// Its `group.instance.id`.
    var instance: String?
    /// The generation it joined.
    var generation: Int32
    /// From version 5: must be the group's.
    var protocolType: String?
    /// From version 5: must be the group's.
    var protocolName: String?
    /// Member ids and their assignments; from the leader alone.
    var assignments: [Assignment] = []

    /// One member's share.
    struct Assignment: Equatable, Sendable {
        /// The member's id.
        var member: String
        /// What it gets; bytes of the clients' own.
        var bytes: [UInt8]
    }
}

/// What the coordinator answers to a sync.
struct SyncReply: Equatable, Sendable {
    /// `.none` when the assignment holds.
    var error: ErrorCode
    /// The group's protocol type.
    var protocolType: String?
    /// The assignor that was chosen.
    var protocolName: String?
    /// The member's share.
    var assignment: [UInt8] = []
}

/// Who says that it belongs to a group: what heartbeats, commits and leaves carry.
struct Membership: Equatable, Sendable {
    /// The member's id; empty outside group management.
    var member: String
    /// Its `group.instance.id`.
    var instance: String?
    /// The generation it knows; -1 outside group management.
    var generation: Int32

    /// Someone who commits without being a member.
    static let none = Membership(member: "", instance: nil, generation: -1)
}

/// What a coordinator wants done, in this order.
enum GroupAction: Equatable, Sendable {
    /// Must be durable before anything after it happens.
    case persist(CoordinatorRecord)
    /// Answers the join that waits under `token`.
    case joined(JoinReply, token: UInt64)
    /// Answers the sync that waits under `token`.
    case synced(SyncReply, token: UInt64)
}
