import Connectors
import Glibc
import StreamRuntime

/// Makes the job of one share: its transactions, its state, its part of the graph.
struct ShareJobMaker: Sendable {
    let plan: JobPlan
    let options: RunOptions
    let share: Int
    let shares: Int
    let address: KafkaConnection
    let group: KafkaShareGroup
    let topics: ShareTopics
    let clock: any Clock

    /// How long to wait for the group to know this process again, and how often it is asked.
    private static let memberMillis = 60_000
    private static let askMillis = 200

    /// Waits until the group knows this process: a process that was taken for dead must not fence the one
    /// that has its share now.
    ///
    /// - Returns: whether the share is still wanted.
    private func isEntitled(_ isWanted: () -> Bool) throws(JobFailure) -> Bool {
        for _ in 0..<(ShareJobMaker.memberMillis / ShareJobMaker.askMillis) {
            let isMember = try group.isMember()
            guard isWanted() else { return false }
            if isMember { return true }
            usleep(UInt32(ShareJobMaker.askMillis) * 1000)
        }
        throw JobFailure(
            .environment, "the group of the job's processes does not know this one",
            at: "share \(share)", remedy: "see the broker's log; the share is tried again",
            recovery: .restart)
    }

    /// Fences whoever ran the share before, restores what was committed last, and builds the job.
    ///
    /// - Returns: nil when the share is no longer wanted.
    func make(isWanted: () -> Bool) throws(JobFailure) -> ShareJob.Running? {
        guard try isEntitled(isWanted) else { return nil }
        // Topics may have got more partitions since the process began.
        if let problem = try topics.problems().first { throw problem }
        let domain = try KafkaTransactionDomain(
            address,
            KafkaTransactionDomain.Settings(
                name: "\(plan.group).\(share)", group: plan.group(ofShare: share),
                checkpointMillis: Int(plan.settings.checkpointEvery.micros / 1000)),
            membership: group)
        do throws(JobFailure) {
            return ShareJob.Running(job: try job(domain), domain: domain)
        } catch {
            domain.close()
            throw error
        }
    }

    private func job(_ domain: KafkaTransactionDomain) throws(JobFailure) -> Job {
        let directory = plan.settings.stateDirectory + "/shares/\(share)"
        try Directories.make(directory)
        var stored = DurableStorage.Settings(
            directory: directory, job: "\(plan.name)/\(share)", fingerprint: plan.fingerprint,
            memoryBytes: MemoryBudget(total: plan.settings.memoryBytes).state / shares,
            retained: plan.settings.checkpointKeep, renames: plan.renames)
        stored.archive = try CheckpointArchives.open(plan.settings.checkpointStore)
        stored.archiveScope = CheckpointArchives.scope(job: plan.name, share: share)
        let storage = try DurableStorage(stored, transaction: domain)
        for notice in storage.skipped { Terminal.error("warning: \(notice)\n") }
        try topics.prepareRepartitions(restored: storage.restored)
        let context = ShareContext(
            share: share, shares: shares, address: address, domain: domain,
            hasNews: options.untilEnd ? try topics.hasNews() : true)
        let graph = GraphBuilder(
            plan: plan, isBounded: options.untilEnd, online: nil, domain: domain, share: context
        ).graph()
        let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let workers = options.workers ?? plan.settings.workers ?? cores
        let settings = RunSettings(
            workers: max(1, workers / shares), batchRows: options.batchRows ?? Limits.batchRows,
            checkpointNanos: plan.settings.checkpointEvery.micros * 1000)
        return try Job(
            graph: graph, settings: settings, storage: storage, transaction: domain, clock: clock)
    }
}
