import CRdKafka
import Glibc
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors

/// What a topic can do to its reader, against a broker that keeps transactions apart.
@Suite struct SourceTests {
    private let cluster: Cluster

    init() throws { cluster = try Cluster() }

    private func values(_ topic: String) throws -> [String?] {
        try cluster.committed(topic).map(\.value)
    }

    @Test func `aborted and open transactions are not seen, committed ones are`() throws {
        try cluster.create("t")
        try cluster.produce("t", [Seen(value: "plain")])
        let committed = try cluster.transaction("committed")
        try cluster.produce("t", [Seen(value: "a"), Seen(value: "b")], with: committed)
        try #require(rd_kafka_commit_transaction(committed.handle, 5000) == nil)
        let aborted = try cluster.transaction("aborted")
        try cluster.produce("t", [Seen(value: "no")], with: aborted)
        rd_kafka_flush(aborted.handle, 5000)
        try #require(rd_kafka_abort_transaction(aborted.handle, 5000) == nil)
        let open = try cluster.transaction("open")
        try cluster.produce("t", [Seen(value: "not yet")], with: open)
        rd_kafka_flush(open.handle, 5000)
        #expect(try values("t") == ["plain", "a", "b"])

        // What is behind an open transaction waits for it, and a live reader has caught up meanwhile.
        try cluster.produce("t", [Seen(value: "after")])
        let live = try KafkaSource(cluster.connection, topic: "t", bounded: false)
        let reader = try live.reader(partition: 0)
        #expect(try drain(reader).map(\.value) == ["plain", "a", "b"])
        try #require(rd_kafka_commit_transaction(open.handle, 5000) == nil)
        var more: [Seen] = []
        while more.count < 2 { more += try drain(reader) }
        #expect(more.map(\.value) == ["not yet", "after"])
    }

    @Test(arguments: [false, true])
    func `a log that ends with marks of transactions has an end all the same`(bounded: Bool) throws
    {
        try cluster.create("t", partitions: 2)
        let client = try cluster.transaction("one")
        try cluster.produce("t", [Seen(value: "a")], with: client)
        try cluster.produce("t", [Seen(partition: 1, value: "b")], with: client)
        try #require(rd_kafka_commit_transaction(client.handle, 5000) == nil)
        try #require(rd_kafka_begin_transaction(client.handle) == nil)
        try cluster.produce("t", [Seen(value: "no")], with: client)
        rd_kafka_flush(client.handle, 5000)
        try #require(rd_kafka_abort_transaction(client.handle, 5000) == nil)
        let source = try KafkaSource(cluster.connection, topic: "t", bounded: bounded)
        for (partition, value, end) in [(0, "a", 4), (1, "b", 2)] {
            let reader = try source.reader(partition: Int32(partition))
            #expect(try drain(reader).map(\.value) == [value])
            // The position is behind the marks: a checkpoint says that nothing is left to read.
            #expect(reader.position == Int64(end))
        }
    }

    @Test func `a log of marks and aborted records only ends at once`() throws {
        try cluster.create("t")
        let client = try cluster.transaction("one")
        try cluster.produce("t", [Seen(value: "no")], with: client)
        rd_kafka_flush(client.handle, 5000)
        try #require(rd_kafka_abort_transaction(client.handle, 5000) == nil)
        #expect(try values("t") == [])
    }

    @Test func `compacted records leave gaps that are counted, not errors`() throws {
        try cluster.broker.create(
            "t", partitions: 1, ["cleanup.policy": "compact", "retention.ms": "-1"])
        for round in 0..<3 {
            try cluster.produce(
                "t",
                ["a", "b", "c"].map { (key: String) in Seen(key: key, value: key + "\(round)") })
        }
        try cluster.broker.compact("t")
        let reader = try KafkaSource(cluster.connection, topic: "t", bounded: true).reader(
            partition: 0)
        var seen: [String] = []
        var skipped = 0
        while true {
            let outcome = try reader.read(maxRecords: 100, maxBytes: 1 << 20)
            if case .ended = outcome { break }
            guard case .records(let batch) = outcome else { continue }
            skipped += batch.skipped
            for row in 0..<batch.count {
                seen.append("\(batch.offsets.int64s[row]) \(batch.values.string(row))")
            }
        }
        #expect(seen == ["6 a2", "7 b2", "8 c2"])
        #expect(skipped == 6)
    }

    @Test func `a record larger than a fetch is read`() throws {
        try cluster.broker.create(
            "t", partitions: 1, ["max.message.bytes": "10000000", "retention.ms": "-1"])
        let large = String(repeating: "x", count: 3_000_000)
        try cluster.produce(
            "t", [Seen(value: "before"), Seen(value: large), Seen(value: "after")],
            properties: ["message.max.bytes": "10000000"])
        var connection = cluster.connection
        connection.properties["fetch.message.max.bytes"] = "100000"
        connection.properties["fetch.max.bytes"] = "100000"
        connection.properties["message.max.bytes"] = "100000"
        let source = try KafkaSource(connection, topic: "t", bounded: true)
        let seen = try drain(try source.reader(partition: 0))
        #expect(seen.map(\.value) == ["before", large, "after"])
    }

    @Test func `a log of many times what is read ahead does not keep its reader waiting`() throws {
        try cluster.create("t")
        let text = String(repeating: "x", count: 100)
        try cluster.produce("t", (0..<24_000).map { Seen(value: "\($0)\(text)") })
        var connection = cluster.connection
        connection.properties["queued.max.messages.kbytes"] = "64"
        connection.properties["fetch.message.max.bytes"] = "16384"
        let source = try KafkaSource(connection, topic: "t", bounded: true)
        let reader = try source.reader(partition: 0)
        var (records, waits) = (0, 0)
        reading: while true {
            switch try reader.read(maxRecords: 100, maxBytes: 1 << 20) {
            case .records(let batch): records += batch.count
            case .waiting:
                waits += 1
                _ = poll(nil, 0, 1)
            case .caughtUp, .ended: break reading
            }
        }
        #expect(records == 24_000)
        // A client that looks at its full queue once a second would take ten of them.
        #expect(waits < 3000)
    }

    @Test func `records that retention takes while they are read stop the job with the offsets`()
        throws
    {
        try cluster.broker.create("t", partitions: 1, ["retention.ms": "-1"])
        try cluster.produce("t", (0..<10).map { Seen(value: "\($0)") })
        let source = try KafkaSource(cluster.connection, topic: "t", bounded: false)
        let reader = try source.reader(partition: 0)
        #expect(try drain(reader).count == 10)
        // The job pauses at its checkpoint's offset 4 while the topic loses all below 8.
        try KafkaAdmin(cluster.connection).deleteRecords("t", before: [0: 8])
        let told = try #require(failure { try reader.seek(to: 4) })
        #expect(told.problem == "offset 4 of t/0 is no longer there: the oldest is 8")
        #expect(told.remedy.contains("from offset 8"))
        #expect(told.recovery == .stopAndAsk)
        try reader.seek(to: 8)
        #expect(try drain(reader).map(\.value) == ["8", "9"])
    }

    @Test func `a topic that gets partitions stops the reader, and a new one reads all of them`()
        throws
    {
        try cluster.create("t", partitions: 1)
        try cluster.produce("t", [Seen(value: "a")])
        var connection = cluster.connection
        connection.metadataMillis = 0
        let source = try KafkaSource(connection, topic: "t", bounded: false)
        #expect(try source.partitions() == [0])
        let reader = try source.reader(partition: 0)
        #expect(try drain(reader).count == 1)
        try cluster.grow("t", to: 3)
        try cluster.produce("t", [Seen(partition: 2, value: "b")])
        var told: JobFailure?
        while told == nil { told = failure { _ = try reader.read(maxRecords: 1, maxBytes: 1) } }
        #expect(told?.problem == "the topic has grown from 1 to 3 partitions")
        #expect(told?.recovery == .restart)
        #expect(try values("t") == ["a", "b"])
    }

    @Test func `a topic that is deleted while it is read stops the reader and is named`() throws {
        try cluster.create("t", partitions: 1)
        try cluster.produce("t", [Seen(value: "a")])
        var connection = cluster.connection
        connection.metadataMillis = 0
        let source = try KafkaSource(connection, topic: "t", bounded: false)
        #expect(try source.partitions() == [0])
        let reader = try source.reader(partition: 0)
        #expect(try drain(reader).count == 1)
        try cluster.broker.delete("t")
        var told: JobFailure?
        while told == nil { told = failure { _ = try reader.read(maxRecords: 1, maxBytes: 1) } }
        #expect(told?.problem == "Kafka has no topic t, or no longer")
    }

    @Test func `a topic created anew with fewer records than were read stops the job`() throws {
        try cluster.create("t", partitions: 1)
        try cluster.produce("t", (0..<5).map { Seen(value: "\($0)") })
        try cluster.broker.delete("t")
        try cluster.create("t", partitions: 1)
        try cluster.produce("t", [Seen(value: "new")])
        let reader = try KafkaSource(cluster.connection, topic: "t", bounded: false).reader(
            partition: 0)
        let told = try #require(failure { try reader.seek(to: 5) })
        #expect(told.problem == "offset 5 of t/0 is not there: the topic ends at 1")
        #expect(told.remedy.contains("created anew"))
    }

    @Test func `a broker that was gone and comes back is read on from where it was`() throws {
        try cluster.create("t", partitions: 1)
        try cluster.produce("t", [Seen(value: "a")])
        let reader = try KafkaSource(cluster.connection, topic: "t", bounded: false).reader(
            partition: 0)
        #expect(try drain(reader).map(\.value) == ["a"])
        try cluster.restart()
        try cluster.produce("t", [Seen(value: "b")])
        var more: [Seen] = []
        while more.isEmpty { more += try drain(reader) }
        #expect(more.map(\.value) == ["b"])
    }
}
