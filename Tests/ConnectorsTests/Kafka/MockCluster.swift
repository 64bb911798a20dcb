import CRdKafka
import Glibc
import StreamRuntime
import Testing

@testable import Connectors

/// librdkafka's own mock cluster, in this process, with one broker.
///
/// - Note: it knows no topic that was not created, keeps some 5 MB a partition and answers at once.
final class MockCluster {
    private let client: OpaquePointer
    private let cluster: OpaquePointer

    init() {
        let configuration = rd_kafka_conf_new()
        rd_kafka_conf_set_log_cb(configuration) { _, _, _, _ in }
        client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0)!
        cluster = rd_kafka_mock_cluster_new(client, 1)!
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    var connection: KafkaConnection {
        var connection = KafkaConnection(
            bootstrap: String(cString: rd_kafka_mock_cluster_bootstraps(cluster)))
        connection.requestMillis = 5000
        return connection
    }

    func create(_ topic: String, partitions: Int32) {
        #expect(
            rd_kafka_mock_topic_create(cluster, topic, partitions, 1)
                == RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    func forget(_ topic: String) {
        rd_kafka_mock_topic_set_error(cluster, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    }

    func start() { rd_kafka_mock_broker_set_up(cluster, 1) }

    func stop() { rd_kafka_mock_broker_set_down(cluster, 1) }

    /// Puts records in a partition as some other program would; a nil key or value is null.
    func produce(
        _ topic: String, _ partition: Int32, _ records: [(key: String?, value: String?)],
        millis: Int64 = 1_700_000_000_000
    ) throws {
        let client = try KafkaClient(RD_KAFKA_PRODUCER, connection, defaults: [:], fixed: [:])
        let handle = try KafkaTopic(client, topic)
        for record in records {
            // A byte more than there is, so that an empty key is a pointer too.
            let key = Array((record.key ?? "").utf8) + [0]
            let value = Array((record.value ?? "").utf8) + [0]
            let code = key.withUnsafeBytes { keyBytes in
                value.withUnsafeBytes { valueBytes in
                    millrace_kafka_produce(
                        client.handle, handle.handle, partition, millis,
                        record.key == nil ? nil : keyBytes.baseAddress, key.count - 1,
                        record.value == nil ? nil : valueBytes.baseAddress, value.count - 1)
                }
            }
            #expect(code == RD_KAFKA_RESP_ERR_NO_ERROR)
        }
        #expect(rd_kafka_flush(client.handle, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR)
    }
}
