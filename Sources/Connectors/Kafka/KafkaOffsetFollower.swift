import CRdKafka
import StreamRuntime
import Synchronization

/// Commits a job's source offsets for its consumer group after each checkpoint, without a transaction.
///
/// They are for those who watch the job's lag: a restart goes by the checkpoint. A commit that fails is
/// told once and made up for by the next.
public final class KafkaOffsetFollower: CheckpointFollower {
    private let client: KafkaClient
    private let group: KafkaGroup
    private let warn: @Sendable (String) -> Void
    private let state = Mutex(State())

    private struct State {
        var underWay = 0
        var isFailing = false
    }

    /// A follower that commits for `group`.
    ///
    /// - Parameter warn: told once when commits begin to fail.
    /// - Throws: when a property is not allowed. Nothing is asked of the cluster yet.
    public init(
        _ connection: KafkaConnection, group: KafkaGroup,
        warn: @escaping @Sendable (String) -> Void
    ) throws(JobFailure) {
        self.group = group
        self.warn = warn
        client = try KafkaClient(
            RD_KAFKA_CONSUMER, connection, defaults: [:],
            fixed: ["group.id": group.name, "enable.auto.commit": "false"])
    }

    /// Sends the commit; its answer is looked at when the next one is sent.
    public func follow(checkpoint: CommittedCheckpoint, positions: [String: [UInt8]]) {
        let offsets = group.offsets(of: checkpoint, at: positions)
        guard !offsets.isEmpty else { return }
        settle(waitingMillis: 0)
        state.withLock { $0.underWay += 1 }
        let code = rd_kafka_commit_queue(
            client.handle, offsets.list, nil,
            { _, code, _, passed in
                Unmanaged<KafkaOffsetFollower>.fromOpaque(passed!).takeUnretainedValue()
                    .answered(code)
            }, Unmanaged.passUnretained(self).toOpaque())
        if code != RD_KAFKA_RESP_ERR_NO_ERROR { answered(code) }
    }

    /// Waits for the last answer, as long as one request may take.
    public func close() {
        let deadline = KafkaClient.millis() + Int64(client.connection.requestMillis)
        while state.withLock({ $0.underWay > 0 }), KafkaClient.millis() < deadline {
            settle(waitingMillis: 50)
        }
    }

    private func settle(waitingMillis: Int32) { rd_kafka_poll(client.handle, waitingMillis) }

    private func answered(_ code: rd_kafka_resp_err_t) {
        let isNews = state.withLock { state in
            state.underWay -= 1
            defer { state.isFailing = code != RD_KAFKA_RESP_ERR_NO_ERROR }
            return !state.isFailing && code != RD_KAFKA_RESP_ERR_NO_ERROR
        }
        guard isNews else { return }
        warn(
            "the offsets of group \(group.name) at \(client.connection.bootstrap) are not "
                + "committed: \(String(cString: rd_kafka_err2str(code))); the job goes on")
    }
}
