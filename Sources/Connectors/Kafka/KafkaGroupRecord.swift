import CRdKafka
import StreamRuntime

/// What a cluster remembers of a job's checkpoints, changed by hand: for a job that is not running.
public struct KafkaGroupRecord {
    private let connection: KafkaConnection
    private let group: KafkaGroup

    /// The memory of the job that commits for `group`.
    public init(_ connection: KafkaConnection, _ group: KafkaGroup) {
        self.connection = connection
        self.group = group
    }

    /// Makes `checkpoint`, with these positions, the one that was committed last.
    ///
    /// - Throws: when the cluster cannot be reached, or the group has members: the job is running.
    public func accept(
        _ checkpoint: CommittedCheckpoint, positions: [String: [UInt8]]
    ) throws(JobFailure) {
        let client = try KafkaClient(
            RD_KAFKA_CONSUMER, connection, defaults: [:],
            fixed: ["group.id": group.name, "enable.auto.commit": "false"])
        let offsets = group.offsets(of: checkpoint, at: positions)
        let code = rd_kafka_commit(client.handle, offsets.list, 0)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw refused(code) }
    }

    /// Deletes the group, so that the job may start afresh.
    ///
    /// - Throws: when the cluster cannot be reached, or the group has members: the job is running.
    public func forget() throws(JobFailure) {
        let client = try KafkaClient(RD_KAFKA_PRODUCER, connection, defaults: [:], fixed: [:])
        let queue = rd_kafka_queue_new(client.handle)
        defer { rd_kafka_queue_destroy(queue) }
        var request = rd_kafka_DeleteGroup_new(group.name)
        defer { rd_kafka_DeleteGroup_destroy(request) }
        rd_kafka_DeleteGroups(client.handle, &request, 1, nil, queue)
        guard let event = rd_kafka_queue_poll(queue, Int32(connection.requestMillis)) else {
            throw refused(RD_KAFKA_RESP_ERR__TIMED_OUT)
        }
        defer { rd_kafka_event_destroy(event) }
        var code = rd_kafka_event_error(event)
        var count = 0
        if code == RD_KAFKA_RESP_ERR_NO_ERROR,
            let result = rd_kafka_event_DeleteGroups_result(event),
            let groups = rd_kafka_DeleteGroups_result_groups(result, &count), count == 1,
            let error = rd_kafka_group_result_error(groups[0])
        {
            code = rd_kafka_error_code(error)
        }
        let isGone =
            code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND
        guard isGone else { throw refused(code) }
    }

    private func refused(_ code: rd_kafka_resp_err_t) -> JobFailure {
        let isRunning = [
            RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        ].contains(code)
        return JobFailure(
            .environment,
            "the offsets of group \(group.name) cannot be changed: "
                + String(cString: rd_kafka_err2str(code)), at: "Kafka at \(connection.bootstrap)",
            remedy: isRunning
                ? "stop the job in every process, then try again"
                : "start the brokers, or let the connection's user change the group")
    }
}
