/// One consumer group's membership as its coordinator keeps it. A pure value.
///
/// Joins and syncs that wait for others are known by the caller's tokens and are answered by actions.
///
/// - Source: Apache Kafka 4.0, the classic group protocol (`GroupMetadataManager`, `ClassicGroup`).
struct ConsumerGroup: Equatable, Sendable {
    /// What the group is doing.
    enum Phase: Equatable, Sendable {
        /// It has no members; it may have offsets.
        case empty
        /// It waits for its members to join the next generation.
        case preparing
        /// It waits for the leader's assignment.
        case completing
        /// Every member has its share.
        case stable
    }

    /// A member that was given an id and must come back with it.
    struct PendingMember: Equatable, Sendable {
        var id: String
        var expiry: Int64
    }

    /// The group's id.
    let id: String
    /// What the group is doing.
    var phase = Phase.empty
    /// Counted up at every rebalance.
    var generation: Int32 = 0
    /// "consumer" for consumers; nil before the first member.
    var protocolType: String?
    /// The assignor of this generation.
    var protocolName: String?
    /// The leader's member id.
    var leader: String?
    /// In the order they came.
    var members: [GroupMember] = []

    var pending: [PendingMember] = []
    /// While preparing: no completion before, so that a group's first members meet at once.
    var joinEarliest: Int64 = 0
    /// While preparing: who has not joined by then is out.
    var joinLatest: Int64 = .max
    /// While completing: who has not synced by then is out.
    var syncLatest: Int64 = .max
    let settings: GroupSettings

    /// A group without members.
    init(id: String, settings: GroupSettings) {
        self.id = id
        self.settings = settings
    }

    /// The group as it was written; sessions begin anew at `now`.
    init(_ snapshot: GroupSnapshot, settings: GroupSettings, now: Int64) {
        self.init(id: snapshot.id, settings: settings)
        generation = snapshot.generation
        protocolType = snapshot.protocolType
        protocolName = snapshot.protocolName
        leader = snapshot.leader
        members = snapshot.members
        for index in members.indices { members[index].renew(now: now) }
        phase = members.isEmpty ? .empty : .stable
    }

    /// What must outlive the broker.
    var snapshot: GroupSnapshot {
        var written = members
        for index in written.indices {
            written[index].joining = nil
            written[index].syncing = nil
            written[index].expiry = 0
        }
        return GroupSnapshot(
            id: id, generation: generation, protocolType: protocolType,
            protocolName: protocolName, leader: leader, members: written)
    }

    /// The earliest time at which `advance` has something to do; milliseconds.
    var nextDeadline: Int64? {
        var earliest = Int64.max
        for member in members where member.joining == nil {
            earliest = min(earliest, member.expiry)
        }
        for waiting in pending { earliest = min(earliest, waiting.expiry) }
        if phase == .preparing {
            earliest = min(earliest, joinLatest)
            if isEveryoneHere { earliest = min(earliest, joinEarliest) }
        }
        if phase == .completing { earliest = min(earliest, syncLatest) }
        return earliest == .max ? nil : earliest
    }

    /// Where member `id` stands in `members`.
    func index(of id: String) -> Int? { members.firstIndex { $0.id == id } }

    /// Where the static member `instance` stands in `members`.
    func index(ofInstance instance: String) -> Int? {
        members.firstIndex { $0.instance == instance }
    }

    var isEveryoneHere: Bool {
        pending.isEmpty && !members.isEmpty && members.allSatisfy { $0.joining != nil }
    }

    /// The member that `membership` speaks for, or why it speaks for none.
    func find(_ membership: Membership) -> Result<Int, GroupRefusal> {
        if let instance = membership.instance {
            guard let index = index(ofInstance: instance) else {
                return .failure(GroupRefusal(.unknownMemberId))
            }
            return members[index].id == membership.member
                ? .success(index) : .failure(GroupRefusal(.fencedInstanceId))
        }
        guard let index = index(of: membership.member) else {
            return .failure(GroupRefusal(.unknownMemberId))
        }
        return .success(index)
    }

    /// Whether `membership` may commit offsets; `.none` if so.
    func admitsCommit(_ membership: Membership, isTransactional: Bool) -> ErrorCode {
        if membership.generation < 0, phase == .empty { return .none }
        let isNamed = !membership.member.isEmpty || membership.instance != nil
        if membership.generation >= 0 || isNamed {
            if case .failure(let refusal) = find(membership) { return refusal.code }
            guard membership.generation == generation else { return .illegalGeneration }
        } else if !isTransactional {
            return .unknownMemberId
        }
        return !isTransactional && phase == .completing ? .rebalanceInProgress : .none
    }
}

/// The error code that refuses a request.
struct GroupRefusal: Error, Equatable {
    let code: ErrorCode

    init(_ code: ErrorCode) { self.code = code }
}

/// What a broker's operator sets for all groups.
struct GroupSettings: Equatable, Sendable {
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    var initialDelay: Int64 = 0
    /// `group.min.session.timeout.ms`; lower than Apache's 6000, for quick tests.
    var sessionTimeoutMin: Int64 = 10
    /// `group.max.session.timeout.ms`.
    var sessionTimeoutMax: Int64 = 1_800_000
    /// `group.max.size`.
    var membersMax = 1000
    /// `offset.metadata.max.bytes`.
    var metadataBytesMax = 4096

    /// Apache's settings, but for the two that would make tests slow.
    init() {}
}
