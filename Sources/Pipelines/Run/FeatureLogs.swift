import Connectors
import FeatureServe
import StreamRuntime

/// The topics in which a job keeps every version of its features, and a sample of what it gave.
struct FeatureLogs {
    private let plan: JobPlan
    private let log: PlannedFeatureLog

    private init(_ plan: JobPlan, _ log: PlannedFeatureLog) {
        self.plan = plan
        self.log = log
    }

    /// The logs of `plan`; nil when it keeps none.
    init?(_ plan: JobPlan) {
        guard let log = plan.settings.featureLog else { return nil }
        self.init(plan, log)
    }

    /// Where the logs of `plan` are, or would be.
    static func place(_ plan: JobPlan) -> FeatureLogs {
        FeatureLogs(plan, plan.settings.featureLog ?? PlannedFeatureLog(FeatureLogSpec())!)
    }

    /// The topic of the versions that a pipeline writes into `view`.
    static func topic(_ view: String) -> String { "_features.\(view)" }

    /// The topic of the versions that are pushed into `view`.
    static func pushedTopic(_ view: String) -> String { "_features.\(view).pushed" }

    /// The directory of the topics when they are on no connection.
    var directory: String { plan.settings.stateDirectory + "/features" }

    /// Whether versions of `view` are kept.
    func holds(_ view: String) -> Bool { !log.without.contains(view) }

    private var connection: PlannedConnection? { log.connection.flatMap { plan.connection($0) } }

    /// Whether the topics are on this machine, where a key stays in its partition for ever.
    var isEmbedded: Bool {
        if case .kafka? = connection?.kind { false } else { true }
    }

    private var embedded: EmbeddedLog {
        if case .embedded(let root)? = connection?.kind { return EmbeddedLog(root: root) }
        return EmbeddedLog(root: directory)
    }

    // MARK: writing

    /// A sink of versions of `view`, whose topic is made if it is not there.
    ///
    /// - Parameters:
    ///   - isPushed: for versions that no checkpoint covers; the writer commits them.
    ///   - domain: the transactions of the job's exactly-once outputs, if it has any.
    /// - Returns: nil when versions of the view are not kept.
    func sink(
        _ view: String, isPushed: Bool = false, domain: KafkaTransactionDomain? = nil
    ) throws(JobFailure) -> (any Sink)? {
        guard holds(view) else { return nil }
        let topic = isPushed ? FeatureLogs.pushedTopic(view) : FeatureLogs.topic(view)
        let keep = log.keepMicros(of: view)
        let schema = FeatureVersionBatch.schema
        guard let address = try prepare(topic, view: view, keepMicros: keep) else {
            return TopicSink(
                try embedded.writer(topic), encoder: FeatureVersionEncoder(), schema: schema,
                key: [0])
        }
        if let domain, !isPushed {
            return try KafkaTransactionSink(
                domain, topic: topic, encoder: FeatureVersionEncoder(), schema: schema, key: [0])
        }
        return try KafkaSink(
            address, topic: topic, encoder: FeatureVersionEncoder(), schema: schema, key: [0])
    }

    /// What appends to the topic called `topic`, which is made if it is not there.
    func appender(_ topic: String) throws(JobFailure) -> any TopicAppender {
        guard let address = try prepare(topic, view: nil, keepMicros: log.keepMicros) else {
            return try embedded.appender(to: topic)
        }
        return try KafkaTopics(address).appender(to: topic)
    }

    /// Makes a topic that is not there, and sees that one that is there is what the file says.
    ///
    /// - Returns: the cluster it is on; nil for this machine.
    private func prepare(
        _ topic: String, view: String?, keepMicros keep: Int64
    ) throws(JobFailure) -> KafkaConnection? {
        let wanted = log.partitions ?? PlannedFeatureLog.usualPartitions
        guard case .kafka(let bootstrap, let properties)? = connection?.kind else {
            let embedded = embedded
            try Directories.make(embedded.root)
            let micros = keep > 0 ? keep : nil
            try embedded.ensureTopic(
                topic, TopicSettings(partitions: wanted, retentionMicros: micros))
            try check(topic, partitions: try embedded.settings(topic).partitions)
            try embedded.keep(topic, micros: micros)
            return nil
        }
        let address = KafkaConnection(bootstrap: bootstrap, planned: properties)
        let admin = try KafkaAdmin(address)
        let millis = keep > 0 ? "\(keep / 1000)" : "-1"
        let isMade = try admin.create(
            topic, partitions: wanted,
            settings: ["retention.ms": millis, "cleanup.policy": "delete"])
        if !isMade {
            let there = try admin.topics().first { $0.name == topic }
            try check(topic, partitions: there?.partitions ?? wanted)
            let says = log.saysKeep || view.map { log.viewMicros[$0] != nil } ?? false
            try checkSettings(topic, admin, retention: says ? millis : nil)
        }
        return address
    }

    /// Refuses another number of partitions: a key's versions would lie in two of them.
    private func check(_ topic: String, partitions: Int) throws(JobFailure) {
        guard let wanted = log.partitions, wanted != partitions else { return }
        throw JobFailure(
            .environment,
            "topic \(topic) has \(partitions) partitions, and feature_log says \(wanted)",
            at: place,
            remedy:
                "write partitions: \(partitions), or delete the topic with its versions and run again"
        )
    }

    /// Refuses a topic on Kafka that forgets other versions than the file says: its settings are the cluster's.
    private func checkSettings(
        _ topic: String, _ admin: KafkaAdmin, retention: String?
    ) throws(JobFailure) {
        if let policy = try admin.setting("cleanup.policy", of: topic), policy.contains("compact") {
            throw JobFailure(
                .environment,
                "topic \(topic) is compacted: only each key's newest version would stay",
                at: place, remedy: "set its cleanup.policy to delete")
        }
        guard let retention, let there = try admin.setting("retention.ms", of: topic),
            there != retention
        else { return }
        throw JobFailure(
            .environment,
            "topic \(topic) keeps its records for retention.ms=\(there), and feature_log says \(retention)",
            at: place,
            remedy:
                "set retention.ms=\(retention) on the topic (kafka-configs --alter), or correct keep"
        )
    }

    // MARK: reading

    /// The topics that hold versions of `view`, up to what they hold now: a pipeline's first, then pushes.
    func sources(_ view: String) throws(JobFailure) -> [any RecordSource] {
        var sources: [any RecordSource] = []
        for topic in [FeatureLogs.topic(view), FeatureLogs.pushedTopic(view)] {
            if let source = try source(topic) { sources.append(source) }
        }
        return sources
    }

    /// A topic beside the versions' own, up to what it holds now; nil when it is not there.
    func source(_ topic: String) throws(JobFailure) -> (any RecordSource)? {
        guard case .kafka(let bootstrap, let properties)? = connection?.kind else {
            guard embedded.hasTopic(topic) else { return nil }
            return try embedded.source(topic, bounded: true)
        }
        let topics = try KafkaTopics(KafkaConnection(bootstrap: bootstrap, planned: properties))
        guard try topics.listing().contains(where: { $0.name == topic }) else { return nil }
        return try topics.source(of: topic, bounded: true)
    }

    /// Versions of `view` that are kept, at most.
    func count(_ view: String) throws(JobFailure) -> Int64 {
        var count: Int64 = 0
        for topic in [FeatureLogs.topic(view), FeatureLogs.pushedTopic(view)] {
            guard case .kafka(let bootstrap, let properties)? = connection?.kind else {
                guard embedded.hasTopic(topic) else { continue }
                for extent in try embedded.extents(topic) { count += extent.records }
                continue
            }
            let topics = try KafkaTopics(
                KafkaConnection(bootstrap: bootstrap, planned: properties))
            for listing in try topics.listing() where listing.name == topic {
                count += listing.records
            }
        }
        return count
    }

    /// Says that there is no log of `view`.
    func nothingKept(of view: String) -> JobFailure {
        JobFailure(
            .request, "no versions of feature view \"\(view)\" are kept", at: place,
            remedy: holds(view)
                ? "run the job, which writes them from then on"
                : "remove the view from feature_log: without, and run the job")
    }

    /// Where the topics are, for messages.
    var place: String {
        switch connection?.kind {
        case .embedded(let root): root
        case .kafka(let bootstrap, _): "Kafka at \(bootstrap)"
        case .files, .http, .redis, nil: directory
        }
    }
}
