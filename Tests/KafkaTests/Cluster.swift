import CRdKafka
import Foundation
import StreamRuntime
import Synchronization
import TestBroker
import Testing

@testable import Connectors

/// A record as a reader of committed records sees it.
struct Seen: Equatable, Hashable {
    var partition: Int32 = 0
    var offset: Int64 = 0
    var key: String?
    var value: String?
}

/// A test broker in a directory of its own, and what other programs would do with it.
///
/// - Note: the broker may be replaced by another thread, behind a lock: that is why sharing is safe.
final class Cluster: Sendable {
    let directory: String
    private let running: Mutex<TestBroker?>
    private let settings: BrokerSettings

    init(nodes: Int = 1, settings: BrokerSettings = BrokerSettings()) throws {
        directory = NSTemporaryDirectory() + "millrace-kafka-\(UUID().uuidString)"
        self.settings = settings
        running = Mutex(
            try TestBroker(directory: directory + "/broker", nodes: nodes, settings: settings))
    }

    var broker: TestBroker { running.withLock { $0! } }

    deinit {
        running.withLock { $0 }?.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    var connection: KafkaConnection {
        var connection = KafkaConnection(bootstrap: broker.bootstrap)
        connection.requestMillis = 5000
        connection.properties = ["reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "50"]
        return connection
    }

    /// Makes a topic that keeps records of any age.
    func create(_ topic: String, partitions: Int32 = 1) throws {
        try broker.create(topic, partitions: partitions, ["retention.ms": "-1"])
    }

    /// Kills the broker and starts it again over what it had on disk, at the same ports.
    ///
    /// - Parameter millis: how long it is gone; the caller does not wait for that, and must not use the
    ///   broker itself meanwhile.
    func restart(afterMillis millis: UInt32) {
        var old: TestBroker? = broker
        let ports = broker.ports
        old?.stop()
        running.withLock { $0 = nil }
        old = nil
        Thread { [self] in
            usleep(millis * 1000)
            let next = try? TestBroker(
                directory: directory + "/broker", ports: ports, settings: settings)
            running.withLock { $0 = next }
        }.start()
    }

    /// Kills the broker and starts it again over what it had on disk, at the same ports.
    func restart() throws {
        var old: TestBroker? = broker
        let ports = broker.ports
        old?.stop()
        // Its ports are free when it is gone.
        running.withLock { $0 = nil }
        old = nil
        let next = try TestBroker(
            directory: directory + "/broker", ports: ports, settings: settings)
        running.withLock { $0 = next }
    }

    /// Puts records in a topic as some other program would; a nil key or value is null.
    func produce(
        _ topic: String, _ records: [Seen], properties: [String: String] = [:]
    ) throws {
        let client = try KafkaClient(
            RD_KAFKA_PRODUCER, connection, defaults: properties, fixed: [:])
        try produce(topic, records, with: client)
        #expect(rd_kafka_flush(client.handle, 10_000) == RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    /// Puts records in the present transaction of `client`, or in none.
    func produce(_ topic: String, _ records: [Seen], with client: KafkaClient) throws {
        let handle = try KafkaTopic(client, topic)
        for record in records {
            // A byte more than there is, so that an empty key is a pointer too.
            let key = Array((record.key ?? "").utf8) + [0]
            let value = Array((record.value ?? "").utf8) + [0]
            let code = key.withUnsafeBytes { keyBytes in
                value.withUnsafeBytes { valueBytes in
                    millrace_kafka_produce(
                        client.handle, handle.handle, record.partition, 1_700_000_000_000,
                        record.key == nil ? nil : keyBytes.baseAddress, key.count - 1,
                        record.value == nil ? nil : valueBytes.baseAddress, value.count - 1)
                }
            }
            #expect(code == RD_KAFKA_RESP_ERR_NO_ERROR)
        }
    }

    /// Gives a topic more partitions, as an administrator would.
    func grow(_ topic: String, to partitions: Int) throws {
        let client = try KafkaClient(RD_KAFKA_PRODUCER, connection, defaults: [:], fixed: [:])
        let queue = rd_kafka_queue_new(client.handle)
        defer { rd_kafka_queue_destroy(queue) }
        var text = [CChar](repeating: 0, count: 256)
        var request = rd_kafka_NewPartitions_new(topic, partitions, &text, text.count)
        defer { rd_kafka_NewPartitions_destroy(request) }
        rd_kafka_CreatePartitions(client.handle, &request, 1, nil, queue)
        let event = rd_kafka_queue_poll(queue, 5000)
        defer { rd_kafka_event_destroy(event) }
        try #require(rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    /// A producer in the midst of a transaction of its own.
    func transaction(_ id: String) throws -> KafkaClient {
        let client = try KafkaClient(
            RD_KAFKA_PRODUCER, connection, defaults: [:], fixed: ["transactional.id": id])
        try #require(rd_kafka_init_transactions(client.handle, 10_000) == nil)
        try #require(rd_kafka_begin_transaction(client.handle) == nil)
        return client
    }

    /// Every committed record of a topic, partition by partition.
    func committed(_ topic: String) throws -> [Seen] {
        let source = try KafkaSource(connection, topic: topic, bounded: true)
        var seen: [Seen] = []
        for partition in try source.partitions() {
            seen += try drain(try source.reader(partition: partition))
        }
        return seen
    }

    /// What the job's group has committed: "topic/partition offset metadata".
    func offsets(_ group: String, _ topic: String, partitions: Int32) throws -> [String] {
        let client = try KafkaClient(
            RD_KAFKA_CONSUMER, connection, defaults: [:], fixed: ["group.id": group])
        let list = try #require(rd_kafka_topic_partition_list_new(1))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in 0..<partitions {
            rd_kafka_topic_partition_list_add(list, topic, partition)
        }
        try #require(
            rd_kafka_committed(client.handle, list, 10_000) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return (0..<Int(list.pointee.cnt)).map { index in
            let entry = list.pointee.elems[index]
            let text = entry.metadata.map {
                String(
                    decoding: UnsafeRawBufferPointer(start: $0, count: entry.metadata_size),
                    as: UTF8.self)
            }
            return "\(topic)/\(entry.partition) \(entry.offset) \(text ?? "-")"
        }
    }
}

/// Reads until the reader says that it has caught up or ended, which it must.
func drain(_ reader: any PartitionReader, maxRecords: Int = 4096) throws -> [Seen] {
    var seen: [Seen] = []
    while true {
        switch try reader.read(maxRecords: maxRecords, maxBytes: 1 << 20) {
        case .records(let batch):
            for row in 0..<batch.count {
                seen.append(
                    Seen(
                        partition: reader.partition, offset: batch.offsets.int64s[row],
                        key: batch.keys.isValid(row) ? batch.keys.string(row) : nil,
                        value: batch.values.isValid(row) ? batch.values.string(row) : nil))
            }
        case .waiting: continue
        case .caughtUp, .ended: return seen
        }
    }
}

/// The failure that `body` throws.
func failure(_ body: () throws -> Void) -> JobFailure? {
    do {
        try body()
        return nil
    } catch {
        return error as? JobFailure
    }
}
