import Connectors
import Foundation
import Glibc
import StreamRuntime
import TestBroker
import Testing

@testable import Pipelines

/// A broker of its own, and the commands on its topics.
private final class Cluster {
    let broker: TestBroker
    let topics: KafkaTopics
    private let directory: String

    init() throws {
        var template = Array("/tmp/millrace-cluster-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) }
        directory = String(cString: made!)
        broker = try TestBroker(directory: directory)
        topics = try KafkaTopics(KafkaConnection(bootstrap: broker.bootstrap))
    }

    deinit {
        broker.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    var connection: KafkaConnection { KafkaConnection(bootstrap: broker.bootstrap) }

    /// A source's position at `offset`, as checkpoints keep it.
    static func position(_ offset: Int64) -> [UInt8] {
        [offset, Int64.min].flatMap { word in
            withUnsafeBytes(of: word.littleEndian) { Array($0) }
        }
    }

    func produce(_ topic: String, _ text: String) throws -> Int {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let bytes = Array(text.utf8)
        #expect(write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        defer { close(ends[0]) }
        var lines = InputLines(descriptor: ends[0])
        var options = TopicCommands.Produce()
        options.keySeparator = "="
        return try TopicCommands(topics).produce(topic, options, from: &lines) {
            1_700_000_000_123_456
        }
    }

    func lines(_ body: (TopicCommands, TopicCommands.Line) throws -> Void) throws -> [String] {
        var shown: [String] = []
        try body(TopicCommands(topics)) { shown.append(String(decoding: $0, as: UTF8.self)) }
        return shown
    }
}

@Test func `topics of a Kafka cluster are made, written, described and read`() throws {
    let cluster = try Cluster()
    try TopicCommands(cluster.topics).create(
        "orders", partitions: 3, settings: ["retention.ms": "-1"])
    #expect(try cluster.produce("orders", "a=1\nb=2\nc=3\na=4\n") == 4)

    // The partitions are those that the Java client gives these keys among three.
    let described = try cluster.lines { try $0.describe("orders", to: $1) }
    #expect(
        described == [
            "partition  oldest  end  records  bytes  retention",
            "0               0    0        0      -  all",
            "1               0    3        3      -  all",
            "2               0    1        1      -  all",
        ])
    // A group's lag is what it has not committed; what it never read is all there is.
    try KafkaGroupRecord(
        cluster.connection, KafkaGroup(name: "g", topics: ["o": "orders"])
    ).accept(
        CommittedCheckpoint(checkpoint: 1, manifest: "1-x"),
        positions: ["o/1": Cluster.position(2)])
    let lagging = try cluster.lines { try $0.describe("orders", group: "g", to: $1) }
    #expect(
        lagging == [
            "partition  oldest  end  records  committed  lag  bytes  retention",
            "0               0    0        0          -    0      -  all",
            "1               0    3        3          2    1      -  all",
            "2               0    1        1          -    1      -  all",
        ])
    let told = try cluster.lines { try $0.describe("orders", group: "g", json: true, to: $1) }
    #expect(told[0].contains("\"committed\": 2, \"lag\": 1"), "\(told)")
    #expect(told[0].contains("\"group\": \"g\""), "\(told)")
    let listed = try cluster.lines { try $0.list(to: $1) }
    #expect(listed[1] == "orders           3        4      -  all")

    var options = TopicCommands.Consume()
    options.keySeparator = ":"
    let wait = {
        usleep(1000)
        return true
    }
    let shown = try cluster.lines { commands, line in
        _ = try commands.consume("orders", options, wait: wait) { (bytes) throws(JobFailure) in
            try line(bytes)
        }
    }
    #expect(shown.sorted() == ["a:1", "a:4", "b:2", "c:3"])
    options.json = true
    options.partitions = [1]
    let json = try cluster.lines { commands, line in
        _ = try commands.consume("orders", options, wait: wait) { (bytes) throws(JobFailure) in
            try line(bytes)
        }
    }
    #expect(json.count == 3)
    #expect(json[0].contains("\"offset\": 0, \"timestamp\": 1700000000123000"))
}

@Test func `what is wrong with a topic of a cluster is said with its remedy`() throws {
    let cluster = try Cluster()
    let commands = TopicCommands(cluster.topics)
    try commands.create("orders", partitions: 1, settings: [:])
    #expect(throws: JobFailure.self) {
        try commands.create("orders", partitions: 1, settings: [:])
    }
    for (body, expected) in [
        ({ try commands.describe("order") { _ in } }, "there is no topic order"),
        (
            { try commands.create("bad name", partitions: 1, settings: [:]) },
            "Kafka does not create topic bad name"
        ),
    ] as [(() throws -> Void, String)] {
        let failure = try #require(throws: JobFailure.self) { try body() }
        #expect(failure.problem.contains(expected))
        #expect(!failure.remedy.isEmpty)
    }
}

@Test func `an administrator finds times, reads settings and shortens a topic`() throws {
    let cluster = try Cluster()
    // The broker looks for times in batches that are not compressed; in others it names the batch.
    let connection = KafkaConnection(
        bootstrap: cluster.broker.bootstrap, properties: ["compression.type": "none"])
    let admin = try KafkaAdmin(connection)
    #expect(
        try admin.create(
            "t", partitions: 1, settings: ["retention.ms": "-1", "max.message.bytes": "5000"]))
    #expect(try admin.create("t", partitions: 1) == false)
    #expect(try admin.setting("max.message.bytes", of: "t") == "5000")
    #expect(try admin.setting("no.such.setting", of: "t") == nil)
    let appender = try KafkaAppender(connection, topic: "t")
    for index in 0..<10 {
        try appender.append(
            key: nil, value: [UInt8(index)], timestamp: Int64(1_000_000 + index * 1000),
            headers: [RecordHeaders.Header("n", [UInt8(index)]), RecordHeaders.Header("e", nil)])
    }
    try appender.flush()
    #expect(try admin.offset("t", partition: 0, atOrAfter: 1_004_000) == 4)
    #expect(try admin.offset("t", partition: 0, atOrAfter: 1_004_001) == 5)
    #expect(try admin.offset("t", partition: 0, atOrAfter: 9_000_000) == 10)
    try admin.deleteRecords("t", before: [0: 4])
    let extent = try admin.extent("t", partition: 0)
    #expect(extent.oldest == 4 && extent.end == 10)
    let reader = try KafkaSource(connection, topic: "t", bounded: true).reader(partition: 0)
    var values: [UInt8] = []
    var headers: [[RecordHeaders.Header]] = []
    reading: while true {
        switch try reader.read(maxRecords: 100, maxBytes: 1 << 20) {
        case .records(let batch):
            for row in 0..<batch.count {
                values += Array(batch.values.bytes(row))
                headers.append(
                    batch.headers.flatMap { RecordHeaders.decode($0.bytes(row)) } ?? [])
            }
        case .ended: break reading
        default: usleep(1000)
        }
    }
    #expect(values == [4, 5, 6, 7, 8, 9])
    #expect(headers[0].map(\.name) == ["n", "e"] && headers[0][0].value == [4])
}
