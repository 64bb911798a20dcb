import Testing

@testable import TestBroker

/// What administrators ask for, at the oldest and the newest version of each request.
struct TopicAdministrationTests {
    private let scratch: ScratchDirectory
    private var broker: TestBroker
    private var client: RawClient

    init() throws {
        scratch = try ScratchDirectory()
        broker = try TestBroker(directory: scratch.path, nodes: 2)
        client = try RawClient(port: broker.ports[0])
    }

    /// A list of "name: code" of an answer whose items begin with a name and an error.
    private func outcomes(
        _ reader: inout RequestReader, rest: (inout RequestReader) throws(WireFailure) -> Void
    ) throws -> [String] {
        _ = try reader.int32()
        return try reader.array { (item) throws(WireFailure) in
            let name = try item.string()
            let code = ErrorCode(rawValue: try item.int16())
            try rest(&item)
            try item.tags()
            return "\(name): \(code.map { "\($0)" } ?? "?")"
        }
    }

    private func create(
        _ topics: [(name: String, partitions: Int32, replicas: Int16, settings: [String: String])],
        version: Int16, isTrial: Bool = false
    ) throws -> [String] {
        try client.ask(.createTopics, version: version) { body in
            body.array(topics) { body, topic in
                body.string(topic.name)
                body.int32(topic.partitions)
                body.int16(topic.replicas)
                body.arrayCount(0)
                body.array(topic.settings.sorted { $0.key < $1.key }) { body, setting in
                    body.string(setting.key)
                    body.nullableString(setting.value)
                    body.tags()
                }
                body.tags()
            }
            body.int32(1000)
            body.bool(isTrial)
            body.tags()
        } _: { reader in
            try outcomes(&reader) { (item) throws(WireFailure) in
                _ = try item.nullableString()
                guard version >= 5 else { return }
                _ = (try item.int32(), try item.int16())
                _ = try item.array { (item) throws(WireFailure) in
                    let name = (try item.string(), try item.nullableString())
                    _ = (try item.bool(), try item.int8(), try item.bool())
                    try item.tags()
                    return name
                }
            }
        }
    }

    @Test(arguments: [2, 5] as [Int16])
    func `topics are created, refused with a reason, or only tried`(version: Int16) throws {
        #expect(
            try create([("trial", 1, 1, [:])], version: version, isTrial: true) == ["trial: none"])
        #expect(
            try create(
                [
                    ("good", 3, 1, ["retention.ms": "-1"]), ("default", -1, -1, [:]),
                    ("bad/name", 1, 1, [:]), ("none", 0, 1, [:]), ("three", 1, 3, [:]),
                    ("odd", 1, 1, ["retention.mss": "1"]), ("text", 1, 1, ["retention.ms": "x"]),
                    ("good", 1, 1, [:]),
                ], version: version) == [
                    "good: none", "default: none", "bad/name: invalidTopic",
                    "none: invalidPartitions", "three: invalidReplicationFactor",
                    "odd: invalidConfig", "text: invalidConfig", "good: topicAlreadyExists",
                ])
        for (topic, last) in [("good", Int32(2)), ("default", 0)] {
            #expect(try broker.extent(topic, last).end == 0)
            #expect(throws: BrokerFailure.self) { try broker.extent(topic, last + 1) }
        }
        #expect(throws: BrokerFailure.self) { try broker.extent("trial", 0) }
    }

    @Test(arguments: [1, 4] as [Int16])
    func `a topic that is deleted is gone, also after a restart, and can be made anew`(
        version: Int16
    ) throws {
        try broker.create("t", partitions: 1)
        #expect(try client.produce("t", BatchBytes.plain(5)).1 == 0)
        let deleted = try client.ask(.deleteTopics, version: version) { body in
            body.array(["t", "u"]) { $0.string($1) }
            body.int32(1000)
            body.tags()
        } _: { reader in
            try outcomes(&reader) { (_) throws(WireFailure) in }
        }
        #expect(deleted == ["t: none", "u: unknownTopicOrPartition"])
        #expect(try client.produce("t", BatchBytes.plain(5)).0 == .unknownTopicOrPartition)
        broker.stop()
        let again = try TestBroker(directory: scratch.path, nodes: 1)
        #expect(throws: BrokerFailure.self) { try again.extent("t", 0) }
        try again.create("t", partitions: 1)
        #expect(try again.extent("t", 0).end == 0)
    }

    @Test(arguments: [0, 3] as [Int16])
    func `partitions are added, never taken away`(version: Int16) throws {
        try broker.create("t", partitions: 2)
        #expect(try client.produce("t", BatchBytes.plain(5)).1 == 0)
        for (count, expected) in [(2, "invalidPartitions"), (1, "invalidPartitions"), (4, "none")] {
            let answered = try client.ask(.createPartitions, version: version) { body in
                body.array(["t"]) { body, name in
                    body.string(name)
                    body.int32(Int32(count))
                    body.arrayCount(nil)
                    body.tags()
                }
                body.int32(1000)
                body.bool(false)
                body.tags()
            } _: { reader in
                try outcomes(&reader) { (item) throws(WireFailure) in
                    _ = try item.nullableString()
                }
            }
            #expect(answered == ["t: \(expected)"])
        }
        broker.stop()
        let again = try TestBroker(directory: scratch.path, nodes: 2)
        #expect(try again.extent("t", 0).end == 5)
        #expect(try again.extent("t", 3).end == 0)
    }

    private func settings(
        _ kind: Int8, _ name: String, _ keys: [String], version: Int16
    ) throws -> [String] {
        try client.ask(.describeConfigs, version: version) { body in
            body.array([name]) { body, name in
                body.int8(kind)
                body.string(name)
                body.array(keys) { $0.string($1) }
                body.tags()
            }
            body.bool(false)
            if version >= 3 { body.bool(false) }
            body.tags()
        } _: { reader in
            _ = try reader.int32()
            return try reader.array { (item) throws(WireFailure) in
                let code = ErrorCode(rawValue: try item.int16())
                _ = (try item.nullableString(), try item.int8(), try item.string())
                let settings = try item.array { (item) throws(WireFailure) in
                    let name = try item.string()
                    let value = try item.nullableString() ?? "null"
                    _ = try item.bool()
                    let source = try item.int8()
                    _ = (try item.bool(), try item.int32s())
                    if version >= 3 { _ = (try item.int8(), try item.nullableString()) }
                    try item.tags()
                    return "\(name)=\(value) from \(source)"
                }
                try item.tags()
                return ["\(code.map { "\($0)" } ?? "?")"] + settings
            }[0]
        }
    }

    @Test(arguments: [1, 4] as [Int16])
    func `settings are shown with where they come from, and changed`(version: Int16) throws {
        try broker.create("t", partitions: 1, ["retention.ms": "-1"])
        let keys = ["retention.ms", "max.message.bytes"]
        #expect(
            try settings(2, "t", keys, version: version) == [
                "none", "max.message.bytes=1048588 from 5", "retention.ms=-1 from 1",
            ])
        #expect(
            try settings(4, "1", ["transaction.max.timeout.ms"], version: version) == [
                "none", "transaction.max.timeout.ms=900000 from 4",
            ])
        #expect(try settings(2, "u", keys, version: version) == ["unknownTopicOrPartition"])
        let changed = try client.ask(.incrementalAlterConfigs, version: version == 1 ? 0 : 1) {
            body in
            body.array(["t"]) { body, name in
                body.int8(2)
                body.string(name)
                body.array([("retention.ms", 1, nil), ("max.message.bytes", 0, "500")]) {
                    (body, change: (String, Int8, String?)) in
                    body.string(change.0)
                    body.int8(change.1)
                    body.nullableString(change.2)
                    body.tags()
                }
                body.tags()
            }
            body.bool(false)
            body.tags()
        } _: { reader in
            _ = try reader.int32()
            return try reader.array { (item) throws(WireFailure) in
                let code = try item.int16()
                _ = (try item.nullableString(), try item.int8(), try item.string())
                try item.tags()
                return code
            }
        }
        #expect(changed == [0])
        #expect(
            try settings(2, "t", keys, version: version) == [
                "none", "max.message.bytes=500 from 1", "retention.ms=604800000 from 5",
            ])
        #expect(try client.produce("t", BatchBytes.plain(50)).0 == .messageTooLarge)
    }

    // MARK: offsets

    private func offset(_ timestamp: Int64, version: Int16, isolation: Int8 = 0) throws -> Int64 {
        try client.ask(.listOffsets, version: version) { body in
            body.int32(-1)
            if version >= 2 { body.int8(isolation) }
            body.array(["t"]) { body, name in
                body.string(name)
                body.array([timestamp]) { body, timestamp in
                    body.int32(0)
                    if version >= 4 { body.int32(-1) }
                    body.int64(timestamp)
                    body.tags()
                }
                body.tags()
            }
            body.tags()
        } _: { reader in
            if version >= 2 { _ = try reader.int32() }
            return try reader.array { (item) throws(WireFailure) in
                _ = try item.string()
                let offset = try item.array { (item) throws(WireFailure) in
                    _ = (try item.int32(), try item.int16(), try item.int64())
                    let offset = try item.int64()
                    if version >= 4 { _ = try item.int32() }
                    try item.tags()
                    return offset
                }[0]
                try item.tags()
                return offset
            }[0]
        }
    }

    @Test(arguments: [1, 2, 4, 7] as [Int16])
    func `offsets are listed by what is asked: earliest, latest, stable, by time`(
        version: Int16
    ) throws {
        try broker.create("t", partitions: 1, ["retention.ms": "-1"])
        for block in Int64(0)..<5 {
            _ = try client.produce("t", BatchBytes.plain(10, millis: block * 1000))
        }
        let cases: [(Int64, Int64)] = [
            (-2, 0), (-1, 50), (0, 0), (1005, 15), (1010, 20), (9999, -1),
        ]
        for (timestamp, expected) in cases {
            #expect(try offset(timestamp, version: version) == expected, "\(timestamp)")
        }
        let deleted = try client.ask(.deleteRecords, version: version < 4 ? 0 : 2) { body in
            body.array(["t"]) { body, name in
                body.string(name)
                body.array([Int64(17)]) { body, offset in
                    body.int32(0)
                    body.int64(offset)
                    body.tags()
                }
                body.tags()
            }
            body.int32(1000)
            body.tags()
        } _: { reader in
            _ = try reader.int32()
            return try reader.array { (item) throws(WireFailure) in
                _ = try item.string()
                let starts = try item.array { (item) throws(WireFailure) in
                    _ = try item.int32()
                    let start = try item.int64()
                    _ = try item.int16()
                    try item.tags()
                    return start
                }
                try item.tags()
                return starts[0]
            }
        }
        #expect(deleted == [17])
        #expect(try offset(-2, version: version) == 17)
        #expect(try offset(0, version: version) == 17)
        client.fetch("t", from: 16, waitMillis: 0)
        #expect(try client.fetched().0 == .offsetOutOfRange)
        if version >= 7 { #expect(try offset(-3, version: version) == 49) }
    }

    @Test
    func `retention of a topic goes by the records' time: old events vanish unless told not to`()
        throws
    {
        for (topic, retention) in [("week", nil), ("kept", "-1")] as [(String, String?)] {
            try broker.create(
                topic, partitions: 1, retention.map { ["retention.ms": $0] } ?? [:])
            _ = try client.produce(topic, BatchBytes.plain(10, millis: 1_700_000_000_000))
        }
        try broker.applyRetention()
        #expect(try broker.extent("week", 0) == (10, 10, 10))
        #expect(try broker.extent("kept", 0) == (0, 10, 10))
    }

    @Test func `a compacted topic takes no record without a key`() throws {
        try broker.create("t", partitions: 1, ["cleanup.policy": "compact"])
        #expect(try client.produce("t", BatchBytes.make([(nil, "v")])).0 == .invalidRecord)
        for _ in 0..<20 {
            #expect(
                try client.produce("t", BatchBytes.make(texts("k", 10).map { ($0, "v") })).0
                    == ErrorCode.none)
        }
        try broker.compact("t")
        client.fetch("t", from: 0, waitMillis: 0)
        let (code, bytes) = try client.fetched()
        #expect(code == ErrorCode.none)
        #expect(Int(bytes) == BatchBytes.make(texts("k", 10).map { ($0, "v") }).count)
        #expect(try broker.extent("t", 0).end == 200)
    }
}
