import Connectors
import StreamRuntime

/// Topics somewhere, as the command line sees them: an embedded log or a Kafka cluster.
public protocol TopicStore {
    /// The topics there are, by name.
    func listing() throws(JobFailure) -> [TopicListing]

    /// The extent of each partition of one topic.
    func listing(of topic: String) throws(JobFailure) -> TopicListing

    /// The topic as a source; with `bounded` it ends at what it holds now.
    func source(of topic: String, bounded: Bool) throws(JobFailure) -> any RecordSource

    /// Makes a topic.
    ///
    /// - Parameter settings: the topic's own, by Kafka's names ("retention.ms", "retention.bytes").
    /// - Returns: false when there is one of this name already.
    func create(
        _ topic: String, partitions: Int, settings: [String: String]
    ) throws(JobFailure) -> Bool

    /// Where a consumer group stands in the topic's partitions.
    ///
    /// - Throws: where there are no consumer groups.
    func lag(of topic: String, group: String) throws(JobFailure) -> [KafkaLag.Partition]

    /// What appends records to a topic that exists.
    func appender(to topic: String) throws(JobFailure) -> any TopicAppender

    /// Where the topics are, for messages.
    var place: String { get }
}

/// Appends records to one topic.
public protocol TopicAppender: AnyObject {
    /// The number of partitions of the topic.
    var partitions: Int { get }

    /// Appends a record; nil for a null key or value. The partition is the one given, the key's, or
    /// `fallback`.
    ///
    /// - Units: `timestamp` in microseconds.
    func append(
        key: [UInt8]?, value: [UInt8]?, timestamp: Int64, partition: Int?, fallback: Int
    ) throws(JobFailure)

    /// Makes what was appended durable and visible.
    func commit() throws(JobFailure)
}

/// A topic with its partitions.
public struct TopicListing {
    /// How much of a partition there is.
    public struct Partition {
        /// Its number.
        public let number: Int
        /// The offset of its oldest record.
        public let oldest: Int64
        /// The offset its next record will get.
        public let end: Int64
        /// Bytes on disk, and files they are in, where that is known.
        public let size: (bytes: Int, segments: Int)?
    }

    /// The topic's name.
    public let name: String
    /// Its partitions, by number.
    public let partitions: [Partition]
    /// How long it keeps records, in words.
    public let retention: String

    /// Offsets in use: an upper bound on records where some were compacted or are marks of
    /// transactions.
    var records: Int64 { partitions.reduce(0) { $0 + $1.end - $1.oldest } }

    /// Bytes on disk, where that is known of every partition.
    var bytes: Int? {
        var sum = 0
        for partition in partitions {
            guard let size = partition.size else { return nil }
            sum += size.bytes
        }
        return sum
    }
}

extension EmbeddedLog: TopicStore {
    /// The topics there are, by name.
    public func listing() throws(JobFailure) -> [TopicListing] {
        var all: [TopicListing] = []
        for name in try topics() { all.append(try listing(of: name)) }
        return all
    }

    /// The extent of each partition of one topic.
    public func listing(of topic: String) throws(JobFailure) -> TopicListing {
        let settings = try settings(topic)
        var keeps: [String] = []
        if let bytes = settings.retentionBytes { keeps.append("\(bytes) bytes") }
        if let micros = settings.retentionMicros { keeps.append("\(micros / 1_000_000) s") }
        return TopicListing(
            name: topic,
            partitions: try extents(topic).map {
                TopicListing.Partition(
                    number: $0.partition, oldest: $0.oldest, end: $0.end,
                    size: ($0.bytes, $0.segments))
            }, retention: keeps.isEmpty ? "all" : keeps.joined(separator: ", "))
    }

    /// The topic as a source; with `bounded` it ends at what it holds now.
    public func source(of topic: String, bounded: Bool) throws(JobFailure) -> any RecordSource {
        let made: TopicSource = try source(topic, bounded: bounded)
        return made
    }

    /// Makes a topic; false when there is one of this name already.
    public func create(
        _ topic: String, partitions: Int, settings: [String: String]
    ) throws(JobFailure) -> Bool {
        var made = TopicSettings(partitions: partitions)
        for (name, text) in settings.sorted(by: { $0.key < $1.key }) {
            let value = Int64(text)
            switch (name, value) {
            case (_, .some(-1)): break
            case ("retention.bytes", let bytes?): made.retentionBytes = Int(bytes)
            case ("retention.ms", let millis?) where millis < .max / 1000:
                made.retentionMicros = millis * 1000
            case ("segment.bytes", let bytes?): made.segmentBytes = Int(bytes)
            default:
                throw JobFailure(
                    .environment, "an embedded topic has no setting \(name)=\(text)", at: root,
                    remedy: "use retention.ms, retention.bytes or segment.bytes with a number")
            }
        }
        if hasTopic(topic) { return false }
        try createTopic(topic, made)
        return true
    }

    /// What appends records to a topic that exists.
    public func appender(to topic: String) throws(JobFailure) -> any TopicAppender {
        let made = try writer(topic)
        try made.recover(token: nil)
        return EmbeddedAppender(writer: made)
    }

    /// The directory of the topics.
    public var place: String { root }
}

private final class EmbeddedAppender: TopicAppender {
    private let writer: TopicWriter

    init(writer: TopicWriter) { self.writer = writer }

    var partitions: Int { writer.partitions }

    func append(
        key: [UInt8]?, value: [UInt8]?, timestamp: Int64, partition: Int?, fallback: Int
    ) throws(JobFailure) {
        try writer.append(
            key: key, value: value, timestamp: timestamp, partition: partition, fallback: fallback)
    }

    func commit() throws(JobFailure) { try writer.commit() }
}

extension TopicStore {
    /// Only a cluster has consumer groups.
    public func lag(of topic: String, group: String) throws(JobFailure) -> [KafkaLag.Partition] {
        throw JobFailure(
            .environment, "an embedded topic has no consumer groups", at: place,
            remedy: "leave the group out; \"millrace checkpoints inspect\" shows positions")
    }
}

/// The topics of a Kafka cluster.
public struct KafkaTopics: TopicStore {
    private let connection: KafkaConnection
    private let admin: KafkaAdmin

    /// The topics of the cluster behind `connection`.
    public init(_ connection: KafkaConnection) throws(JobFailure) {
        self.connection = connection
        admin = try KafkaAdmin(connection)
    }

    /// The topics there are, by name, without Kafka's own.
    public func listing() throws(JobFailure) -> [TopicListing] {
        var all: [TopicListing] = []
        for topic in try admin.topics() { all.append(try listing(topic)) }
        return all
    }

    /// The extent of each partition of one topic.
    public func listing(of topic: String) throws(JobFailure) -> TopicListing {
        let known = try admin.topics()
        guard let found = known.first(where: { $0.name == topic }) else {
            let list = known.prefix(20).map(\.name).joined(separator: ", ")
            throw JobFailure(
                .environment, "there is no topic \(topic)", at: place,
                remedy: "create it, or correct the name; topics there: "
                    + (list.isEmpty ? "none" : list))
        }
        return try listing(found)
    }

    private func listing(_ topic: KafkaAdmin.Topic) throws(JobFailure) -> TopicListing {
        var partitions: [TopicListing.Partition] = []
        for number in 0..<topic.partitions {
            let extent = try admin.extent(topic.name, partition: Int32(number))
            partitions.append(
                TopicListing.Partition(
                    number: number, oldest: extent.oldest, end: extent.end, size: nil))
        }
        return TopicListing(
            name: topic.name, partitions: partitions, retention: try retention(topic.name))
    }

    private func retention(_ topic: String) throws(JobFailure) -> String {
        var keeps: [String] = []
        if let millis = Int64(try admin.setting("retention.ms", of: topic) ?? "-1"), millis >= 0 {
            keeps.append("\(millis / 1000) s")
        }
        if let bytes = Int64(try admin.setting("retention.bytes", of: topic) ?? "-1"), bytes >= 0 {
            keeps.append("\(bytes) bytes")
        }
        return keeps.isEmpty ? "all" : keeps.joined(separator: ", ")
    }

    /// The topic as a source; with `bounded` it ends at what it holds now.
    public func source(of topic: String, bounded: Bool) throws(JobFailure) -> any RecordSource {
        try KafkaSource(connection, topic: topic, bounded: bounded)
    }

    /// Makes a topic; false when there is one of this name already.
    public func create(
        _ topic: String, partitions: Int, settings: [String: String]
    ) throws(JobFailure) -> Bool {
        try admin.create(topic, partitions: partitions, settings: settings)
    }

    /// What appends records to a topic that exists.
    public func appender(to topic: String) throws(JobFailure) -> any TopicAppender {
        ClusterAppender(try KafkaAppender(connection, topic: topic))
    }

    /// Where a consumer group stands in the topic's partitions.
    public func lag(of topic: String, group: String) throws(JobFailure) -> [KafkaLag.Partition] {
        try KafkaLag(connection, group: group).partitions(of: topic)
    }

    /// The cluster's brokers.
    public var place: String { "Kafka at \(connection.bootstrap)" }
}

private final class ClusterAppender: TopicAppender {
    private let appender: KafkaAppender

    init(_ appender: KafkaAppender) { self.appender = appender }

    var partitions: Int { appender.partitions }

    func append(
        key: [UInt8]?, value: [UInt8]?, timestamp: Int64, partition: Int?, fallback: Int
    ) throws(JobFailure) {
        try appender.append(
            key: key, value: value, timestamp: timestamp, partition: partition, fallback: fallback)
    }

    func commit() throws(JobFailure) { try appender.flush() }
}
