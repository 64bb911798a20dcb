@testable import StreamRuntime
@testable import TestBroker

/// Processes, a broker, a store, and what travels between them. One step at a time changes it.
struct World: Sendable {
    let shape: Shape
    /// What the broker was asked and answered, if that is wanted.
    var story: [String]?
    var broker: ModelBroker
    var stores: [ModelStore]
    var processes: [ProcessModel]
    var calls: [ModelCall] = []
    var faults = 0
    var seen = Seen()
    var violation: ModelViolation?
    var lastCall: UInt64 = 0
    /// Why a job could not restore, last.
    var refusal: ModelViolation?

    /// What has happened, so that an exploration can show that it was no idle one.
    struct Seen: Equatable, Sendable {
        var crashes = 0
        var brokerDeaths = 0
        var halfDone = 0
        var fenced = 0
        var restarts = 0
        var staleWrites = 0
        var lostReplies = 0
        var takeovers = 0
        var generations = 0
        var expired = 0
        var commits = 0
        var refusals = 0

        static func + (left: Seen, right: Seen) -> Seen {
            var sum = left
            sum.crashes += right.crashes
            sum.brokerDeaths += right.brokerDeaths
            sum.halfDone += right.halfDone
            sum.fenced += right.fenced
            sum.restarts += right.restarts
            sum.staleWrites += right.staleWrites
            sum.lostReplies += right.lostReplies
            sum.takeovers += right.takeovers
            sum.generations += right.generations
            sum.expired += right.expired
            sum.commits += right.commits
            sum.refusals += right.refusals
            return sum
        }
    }

    init(_ shape: Shape) {
        self.shape = shape
        broker = ModelBroker()
        stores = Array(repeating: ModelStore(), count: shape.shares)
        processes = (0..<shape.processes).map {
            ProcessModel(instance: "i\($0)", shares: shape.shares)
        }
    }

    // MARK: steps

    /// Does `step` if it can be done now.
    mutating func apply(_ step: Step) -> Bool {
        switch step.kind {
        case .boot: return boot(step.process)
        case .source: return source(step)
        case .sink: return sink(step)
        case .checkpoint: return checkpoint(step)
        case .complete: return complete(step)
        case .restart: return restartJob(step)
        case .deliver: return deliver(step.call, deathAfter: nil)
        case .answer: return answer(step.call)
        case .heartbeat: return heartbeat(step.process)
        case .markers: return markers(deathAfter: nil)
        case .loseReply: return loseReply(step.call)
        case .crash: return isFault() && crash(step.process)
        case .pause: return isFault() && pause(step.process, true)
        case .resume: return pause(step.process, false)
        case .brokerDeath: return isFault() && brokerDeath()
        case .deathInCall: return isFault() && deliver(step.call, deathAfter: step.part)
        case .deathInMarkers: return isFault() && markers(deathAfter: step.part)
        case .expireSessions: return isFault() && expireSessions()
        case .expireTransactions: return isFault() && expireTransactions()
        }
    }

    func isFault() -> Bool { faults < shape.faults }

    mutating func boot(_ at: Int) -> Bool {
        guard !processes[at].isAlive else { return false }
        processes[at].isAlive = true
        processes[at].isPaused = false
        processes[at].life += 1
        if shape.hasGroup {
            processes[at].phase = .joining
            send(.join(processes[at].joinRequest), at, .group)
        } else {
            startJob(0, at)
        }
        return true
    }

    mutating func startJob(_ share: Int, _ at: Int) {
        processes[at].jobLives[share] += 1
        var job = JobModel(share: share, rows: shape.rows, mutation: shape.mutation)
        let request = job.start(&stores[share])
        processes[at].jobs[share] = job
        if let request { send(request, at, .coordinator(share: share)) }
    }

    func isRunning(_ at: Int) -> Bool { processes[at].isAlive && !processes[at].isPaused }

    mutating func source(_ step: Step) -> Bool {
        guard isRunning(step.process) else { return false }
        return processes[step.process].jobs[step.share]?.stepSource(step.part & 1) ?? false
    }

    mutating func sink(_ step: Step) -> Bool {
        let at = step.process
        let part = step.part & 1
        guard isRunning(at), let job = processes[at].jobs[step.share], job.canSink(part) else {
            return false
        }
        let request = processes[at].jobs[step.share]?.stepSink(part, &stores[step.share])
        if let request { send(request, at, .sink(share: step.share)) }
        settle(at)
        return true
    }

    mutating func checkpoint(_ step: Step) -> Bool {
        guard isRunning(step.process) else { return false }
        return processes[step.process].jobs[step.share]?.beginCheckpoint() ?? false
    }

    mutating func complete(_ step: Step) -> Bool {
        let at = step.process
        guard isRunning(at), processes[at].jobs[step.share]?.canComplete == true else {
            return false
        }
        let request = processes[at].jobs[step.share]?.stepComplete(&stores[step.share])
        if let request { send(request, at, .coordinator(share: step.share)) }
        settle(at)
        return true
    }

    mutating func restartJob(_ step: Step) -> Bool {
        let at = step.process
        guard isRunning(at) else { return false }
        if shape.hasGroup {
            guard processes[at].pausing[step.share] == true else { return false }
            processes[at].pausing[step.share] = nil
            seen.restarts += 1
            perform(processes[at].shares.receive(.pauseOver(share: step.share)), at)
            return true
        }
        guard case .stopped = processes[at].jobs[step.share]?.end else { return false }
        seen.restarts += 1
        startJob(step.share, at)
        return true
    }

    mutating func heartbeat(_ at: Int) -> Bool {
        guard isRunning(at), processes[at].phase == .settled,
            !calls.contains(where: { $0.process == at && $0.thread == .group })
        else { return false }
        if processes[at].mustRejoin {
            rejoin(at)
        } else {
            send(.heartbeat(processes[at].membership), at, .group)
        }
        return true
    }

    mutating func rejoin(_ at: Int) {
        processes[at].phase = .joining
        processes[at].mustRejoin = false
        send(.join(processes[at].joinRequest), at, .group)
    }
}
