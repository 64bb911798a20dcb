import Glibc
import StreamRuntime
import Testing

@testable import Pipelines

/// A log in a directory of its own, and the commands on it.
private final class Scratch {
    let log: EmbeddedLog

    init() {
        var template = Array("/tmp/millrace-topics-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) }
        log = EmbeddedLog(root: String(cString: made!))
    }

    deinit {
        for topic in (try? log.topics()) ?? [] { try? log.deleteTopic(topic) }
        rmdir(log.root)
    }

    @discardableResult
    func produce(
        _ topic: String, _ text: String, _ options: TopicCommands.Produce = .init()
    ) throws -> Int {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let bytes = Array(text.utf8)
        #expect(write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        defer { close(ends[0]) }
        var lines = InputLines(descriptor: ends[0])
        return try TopicCommands(log).produce(topic, options, from: &lines) {
            1_700_000_000_000_000
        }
    }

    func consume(_ topic: String, _ change: (inout TopicCommands.Consume) -> Void) throws
        -> [String]
    {
        var options = TopicCommands.Consume()
        change(&options)
        var shown: [String] = []
        let count = try TopicCommands(log).consume(topic, options) {
            shown.append(String(decoding: $0, as: UTF8.self))
        }
        #expect(count == shown.count)
        return shown
    }
}

@Test func `lines become records and records become lines`() throws {
    let scratch = Scratch()
    try scratch.log.createTopic("t", TopicSettings(partitions: 1))
    #expect(try scratch.produce("t", "one\ntwo\r\n\nlast") == 4)
    #expect(try scratch.produce("t", "") == 0)
    let table: [((inout TopicCommands.Consume) -> Void, [String])] = [
        ({ _ in }, ["one", "two", "", "last"]),
        ({ $0.from = 1 }, ["two", "", "last"]),
        ({ $0.from = -1 }, ["last"]),
        ({ $0.from = -100 }, ["one", "two", "", "last"]),
        ({ $0.count = 2 }, ["one", "two"]),
        ({ $0.before = 3 }, ["one", "two", ""]),
        (
            {
                $0.from = 1; $0.before = 2
            }, ["two"]
        ),
        ({ $0.count = 0 }, []),
        ({ $0.partitions = [] }, []),
        (
            {
                $0.follow = true; $0.from = 3
            }, ["last"]
        ),
    ]
    for (change, expected) in table { #expect(try scratch.consume("t", change) == expected) }
}

@Test func `a key chooses the partition and is shown with its value`() throws {
    let scratch = Scratch()
    try scratch.log.createTopic("t", TopicSettings(partitions: 3))
    var options = TopicCommands.Produce()
    options.keySeparator = "=>"
    options.emptyIsTombstone = true
    try scratch.produce("t", "21=>a=>b\na-little-bit-long-string=>\n", options)
    // Java's murmur2 gives 21 -> -973932308 and the other -985981536.
    let places = [("21", -973_932_308), ("a-little-bit-long-string", -985_981_536)].map {
        ($0.0, Int($0.1 & 0x7FFF_FFFF) % 3)
    }
    for (key, partition) in places {
        let shown = try scratch.consume("t") {
            $0.partitions = [Int32(partition)]
            $0.json = true
        }
        let value = key == "21" ? "\"a=>b\"" : "null"
        let line =
            "{\"topic\": \"t\", \"partition\": \(partition), \"offset\": 0, "
            + "\"timestamp\": 1700000000000000, \"key\": \"\(key)\", \"value\": \(value)}"
        #expect(shown.contains(line))
    }
    let plain = try scratch.consume("t") { $0.keySeparator = "\t" }
    #expect(plain.sorted() == ["21\ta=>b", "a-little-bit-long-string\t"])
    let told = #expect(throws: JobFailure.self) {
        try scratch.produce("t", "k=>v\nnone\n", options)
    }
    #expect(told?.problem == "line 2 has no \"=>\" between key and value")
    #expect(try scratch.consume("t") { $0.keySeparator = "\t" }.contains("k\tv"))
}

@Test func `records without a key go round the partitions, or to the one asked for`() throws {
    let scratch = Scratch()
    try scratch.log.createTopic("t", TopicSettings(partitions: 2))
    try scratch.produce("t", "a\nb\nc\n")
    #expect(try scratch.consume("t") { $0.partitions = [1] } == ["b"])
    var options = TopicCommands.Produce()
    options.partition = 1
    try scratch.produce("t", "d\n", options)
    #expect(try scratch.consume("t") { $0.partitions = [1] } == ["b", "d"])
    options.partition = 2
    let told = #expect(throws: JobFailure.self) { try scratch.produce("t", "e\n", options) }
    #expect(told?.problem == "topic t has no partition 2")
}

@Test func `values that are no text are shown in hexadecimal in JSON and unchanged in lines`()
    throws
{
    let scratch = Scratch()
    try scratch.log.createTopic("t", TopicSettings(partitions: 1))
    do {
        let writer = try scratch.log.writer("t", syncing: false)
        try writer.append(
            key: nil, value: [0xFF, 0x00, 0x41], timestamp: 5, headers: [.init("h", [0x31])])
        try writer.commit()
    }
    var shown: [[UInt8]] = []
    _ = try TopicCommands(scratch.log).consume("t") { shown.append($0) }
    #expect(shown == [[0xFF, 0x00, 0x41]])
    #expect(
        try scratch.consume("t") { $0.json = true } == [
            "{\"topic\": \"t\", \"partition\": 0, \"offset\": 0, \"timestamp\": 5, \"key\": null, "
                + "\"value_hex\": \"ff0041\", \"headers\": [{\"h\": \"1\"}]}"
        ])
}

@Test func `following shows what is committed while waiting`() throws {
    let scratch = Scratch()
    try scratch.log.createTopic("t", TopicSettings(partitions: 1))
    let writer = try scratch.log.writer("t", syncing: false)
    var options = TopicCommands.Consume()
    options.follow = true
    options.count = 3
    var waits = 0
    var shown: [String] = []
    _ = try TopicCommands(scratch.log).consume(
        "t", options,
        wait: {
            waits += 1
            try? writer.append(key: nil, value: Array("v\(waits)".utf8), timestamp: 0)
            try? writer.commit()
            return true
        }, to: { shown.append(String(decoding: $0, as: UTF8.self)) })
    #expect(shown == ["v1", "v2", "v3"])
    #expect(waits == 3)
}

@Test func `the list tells each topic's extent`() throws {
    let scratch = Scratch()
    try scratch.log.createTopic("orders", TopicSettings(partitions: 2, retentionMicros: 60_000_000))
    try scratch.log.createTopic("a", TopicSettings(partitions: 1))
    try scratch.produce("orders", "x\ny\nz\n")
    var lines: [String] = []
    try TopicCommands(scratch.log).list { lines.append(String(decoding: $0, as: UTF8.self)) }
    let bytes = try scratch.log.extents("orders").reduce(0) { $0 + $1.bytes }
    #expect(lines.count == 3)
    #expect(lines[0] == "topic   partitions  records  bytes  retention")
    #expect(lines[1] == "a                1        0      0  all")
    #expect(lines[2] == "orders           2        3    \(bytes)  60 s")
    lines = []
    try TopicCommands(scratch.log).list(json: true) {
        lines.append(String(decoding: $0, as: UTF8.self))
    }
    #expect(
        lines[0].hasPrefix("{\"topic\": \"a\", \"records\": 0, \"bytes\": 0, \"partitions\": [{"))
    #expect(lines[1].contains("\"partition\": 1, \"oldest\": 0, \"end\": 1"))
}
