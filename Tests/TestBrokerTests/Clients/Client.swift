import CRdKafka
import Glibc
import Synchronization
import Testing

/// What librdkafka has against a call.
struct Refusal: Error, CustomStringConvertible {
    var code: rd_kafka_resp_err_t
    var isAbortable = false
    var isFatal = false

    var description: String { String(cString: rd_kafka_err2str(code)) }
}

/// A client of librdkafka, as the programs under test use it.
final class Client {
    struct Record: Equatable {
        var partition: Int32
        var offset: Int64
        var value: String

        init(_ message: UnsafeMutablePointer<rd_kafka_message_t>) {
            partition = message.pointee.partition
            offset = message.pointee.offset
            let bytes = UnsafeRawBufferPointer(
                start: message.pointee.payload, count: message.pointee.len)
            value = String(decoding: bytes, as: UTF8.self)
        }
    }

    private final class Deliveries: Sendable {
        let codes = Mutex<[rd_kafka_resp_err_t]>([])
    }

    /// How long anything may take before the test fails.
    static let patienceMillis: Int32 = 10_000

    let handle: OpaquePointer
    private let deliveries = Deliveries()

    init(
        _ type: rd_kafka_type_t, _ bootstrap: String, _ properties: [String: String] = [:]
    ) throws {
        let configuration = rd_kafka_conf_new()
        var all = [
            "bootstrap.servers": bootstrap, "reconnect.backoff.ms": "10",
            "reconnect.backoff.max.ms": "50", "retry.backoff.ms": "10",
            "topic.metadata.refresh.fast.interval.ms": "20",
        ]
        if type == RD_KAFKA_PRODUCER {
            all["linger.ms"] = "1"
        } else {
            all["group.id"] = "test"
            all["enable.partition.eof"] = "true"
            all["enable.auto.commit"] = "false"
            all["auto.offset.reset"] = "earliest"
            all["fetch.error.backoff.ms"] = "10"
            // The end of a partition is told when a fetch has waited for nothing.
            all["fetch.wait.max.ms"] = "10"
        }
        all.merge(properties) { $1 }
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in all {
            let code = rd_kafka_conf_set(configuration, name, value, &text, text.count)
            try #require(code == RD_KAFKA_CONF_OK, "\(name)=\(value)")
        }
        rd_kafka_conf_set_log_cb(configuration) { _, _, _, _ in }
        rd_kafka_conf_set_opaque(configuration, Unmanaged.passUnretained(deliveries).toOpaque())
        rd_kafka_conf_set_dr_msg_cb(configuration) { _, message, opaque in
            let deliveries = Unmanaged<Deliveries>.fromOpaque(opaque!).takeUnretainedValue()
            deliveries.codes.withLock { $0.append(message!.pointee.err) }
        }
        handle = try #require(rd_kafka_new(type, configuration, &text, text.count))
    }

    deinit { rd_kafka_destroy(handle) }

    // MARK: producing

    /// Hands records to the client; they are sent by and by.
    func send(
        _ topic: String, _ values: [String], partition: Int32 = 0, key: String? = nil,
        millis: Int64 = 0
    ) throws {
        let topic = try #require(rd_kafka_topic_new(handle, topic, nil))
        defer { rd_kafka_topic_destroy(topic) }
        for value in values {
            let code = value.withCString { value in
                (key ?? "").withCString { keyBytes in
                    millrace_kafka_produce(
                        handle, topic, partition, millis, key == nil ? nil : keyBytes,
                        strlen(keyBytes), value, strlen(value))
                }
            }
            try #require(code == RD_KAFKA_RESP_ERR_NO_ERROR)
        }
    }

    /// Waits until all that was handed over is sent or has failed; what became of it, in order.
    @discardableResult
    func flush(millis: Int32 = patienceMillis) -> [rd_kafka_resp_err_t] {
        rd_kafka_flush(handle, millis)
        return deliveries.codes.withLock { codes in
            defer { codes = [] }
            return codes
        }
    }

    // MARK: transactions

    func check(_ error: OpaquePointer?) throws {
        guard let error else { return }
        defer { rd_kafka_error_destroy(error) }
        throw Refusal(
            code: rd_kafka_error_code(error),
            isAbortable: rd_kafka_error_txn_requires_abort(error) != 0,
            isFatal: rd_kafka_error_is_fatal(error) != 0)
    }

    func initTransactions() throws {
        try check(rd_kafka_init_transactions(handle, Client.patienceMillis))
    }

    func begin() throws { try check(rd_kafka_begin_transaction(handle)) }

    func commit() throws { try check(rd_kafka_commit_transaction(handle, Client.patienceMillis)) }

    func abort() throws { try check(rd_kafka_abort_transaction(handle, Client.patienceMillis)) }

    // MARK: consuming

    /// Everything in a partition from `offset` to its end, as a consumer sees it.
    func read(
        _ topic: String, partition: Int32 = 0, from offset: Int64 = 0, atLeast count: Int = 0
    ) throws -> [Record] {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = offset
        #expect(rd_kafka_assign(handle, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
        var records: [Record] = []
        var patience = Client.patienceMillis / 100
        while patience > 0 {
            guard let message = rd_kafka_consumer_poll(handle, 100) else {
                patience -= 1
                continue
            }
            defer { rd_kafka_message_destroy(message) }
            let code = message.pointee.err
            if code == RD_KAFKA_RESP_ERR__PARTITION_EOF, records.count >= count { return records }
            if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                records.append(Record(message))
            } else if code != RD_KAFKA_RESP_ERR__PARTITION_EOF, code.rawValue >= 0 {
                throw Refusal(code: code)
            }
        }
        throw Refusal(code: RD_KAFKA_RESP_ERR__TIMED_OUT)
    }

    /// The first records that a member of a group gets of a topic, after which it commits and leaves.
    func readGroup(_ topic: String, count: Int) throws -> [Record] {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA)
        #expect(rd_kafka_subscribe(handle, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
        var records: [Record] = []
        var patience = Client.patienceMillis / 100
        while records.count < count, patience > 0 {
            guard let message = rd_kafka_consumer_poll(handle, 100) else {
                patience -= 1
                continue
            }
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                records.append(Record(message))
            }
            rd_kafka_message_destroy(message)
        }
        _ = rd_kafka_commit(handle, nil, 0)
        rd_kafka_consumer_close(handle)
        return records
    }

    /// The values in a partition, read by a consumer of its own.
    static func values(
        _ bootstrap: String, _ topic: String, partition: Int32 = 0,
        isolation: String = "read_committed"
    ) throws -> [String] {
        let consumer = try Client(
            RD_KAFKA_CONSUMER, bootstrap, ["isolation.level": isolation])
        return try consumer.read(topic, partition: partition).map(\.value)
    }
}

/// Texts "prefix0", "prefix1", …
func texts(_ prefix: String, _ count: Int) -> [String] { (0..<count).map { "\(prefix)\($0)" } }
