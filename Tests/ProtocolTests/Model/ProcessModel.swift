@testable import StreamRuntime
@testable import TestBroker

/// One process: its membership of the group, and the jobs of the shares that it owns.
struct ProcessModel: Sendable {
    enum Phase: Equatable, Sendable { case out, joining, syncing, settled }

    let instance: String
    var isAlive = false
    /// Stopped by a signal: it does nothing, but what it sent before still arrives.
    var isPaused = false
    /// Counts the process's lives and the jobs begun in them.
    var life = 0
    var phase = Phase.out
    var member = ""
    var generation: Int32 = -1
    /// The jobs of the shares it owns, by share.
    var jobs: [JobModel?]
    /// Lives of the jobs, by share.
    var jobLives: [Int]
    /// The engine's rule about shares.
    var shares = ShareProtocol(isBounded: false)
    /// The shares that the group's client holds, as bits.
    var granted: UInt8 = 0
    /// Shares that wait before they are begun again: whether the group has been heard of since.
    var pausing: [Int: Bool] = [:]
    /// Whether the others must be told something by joining anew.
    var mustRejoin = false
    /// Whether it joined from nothing, so that it may sit in the seat of an older life.
    var isNew = true

    init(instance: String, shares: Int) {
        self.instance = instance
        jobs = Array(repeating: nil, count: shares)
        jobLives = Array(repeating: 0, count: shares)
    }

    var membership: Membership {
        member.isEmpty
            ? .none : Membership(member: member, instance: instance, generation: generation)
    }

    var joinRequest: JoinRequest {
        JoinRequest(
            member: member, instance: instance, client: "c", sessionTimeout: 1000,
            rebalanceTimeout: 3000, protocolType: "consumer",
            protocols: [GroupProtocol(name: "cooperative-sticky", metadata: [granted])],
            skipsAssignment: false)
    }

    /// Shares out the shares: each keeps what it has within its part, and nobody gets what another
    /// still owns.
    static func assign(_ reply: JoinReply, shares: Int) -> [SyncRequest.Assignment] {
        let members = reply.members.sorted { ($0.instance ?? "") < ($1.instance ?? "") }
        var given = [UInt8](repeating: 0, count: members.count)
        for share in 0..<shares {
            let target = share % members.count
            let bit = UInt8(1) << UInt8(share)
            let isElsewhere = members.indices.contains { other in
                other != target && (members[other].metadata.first ?? 0) & bit != 0
            }
            if !isElsewhere { given[target] |= bit }
        }
        return members.indices.map {
            SyncRequest.Assignment(member: members[$0].id, bytes: [given[$0]])
        }
    }
}
