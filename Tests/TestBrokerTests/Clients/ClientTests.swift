import CRdKafka
import Testing

@testable import TestBroker

/// The broker as librdkafka sees it.
struct ClientTests {
    private let scratch: ScratchDirectory
    private let broker: TestBroker

    init() throws {
        scratch = try ScratchDirectory()
        broker = try TestBroker(directory: scratch.path, nodes: 3)
    }

    private func producer(_ properties: [String: String] = [:]) throws -> Client {
        try Client(RD_KAFKA_PRODUCER, broker.bootstrap, properties)
    }

    private func transactional(_ id: String = "writer") throws -> Client {
        let client = try producer(["transactional.id": id])
        try client.initTransactions()
        return client
    }

    @Test(arguments: ["none", "gzip", "snappy", "lz4"])
    func `what was produced is consumed from every partition in order`(codec: String) throws {
        try broker.create("t", partitions: 4)
        let client = try producer(["compression.codec": codec, "enable.idempotence": "true"])
        for partition in Int32(0)..<4 {
            try client.send("t", texts("p\(partition)-", 500), partition: partition)
        }
        #expect(client.flush().allSatisfy { $0 == RD_KAFKA_RESP_ERR_NO_ERROR })
        for partition in Int32(0)..<4 {
            let consumer = try Client(
                RD_KAFKA_CONSUMER, broker.bootstrap,
                ["check.crcs": "true", "fetch.message.max.bytes": "2000"])
            let records = try consumer.read("t", partition: partition)
            #expect(records.map(\.value) == texts("p\(partition)-", 500))
            #expect(records.map(\.offset) == Array(0..<500))
        }
    }

    @Test func `committed records are seen, aborted and open ones are not`() throws {
        try broker.create("t", partitions: 1)
        let client = try transactional()
        try client.begin()
        try client.send("t", texts("committed", 100))
        try client.commit()
        try client.begin()
        try client.send("t", texts("aborted", 50))
        client.flush()
        try client.abort()
        let last = try broker.extent("t", 0)
        #expect(last.stable == 152 && last.end == 152)
        try client.begin()
        try client.send("t", texts("open", 30))
        client.flush()
        let extent = try broker.extent("t", 0)
        #expect(extent.stable == 152 && extent.end == 182)
        #expect(try Client.values(broker.bootstrap, "t") == texts("committed", 100))
        let all = try Client.values(broker.bootstrap, "t", isolation: "read_uncommitted")
        #expect(all.count == 180)
        try client.commit()
        #expect(
            try Client.values(broker.bootstrap, "t")
                == texts("committed", 100) + texts("open", 30))
    }

    @Test func `a newer producer of the same transactional id fences the older one`() throws {
        try broker.create("t", partitions: 1)
        let old = try transactional()
        try old.begin()
        try old.send("t", ["old"])
        old.flush()
        let new = try transactional()
        try old.send("t", ["zombie"])
        #expect(throws: Refusal.self) { try old.commit() }
        try new.begin()
        try new.send("t", ["new"])
        try new.commit()
        #expect(try Client.values(broker.bootstrap, "t") == ["new"])
    }

    @Test func `a broker that is started again has everything it had acknowledged`() throws {
        try broker.create("t", partitions: 2, ["retention.ms": "-1", "segment.bytes": "4000"])
        let client = try transactional()
        for (round, partition) in zip(0..., [0, 1, 0, 1] as [Int32]) {
            try client.begin()
            try client.send("t", texts("r\(round)-", 100), partition: partition)
            client.flush()
            if round == 2 { try client.abort() } else { try client.commit() }
        }
        broker.stop()
        #expect(throws: BrokerFailure.self) { try broker.extent("t", 0) }
        let again = try TestBroker(directory: scratch.path, ports: broker.ports)
        #expect(again.bootstrap == broker.bootstrap)
        #expect(try Client.values(again.bootstrap, "t") == texts("r0-", 100))
        // The producer goes on as if nothing had been.
        try client.begin()
        try client.send("t", ["after"], partition: 0)
        try client.commit()
        #expect(try Client.values(again.bootstrap, "t") == texts("r0-", 100) + ["after"])
        #expect(
            try Client.values(again.bootstrap, "t", partition: 1)
                == texts("r1-", 100) + texts("r3-", 100))
    }

    @Test func `a broker that is killed loses nothing it had acknowledged`() throws {
        let scratch = try ScratchDirectory()
        let process = try BrokerProcess(directory: scratch.path, nodes: 2)
        try process.command("create t 1 retention.ms=-1")
        let client = try Client(
            RD_KAFKA_PRODUCER, process.bootstrap, ["enable.idempotence": "true"])
        let addresses = process.bootstrap
        try client.send("t", texts("a", 1000))
        #expect(client.flush().count == 1000)
        try client.send("t", texts("b", 1000))
        process.kill()
        try process.start()
        #expect(process.bootstrap == addresses)
        #expect(client.flush().allSatisfy { $0 == RD_KAFKA_RESP_ERR_NO_ERROR })
        #expect(
            try Client.values(process.bootstrap, "t") == texts("a", 1000) + texts("b", 1000))
        #expect(try process.command("extent t 0") == "0 2000 2000")
        #expect(throws: BrokerFailure.self) { try process.command("extent t 1") }
        #expect(throws: BrokerFailure.self) { try process.command("dance") }
    }
}
