/// Which shares of a job a process runs, and when it gives them back. A pure value: an event in, the next
/// actions out; no clock and no network.
///
/// The processes of a job are a consumer group over a topic whose partitions are the shares. A share that
/// is taken away in order gets a last checkpoint before it is released; one that was lost, because the
/// group thinks this process dead, stops at once and writes nothing more. Other shares go on.
///
/// - Source: KIP-429 (cooperative rebalancing): what moves is revoked first, and assigned to its new
///   owner only after it was released.
public struct ShareProtocol: Hashable, Sendable {
    /// How the job of a share came to its end.
    public enum Ending: Hashable, Sendable {
        /// After a last checkpoint, as asked.
        case stopped
        /// All input of a bounded run is processed and committed.
        case finished
        /// It can go on from the last committed checkpoint.
        case restartable
        /// Another process has taken over its transactions.
        case fenced
        /// Somebody must do something about it.
        case failed
    }

    /// What has happened.
    public enum Event: Hashable, Sendable {
        /// The group gives these shares to this process.
        case assigned([Int])
        /// The group wants these shares back.
        case revoked([Int])
        /// The group has given these shares to others already.
        case lost([Int])
        /// The job of a share has ended.
        case ended(share: Int, Ending)
        /// The pause before a share is tried again, or its fate is judged, is over.
        case pauseOver(share: Int)
        /// The process is asked to stop.
        case stopAsked
    }

    /// What is to be done.
    public enum Action: Hashable, Sendable {
        /// Start the job of the share from its last committed checkpoint.
        case start(Int)
        /// Take a last checkpoint of the share's job and end it.
        case stop(Int)
        /// End the share's job at once, without a checkpoint.
        case abandon(Int)
        /// Tell the group that these shares may be given to others.
        case release([Int])
        /// Tell `pauseOver` after a while: long enough that the group would have told that the share is lost.
        case pause(Int)
        /// Leave the group and end the process; with a share, because of the failure of its job.
        case leave(failed: Int?)
    }

    private enum Phase: Hashable, Sendable {
        /// Its job runs, or is about to.
        case running
        /// Its job was asked for a last checkpoint.
        case stopping
        /// Its job was told to end at once.
        case abandoned
        /// It waits to be started again, or for the group's word.
        case paused
        /// Its bounded input is processed.
        case finished
    }

    /// How often the job of a share may fail without a committed checkpoint in between.
    private let attemptsMax: Int
    private let isBounded: Bool
    /// The shares that the group has given to this process and not taken back.
    public private(set) var owned: Set<Int> = []
    private var phases: [Int: Phase] = [:]
    private var attempts: [Int: Int] = [:]
    /// Shares the group waits for.
    private var revoking: Set<Int> = []
    private var isStopping = false
    private var failedShare: Int?
    private var hasLeft = false

    /// A process that owns nothing yet; a bounded run ends when all its shares have.
    public init(isBounded: Bool, attemptsMax: Int = 5) {
        self.isBounded = isBounded
        self.attemptsMax = attemptsMax
    }

    /// The shares whose job runs or is being ended.
    public var active: [Int] {
        phases.filter { phase in
            switch phase.value {
            case .running, .stopping, .abandoned: true
            case .paused, .finished: false
            }
        }.keys.sorted()
    }

    /// Says that a checkpoint of the share was committed: earlier failures no longer count.
    public mutating func noteProgress(of share: Int) { attempts[share] = nil }

    /// Takes note of `event` and tells what to do about it, in order.
    public mutating func receive(_ event: Event) -> [Action] {
        guard !hasLeft else { return [] }
        var actions: [Action] = []
        switch event {
        case .assigned(let shares):
            for share in shares.sorted() {
                owned.insert(share)
                revoking.remove(share)
                // A job that is still being ended is started again when it has.
                if !isStopping, phases[share] == nil { start(share, &actions) }
            }
            // Where a share begins anew it must hear again from all others that they have ended.
            if !isStopping, !actions.isEmpty {
                for (share, phase) in phases.sorted(by: { $0.key < $1.key })
                where phase == .finished { start(share, &actions) }
            }
        case .revoked(let shares):
            for share in shares.sorted() where owned.contains(share) {
                revoking.insert(share)
                switch phases[share] {
                case .running:
                    phases[share] = .stopping
                    actions.append(.stop(share))
                case .paused, .finished: phases[share] = nil
                case .stopping, .abandoned, nil: break
                }
            }
        case .lost(let shares):
            var gone: [Int] = []
            for share in shares.sorted() where owned.remove(share) != nil {
                gone.append(share)
                revoking.remove(share)
                switch phases[share] {
                case .running, .stopping:
                    phases[share] = .abandoned
                    actions.append(.abandon(share))
                case .paused, .finished: phases[share] = nil
                case .abandoned, nil: break
                }
            }
            if !gone.isEmpty { actions.append(.release(gone)) }
        case .ended(let share, let ending): end(share, ending, &actions)
        case .pauseOver(let share): resume(share, &actions)
        case .stopAsked: stopAll(&actions)
        }
        settle(&actions)
        return actions
    }

    // MARK: rules

    private mutating func start(_ share: Int, _ actions: inout [Action]) {
        phases[share] = .running
        actions.append(.start(share))
    }

    private mutating func end(_ share: Int, _ ending: Ending, _ actions: inout [Action]) {
        let phase = phases[share]
        phases[share] = nil
        guard owned.contains(share), !revoking.contains(share) else { return }
        // Whatever ended a job that was given up before the share came back says nothing.
        let wasAbandoned = phase == .abandoned
        switch wasAbandoned ? .stopped : ending {
        case .stopped:
            if !isStopping { start(share, &actions) }
        case .finished: phases[share] = .finished
        case .restartable, .fenced:
            attempts[share, default: 0] += 1
            if attempts[share]! > attemptsMax {
                fail(share, &actions)
            } else if !isStopping {
                phases[share] = .paused
                actions.append(.pause(share))
            }
        case .failed: fail(share, &actions)
        }
    }

    private mutating func resume(_ share: Int, _ actions: inout [Action]) {
        guard phases[share] == .paused, owned.contains(share) else { return }
        phases[share] = nil
        // The group had time to say that the share is another's, and did not.
        if !isStopping { start(share, &actions) }
    }

    private mutating func fail(_ share: Int, _ actions: inout [Action]) {
        if failedShare == nil { failedShare = share }
        stopAll(&actions)
    }

    private mutating func stopAll(_ actions: inout [Action]) {
        isStopping = true
        for (share, phase) in phases.sorted(by: { $0.key < $1.key }) {
            switch phase {
            case .running:
                phases[share] = .stopping
                actions.append(.stop(share))
            case .paused, .finished: phases[share] = nil
            case .stopping, .abandoned: break
            }
        }
    }

    /// Releases what the group waits for once nothing of it runs, and leaves when nothing is left to do.
    private mutating func settle(_ actions: inout [Action]) {
        if !revoking.isEmpty, revoking.allSatisfy({ phases[$0] == nil }) {
            actions.append(.release(revoking.sorted()))
            owned.subtract(revoking)
            revoking = []
        }
        let isDone =
            isBounded && !owned.isEmpty && revoking.isEmpty
            && owned.allSatisfy { phases[$0] == .finished }
        if active.isEmpty, isStopping || isDone {
            hasLeft = true
            actions.append(.leave(failed: failedShare))
        }
    }
}
