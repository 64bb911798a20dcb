import Connectors
import Glibc
import StreamRuntime

/// A record on its way into a topic from outside.
struct ArrivalRecord {
    var key: [UInt8]?
    var value: [UInt8]
    /// Microseconds since 1970.
    var timestamp: Int64
    var headers: [RecordHeaders.Header] = []
}

/// A topic that what comes from outside is appended to.
///
/// - Note: used by one thread at a time.
protocol ArrivalLog: AnyObject {
    /// The number of partitions.
    var partitions: Int { get }

    /// Puts a record on its way.
    ///
    /// - Returns: the offset it will have, where that is known before `commit`.
    func append(_ record: ArrivalRecord, partition: Int) throws(JobFailure) -> Int64?

    /// Makes everything appended durable and readable.
    func commit() throws(JobFailure)

    /// Forgets what was appended and not committed, as far as that can be done.
    func discard() throws(JobFailure)

    /// Lets another writer have the topic.
    func close()
}

/// Opens the topics that the job brings records to from outside.
enum ArrivalLogs {
    /// The log of `topic`, which is made with `partitions` when it is not there.
    ///
    /// - Parameter token: where an embedded topic has to end; nil for where it was committed last.
    static func open(
        _ topic: String, on connection: PlannedConnection, partitions: Int,
        recovering token: [UInt8]? = nil
    ) throws(JobFailure) -> any ArrivalLog {
        switch connection.kind {
        case .embedded(let root):
            let log = EmbeddedLog(root: root)
            try log.ensureTopic(topic, TopicSettings(partitions: partitions))
            let writer = try log.writer(topic)
            try writer.recover(token: token)
            return EmbeddedArrivalLog(writer)
        case .kafka(let bootstrap, let properties):
            let kafka = KafkaConnection(
                bootstrap: bootstrap, planned: properties, outage: connection.outageLimit)
            let topics = try KafkaTopics(kafka)
            if try !topics.listing().contains(where: { $0.name == topic }) {
                _ = try topics.create(topic, partitions: partitions, settings: [:])
            }
            return KafkaArrivalLog(try KafkaAppender(kafka, topic: topic))
        case .files, .http, .redis:
            preconditionFailure("the planner refuses topics on a files connection")
        }
    }

    /// The records of `topic` that are not older than `micros`, partition by partition.
    static func recent(
        _ topic: String, on connection: PlannedConnection, since micros: Int64,
        _ body: (RecordBatch) -> Void
    ) throws(JobFailure) {
        let source: any LogLookup
        switch connection.kind {
        case .embedded(let root): source = try EmbeddedLog(root: root).source(topic, bounded: true)
        case .kafka(let bootstrap, let properties):
            source = try KafkaSource(
                KafkaConnection(
                    bootstrap: bootstrap, planned: properties, outage: connection.outageLimit),
                topic: topic, bounded: true)
        case .files, .http, .redis:
            preconditionFailure("the planner refuses topics on a files connection")
        }
        for partition in try source.partitions() {
            guard let start = try source.offset(partition: partition, atOrAfter: micros) else {
                continue
            }
            let reader = try source.reader(partition: partition)
            try reader.seek(to: start)
            reading: while true {
                switch try reader.read(maxRecords: 4096, maxBytes: 8 << 20) {
                case .records(let batch): body(batch)
                case .waiting: usleep(1000)
                case .caughtUp, .ended: break reading
                }
            }
        }
    }
}

/// An embedded topic: what is appended becomes readable as a whole, or not at all.
final class EmbeddedArrivalLog: ArrivalLog {
    /// The topic's writer, which has been recovered.
    let writer: TopicWriter

    init(_ writer: TopicWriter) { self.writer = writer }

    var partitions: Int { writer.partitions }

    func append(_ record: ArrivalRecord, partition: Int) throws(JobFailure) -> Int64? {
        let offset = try writer.nextOffset(partition: partition)
        try writer.append(
            key: record.key, value: record.value, timestamp: record.timestamp,
            partition: partition, headers: record.headers)
        return offset
    }

    func commit() throws(JobFailure) { try writer.commit() }

    func discard() throws(JobFailure) { try writer.recover(token: nil) }

    func close() { writer.close() }
}

/// A Kafka topic: a commit waits for all in-sync replicas.
private final class KafkaArrivalLog: ArrivalLog {
    private let appender: KafkaAppender

    init(_ appender: KafkaAppender) { self.appender = appender }

    var partitions: Int { appender.partitions }

    func append(_ record: ArrivalRecord, partition: Int) throws(JobFailure) -> Int64? {
        try appender.append(
            key: record.key, value: record.value, timestamp: record.timestamp,
            partition: partition, headers: record.headers)
        return nil
    }

    func commit() throws(JobFailure) { try appender.flush() }

    func discard() {}

    func close() {}
}
