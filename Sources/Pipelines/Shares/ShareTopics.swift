import Connectors
import StreamRuntime

/// The topics that a job in shares has for itself, and what it demands of those it reads.
struct ShareTopics {
    private let plan: JobPlan
    private let shares: Int
    private let admin: KafkaAdmin

    init(_ plan: JobPlan, at address: KafkaConnection) throws(JobFailure) {
        self.plan = plan
        shares = plan.settings.shares ?? 1
        admin = try KafkaAdmin(address)
    }

    /// What is wrong with the partitions of the topics that a job in shares reads, if the broker answers.
    static func problems(of plan: JobPlan) -> [JobFailure] {
        guard plan.settings.shares != nil,
            case .kafka(let bootstrap, let properties)? = plan.sharesConnection?.kind
        else { return [] }
        var address = KafkaConnection(bootstrap: bootstrap, planned: properties)
        address.requestMillis = 2000
        return (try? ShareTopics(plan, at: address).problems()) ?? []
    }

    /// Checks the partitions of what is read, and makes the topic of the job's shares.
    func prepare() throws(JobFailure) {
        if let problem = try problems().first { throw problem }
        try admin.ensureInternal(plan.sharesTopic, partitions: shares)
    }

    /// What is wrong with the numbers of partitions of the topics that are read.
    func problems() throws(JobFailure) -> [JobFailure] {
        let there = try admin.topics()
        return plan.sources.compactMap { source in
            guard case .topic(_, let topic) = source.location,
                let found = there.first(where: { $0.name == topic })
            else { return nil }
            return plan.partitionProblem(of: source, partitions: found.partitions)
        }
    }

    /// Makes the repartition topics that the share's last checkpoint does not know.
    ///
    /// - Throws: when one that it knows is gone: what was under way in it is lost, and making it anew
    ///   would hide that.
    func prepareRepartitions(restored: RestoredCheckpoint?) throws(JobFailure) {
        let there = try admin.topics()
        for repartition in plan.repartitions {
            let isKnown =
                restored?.positions.keys.contains { $0.hasPrefix(repartition.name + "/") } ?? false
            if isKnown, !there.contains(where: { $0.name == repartition.topic }) {
                throw JobFailure(
                    .source, "the job's topic \(repartition.topic) is gone",
                    at: "step \(repartition.id)",
                    remedy: "rows on their way to the step are lost: restore the topic, or start "
                        + "the job afresh with other state and another name")
            }
            try admin.ensureInternal(repartition.topic, partitions: shares)
        }
    }

    /// Whether any stream has records that no share of the job has committed yet.
    func hasNews() throws(JobFailure) -> Bool {
        var committed: [String: Int64] = [:]
        for (topic, partition, offset) in try admin.committedOffsets(of: plan.group) {
            committed["\(topic)/\(partition)"] = offset
        }
        let there = try admin.topics()
        for source in plan.sources {
            guard case .topic(_, let name) = source.location,
                let topic = there.first(where: { $0.name == name })
            else { continue }
            for partition in 0..<Int32(topic.partitions) {
                let (oldest, end) = try admin.extent(name, partition: partition)
                if end > max(committed["\(name)/\(partition)"] ?? 0, oldest) { return true }
            }
        }
        return false
    }

    /// Forgets the records of repartition topics that every restart of `owned` shares would skip.
    func forgetRead(by owned: Set<Int>) throws(JobFailure) {
        let topics = Set(plan.repartitions.map(\.topic))
        guard !topics.isEmpty, !owned.isEmpty else { return }
        var read: [String: [Int32: Int64]] = [:]
        for (topic, partition, offset) in try admin.committedOffsets(of: plan.group)
        where topics.contains(topic) && owned.contains(Int(partition)) && offset > 0 {
            read[topic, default: [:]][partition] = offset
        }
        for (topic, offsets) in read { try admin.deleteRecords(topic, before: offsets) }
    }
}
