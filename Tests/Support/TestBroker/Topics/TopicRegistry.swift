/// The topics of the broker, on disk and open.
final class TopicRegistry: PartitionStore {
    private let directory: String
    private let settings: BrokerSettings
    private let nodeCount: Int32
    private let scheduler: any BrokerScheduler
    private(set) var topics: [String: Topic] = [:]
    var transactionGate: ((TopicPartition, Int64, Int16) -> ErrorCode)?

    init(
        directory: String, settings: BrokerSettings, nodeCount: Int32,
        scheduler: any BrokerScheduler
    ) throws(BrokerFailure) {
        self.directory = directory
        self.settings = settings
        self.nodeCount = nodeCount
        self.scheduler = scheduler
        try Directory.make(directory + "/topics")
        for line in (try Directory.text(of: listPath) ?? "").split(separator: "\n") {
            try restore(line)
        }
        try removeUnlisted()
    }

    // MARK: finding

    func partition(_ topic: String, _ partition: Int32) -> Partition? {
        guard let topic = topics[topic], partition >= 0, partition < topic.partitions.count else {
            return nil
        }
        return topic.partitions[Int(partition)]
    }

    func partitionCount(of topic: String) -> Int? { topics[topic]?.partitions.count }

    func value(of setting: TopicSetting, _ topic: Topic) -> String {
        topic.configuration[setting.rawValue] ?? setting.standard(settings)
    }

    private func number(_ setting: TopicSetting, _ topic: Topic) -> Int64 {
        Int64(value(of: setting, topic)) ?? -1
    }

    // MARK: making

    /// Why a topic cannot be made so; nil when it can.
    func problem(
        creating name: String, partitions: Int32, _ configuration: [String: String]
    ) -> (ErrorCode, String)? {
        let isLegal = name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isLegal, !name.isEmpty, name.utf8.count <= 249, name != ".", name != ".." else {
            return (.invalidTopic, "a topic's name is 1 to 249 of a-z A-Z 0-9 . _ -")
        }
        if topics[name] != nil { return (.topicAlreadyExists, "Topic '\(name)' already exists.") }
        guard partitions > 0, partitions <= 10_000 else {
            return (.invalidPartitions, "the number of partitions is 1 to 10000")
        }
        return problem(with: configuration)
    }

    /// Why a topic cannot have these settings; nil when it can.
    func problem(with configuration: [String: String]) -> (ErrorCode, String)? {
        for (name, value) in configuration.sorted(by: { $0.key < $1.key }) {
            guard let setting = TopicSetting(rawValue: name) else {
                return (.invalidConfig, "this broker has no topic setting \(name)")
            }
            if let problem = setting.problem(value) { return (.invalidConfig, problem) }
        }
        return nil
    }

    /// Makes a topic that `problem(creating:)` has nothing against.
    @discardableResult
    func create(
        _ name: String, partitions: Int32, _ configuration: [String: String] = [:]
    ) throws(BrokerFailure) -> Topic {
        let topic = Topic(name: name, configuration: configuration)
        try grow(topic, to: partitions)
        topics[name] = topic
        try save()
        return topic
    }

    /// Gives a topic that is there more partitions.
    func extend(_ topic: Topic, to count: Int32) throws(BrokerFailure) {
        try grow(topic, to: count)
        try save()
    }

    private func grow(_ topic: Topic, to count: Int32) throws(BrokerFailure) {
        while topic.partitions.count < count {
            let number = Int32(topic.partitions.count)
            try add(number, to: topic, leader: number % nodeCount + 1, epoch: 0)
        }
    }

    private func add(
        _ number: Int32, to topic: Topic, leader: Int32, epoch: Int32
    ) throws(BrokerFailure) {
        let id = TopicPartition(topic: topic.name, partition: number)
        let log = try PartitionLog(
            directory: path(topic.name, number),
            segmentBytes: Int(self.number(.segmentBytes, topic)),
            leaderEpoch: epoch)
        topic.partitions.append(Partition(id: id, log: log, leader: leader))
    }

    func delete(_ name: String) throws(BrokerFailure) {
        guard let topic = topics.removeValue(forKey: name) else { return }
        // First the list: a topic of which only files are left is removed at the next start.
        try save()
        for partition in topic.partitions {
            try partition.log.remove()
            partition.tellWaiters()
        }
    }

    func configure(_ topic: Topic, _ configuration: [String: String]) throws(BrokerFailure) {
        topic.configuration = configuration
        try save()
    }

    /// Makes a node the leader of a partition, in a new epoch.
    func move(_ partition: Partition, to node: Int32) throws(BrokerFailure) {
        partition.leader = node
        partition.log.leaderEpoch += 1
        try save()
        partition.tellWaiters()
    }

    // MARK: records

    /// Takes a batch from a producer.
    func append(
        _ batch: UnsafeMutableRawBufferPointer, to partition: Partition
    ) throws(BrokerFailure) -> PartitionLog.Appended {
        guard let topic = topics[partition.id.topic] else {
            return .refused(.unknownTopicOrPartition)
        }
        let appended = try partition.log.append(
            batch, bytesMax: Int(number(.maxMessageBytes, topic)),
            isKeyRequired: value(of: .cleanupPolicy, topic).contains("compact")
        ) { header in
            transactionGate?(partition.id, header.producer, header.epoch) ?? .none
        }
        if case .at = appended { partition.tellWaiters() }
        return appended
    }

    func appendMarker(
        _ partition: TopicPartition, producer: Int64, epoch: Int16, isCommit: Bool
    ) -> ErrorCode {
        guard let partition = self.partition(partition.topic, partition.partition) else {
            return .unknownTopicOrPartition
        }
        do throws(BrokerFailure) {
            let code = try partition.log.appendMarker(
                producer: producer, epoch: epoch, isCommit: isCommit,
                nowMillis: scheduler.nowMillis)
            partition.tellWaiters()
            return code
        } catch {
            return .storageError
        }
    }

    /// Deletes what is older or more than the topics' settings say.
    func applyRetention() throws(BrokerFailure) {
        for topic in topics.values where value(of: .cleanupPolicy, topic).contains("delete") {
            for partition in topic.partitions {
                try partition.log.retain(
                    millis: number(.retentionMillis, topic),
                    bytes: number(.retentionBytes, topic), nowMillis: scheduler.nowMillis)
            }
        }
    }

    // MARK: the list of topics

    private var listPath: String { directory + "/topics.list" }

    private func path(_ topic: String, _ partition: Int32) -> String {
        "\(directory)/topics/\(topic)-\(partition)"
    }

    /// One line a topic: its name, "leader@epoch" of each partition, and "setting=value" of each setting.
    private func save() throws(BrokerFailure) {
        var text = ""
        for topic in topics.values.sorted(by: { $0.name < $1.name }) {
            let leaders = topic.partitions.map { "\($0.leader)@\($0.log.leaderEpoch)" }
            let settings = topic.configuration.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
            text += ([topic.name] + leaders + settings).joined(separator: " ") + "\n"
        }
        try Directory.replace(listPath, with: text)
    }

    private func restore(_ line: Substring) throws(BrokerFailure) {
        let words = line.split(separator: " ")
        let topic = Topic(name: String(words[0]), configuration: [:])
        for word in words.dropFirst() where word.contains("=") {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            topic.configuration[String(parts[0])] = String(parts[1])
        }
        for word in words.dropFirst() where word.contains("@") && !word.contains("=") {
            let parts = word.split(separator: "@").compactMap { Int32($0) }
            guard parts.count == 2 else {
                throw BrokerFailure("\(listPath) is damaged: \(word)")
            }
            // The broker may have fewer nodes than when the leader was chosen.
            let leader = (parts[0] - 1) % nodeCount + 1
            try add(Int32(topic.partitions.count), to: topic, leader: leader, epoch: parts[1])
        }
        topics[topic.name] = topic
    }

    /// Removes the files of partitions that no listed topic has.
    private func removeUnlisted() throws(BrokerFailure) {
        let listed = Set(topics.values.flatMap(\.partitions).map(\.log.directory))
        for name in try Directory.names(in: directory + "/topics") {
            let path = "\(directory)/topics/\(name)"
            if !listed.contains(path) { try Directory.remove(path) }
        }
    }
}
