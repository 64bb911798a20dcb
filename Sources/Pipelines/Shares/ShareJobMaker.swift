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

    /// Fences whoever ran the share before, restores what was committed last, and builds the job.
    func make() throws(JobFailure) -> ShareJob.Running {
        let domain = try KafkaTransactionDomain(
            address,
            KafkaTransactionDomain.Settings(
                name: "\(plan.group).\(share)", group: committed,
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
            share: share, shares: shares, address: address, domain: domain)
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

    /// What the share's transactions commit: the offsets of its partitions. A share that reads none
    /// leaves its mark at its own partition of the topic of shares.
    private var committed: KafkaGroup {
        var topics: [String: String] = [:]
        for source in plan.sources {
            if case .topic(_, let topic) = source.location { topics[source.name] = topic }
        }
        for repartition in plan.repartitions { topics[repartition.name] = repartition.topic }
        var group = KafkaGroup(
            name: plan.group, share: share, topics: topics, marker: plan.sharesTopic)
        group.markerPartition = Int32(share)
        return group
    }
}
