import CRdKafka
import StreamRuntime

/// What an error of a transactional producer means for what comes next.
struct KafkaFailure {
    let failure: TransactionProtocol.Failure
    let code: rd_kafka_resp_err_t
    let reason: String

    /// Takes over an error of librdkafka; nil for success.
    init?(_ error: OpaquePointer?, _ client: OpaquePointer) {
        guard let error else { return nil }
        defer { rd_kafka_error_destroy(error) }
        var code = rd_kafka_error_code(error)
        var text = [CChar](repeating: 0, count: 512)
        let isFatal = rd_kafka_error_is_fatal(error) != 0
        if isFatal {
            // The error itself may only say that there was one.
            let first = rd_kafka_fatal_error(client, &text, text.count)
            if first != RD_KAFKA_RESP_ERR_NO_ERROR { code = first }
        }
        self.code = code
        reason = String(cString: rd_kafka_error_string(error))
        if KafkaFailure.isFencing(code) {
            failure = .fenced
        } else if isFatal {
            failure = .fatal
        } else if rd_kafka_error_txn_requires_abort(error) != 0 {
            failure = .abort
        } else if rd_kafka_error_is_retriable(error) != 0 || KafkaFailure.isPassing(code) {
            failure = .again
        } else {
            failure = .fatal
        }
    }

    /// Whether another instance of the producer has taken over.
    static func isFencing(_ code: rd_kafka_resp_err_t) -> Bool {
        [
            RD_KAFKA_RESP_ERR__FENCED, RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
            RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        ].contains(code)
    }

    /// Whether the same request may succeed a moment later.
    static func isPassing(_ code: rd_kafka_resp_err_t) -> Bool {
        [
            RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT,
            RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__WAIT_COORD,
            RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
            RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
        ].contains(code)
    }
}

extension KafkaFailure {
    /// A failure that no error of a producer stands for.
    init(
        _ failure: TransactionProtocol.Failure, _ reason: String,
        _ code: rd_kafka_resp_err_t = RD_KAFKA_RESP_ERR_NO_ERROR
    ) {
        self.failure = failure
        self.reason = reason
        self.code = code
    }

    /// What the user can do about a request that Kafka refuses.
    static func remedy(_ code: rd_kafka_resp_err_t) -> String {
        switch code {
        case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            "let the connection's user write to transactional ids that begin with \"millrace.\""
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
            "let the connection's user read groups that begin with \"millrace.\""
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
            "use brokers of Kafka 2.5 or later, or write delivery: at_least_once"
        default: "see the broker's log; restart the job when it is well"
        }
    }

    /// Whether a new instance may do better.
    static func recovery(_ code: rd_kafka_resp_err_t) -> JobFailure.Recovery {
        switch code {
        case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
            RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
            .stopAndAsk
        default: .restart
        }
    }
}
