@testable import StreamRuntime
@testable import TestBroker

extension World {
    mutating func group(_ reply: ModelReply, _ at: Int) {
        switch reply {
        case .joined(let joined): self.joined(joined, at)
        case .synced(let synced):
            guard synced.error == .none else { return refused(synced.error, at) }
            processes[at].phase = .settled
            seen.generations += 1
            if processes[at].isNew {
                // A static member that joins from nothing gets its old seat without a rebalance. If its
                // older life gave a share up and had not said so yet, nobody would ever get that share.
                processes[at].isNew = false
                processes[at].mustRejoin = shape.mutation != .olderSeat
            }
            assign(synced.assignment.first ?? 0, at)
        case .code(let code): if code != .none { refused(code, at) }
        case .identity, .told: break
        }
    }

    mutating func assign(_ bits: UInt8, _ at: Int) {
        let all = 0..<shape.shares
        let more = all.filter { (bits & ~processes[at].granted) & 1 << UInt8($0) != 0 }
        let fewer = all.filter { (processes[at].granted & ~bits) & 1 << UInt8($0) != 0 }
        processes[at].granted |= bits
        if !fewer.isEmpty { perform(processes[at].shares.receive(.revoked(fewer)), at) }
        if !more.isEmpty { perform(processes[at].shares.receive(.assigned(more)), at) }
    }

    /// Does what the engine's rule about shares says.
    mutating func perform(_ actions: [ShareProtocol.Action], _ at: Int) {
        for action in actions {
            guard processes[at].isAlive else { return }
            switch action {
            case .start(let share):
                seen.takeovers += 1
                startJob(share, at)
            case .stop(let share): processes[at].jobs[share]?.askToStop()
            case .abandon(let share):
                drop(share, at)
                perform(processes[at].shares.receive(.ended(share: share, .stopped)), at)
            case .release(let shares):
                for share in shares {
                    processes[at].granted &= ~(1 << UInt8(share))
                    processes[at].pausing[share] = nil
                }
                processes[at].mustRejoin = true
            case .pause(let share): processes[at].pausing[share] = false
            case .leave: _ = kill(at)
            }
        }
    }

    mutating func joined(_ reply: JoinReply, _ at: Int) {
        guard reply.error == .none else { return refused(reply.error, at) }
        processes[at].member = reply.member
        processes[at].generation = reply.generation
        processes[at].phase = .syncing
        let isLeader = reply.leader == reply.member && !reply.members.isEmpty
        send(
            .sync(
                SyncRequest(
                    member: reply.member, instance: processes[at].instance,
                    generation: reply.generation,
                    assignments: isLeader
                        ? ProcessModel.assign(reply, shares: shape.shares) : [])), at, .group)
    }

    mutating func refused(_ code: ErrorCode, _ at: Int) {
        switch code {
        case .fencedInstanceId: _ = kill(at)
        case .rebalanceInProgress: rejoin(at)
        default:
            // The membership is lost, and the shares with it: stop at once, write nothing.
            processes[at].member = ""
            processes[at].generation = -1
            processes[at].isNew = true
            let granted = processes[at].granted
            let lost = (0..<shape.shares).filter { granted & 1 << UInt8($0) != 0 }
            perform(processes[at].shares.receive(.lost(lost)), at)
            if processes[at].isAlive { rejoin(at) }
        }
    }

    mutating func drop(_ share: Int, _ at: Int) {
        processes[at].jobs[share] = nil
        processes[at].jobLives[share] += 1
    }

    /// Looks at jobs that have ended.
    mutating func settle(_ at: Int) {
        for share in 0..<shape.shares {
            guard let end = processes[at].jobs[share]?.end else { continue }
            var ending = ShareProtocol.Ending.restartable
            switch end {
            case .violated(let found):
                // Another instance may have committed after this one had asked: then a new start helps.
                refusal = found
                seen.refusals += 1
            case .asAsked: ending = .stopped
            case .stopped(.fenced):
                seen.fenced += 1
                ending = .fenced
            case .stopped(.fatal): ending = .failed
            case .stopped(.restart), .stopped(.unknown): break
            }
            if shape.hasGroup {
                drop(share, at)
                perform(processes[at].shares.receive(.ended(share: share, ending)), at)
            } else if end != .stopped(.restart), end != .stopped(.unknown) {
                _ = kill(at)
            }
            if !processes[at].isAlive { return }
        }
    }
}
