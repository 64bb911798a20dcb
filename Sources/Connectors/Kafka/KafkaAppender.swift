import CRdKafka
import Codecs
import StreamRuntime

/// Appends single records to a Kafka topic: for tools, not for the hot path.
///
/// - Note: used by one thread at a time.
public final class KafkaAppender {
    private let client: KafkaClient
    private let topic: KafkaTopic
    /// The number of partitions of the topic.
    public let partitions: Int

    /// An appender to a topic that exists.
    ///
    /// - Throws: when the cluster cannot be reached or has no such topic.
    public init(_ connection: KafkaConnection, topic name: String) throws(JobFailure) {
        client = try KafkaClient(
            RD_KAFKA_PRODUCER, connection,
            defaults: ["linger.ms": "5", "compression.type": "lz4"],
            fixed: [
                "enable.idempotence": "true", "acks": "all", "delivery.report.only.error": "true",
            ])
        topic = try KafkaTopic(client, name)
        partitions = try client.partitionCount(topic.handle, named: name)
    }

    /// Puts a record on its way; a nil key or value is null.
    ///
    /// - Parameters:
    ///   - timestamp: in microseconds; Kafka keeps milliseconds.
    ///   - partition: where to; nil lets the key choose as Kafka's Java client would.
    ///   - fallback: the partition of a record without a key.
    public func append(
        key: [UInt8]?, value: [UInt8]?, timestamp: Int64, partition: Int? = nil,
        headers: [RecordHeaders.Header] = [], fallback: Int = 0
    ) throws(JobFailure) {
        let chosen =
            partition ?? key.map { Murmur2.partition(key: $0, $0.count, of: partitions) }
            ?? fallback
        while true {
            let code = produce(key, value, max(timestamp / 1000, 1), Int32(chosen), headers)
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return
            case RD_KAFKA_RESP_ERR__QUEUE_FULL:
                try client.serve(waitingMillis: 50, topic: topic.name)
            default:
                throw client.failure(
                    code, topic: topic.name, partition: Int32(chosen), doing: "write to")
            }
        }
    }

    private func produce(
        _ key: [UInt8]?, _ value: [UInt8]?, _ millis: Int64, _ partition: Int32,
        _ headers: [RecordHeaders.Header]
    ) -> rd_kafka_resp_err_t {
        // A byte more than there is, so that an empty key or value is a pointer too.
        let keyBytes = key.map { $0 + [0] }
        let valueBytes = value.map { $0 + [0] }
        let list = headers.isEmpty ? nil : rd_kafka_headers_new(headers.count)
        for header in headers {
            let name = header.name
            let count = header.value?.count ?? 0
            _ = (header.value.map { $0 + [0] }).withBytes {
                rd_kafka_header_add(list, name, -1, $0, count)
            }
        }
        return keyBytes.withBytes { keyStart in
            valueBytes.withBytes { valueStart in
                millrace_kafka_produce_with_headers(
                    client.handle, topic.handle, partition, millis, keyStart, key?.count ?? 0,
                    valueStart, value?.count ?? 0, list)
            }
        }
    }

    /// Waits until the brokers have acknowledged everything.
    ///
    /// - Throws: when a record could not be delivered.
    public func flush() throws(JobFailure) {
        while rd_kafka_flush(client.handle, 100) == RD_KAFKA_RESP_ERR__TIMED_OUT {
            try client.serve(topic: topic.name)
        }
        try client.serve(topic: topic.name)
    }
}

extension [UInt8]? {
    /// Lends the bytes; nil for none.
    fileprivate func withBytes<Value>(_ body: (UnsafeRawPointer?) -> Value) -> Value {
        guard let bytes = self else { return body(nil) }
        return bytes.withUnsafeBytes { body($0.baseAddress) }
    }
}
