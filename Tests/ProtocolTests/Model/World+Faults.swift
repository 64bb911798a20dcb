@testable import StreamRuntime
@testable import TestBroker

extension World {
    /// The process is gone; what it has sent may still arrive.
    mutating func kill(_ at: Int) -> Bool {
        guard processes[at].isAlive else { return false }
        processes[at].isAlive = false
        processes[at].isPaused = false
        processes[at].member = ""
        processes[at].generation = -1
        processes[at].mustRejoin = false
        processes[at].isNew = true
        processes[at].granted = 0
        processes[at].pausing = [:]
        processes[at].shares = ShareProtocol(isBounded: false)
        for share in 0..<shape.shares { drop(share, at) }
        return true
    }

    mutating func crash(_ at: Int) -> Bool {
        guard kill(at) else { return false }
        faults += 1
        seen.crashes += 1
        return true
    }

    mutating func pause(_ at: Int, _ isPaused: Bool) -> Bool {
        guard processes[at].isAlive, processes[at].isPaused != isPaused else { return false }
        if isPaused { faults += 1 }
        processes[at].isPaused = isPaused
        return true
    }

    mutating func brokerDeath() -> Bool {
        faults += 1
        seen.brokerDeaths += 1
        broker.restart()
        tear()
        return true
    }

    mutating func markers(deathAfter: Int?) -> Bool {
        guard let id = broker.ending.first else { return false }
        broker.complete(id, deathAfter: deathAfter)
        if deathAfter != nil {
            faults += 1
            seen.halfDone += 1
            tear()
        }
        return true
    }

    mutating func expireSessions() -> Bool {
        guard shape.hasGroup else { return false }
        faults += 1
        seen.expired += 1
        passSessions()
        return true
    }

    mutating func passSessions() {
        broker.expireSessions(
            except: processes.filter { $0.isAlive && !$0.isPaused }.map(\.membership))
        for (number, reply) in broker.ready {
            guard let waiting = calls.firstIndex(where: { $0.number == number }) else { continue }
            calls[waiting].reply = reply
        }
        broker.ready = []
    }

    mutating func expireTransactions() -> Bool {
        faults += 1
        seen.expired += 1
        broker.age(by: 1001)
        return true
    }
}
