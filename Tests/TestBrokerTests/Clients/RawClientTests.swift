import Testing

@testable import TestBroker

/// The broker as clients see it that make mistakes.
struct RawClientTests {
    private let scratch: ScratchDirectory
    private let broker: TestBroker

    init() throws {
        scratch = try ScratchDirectory()
        var settings = BrokerSettings()
        settings.messageMaxBytes = 5000
        broker = try TestBroker(directory: scratch.path, nodes: 2, settings: settings)
        try broker.create("t", partitions: 2)
    }

    @Test func `a batch sent twice is answered twice and kept once`() throws {
        let client = try RawClient(port: broker.ports[0])
        let batch = BatchBytes.plain(3, producer: 7, epoch: 0, sequence: 0)
        for _ in 0..<2 {
            let (code, offset) = try client.produce("t", batch)
            #expect(code == ErrorCode.none && offset == 0)
        }
        let gap = BatchBytes.plain(3, producer: 7, epoch: 0, sequence: 9)
        #expect(try client.produce("t", gap).0 == .outOfOrderSequenceNumber)
        #expect(try client.produce("t", BatchBytes.plain(600)).0 == .messageTooLarge)
        #expect(try client.produce("none", batch).0 == .unknownTopicOrPartition)
        let other = try RawClient(port: broker.ports[1])
        #expect(try other.produce("t", batch).0 == .notLeaderOrFollower)
        #expect(try broker.extent("t", 0).end == 3)
    }

    @Test func `a fetch at the end waits for records, for enough of them, or for its time`() throws
    {
        let reader = try RawClient(port: broker.ports[0])
        let writer = try RawClient(port: broker.ports[0])
        let batch = BatchBytes.plain(1)
        // The minute never passes: the record ends the wait.
        reader.fetch("t", from: 0, waitMillis: 60_000)
        #expect(try writer.produce("t", batch).1 == 0)
        #expect(try reader.fetched() == (ErrorCode.none, Int32(batch.count)))
        reader.fetch("t", from: 1, waitMillis: 60_000, bytesMin: Int32(batch.count * 2))
        #expect(try writer.produce("t", batch).1 == 1)
        #expect(try writer.produce("t", batch).1 == 2)
        #expect(try reader.fetched() == (ErrorCode.none, Int32(batch.count * 2)))
        reader.fetch("t", from: 3, waitMillis: 1)
        #expect(try reader.fetched() == (ErrorCode.none, 0))
        reader.fetch("t", from: 4, waitMillis: 60_000)
        #expect(try reader.fetched() == (.offsetOutOfRange, 0))
        reader.fetch("t", from: 3, waitMillis: 60_000)
        try broker.moveLeader("t", 0, to: 2)
        #expect(try reader.fetched() == (.notLeaderOrFollower, 0))
    }

    @Test func `requests sent at once are answered in their order`() throws {
        let client = try RawClient(port: broker.ports[0])
        for _ in 0..<50 {
            client.send(API.apiVersions.rawValue, version: 0) { _ in }
            client.send(API.metadata.rawValue, version: 1) { $0.arrayCount(nil) }
        }
        for expected in Int32(1)...100 { #expect(client.receive()?.correlation == expected) }
    }

    @Test func `a version that is not known is answered with those that are, in version 0`() throws
    {
        let client = try RawClient(port: broker.ports[0])
        client.send(API.apiVersions.rawValue, version: 99) { _ in }
        let answer = try #require(client.receive())
        #expect(Array(answer.body[..<2]) == [0, 35])
        let count = answer.body[2...].prefix(4).reduce(0) { $0 << 8 | Int($1) }
        // A broker that lets everybody in does not offer the two requests of SASL.
        #expect(count == API.allCases.count - 2)
        #expect(answer.body.count == 6 + 6 * count)
    }

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF], [0, 0, 0, 1, 0],
            [0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF],
            [0, 0, 0, 14, 0, 0, 0, 7, 0, 0, 0, 1, 0xFF, 0xFF, 0, 0, 0, 0],
            [0x47, 0x45, 0x54, 0x20, 0x2F, 0x20, 0x48, 0x54, 0x54, 0x50],
        ] as [[UInt8]])
    func `what is no request closes its own connection only`(bytes: [UInt8]) throws {
        let client = try RawClient(port: broker.ports[0])
        client.send(bytes: bytes)
        #expect(client.receive() == nil)
        let other = try RawClient(port: broker.ports[0])
        #expect(try other.produce("t", BatchBytes.plain(1)).0 == ErrorCode.none)
    }

    @Test func `random bytes after a good header never end the broker`() throws {
        var seed: UInt64 = 0x5EED_2026
        print("seed \(seed)")
        func next() -> UInt64 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return seed >> 33
        }
        for _ in 0..<300 {
            let client = try RawClient(port: broker.ports[0])
            let api = API.allCases[Int(next() % UInt64(API.allCases.count))]
            let versions = Array(api.versions)
            let noise = (0..<Int(next() % 60)).map { _ in UInt8(next() % 4 == 0 ? next() % 256 : 0)
            }
            client.send(
                api.rawValue, version: versions[Int(next() % UInt64(versions.count))]
            ) { $0.raw(noise) }
        }
        #expect(
            try RawClient(port: broker.ports[0]).produce("t", BatchBytes.plain(1)).0
                == ErrorCode.none)
    }
}
