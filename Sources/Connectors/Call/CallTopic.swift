import StreamRuntime

/// A topic that results or dead letters of calls go to.
///
/// Writing is in two phases, as a sink's: the token of `prepare` goes into the ledger, then `commit` makes the
/// records readable.
protocol CallTopic: AnyObject {
    func recover(token: [UInt8]?, sequence: Int64) throws(JobFailure)
    func append(key: [UInt8], value: [UInt8], timestamp: Int64) throws(JobFailure)
    func prepare(sequence: Int64) throws(JobFailure) -> [UInt8]
    func commit(token: [UInt8]) throws(JobFailure)
    func close()
}

/// Opens a topic of the embedded log or of Kafka for results or dead letters.
public struct CallTopicPlace: Sendable {
    enum Kind: Sendable {
        case embedded(EmbeddedLog)
        case kafka(KafkaConnection)
    }

    let kind: Kind
    let topic: String

    /// A topic of the embedded log, made if need be; every record is written exactly once.
    public static func embedded(_ log: EmbeddedLog, topic: String) -> CallTopicPlace {
        CallTopicPlace(kind: .embedded(log), topic: topic)
    }

    /// A topic of Kafka; a crash may repeat the last records.
    public static func kafka(_ connection: KafkaConnection, topic: String) -> CallTopicPlace {
        CallTopicPlace(kind: .kafka(connection), topic: topic)
    }

    func open() throws(JobFailure) -> any CallTopic {
        switch kind {
        case .embedded(let log):
            try log.ensureTopic(topic, TopicSettings(partitions: 1))
            return EmbeddedCallTopic(try log.writer(topic))
        case .kafka(let connection):
            return KafkaCallTopic(try KafkaAppender(connection, topic: topic))
        }
    }
}

private final class EmbeddedCallTopic: CallTopic {
    private let writer: TopicWriter

    init(_ writer: TopicWriter) { self.writer = writer }

    func recover(token: [UInt8]?, sequence: Int64) throws(JobFailure) {
        try writer.recover(token: token)
        writer.beginCheckpoints(after: max(sequence, writer.committedCheckpoint))
    }

    func append(key: [UInt8], value: [UInt8], timestamp: Int64) throws(JobFailure) {
        try writer.append(key: key, value: value, timestamp: timestamp)
    }

    func prepare(sequence: Int64) throws(JobFailure) -> [UInt8] {
        try writer.prepare(checkpoint: sequence)
    }

    func commit(token: [UInt8]) throws(JobFailure) { try writer.commit(token: token) }

    func close() { writer.close() }
}

private final class KafkaCallTopic: CallTopic {
    private let appender: KafkaAppender

    init(_ appender: KafkaAppender) { self.appender = appender }

    func recover(token: [UInt8]?, sequence: Int64) throws(JobFailure) {}

    func append(key: [UInt8], value: [UInt8], timestamp: Int64) throws(JobFailure) {
        try appender.append(key: key, value: value, timestamp: timestamp)
    }

    func prepare(sequence: Int64) throws(JobFailure) -> [UInt8] {
        try appender.flush()
        return []
    }

    func commit(token: [UInt8]) throws(JobFailure) {}

    func close() {}
}
