import Glibc
import Testing

@testable import StreamRuntime

private let mixed: [TestRecord] = [
    TestRecord(key: "a", value: "one", timestamp: 1_700_000_000_000_000),
    TestRecord(key: nil, value: "two", timestamp: -5),
    TestRecord(key: "", value: "", timestamp: 0),
    TestRecord(key: "gone", value: nil, timestamp: .max),
    TestRecord(
        key: "h", value: "five", timestamp: 7,
        headers: [.init("trace", [1, 2, 0]), .init("", nil), .init("empty", [])]),
    TestRecord(key: nil, value: nil, timestamp: .min),
]

@Test(arguments: [1, 2, 4, 7, 4096])
func `records come back as they were written, however many are read at once`(
    maxRecords: Int
) throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t")
    try writer.send(mixed)
    try writer.commit()
    try writer.send(mixed.reversed())
    try writer.commit()
    let expected = mixed + mixed.reversed()
    #expect(try scratch.log.records("t", maxRecords: maxRecords) == expected)
    #expect(try scratch.log.records("t", maxRecords: maxRecords, maxBytes: 1) == expected)
    for offset in 0...expected.count {
        let rest = try scratch.log.records("t", from: Int64(offset), maxRecords: maxRecords)
        #expect(rest == Array(expected[offset...]))
    }
}

@Test func `an offset from before or behind the log is refused with what is there`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("orders")
    try writer.send("a", "b")
    try writer.commit()
    let reader = try scratch.log.source("orders", bounded: false).reader(partition: 0)
    let behind = try #require(failure { try reader.seek(to: 3) })
    #expect(behind.problem == "offset 3 of orders/0 is not there yet: the topic ends at 2")
    let before = try #require(failure { try reader.seek(to: -1) })
    #expect(before.problem.contains("offset -1 of orders/0 is no longer there"))
    #expect(before.remedy.contains("from offset 0"))
}

@Test func `a follower sees each commit and a bounded reader ends at the first`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t")
    try writer.send("a")
    try writer.commit()
    let follower = try scratch.log.source("t", bounded: false).reader(partition: 0)
    let bounded = try scratch.log.source("t", bounded: true).reader(partition: 0)
    try writer.send("b")
    #expect(try read(follower) == ["a"])
    #expect(try read(follower) == ["caught up"])
    try writer.commit()
    #expect(try read(follower) == ["b"])
    #expect(try read(follower) == ["caught up"])
    for value in ["c", "d", "e"] {
        try writer.send(value)
        try writer.commit()
        #expect(try read(follower) == [value])
    }
    #expect(try read(bounded) == ["a"])
    #expect(try read(bounded) == ["ended"])
    #expect(bounded.name == "t/0")
}

private func read(_ reader: any PartitionReader) throws -> [String] {
    switch try reader.read(maxRecords: 100, maxBytes: 1 << 20) {
    case .records(let batch): (0..<batch.count).map { batch.values.string($0) }
    case .caughtUp: ["caught up"]
    case .ended: ["ended"]
    case .waiting: ["waiting"]
    }
}

@Test func `segments roll by bytes and are read through`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t", TopicSettings(partitions: 1, segmentBytes: 200))
    let values = (0..<40).map { "value \($0)" }
    for value in values {
        try writer.send(value)
        try writer.commit()
    }
    let extent = try #require(try scratch.log.extents("t").first)
    #expect(extent.segments > 10)
    #expect(extent.records == 40)
    #expect(try scratch.log.values("t") == values)
    for offset in 0...40 {
        #expect(try scratch.log.values("t", from: Int64(offset)) == Array(values[offset...]))
    }
}

@Test func `a lost or damaged index costs nothing but a walk, and the writer makes it anew`() throws
{
    let scratch = ScratchLog()
    var writer: TopicWriter? = try scratch.topic(
        "t", TopicSettings(partitions: 1, segmentBytes: 300))
    let values = (0..<30).map { "value \($0)" }
    for value in values {
        try writer!.send(value)
        try writer!.commit()
    }
    writer = nil
    let whole = try contents(scratch.index("t"))
    #expect(!whole.isEmpty)
    for at in whole.indices {
        var bad = whole
        bad[at] ^= 0x40
        try overwrite(scratch.index("t"), bad)
        #expect(try scratch.log.values("t", from: 1) == Array(values[1...]))
    }
    try LogDirectory.remove(scratch.index("t"))
    #expect(try scratch.log.values("t") == values)
    try scratch.log.writer("t", syncing: false).recover(token: nil)
    #expect(try contents(scratch.index("t")) == whole)
}

@Test func `retention by bytes drops whole old segments, never the one being written`() throws {
    let scratch = ScratchLog()
    let settings = TopicSettings(partitions: 1, segmentBytes: 150, retentionBytes: 400)
    let writer = try scratch.topic("t", settings)
    let reader = try scratch.log.source("t", bounded: false).reader(partition: 0)
    for number in 0..<50 {
        try writer.send("value \(number)")
        try writer.commit()
    }
    let extent = try #require(try scratch.log.extents("t").first)
    #expect(extent.oldest > 30)
    #expect(extent.bytes < 400 + 150)
    #expect(extent.end == 50)
    #expect(try scratch.log.values("t").last == "value 49")
    let lost = try #require(failure { try reader.seek(to: 3) })
    #expect(lost.problem.contains("offset 3 of t/0"))
    #expect(lost.problem.contains("before \(extent.oldest)"))
    let overtaken = try #require(failure { _ = try read(reader) })
    #expect(overtaken.problem.contains("offset 0 of t/0 is no longer there"))
}

@Test func `retention by age goes by record time, not by the clock`() throws {
    let scratch = ScratchLog()
    let settings = TopicSettings(partitions: 1, segmentBytes: 1, retentionMicros: 100)
    let writer = try scratch.topic("t", settings)
    for time in [1000, 1050, 1100, 1101, 1300, 1299] as [Int64] {
        try writer.send([TestRecord(key: nil, value: "\(time)", timestamp: time)])
        try writer.commit()
    }
    #expect(try scratch.log.values("t") == ["1300", "1299"])
}

@Test func `a record of 64 MB goes through`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t")
    var large = [UInt8](repeating: 7, count: 64 << 20)
    for at in stride(from: 0, to: large.count, by: 9_973) { large[at] = UInt8(at & 0xFF) }
    try writer.send("small")
    try writer.append(key: nil, value: large, timestamp: 1)
    try writer.send("after")
    try writer.commit()
    let reader = try scratch.log.source("t", bounded: true).reader(partition: 0)
    var lengths: [Int] = []
    while case .records(let batch) = try reader.read(maxRecords: 10, maxBytes: 1 << 20) {
        for row in 0..<batch.count {
            lengths.append(batch.values.bytes(row).count)
            if lengths.last == large.count {
                #expect(memcmp(batch.values.bytes(row).baseAddress!, large, large.count) == 0)
            }
        }
    }
    #expect(lengths == [5, 64 << 20, 5])
}

@Test func `every byte of a readable block is under its checksum`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t")
    try writer.send(mixed)
    try writer.commit()
    let path = scratch.segment("t")
    let whole = try contents(path)
    for at in whole.indices {
        var bad = whole
        bad[at] ^= 1
        try overwrite(path, bad)
        let told = try #require(failure { _ = try scratch.log.records("t") }, "byte \(at)")
        #expect(told.kind == .corruption)
        #expect(told.problem == "the records of t/0 from offset 0 on are damaged")
        #expect(told.place == "\(path), byte 0")
    }
    try overwrite(path, Array(whole.dropLast(3)))
    #expect(failure { _ = try scratch.log.records("t") }?.kind == .corruption)
}
