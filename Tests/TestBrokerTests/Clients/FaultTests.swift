import CRdKafka
import Testing

@testable import TestBroker

/// Faults on command, and that a good client gets over them.
struct FaultTests {
    private let scratch: ScratchDirectory
    private let broker: TestBroker

    init() throws {
        scratch = try ScratchDirectory()
        broker = try TestBroker(directory: scratch.path, nodes: 2)
        try broker.create("t", partitions: 1)
    }

    private func idempotent() throws -> Client {
        let client = try Client(
            RD_KAFKA_PRODUCER, broker.bootstrap, ["enable.idempotence": "true"])
        try client.send("t", ["first"])
        #expect(client.flush() == [RD_KAFKA_RESP_ERR_NO_ERROR])
        return client
    }

    enum Trouble: CaseIterable {
        case failed, delayed, droppedBefore, droppedAfter, disconnected, moved
    }

    @Test(arguments: Trouble.allCases)
    func `an idempotent producer's records are there once each, in order`(
        trouble: Trouble
    ) throws {
        let client = try idempotent()
        switch trouble {
        case .failed: try broker.fail(.produce, with: .notEnoughReplicas, times: 3)
        case .delayed: try broker.delay(.produce, millis: 20, times: 2)
        case .droppedBefore: try broker.dropBefore(.produce, times: 2)
        case .droppedAfter: try broker.dropAfter(.produce, times: 2)
        case .disconnected: try broker.disconnect()
        case .moved: try broker.moveLeader("t", 0, to: 2)
        }
        try client.send("t", texts("r", 100))
        #expect(client.flush().allSatisfy { $0 == RD_KAFKA_RESP_ERR_NO_ERROR })
        #expect(try Client.values(broker.bootstrap, "t") == ["first"] + texts("r", 100))
    }

    @Test func `a request that is dropped after it was carried out has been carried out`() throws {
        let client = try Client(
            RD_KAFKA_PRODUCER, broker.bootstrap,
            ["message.send.max.retries": "0", "enable.idempotence": "false"])
        try broker.dropAfter(.produce)
        try client.send("t", ["there"])
        #expect(client.flush() != [RD_KAFKA_RESP_ERR_NO_ERROR])
        try broker.dropBefore(.produce)
        try client.send("t", ["not there"])
        #expect(client.flush() != [RD_KAFKA_RESP_ERR_NO_ERROR])
        #expect(try Client.values(broker.bootstrap, "t") == ["there"])
    }

    @Test func `a failure that cannot be retried reaches the program`() throws {
        let client = try Client(RD_KAFKA_PRODUCER, broker.bootstrap)
        try broker.fail(.produce, with: .topicAuthorizationFailed)
        try client.send("t", ["x"])
        #expect(client.flush() == [RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED])
    }

    @Test func `nothing is answered while the broker is frozen, and nothing is lost`() throws {
        let client = try idempotent()
        try broker.freeze()
        try client.send("t", ["frozen"])
        #expect(client.flush(millis: 100).isEmpty)
        #expect(try broker.extent("t", 0).end == 1)
        try broker.thaw()
        #expect(client.flush() == [RD_KAFKA_RESP_ERR_NO_ERROR])
        #expect(try Client.values(broker.bootstrap, "t") == ["first", "frozen"])
    }

    @Test func `a fault of one node spares the others, and faults can be taken back`() throws {
        try broker.dropBefore(.produce, times: 1_000_000, node: 2)
        let client = try idempotent()
        try broker.moveLeader("t", 0, to: 2)
        try client.send("t", ["second"])
        #expect(client.flush(millis: 200).isEmpty)
        try broker.clearFaults()
        #expect(client.flush() == [RD_KAFKA_RESP_ERR_NO_ERROR])
        #expect(try Client.values(broker.bootstrap, "t") == ["first", "second"])
    }

    @Test
    func `transactions go on when their coordinator moves and when a commit's answer is lost`()
        throws
    {
        let client = try Client(
            RD_KAFKA_PRODUCER, broker.bootstrap, ["transactional.id": "writer"])
        try client.initTransactions()
        for node in Int32(1)...2 {
            try client.begin()
            try client.send("t", ["to \(node)"])
            try broker.moveTransaction("writer", to: node)
            try client.commit()
            try client.begin()
            try client.send("t", ["lost \(node)"])
            client.flush()
            try broker.dropAfter(.endTxn)
            try client.commit()
        }
        #expect(
            try Client.values(broker.bootstrap, "t") == ["to 1", "lost 1", "to 2", "lost 2"])
    }

    @Test func `errors planned for a coordinator's requests reach the client`() throws {
        let client = try Client(
            RD_KAFKA_PRODUCER, broker.bootstrap, ["transactional.id": "writer"])
        try client.initTransactions()
        try client.begin()
        try client.send("t", ["x"])
        client.flush()
        try broker.fail(.endTxn, with: .producerFenced)
        let refusal = try #require(throws: Refusal.self) { try client.commit() }
        #expect(refusal.isFatal)
    }

    @Test func `an error is planned only where an answer can carry it`() throws {
        #expect(throws: BrokerFailure.self) {
            try broker.fail(.metadata, with: .leaderNotAvailable)
        }
    }

    @Test(arguments: FaultAnswers.apis.subtracting([.joinGroup, .produce]))
    func `an answer that carries a planned error is one that the client understands`(
        api: API
    ) throws {
        // An error that clients repeat the request after by themselves.
        let isPartition = api == .fetch || api == .listOffsets
        let client = try Client(
            RD_KAFKA_PRODUCER, broker.bootstrap, ["transactional.id": "all"])
        if !isPartition { try broker.fail(api, with: .coordinatorLoadInProgress) }
        try client.initTransactions()
        try client.begin()
        try client.send("t", ["x"])
        client.flush()
        try client.commit()
        if isPartition { try broker.fail(api, with: .notLeaderOrFollower) }
        let consumer = try Client(RD_KAFKA_CONSUMER, broker.bootstrap, ["group.id": "g"])
        #expect(try consumer.readGroup("t", count: 1).map(\.value) == ["x"])
    }

    @Test(arguments: API.joinGroup.versions)
    func `a join that fails as planned has an answer of its version's shape`(version: Int16) throws
    {
        try broker.fail(.joinGroup, with: .groupAuthorizationFailed)
        let client = try RawClient(port: broker.ports[0])
        let code = try client.ask(.joinGroup, version: version) { _ in
        } _: { reader in
            if version >= 2 { _ = try reader.int32() }
            let code = try reader.int16()
            _ = try reader.int32()
            if version >= 7 { _ = try reader.nullableString() }
            _ = (try reader.string(), try reader.string())
            if version >= 9 { _ = try reader.bool() }
            _ = (try reader.string(), try reader.strings())
            return code
        }
        #expect(code == ErrorCode.groupAuthorizationFailed.rawValue)
    }
}
