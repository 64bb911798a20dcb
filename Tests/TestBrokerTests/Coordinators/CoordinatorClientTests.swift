import CRdKafka
import Testing

@testable import TestBroker

/// Groups and transactions as librdkafka sees them.
struct CoordinatorClientTests {
    private let scratch: ScratchDirectory
    private let broker: TestBroker

    init() throws {
        scratch = try ScratchDirectory()
        broker = try TestBroker(directory: scratch.path, nodes: 2)
    }

    private func transactional(_ id: String) throws -> Client {
        let client = try Client(
            RD_KAFKA_PRODUCER, broker.bootstrap, ["transactional.id": id])
        try client.initTransactions()
        return client
    }

    /// Members of this strategy leave when they close.
    private static let range = ["partition.assignment.strategy": "range"]

    private static func isSpread(_ owned: [[Int32]], _ count: Int) -> Bool {
        owned.allSatisfy { !$0.isEmpty } && owned.joined().sorted() == Array(0..<Int32(count))
    }

    @Test func `members share a topic, and a static one that comes back keeps its part`() throws {
        try broker.create("t", partitions: 4)
        let first = try Client.member(broker.bootstrap, instance: "one")
        var second: Client? = try Client.member(broker.bootstrap, instance: "two")
        first.subscribe("t")
        second?.subscribe("t")
        let owned = Client.meet([first, second!]) { Self.isSpread($0, 4) }
        #expect(owned.map(\.count) == [2, 2])
        let generation = try broker.group("test")?.generation
        second?.close()
        second = nil
        let again = try Client.member(broker.bootstrap, instance: "two")
        again.subscribe("t")
        #expect(Client.meet([first, again]) { $0[1] == owned[1] } == owned)
        #expect(try broker.group("test")?.generation == generation)
    }

    @Test func `a second process of the same name fences the first`() throws {
        try broker.create("t", partitions: 1)
        let first = try Client.member(broker.bootstrap, instance: "one")
        first.subscribe("t")
        _ = Client.meet([first]) { $0[0] == [0] }
        let second = try Client.member(broker.bootstrap, instance: "one")
        second.subscribe("t")
        _ = Client.meet([first, second]) { $0[1] == [0] && first.fatal.rawValue != 0 }
        #expect(first.fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        #expect(second.assignment == [0])
    }

    @Test func `a dynamic member that leaves hands over at once`() throws {
        try broker.create("t", partitions: 2)
        let first = try Client.member(broker.bootstrap, Self.range)
        let second = try Client.member(broker.bootstrap, Self.range)
        first.subscribe("t")
        second.subscribe("t")
        _ = Client.meet([first, second]) { Self.isSpread($0, 2) }
        second.close()
        #expect(Client.meet([first]) { $0 == [[0, 1]] } == [[0, 1]])
        #expect(try broker.group("test")?.members == 1)
    }

    @Test func `records and offsets of a transaction are seen together or not at all`() throws {
        try broker.create("in", partitions: 1)
        try broker.create("out", partitions: 1)
        let source = try Client(RD_KAFKA_PRODUCER, broker.bootstrap)
        try source.send("in", texts("v", 20))
        source.flush()
        // Every other life of the program ends with an abort; each goes on where the group stands.
        for life in 0..<4 {
            let consumer = try Client.member(broker.bootstrap, Self.range)
            let producer = try transactional("copy")
            consumer.subscribe("in")
            var taken = 0
            try producer.begin()
            for _ in 0..<2000 where taken < 10 {
                guard let record = consumer.poll() else { continue }
                try producer.send("out", [record.value])
                taken += 1
                try consumer.sendOffset(record.offset + 1, "in", 0, to: producer)
            }
            #expect(taken == 10)
            if life % 2 == 0 { try producer.abort() } else { try producer.commit() }
            consumer.close()
            let reader = try Client.member(broker.bootstrap)
            #expect(try reader.committed("in") == [-1001, 10, 10, 20][life])
        }
        #expect(try Client.values(broker.bootstrap, "out") == texts("v", 20))
    }

    @Test func `a member of an older generation puts no offsets into a transaction`() throws {
        try broker.create("in", partitions: 2)
        let first = try Client.member(broker.bootstrap, Self.range)
        first.subscribe("in")
        #expect(Client.meet([first]) { $0 == [[0, 1]] } == [[0, 1]])
        let stale = rd_kafka_consumer_group_metadata(first.handle)
        defer { rd_kafka_consumer_group_metadata_destroy(stale) }
        let second = try Client.member(broker.bootstrap, Self.range)
        second.subscribe("in")
        #expect(Self.isSpread(Client.meet([first, second]) { Self.isSpread($0, 2) }, 2))
        let producer = try transactional("zombie")
        try producer.begin()
        do {
            try Client.sendOffset(5, "in", 0, stale, to: producer)
            Issue.record("a member of an older generation committed")
        } catch let refusal as Refusal {
            #expect(refusal.code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION)
            #expect(refusal.isAbortable)
        }
        try producer.abort()
        try producer.begin()
        try first.sendOffset(5, "in", 0, to: producer)
        try producer.commit()
        #expect(try second.committed("in") == 5)
    }

    @Test func `a commit that was answered is completed by the broker that comes back`() throws {
        try broker.create("t", partitions: 2)
        let producer = try transactional("writer")
        try broker.holdMarkers(millis: 600_000)
        try producer.begin()
        try producer.send("t", ["a"], partition: 0)
        try producer.send("t", ["b"], partition: 1)
        let nobody = rd_kafka_consumer_group_metadata_new("test")
        defer { rd_kafka_consumer_group_metadata_destroy(nobody) }
        try Client.sendOffset(7, "in", 0, nobody, to: producer)
        try producer.commit()
        #expect(try broker.extent("t", 0).stable == 0, "the markers are owed")
        broker.stop()
        let again = try TestBroker(directory: scratch.path, ports: broker.ports)
        #expect(try Client.values(again.bootstrap, "t") == ["a"])
        #expect(try Client.values(again.bootstrap, "t", partition: 1) == ["b"])
        #expect(try Client.member(again.bootstrap).committed("in") == 7)
    }

    @Test func `offsets are not told while a transaction that sets them is being ended`() throws {
        try broker.create("t", partitions: 1)
        let producer = try transactional("writer")
        let nobody = rd_kafka_consumer_group_metadata_new("test")
        defer { rd_kafka_consumer_group_metadata_destroy(nobody) }
        try producer.begin()
        try Client.sendOffset(1, "t", 0, nobody, to: producer)
        try producer.commit()
        try broker.holdMarkers(millis: 150)
        try producer.begin()
        try Client.sendOffset(2, "t", 0, nobody, to: producer)
        try producer.commit()
        // The client asks again until the offset is stable: the older one is never told.
        #expect(try Client.member(broker.bootstrap).committed("t") == 2)
    }

    @Test func `an open transaction that is too old is aborted and its producer fenced`() throws {
        try broker.create("t", partitions: 1)
        let client = try Client(
            RD_KAFKA_PRODUCER, broker.bootstrap,
            [
                "transactional.id": "slow", "transaction.timeout.ms": "1000",
                "message.timeout.ms": "1000",
            ])
        try client.initTransactions()
        try client.begin()
        try client.send("t", ["late"])
        client.flush()
        // A reader waits behind the open transaction, and goes on when the broker has ended it.
        let other = try Client(RD_KAFKA_PRODUCER, broker.bootstrap)
        try other.send("t", ["next"])
        other.flush()
        let reader = try Client(
            RD_KAFKA_CONSUMER, broker.bootstrap, ["isolation.level": "read_committed"])
        #expect(try reader.read("t", atLeast: 1).map(\.value) == ["next"])
        do {
            try client.commit()
            Issue.record("a transaction that was aborted is committed")
        } catch let refusal as Refusal {
            #expect(refusal.isFatal || refusal.isAbortable)
        }
    }
}
