import Connectors
import Foundation
import Glibc
import StreamRuntime

/// Runs the shares of a job that the group of the job's processes gives to this one.
///
/// `ShareProtocol` decides; this executes: one thread polls the group and looks after the jobs.
final class ShareRunner {
    private let plan: JobPlan
    private let options: RunOptions
    private let shares: Int
    private let address: KafkaConnection
    private let group: KafkaShareGroup
    private let topics: ShareTopics
    private let clock: any Clock

    private var decision: ShareProtocol
    private var jobs: [Int: ShareJob] = [:]
    private var pauses: [Int: Int64] = [:]
    /// How long a share that has failed is to wait at least.
    private var waits: [Int: Int64] = [:]
    private var failures: [Int: JobFailure] = [:]
    private var left: (Bool, failure: JobFailure?) = (false, nil)
    private var rowsBefore: Int64 = 0
    private var nextForgetting: Int64
    private let watch: ShareWatch?
    private let figures: ShareFigures
    private var restarts: [Int: JobRestarts] = [:]
    /// Shares whose present job is among the figures.
    private var told: Set<Int> = []

    /// How long the group is given to say that a share is another's, and a share to get well.
    private let pauseNanos: Int64
    /// Time between two rounds of forgetting what was read.
    private static let forgettingNanos: Int64 = 30_000_000_000

    /// - Precondition: the plan has shares.
    init(
        plan: JobPlan, options: RunOptions, clock: any Clock = SystemClock(),
        figures: ShareFigures? = nil
    ) throws(JobFailure) {
        guard let shares = plan.settings.shares,
            let connection = plan.sharesConnection,
            case .kafka(let bootstrap, let properties) = connection.kind
        else { preconditionFailure("the planner refuses shares without a Kafka source") }
        self.plan = plan
        self.options = options
        self.shares = shares
        self.clock = clock
        self.figures = figures ?? ShareFigures(clock: clock)
        address = KafkaConnection(
            bootstrap: bootstrap, planned: properties, outage: connection.outageLimit)
        topics = try ShareTopics(plan, at: address)
        group = try KafkaShareGroup(
            address, group: plan.group, topic: plan.sharesTopic, instance: options.instance)
        // How often a share may fail is for the restarts to say, which know the time.
        decision = ShareProtocol(isBounded: options.untilEnd, attemptsMax: .max)
        let heartbeat = address.properties["heartbeat.interval.ms"].flatMap { Int64($0) } ?? 3000
        pauseNanos = max(heartbeat * 2, 1000) * 1_000_000
        nextForgetting = clock.nanos + ShareRunner.forgettingNanos
        let visited = plan.sources.lazy.compactMap { source in
            if case .topic(_, let topic) = source.location { topic } else { nil }
        }.first
        let group = try KafkaShareWatch(address, group: plan.group, topic: plan.sharesTopic)
        watch = visited.map { [pauseNanos, clock] in
            ShareWatch(
                group, shares: shares, visited: $0, everyNanos: pauseNanos, now: clock.nanos)
        }
    }

    /// Runs until it is asked to stop, or to the end of the input.
    ///
    /// - Parameters:
    ///   - isStopping: asked a few times a second.
    ///   - begun: called once the process is about to join.
    /// - Returns: why the process must end with an error, if it must.
    func run(
        isStopping: () -> Bool, begun: () throws(JobFailure) -> Void = {}
    ) throws(JobFailure) -> JobFailure? {
        try Directories.make(plan.settings.stateDirectory)
        try topics.prepare()
        try plan.remember()
        if plan.settings.checkpointStore == nil, !options.isQuiet {
            Terminal.error(
                "note: without checkpoints: {store: …} shares move only between processes with one "
                    + "state directory\n")
        }
        try begun()
        try group.join()
        var progress = ProgressLine(
            sources: plan.sources.map(\.name), json: options.json, now: clock.nanos)
        var hasAsked = false
        do throws(JobFailure) {
            while !left.0 {
                for event in try group.poll(millis: 20) { try receive(event) }
                if isStopping(), !hasAsked {
                    hasAsked = true
                    try act(on: .stopAsked)
                }
                try look()
                figures.note(owned: decision.owned)
                watch?.look(owned: decision.owned, now: clock.nanos)
                forget()
                show(&progress)
            }
        } catch {
            // Without the group nobody may write on: others may have the shares.
            for job in jobs.values { job.abandon() }
            while jobs.values.contains(where: { $0.ended == nil }) { usleep(10_000) }
            figures.note(owned: [])
            group.leave()
            throw error
        }
        group.leave()
        show(&progress, isLast: true)
        return left.failure
    }

    // MARK: events

    private func receive(_ event: KafkaShareGroup.Event) throws(JobFailure) {
        switch event {
        case .assigned(let shares):
            try group.accept(shares)
            if !shares.isEmpty { note("takes", shares) }
            try act(on: .assigned(shares.map { Int($0) }))
        case .revoked(let shares):
            note("gives back", shares)
            if shares.isEmpty { try group.release([]) }
            try act(on: .revoked(shares.map { Int($0) }))
        case .lost(let shares):
            note("has lost", shares)
            if shares.isEmpty { try group.release([]) }
            try act(on: .lost(shares.map { Int($0) }))
        }
    }

    /// Looks which jobs have ended or got on, and which pauses are over.
    private func look() throws(JobFailure) {
        for (share, job) in jobs.sorted(by: { $0.key < $1.key }) {
            if job.hasProgressed() { restarts[share]?.noteProgress() }
            if let running = job.job, told.insert(share).inserted {
                figures.add(running, of: job)
            }
            guard let (outcome, isFenced) = job.ended else { continue }
            jobs[share] = nil
            told.remove(share)
            try act(on: .ended(share: share, ending(outcome, isFenced, share)))
        }
        for (share, until) in pauses where clock.nanos >= until {
            pauses[share] = nil
            try act(on: .pauseOver(share: share))
        }
    }

    private func ending(
        _ outcome: Job.Outcome, _ isFenced: Bool, _ share: Int
    ) -> ShareProtocol.Ending {
        switch outcome {
        case .finished: return .finished
        case .stopped: return .stopped
        case .failed(let failure):
            failures[share] = failure
            // Of a share that is another's by now nobody wants to know how it ended here.
            guard decision.owned.contains(share) else { return isFenced ? .fenced : .restartable }
            if !failure.isRestartable, !options.isQuiet {
                Terminal.error("share \(share): \(failure)\n")
            }
            guard let wait = restarts(of: share).wait(after: failure, evenIf: isFenced) else {
                return .failed
            }
            waits[share] = wait
            return isFenced ? .fenced : .restartable
        }
    }

    private func restarts(of share: Int) -> JobRestarts {
        if let known = restarts[share] { return known }
        let made = JobRestarts(
            plan.settings.restart, of: "share \(share)", options: options, clock: clock)
        restarts[share] = made
        figures.add(made, share: share)
        return made
    }

    private func act(on event: ShareProtocol.Event) throws(JobFailure) {
        for action in decision.receive(event) {
            switch action {
            case .start(let share):
                pauses[share] = nil
                jobs[share] = start(share)
            case .stop(let share): jobs[share]?.stop()
            case .abandon(let share): jobs[share]?.abandon()
            case .release(let shares): try group.release(shares.map { Int32($0) })
            case .pause(let share):
                pauses[share] = clock.nanos + max(pauseNanos, waits.removeValue(forKey: share) ?? 0)
            case .leave(let failed): left = (true, failed.flatMap { failures[$0] })
            }
        }
    }

    // MARK: jobs

    private func start(_ share: Int) -> ShareJob {
        let maker = ShareJobMaker(
            plan: plan, options: options, share: share, shares: shares, address: address,
            group: group, topics: topics, clock: clock)
        return ShareJob(share: share) { isWanted throws(JobFailure) in
            try maker.make(isWanted: isWanted)
        }
    }

    /// Forgets what was read of repartition topics, now and then; a failure is only told.
    private func forget() {
        guard clock.nanos >= nextForgetting else { return }
        nextForgetting = clock.nanos + ShareRunner.forgettingNanos
        let topics = topics
        let owned = decision.owned
        Thread {
            do throws(JobFailure) {
                try topics.forgetRead(by: owned)
            } catch { Terminal.error("warning: \(error)\n") }
        }.start()
    }

    private func show(_ progress: inout ProgressLine, isLast: Bool = false) {
        guard !options.isQuiet else { return }
        progress.show(
            jobs.values.compactMap(\.job), shares: decision.owned.sorted(), now: clock.nanos,
            isLast: isLast)
    }

    private func note(_ verb: String, _ shares: [Int32]) {
        guard !options.isQuiet, !options.json else { return }
        let list = shares.sorted().map { "\($0)" }.joined(separator: ", ")
        Terminal.error("this process \(verb) share\(shares.count == 1 ? "" : "s") \(list)\n")
    }
}
