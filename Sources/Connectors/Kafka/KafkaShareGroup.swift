import CRdKafka
import StreamRuntime
import Synchronization

/// A process's membership in the group of a job's processes, which shares out the partitions of a topic
/// without records: owning partition s is running share s.
///
/// - Note: one thread polls; librdkafka's handles may be used by any thread, so `member` may be asked for
///   by the coordinators of all shares.
public final class KafkaShareGroup: KafkaMembership {
    /// What the group has decided.
    public enum Event: Equatable, Sendable {
        /// These shares are this process's; to be taken with `accept`.
        case assigned([Int32])
        /// These shares are to be given back with `release`.
        case revoked([Int32])
        /// These shares are others' already; to be forgotten with `release`.
        case lost([Int32])
    }

    private let client: KafkaClient
    private let topic: String
    private let group: String

    /// A membership in `group`; nothing is joined yet.
    ///
    /// - Parameter instance: a name that this process has again after a restart; the group then keeps its
    ///   shares for it as long as a session lasts.
    /// - Throws: when a property is not allowed.
    public init(
        _ connection: KafkaConnection, group: String, topic: String, instance: String?
    ) throws(JobFailure) {
        self.topic = topic
        self.group = group
        var fixed = [
            "group.id": group, "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": "false", "enable.auto.offset.store": "false",
            "auto.offset.reset": "latest", "allow.auto.create.topics": "false",
        ]
        fixed["group.instance.id"] = instance
        client = try KafkaClient(
            RD_KAFKA_CONSUMER, connection, defaults: ["max.poll.interval.ms": "300000"],
            fixed: fixed
        ) { configuration in
            rd_kafka_conf_set_rebalance_cb(configuration) { client, code, list, opaque in
                KafkaShareGroup.note(client, code, list, opaque)
            }
        }
    }

    deinit { client.abandon() }

    /// Asks to become a member.
    public func join() throws(JobFailure) {
        rd_kafka_poll_set_consumer(client.handle)
        let list = rd_kafka_topic_partition_list_new(1)!
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, -1)
        let code = rd_kafka_subscribe(client.handle, list)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw client.failure(code, topic: topic, partition: nil, doing: "join the group of")
        }
    }

    /// Takes part in the group for at most `millis`; tells what was decided.
    ///
    /// - Throws: when the membership is of no more use, such as when another process has its instance's name.
    public func poll(millis: Int32) throws(JobFailure) -> [Event] {
        if let message = rd_kafka_consumer_poll(client.handle, millis) {
            let code = message.pointee.err
            rd_kafka_message_destroy(message)
            switch code {
            case RD_KAFKA_RESP_ERR__FATAL, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
                throw fatal()
            case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
                RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
                throw client.failure(
                    code, topic: topic, partition: nil, doing: "join the group of")
            default: break
            }
        }
        return client.events.told.withLock { told in
            defer { told.rebalances = [] }
            return told.rebalances
        }
    }

    /// Takes shares that were assigned.
    public func accept(_ shares: [Int32]) throws(JobFailure) {
        try change(shares) { rd_kafka_incremental_assign($0, $1) }
    }

    /// Gives back shares that were revoked, or forgets those that were lost.
    public func release(_ shares: [Int32]) throws(JobFailure) {
        try change(shares) { rd_kafka_incremental_unassign($0, $1) }
    }

    /// The membership as the transactions of the shares present it.
    public func member() throws(JobFailure) -> KafkaGroupMember {
        guard let handle = rd_kafka_consumer_group_metadata(client.handle) else {
            throw client.failure(
                RD_KAFKA_RESP_ERR__STATE, topic: topic, partition: nil, doing: "join the group of")
        }
        return KafkaGroupMember(owning: handle)
    }

    /// Whether the broker still knows this process as a member: one that was paused for long may have been
    /// taken for dead without having heard of it yet.
    public func isMember() throws(JobFailure) -> Bool {
        guard let own = rd_kafka_memberid(client.handle) else { return false }
        defer { rd_kafka_mem_free(client.handle, own) }
        let name = String(cString: own)
        var list: UnsafePointer<rd_kafka_group_list>?
        let code = rd_kafka_list_groups(
            client.handle, group, &list, Int32(client.connection.requestMillis))
        defer { if let list { rd_kafka_group_list_destroy(list) } }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let list else {
            throw client.failure(code, topic: topic, partition: nil, doing: "ask for the group of")
        }
        return (0..<Int(list.pointee.group_cnt)).contains { index in
            let found = list.pointee.groups[index]
            return (0..<Int(found.member_cnt)).contains {
                String(cString: found.members[$0].member_id) == name
            }
        }
    }

    /// Leaves the group. Its shares go to others when its session has run out, or at once where the client
    /// says goodbye: librdkafka 2.0 does not while a cooperative member still owns partitions.
    ///
    /// The client of librdkafka is left to the end of the process: 2.0.2 ends the process by an assertion
    /// when one is destroyed that led the group before it was given anything (librdkafka issue 4312).
    ///
    /// - Parameter millis: the time for the goodbye.
    public func leave(millis: Int64 = 5000) {
        client.events.told.withLock { $0.isLeaving = true }
        _ = client.closeConsumer(millis: millis)
        client.abandon()
    }

    private func change(
        _ shares: [Int32],
        _ body: (OpaquePointer, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>)
            -> OpaquePointer?
    ) throws(JobFailure) {
        let list = rd_kafka_topic_partition_list_new(Int32(shares.count))!
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for share in shares {
            let entry = rd_kafka_topic_partition_list_add(list, topic, share)!
            entry.pointee.offset = Int64(RD_KAFKA_OFFSET_END)
        }
        guard let error = body(client.handle, list) else { return }
        defer { rd_kafka_error_destroy(error) }
        throw JobFailure(
            .environment,
            "the group of the job's processes refuses a change: "
                + String(cString: rd_kafka_error_string(error)), at: client.place(topic),
            remedy: "restart this process", recovery: .restart)
    }

    private func fatal() -> JobFailure {
        var text = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(client.handle, &text, text.count)
        if code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID {
            return JobFailure(
                .environment, "another process has joined the job under this instance's name",
                at: client.place(topic), remedy: "give every process an --instance of its own")
        }
        return JobFailure(
            .environment,
            "the group of the job's processes cannot be followed: \(KafkaClient.string(text))",
            at: client.place(topic), remedy: "restart this process", recovery: .restart)
    }

    private static func note(
        _ client: OpaquePointer?, _ code: rd_kafka_resp_err_t,
        _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
        _ opaque: UnsafeMutableRawPointer?
    ) {
        guard let list, let opaque else { return }
        let events = Unmanaged<KafkaEvents>.fromOpaque(opaque).takeUnretainedValue()
        let shares = (0..<Int(list.pointee.cnt)).map { list.pointee.elems[$0].partition }
        let isLeaving = events.told.withLock { $0.isLeaving }
        if isLeaving {
            KafkaClient.obey(client, code, list)
            return
        }
        let event: Event =
            code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
            ? .assigned(shares)
            : rd_kafka_assignment_lost(client) != 0 ? .lost(shares) : .revoked(shares)
        events.told.withLock { $0.rebalances.append(event) }
    }
}
