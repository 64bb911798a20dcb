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
        guard case .kafka(let bootstrap, let properties)? = connection?.kind else {
            let embedded = embedded
            try Directories.make(embedded.root)
            try embedded.ensureTopic(
                topic,
                TopicSettings(
                    partitions: log.partitions, retentionMicros: keep > 0 ? keep : nil))
            return TopicSink(
                try embedded.writer(topic), encoder: FeatureVersionEncoder(), schema: schema,
                key: [0])
        }
        let address = KafkaConnection(bootstrap: bootstrap, planned: properties)
        _ = try KafkaTopics(address).create(
            topic, partitions: log.partitions,
            settings: ["retention.ms": keep > 0 ? "\(keep / 1000)" : "-1"])
        if let domain, !isPushed {
            return try KafkaTransactionSink(
                domain, topic: topic, encoder: FeatureVersionEncoder(), schema: schema, key: [0])
        }
        return try KafkaSink(
            address, topic: topic, encoder: FeatureVersionEncoder(), schema: schema, key: [0])
    }

    /// What appends to the topic called `topic`, which is made if it is not there.
    func appender(_ topic: String) throws(JobFailure) -> any TopicAppender {
        let settings = ["retention.ms": "\(log.keepMicros / 1000)"]
        guard case .kafka(let bootstrap, let properties)? = connection?.kind else {
            let embedded = embedded
            try Directories.make(embedded.root)
            _ = try embedded.create(topic, partitions: log.partitions, settings: settings)
            return try embedded.appender(to: topic)
        }
        let topics = try KafkaTopics(
            KafkaConnection(bootstrap: bootstrap, planned: properties))
        _ = try topics.create(topic, partitions: log.partitions, settings: settings)
        return try topics.appender(to: topic)
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
        case .files, .http, nil: directory
        }
    }
}
