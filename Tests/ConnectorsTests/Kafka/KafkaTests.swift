import CRdKafka
import Codecs
import Glibc
import StreamRuntime
import Synchronization
import Testing

@testable import Connectors

private struct Received: Equatable {
    var offset: Int64
    var key: String?
    var value: String?
    var micros: Int64 = 1_700_000_000_000_000
}

/// Reads until the reader says it has caught up or ended, which it must.
private func drain(
    _ reader: any PartitionReader, maxRecords: Int = 4096, maxBytes: Int = 1 << 20
) throws -> (records: [Received], bounded: Bool) {
    var records: [Received] = []
    while true {
        switch try reader.read(maxRecords: maxRecords, maxBytes: maxBytes) {
        case .records(let batch):
            #expect(batch.count > 0 && batch.count <= maxRecords)
            for row in 0..<batch.count {
                records.append(
                    Received(
                        offset: batch.offsets.int64s[row],
                        key: batch.keys.isValid(row) ? batch.keys.string(row) : nil,
                        value: batch.values.isValid(row) ? batch.values.string(row) : nil,
                        micros: batch.timestamps.int64s[row]))
            }
            #expect(reader.position == records.last!.offset + 1)
        case .waiting: continue
        case .caughtUp: return (records, false)
        case .ended: return (records, true)
        }
    }
}

private func failure(_ body: () throws -> Void) -> JobFailure? {
    do {
        try body()
        return nil
    } catch {
        return error as? JobFailure
    }
}

struct KafkaTests {
    private let mock = MockCluster()

    @Test(arguments: [1, 7, 4096])
    func `records come as they were sent, with null keys and tombstones`(maxRecords: Int) throws {
        mock.create("t", partitions: 2)
        var sent: [(key: String?, value: String?)] = [
            ("k", "v"), (nil, "w"), ("gone", nil), ("", ""),
        ]
        for number in 0..<50 { sent.append(("key \(number)", "value \(number)")) }
        try mock.produce("t", 1, sent)
        let source = try KafkaSource(mock.connection, topic: "t", bounded: true)
        #expect(try source.partitions() == [0, 1])
        let expected = sent.enumerated().map {
            Received(offset: Int64($0.offset), key: $0.element.key, value: $0.element.value)
        }
        let reader = try source.reader(partition: 1)
        #expect(reader.name == "t/1")
        let read = try drain(reader, maxRecords: maxRecords)
        #expect(read.records == expected)
        #expect(read.bounded)
        try reader.seek(to: 3)
        #expect(try drain(reader, maxRecords: maxRecords).records == Array(expected[3...]))
        #expect(try drain(try source.reader(partition: 0)).records == [])
    }

    @Test func `a reader that has caught up goes on when more is sent`() throws {
        mock.create("t", partitions: 1)
        try mock.produce("t", 0, [("a", "1")])
        let source = try KafkaSource(mock.connection, topic: "t", bounded: false)
        let reader = try source.reader(partition: 0)
        let first = try drain(reader)
        #expect(first.records.map(\.value) == ["1"])
        #expect(!first.bounded)
        try mock.produce("t", 0, [("b", "2"), ("c", "3")])
        var more: [Received] = []
        while more.count < 2 { more += try drain(reader).records }
        #expect(more.map(\.value) == ["2", "3"])
        #expect(more.map(\.offset) == [1, 2])
    }

    @Test func `a bounded reader ends where the partition ended when it was made`() throws {
        mock.create("t", partitions: 1)
        try mock.produce("t", 0, [("a", "1"), ("b", "2")])
        let reader = try KafkaSource(mock.connection, topic: "t", bounded: true).reader(
            partition: 0)
        try mock.produce("t", 0, [("c", "3")])
        #expect(try drain(reader).records.map(\.value) == ["1", "2"])
        #expect(reader.position == 2)
    }

    @Test func `headers come with their records`() throws {
        mock.create("t", partitions: 1)
        let client = try KafkaClient(RD_KAFKA_PRODUCER, mock.connection, defaults: [:], fixed: [:])
        let topic = try KafkaTopic(client, "t")
        for value in ["plain", "with"] {
            var values = [rd_kafka_vu_t](repeating: rd_kafka_vu_t(), count: 3)
            values[0].vtype = RD_KAFKA_VTYPE_RKT
            values[0].u.rkt = topic.handle
            let bytes = Array(value.utf8)
            try bytes.withUnsafeBytes { bytes in
                values[1].vtype = RD_KAFKA_VTYPE_VALUE
                values[1].u.mem.ptr = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
                values[1].u.mem.size = bytes.count
                values[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS
                values[2].u.i = RD_KAFKA_MSG_F_COPY
                if value == "with" {
                    let name = try #require("trace".withCString { strdup($0) })
                    defer { free(name) }
                    var header = rd_kafka_vu_t()
                    header.vtype = RD_KAFKA_VTYPE_HEADER
                    header.u.header.name = UnsafePointer(name)
                    header.u.header.val = bytes.baseAddress
                    header.u.header.size = 2
                    values.append(header)
                    #expect(rd_kafka_produceva(client.handle, values, values.count) == nil)
                } else {
                    #expect(rd_kafka_produceva(client.handle, values, values.count) == nil)
                }
            }
        }
        rd_kafka_flush(client.handle, 5000)
        let reader = try KafkaSource(mock.connection, topic: "t", bounded: true).reader(
            partition: 0)
        var found: [[RecordHeaders.Header]] = []
        while found.count < 2 {
            guard case .records(let batch) = try reader.read(maxRecords: 9, maxBytes: 99) else {
                continue
            }
            for row in 0..<batch.count {
                let bytes = batch.headers?.bytes(row)
                found.append(bytes.flatMap { RecordHeaders.decode($0) } ?? [])
            }
        }
        #expect(found == [[], [.init("trace", Array("wi".utf8))]])
    }

    @Test func `an offset the log does not have is refused with what there is`() throws {
        mock.create("t", partitions: 1)
        try mock.produce("t", 0, [("a", "1")])
        let reader = try KafkaSource(mock.connection, topic: "t", bounded: false).reader(
            partition: 0)
        let behind = try #require(failure { try reader.seek(to: 5) })
        #expect(behind.problem == "offset 5 of t/0 is not there: the topic ends at 1")
        let before = try #require(failure { try reader.seek(to: -3) })
        #expect(before.problem == "offset -3 of t/0 is no longer there: the oldest is 0")
    }

    @Test func `a topic or partition that is not there is named`() throws {
        mock.create("t", partitions: 1)
        mock.create("gone", partitions: 1)
        mock.forget("gone")
        let gone = try KafkaSource(mock.connection, topic: "gone", bounded: true)
        let told = try #require(failure { _ = try gone.partitions() })
        #expect(told.problem == "Kafka has no topic gone, or no longer")
        #expect(told.place.contains(mock.connection.bootstrap))
        let source = try KafkaSource(mock.connection, topic: "t", bounded: true)
        let partition = try #require(failure { _ = try source.reader(partition: 7) })
        #expect(partition.problem == "Kafka topic t has no partition 7")
    }

    @Test func `brokers that cannot be reached are told, and may be tried again`() throws {
        var connection = KafkaConnection(bootstrap: "127.0.0.1:1")
        connection.requestMillis = 200
        let source = try KafkaSource(connection, topic: "t", bounded: true)
        let told = try #require(failure { _ = try source.partitions() })
        #expect(told.problem.hasPrefix("no Kafka broker can be reached"))
        #expect(told.place == "Kafka topic t at 127.0.0.1:1")
        #expect(told.recovery == .retry(afterMillis: 5000))
    }

    @Test func `an outage longer than allowed stops the reader`() throws {
        mock.create("t", partitions: 1)
        try mock.produce("t", 0, [("a", "1")])
        var connection = mock.connection
        connection.outageMillis = 0
        connection.requestMillis = 300
        let reader = try KafkaSource(connection, topic: "t", bounded: false).reader(partition: 0)
        #expect(try drain(reader).records.count == 1)
        mock.stop()
        var told: JobFailure?
        while told == nil { told = failure { _ = try reader.read(maxRecords: 1, maxBytes: 1) } }
        #expect(told?.problem.hasPrefix("no Kafka broker can be reached") == true)
    }

    @Test func `an outage that is over stops nothing`() throws {
        mock.create("t", partitions: 1)
        try mock.produce("t", 0, [("a", "1")])
        var connection = mock.connection
        connection.outageMillis = 0
        connection.properties = ["reconnect.backoff.ms": "10", "reconnect.backoff.max.ms": "50"]
        let source = try KafkaSource(connection, topic: "t", bounded: false)
        let reader = try #require(try source.reader(partition: 0) as? KafkaReader)
        #expect(try drain(reader).records.count == 1)
        mock.stop()
        while reader.client.events.told.withLock({ $0.outage == nil }) {
            rd_kafka_poll(reader.client.handle, 5)
        }
        mock.start()
        while reader.client.events.told.withLock({ $0.outage != nil }) {
            _ = try reader.read(maxRecords: 1, maxBytes: 1)
        }
        try mock.produce("t", 0, [("b", "2")])
        var more: [Received] = []
        while more.isEmpty { more += try drain(reader).records }
        #expect(more.map(\.value) == ["2"])
    }

    @Test func `a wrong property is named and a secret is never shown`() {
        var connection = KafkaConnection(bootstrap: "x:1", properties: ["acks.typo": "1"])
        let wrong = failure { _ = try KafkaSource(connection, topic: "t", bounded: true) }
        #expect(wrong?.remedy.contains("\"acks.typo\"") == true)
        connection.properties = [
            "sasl.password": "hunter2", "ssl.key.password": "hunter2", "client.id": "me",
        ]
        #expect(
            connection.description
                == "x:1 client.id=me sasl.password=*** ssl.key.password=***")
        connection.properties = ["ssl.key.pem": "hunter2", "security.protocol": "ssl"]
        let secret = failure { _ = try KafkaSource(connection, topic: "t", bounded: true) }
        #expect(secret != nil)
        #expect(secret?.description.contains("hunter2") == false)
    }

    // MARK: the sink

    private final class FirstColumnEncoder: RecordEncoder {
        func encode(_ batch: ColumnBatch, into values: Column) {
            for row in 0..<batch.count { values.append(from: batch.columns[0], row: row) }
        }
    }

    private static let schema = Schema([Field("value", .bytes), Field("key", .string)])

    private func batch(_ rows: [(value: String, key: String?)], time: Int64) -> ColumnBatch {
        let batch = ColumnBatch(schema: KafkaTests.schema, capacity: rows.count)
        for (index, row) in rows.enumerated() {
            batch.columns[0].append(row.value)
            if let key = row.key {
                batch.columns[1].append(key)
            } else {
                batch.columns[1].appendNull()
            }
            batch.order.append(
                eventTime: time, watermark: .min, origin: 1, offset: Int64(index))
        }
        batch.count = rows.count
        return batch
    }

    private func sink(_ connection: KafkaConnection) throws -> KafkaSink {
        try KafkaSink(
            connection, topic: "out", encoder: FirstColumnEncoder(), schema: KafkaTests.schema,
            key: [1])
    }

    @Test func `a row whose record the client does not take is left out or stops the job`() throws {
        mock.create("out", partitions: 1)
        var connection = mock.connection
        connection.properties["message.max.bytes"] = "1000"
        connection.requestMillis = 500
        let rows = [("small", "a"), (String(repeating: "x", count: 1000), "b"), ("last", "c")]
        for policy in [FailurePolicy.drop, .fail] {
            let sink = try KafkaSink(
                connection, topic: "out", encoder: FirstColumnEncoder(),
                schema: KafkaTests.schema, key: [1], policy: policy)
            let counters = StepCounters()
            sink.report(to: counters)
            let batch = batch(rows.map { (value: $0.0, key: $0.1 as String?) }, time: 5)
            if policy == .fail {
                let failure = #expect(throws: JobFailure.self) { try sink.write(batch) }
                #expect(failure?.problem.contains("1001 bytes is too large for out") == true)
                continue
            }
            try sink.write(batch)
            _ = try sink.prepare(checkpoint: 1)
            #expect(counters.read(.rejected) == 1)
            let source = try KafkaSource(mock.connection, topic: "out", bounded: true)
            let found = try drain(try source.reader(partition: 0)).records
            #expect(found.map(\.value) == ["small", "last"])
        }
    }

    @Test func `rows written are there once prepared, where Java's client would put them`() throws {
        mock.create("out", partitions: 3)
        let sink = try sink(mock.connection)
        #expect(sink.isReady)
        let rows = (0..<100).map { (value: "v\($0)", key: "k\($0)" as String?) }
        try sink.write(batch(rows, time: 1_700_000_000_123_456))
        try sink.write(batch([("empty key", ""), ("", "empty value")], time: 5))
        _ = try sink.prepare(checkpoint: 1)
        let source = try KafkaSource(mock.connection, topic: "out", bounded: true)
        var found: [String: [Received]] = [:]
        for partition in try source.partitions() {
            for record in try drain(try source.reader(partition: partition)).records {
                let key = Array((record.key ?? "").utf8)
                #expect(Murmur2.partition(key: key + [0], key.count, of: 3) == Int(partition))
                found[record.key ?? "null", default: []].append(record)
            }
        }
        #expect(found.count == 102)
        for row in rows {
            let record = try #require(found[row.key!]?.first)
            #expect(record.value == row.value)
            #expect(record.micros == 1_700_000_000_123_000)
        }
        #expect(found[""]?.map(\.value) == ["empty key"])
        #expect(found["empty value"]?.map(\.value) == [""])
        #expect(found["empty value"]?.map(\.micros) == [1000])
    }

    @Test func `a delete is a tombstone and the row before an update is left out`() throws {
        mock.create("out", partitions: 1)
        let sink = try sink(mock.connection)
        let changes = batch([("a", "k"), ("b", "k"), ("c", "k"), ("d", "k")], time: 5_000_000)
        let kinds = Column(.bool, capacity: 4)
        for (row, kind) in [RowChange.insert, .updateBefore, .updateAfter, .delete].enumerated() {
            kinds.bools[row] = kind.rawValue
        }
        kinds.setCount(4)
        changes.changes = kinds
        try sink.write(changes)
        _ = try sink.prepare(checkpoint: 1)
        let reader = try KafkaSource(mock.connection, topic: "out", bounded: true)
            .reader(partition: 0)
        #expect(try drain(reader).records.map(\.value) == ["a", "c", nil])
    }

    @Test func `a record that cannot be delivered stops the next checkpoint`() throws {
        mock.create("out", partitions: 1)
        var connection = mock.connection
        connection.properties = ["message.timeout.ms": "300"]
        let sink = try sink(connection)
        mock.stop()
        try sink.write(batch([("a", "k")], time: 1))
        let told = try #require(failure { _ = try sink.prepare(checkpoint: 1) })
        #expect(told.problem.hasPrefix("no Kafka broker can be reached"))
        #expect(told.kind == .sink)
        sink.close()
    }

    @Test func `a record beyond the client's limit is refused by name`() throws {
        mock.create("out", partitions: 1)
        var connection = mock.connection
        connection.properties = ["message.max.bytes": "2000"]
        let sink = try sink(connection)
        let large = String(repeating: "x", count: 3000)
        let told = try #require(failure { try sink.write(batch([(large, "k")], time: 1)) })
        #expect(told.problem == "a record of 3001 bytes is too large for out, which takes 2000")
    }
}
