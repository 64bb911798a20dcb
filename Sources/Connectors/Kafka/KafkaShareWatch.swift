import CRdKafka
import StreamRuntime

/// Looks which partitions of a topic have an owner in a group, and can make the group share out anew.
///
/// A static member that comes back gets the seat of its older life and nobody else notices. If that life
/// was to give something up and died before it said that it had, nobody ever gets it: the group is at
/// rest, and a partition has no owner. A member that comes anew, and be it for a moment, ends that.
///
/// - Note: any thread may use it; every call waits for the cluster.
public final class KafkaShareWatch: Sendable {
    private let client: KafkaClient
    private let group: String
    private let topic: String

    /// A watch over what `group` shares out of `topic`.
    ///
    /// - Throws: when a property is not allowed. Nothing is asked of the cluster yet.
    public init(
        _ connection: KafkaConnection, group: String, topic: String
    ) throws(JobFailure) {
        client = try KafkaClient(
            RD_KAFKA_PRODUCER, connection, defaults: [:],
            fixed: ["allow.auto.create.topics": "false"])
        self.group = group
        self.topic = topic
    }

    /// The partitions that members own; nil while the group is sharing out or has no members.
    public func owned() throws(JobFailure) -> Set<Int32>? {
        var list: UnsafePointer<rd_kafka_group_list>?
        let code = rd_kafka_list_groups(
            client.handle, group, &list, Int32(client.connection.requestMillis))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let list else {
            throw client.failure(code, topic: group, partition: nil, doing: "look at the group")
        }
        defer { rd_kafka_group_list_destroy(list) }
        guard list.pointee.group_cnt == 1 else { return nil }
        let found = list.pointee.groups[0]
        guard found.member_cnt > 0, String(cString: found.state) == "Stable" else { return nil }
        var owned = Set<Int32>()
        for index in 0..<Int(found.member_cnt) {
            let member = found.members[index]
            let bytes = UnsafeRawBufferPointer(
                start: member.member_assignment, count: Int(member.member_assignment_size))
            owned.formUnion(KafkaShareWatch.partitions(of: topic, in: bytes))
        }
        return owned
    }

    /// Joins the group for a moment, so that all its members share out anew.
    ///
    /// - Parameters:
    ///   - other: a topic that the group does not share out; the visitor gets it and nothing else moves.
    ///   - millis: how long the visitor waits at most to be let in.
    public func visit(by other: String, millis: Int64) throws(JobFailure) {
        let visitor = try KafkaClient(
            RD_KAFKA_CONSUMER, client.connection, defaults: [:],
            fixed: [
                "group.id": group, "partition.assignment.strategy": "cooperative-sticky",
                "enable.auto.commit": "false", "auto.offset.reset": "latest",
                "allow.auto.create.topics": "false",
            ])
        rd_kafka_poll_set_consumer(visitor.handle)
        let list = rd_kafka_topic_partition_list_new(1)!
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, other, -1)
        let code = rd_kafka_subscribe(visitor.handle, list)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw visitor.failure(code, topic: other, partition: nil, doing: "join the group of")
        }
        var left = millis
        while left > 0, !KafkaShareWatch.isAssigned(visitor.handle) {
            KafkaShareWatch.poll(visitor.handle, millis: 20)
            left -= 20
        }
        let wasAssigned = KafkaShareWatch.isAssigned(visitor.handle)
        // Closing alone leaves out the goodbye while something is owned (librdkafka 2.0): the group would
        // wait for the visitor until its session is over.
        rd_kafka_unsubscribe(visitor.handle)
        for _ in 0..<10 { KafkaShareWatch.poll(visitor.handle, millis: 20) }
        // One that was never given anything cannot be destroyed either (librdkafka issue 4312).
        if !visitor.closeConsumer(millis: 5000) || !wasAssigned { visitor.abandon() }
    }

    private static func poll(_ handle: OpaquePointer, millis: Int32) {
        guard let message = rd_kafka_consumer_poll(handle, millis) else { return }
        rd_kafka_message_destroy(message)
    }

    private static func isAssigned(_ handle: OpaquePointer) -> Bool {
        var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
        guard rd_kafka_assignment(handle, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else {
            return false
        }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        return list.pointee.cnt > 0
    }

    /// The partitions of `topic` in a member's assignment; none in bytes that are no assignment.
    ///
    /// - Source: ConsumerProtocolAssignment.json: version, topics with partitions, user data.
    static func partitions(of topic: String, in bytes: UnsafeRawBufferPointer) -> Set<Int32> {
        var at = 2
        func int32() -> Int? {
            guard bytes.count - at >= 4 else { return nil }
            defer { at += 4 }
            return Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: Int32.self)))
        }
        var found = Set<Int32>()
        guard let topics = int32(), topics >= 0 else { return found }
        for _ in 0..<topics {
            guard bytes.count - at >= 2 else { return found }
            let length = Int(
                Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: Int16.self)))
            at += 2
            guard length >= 0, bytes.count - at >= length else { return found }
            let isWanted = bytes[at..<(at + length)].elementsEqual(topic.utf8)
            at += length
            guard let partitions = int32(), partitions >= 0 else { return found }
            for _ in 0..<partitions {
                guard let partition = int32() else { return found }
                if isWanted { found.insert(Int32(partition)) }
            }
        }
        return found
    }
}
