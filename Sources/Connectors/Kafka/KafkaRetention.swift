import CRdKafka
import StreamRuntime

/// How long a Kafka topic keeps records: what decides whether old ones can be read or written again.
public struct KafkaRetention: Equatable, Sendable {
    /// Milliseconds of record time after which records are deleted; -1 for never.
    public let millis: Int64
    /// Whether records with an older successor of their key are removed.
    public let isCompacted: Bool

    /// What the brokers say of `topic`.
    ///
    /// - Returns: nil when they do not tell, for lack of a right to ask or of an answer in time.
    public static func of(_ topic: String, on connection: KafkaConnection) -> KafkaRetention? {
        guard
            let client = try? KafkaClient(
                RD_KAFKA_PRODUCER, connection, defaults: [:], fixed: [:])
        else { return nil }
        let queue = rd_kafka_queue_new(client.handle)
        defer { rd_kafka_queue_destroy(queue) }
        var resource: OpaquePointer? = rd_kafka_ConfigResource_new(
            RD_KAFKA_RESOURCE_TOPIC, topic)
        defer { rd_kafka_ConfigResource_destroy(resource) }
        let options = rd_kafka_AdminOptions_new(
            client.handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)
        defer { rd_kafka_AdminOptions_destroy(options) }
        let patience = Int32(min(connection.requestMillis, 5000))
        var text = [CChar](repeating: 0, count: 256)
        _ = rd_kafka_AdminOptions_set_request_timeout(options, patience, &text, text.count)
        rd_kafka_DescribeConfigs(client.handle, &resource, 1, options, queue)
        guard let event = rd_kafka_queue_poll(queue, patience + 1000) else { return nil }
        defer { rd_kafka_event_destroy(event) }
        guard rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR,
            let result = rd_kafka_event_DescribeConfigs_result(event)
        else { return nil }
        return read(result)
    }

    private static func read(_ result: OpaquePointer) -> KafkaRetention? {
        var count = 0
        guard let resources = rd_kafka_DescribeConfigs_result_resources(result, &count), count == 1,
            rd_kafka_ConfigResource_error(resources[0]) == RD_KAFKA_RESP_ERR_NO_ERROR
        else { return nil }
        var entries = 0
        guard let list = rd_kafka_ConfigResource_configs(resources[0], &entries) else { return nil }
        var millis: Int64?
        var isCompacted = false
        for index in 0..<entries {
            guard let name = rd_kafka_ConfigEntry_name(list[index]),
                let value = rd_kafka_ConfigEntry_value(list[index])
            else { continue }
            switch String(cString: name) {
            case "retention.ms": millis = Int64(String(cString: value))
            case "cleanup.policy": isCompacted = String(cString: value).contains("compact")
            default: break
            }
        }
        return millis.map { KafkaRetention(millis: $0, isCompacted: isCompacted) }
    }
}
