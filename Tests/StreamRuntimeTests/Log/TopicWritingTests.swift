import Glibc
import Testing

@testable import StreamRuntime

@Test func `appends of all partitions become readable together at the commit`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t", TopicSettings(partitions: 3))
    for partition in 0..<3 { try writer.send("p\(partition)", partition: partition) }
    let token = try writer.prepare(checkpoint: 1)
    for partition in 0..<3 { try writer.send("next \(partition)", partition: partition) }
    for partition in 0..<3 { #expect(try scratch.log.values("t", partition) == []) }
    try writer.commit(token: token)
    for partition in 0..<3 { #expect(try scratch.log.values("t", partition) == ["p\(partition)"]) }
    try writer.commit(token: token)
    try writer.commit(token: try writer.prepare(checkpoint: 2))
    for partition in 0..<3 {
        #expect(try scratch.log.values("t", partition) == ["p\(partition)", "next \(partition)"])
    }
    try writer.commit(token: token)
    #expect(try scratch.log.extents("t").map(\.end) == [2, 2, 2])
}

/// A topic with "a" committed and "b", "c" prepared but not committed; both tokens.
private func crashed(_ scratch: ScratchLog) throws -> (first: [UInt8], second: [UInt8]) {
    let writer = try scratch.topic("t", TopicSettings(partitions: 2))
    try writer.recover(token: nil)
    writer.beginCheckpoints(after: 0)
    try writer.send("a")
    let first = try writer.prepare(checkpoint: 1)
    try writer.commit(token: first)
    try writer.send("b", "c")
    try writer.send("x", partition: 1)
    let second = try writer.prepare(checkpoint: 2)
    return (first, second)
}

@Test func `recovery commits what the token names, or cuts it off`() throws {
    for (useToken, expected) in [(true, ["a", "b", "c"]), (false, ["a"])] {
        let scratch = ScratchLog()
        let tokens = try crashed(scratch)
        for _ in 0..<2 {
            let writer = try scratch.log.writer("t", syncing: false)
            try writer.recover(token: useToken ? tokens.second : nil)
            #expect(try scratch.log.values("t") == expected)
            #expect(try scratch.log.values("t", 1) == (useToken ? ["x"] : []))
        }
        let writer = try scratch.log.writer("t", syncing: false)
        try writer.send("z")
        try writer.commit()
        #expect(try scratch.log.values("t") == expected + ["z"])
    }
}

@Test func `a tail torn at any byte is cut off, and missed when a checkpoint names it`() throws {
    let scratch = ScratchLog()
    let tokens = try crashed(scratch)
    let path = scratch.segment("t")
    let whole = try contents(path)
    let committed = try #require(CommittedEnds(bytes: tokens.first, partitions: 2)).ends[0].position
    for length in Int(committed)..<whole.count {
        try overwrite(path, Array(whole[..<length]))
        let told = failure {
            try scratch.log.writer("t", syncing: false).recover(token: tokens.second)
        }
        #expect(told?.problem == "the records of t/0 from offset 1 on are damaged")
        #expect(try scratch.log.values("t") == ["a"])
        let writer = try scratch.log.writer("t", syncing: false)
        try writer.recover(token: nil)
        #expect(try contents(path).count == Int(committed))
        // Put back what the cut took, for the next length.
        try overwrite(path, whole)
    }
}

@Test func `a flipped byte in what a checkpoint names is found before it is committed`() throws {
    let scratch = ScratchLog()
    let tokens = try crashed(scratch)
    let path = scratch.segment("t")
    let whole = try contents(path)
    let committed = try #require(CommittedEnds(bytes: tokens.first, partitions: 2)).ends[0].position
    for at in Int(committed)..<whole.count {
        var bad = whole
        bad[at] ^= 0x80
        try overwrite(path, bad)
        let told = failure {
            try scratch.log.writer("t", syncing: false).recover(token: tokens.second)
        }
        #expect(told?.kind == .corruption, "byte \(at)")
        #expect(try scratch.log.values("t") == ["a"])
    }
    try overwrite(path, whole + [1, 2, 3])
    try scratch.log.writer("t", syncing: false).recover(token: tokens.second)
    #expect(try scratch.log.values("t") == ["a", "b", "c"])
    #expect(try contents(path) == whole)
}

@Test func `going back to an older checkpoint takes back what was committed after it`() throws {
    let scratch = ScratchLog()
    let tokens = try crashed(scratch)
    let reader = try scratch.log.source("t", bounded: false).reader(partition: 0)
    try scratch.log.writer("t", syncing: false).recover(token: tokens.second)
    #expect(try scratch.log.values("t") == ["a", "b", "c"])
    let writer = try scratch.log.writer("t", syncing: false)
    try writer.recover(token: tokens.first)
    #expect(try scratch.log.values("t") == ["a"])
    #expect(try scratch.log.values("t", 1) == [])
    try writer.send("b", "c")
    try writer.commit(token: try writer.prepare(checkpoint: 2))
    guard case .records(let batch) = try reader.read(maxRecords: 9, maxBytes: 99) else {
        Issue.record("nothing read")
        return
    }
    #expect(batch.values.string(0) == "a")
}

@Test func `going back over another producer's records is refused`() throws {
    let scratch = ScratchLog()
    let tokens = try crashed(scratch)
    do {
        let producer = try scratch.log.writer("t", syncing: false)
        try producer.send("theirs", partition: 1)
        try producer.commit()
    }
    let told = try #require(
        failure { try scratch.log.writer("t", syncing: false).recover(token: tokens.first) })
    #expect(
        told.problem
            == "another producer has appended to t/1 since the checkpoint, from offset 0 on")
    #expect(try scratch.log.values("t", 1) == ["theirs"])
}

@Test func `a second writer is refused and told who the first is`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t")
    let told = try #require(failure { _ = try scratch.log.writer("t") })
    #expect(told.problem == "topic t already has a writer, process \(getpid())")
    let deleting = try #require(failure { try scratch.log.deleteTopic("t") })
    #expect(deleting.problem == told.problem)
    writer.close()
    try scratch.log.deleteTopic("t")
}

/// A disk that has room for `left` more bytes.
private final class SmallDisk {
    var left: Int
    var code = ENOSPC

    init(left: Int) { self.left = left }

    var write: FileWrite {
        FileWrite { [self] descriptor, bytes, count, position in
            guard left > 0 else {
                errno = code
                return -1
            }
            let put = pwrite(descriptor, bytes, min(count, left), position)
            left -= put
            return put
        }
    }
}

@Test func `a full disk leaves a valid log, and appending goes on when there is room`()
    throws
{
    for room in stride(from: 0, to: 330, by: 5) {
        let scratch = ScratchLog()
        let disk = SmallDisk(left: room)
        let writer = try scratch.topic("t", write: disk.write)
        var committed: [String] = []
        var told: JobFailure?
        for number in 0..<4 where told == nil {
            told = failure {
                try writer.send("v\(number)")
                try writer.commit()
            }
            if told == nil { committed.append("v\(number)") }
        }
        #expect(try scratch.log.values("t") == committed)
        guard let told else { continue }
        #expect(told.problem.contains("No space left on device"))
        #expect(told.place.hasPrefix(scratch.log.root))
        #expect(told.remedy.contains("free space"))
        disk.left = 1 << 20
        try writer.send("later")
        try writer.commit()
        #expect(try scratch.log.values("t") == committed + ["v\(committed.count)", "later"])
    }
}

@Test func `a full block that the disk refuses is kept and nothing is added to it`() throws {
    let scratch = ScratchLog()
    let disk = SmallDisk(left: 0)
    let writer = try scratch.topic("t", write: disk.write)
    let records = (0..<LogLimits.blockRecords).map { TestRecord(key: nil, value: "\($0)") }
    #expect(failure { try writer.send(records) } != nil)
    for _ in 0..<3 { #expect(failure { try writer.send("not yet") } != nil) }
    disk.left = 1 << 20
    try writer.send("after")
    try writer.commit()
    #expect(try scratch.log.records("t") == records + [TestRecord(key: nil, value: "after")])
}

@Test func `a flipped byte is also found in a segment that was filled since the commit`() throws {
    let scratch = ScratchLog()
    var token: [UInt8] = []
    do {
        let writer = try scratch.topic("t", TopicSettings(partitions: 1, segmentBytes: 1))
        for number in 1...3 {
            try writer.send("value \(number)")
            token = try writer.prepare(checkpoint: Int64(number))
        }
    }
    var bytes = try contents(scratch.segment("t", base: 1))
    bytes[60] ^= 1
    try overwrite(scratch.segment("t", base: 1), bytes)
    let told = failure { try scratch.log.writer("t", syncing: false).recover(token: token) }
    #expect(told?.problem == "the records of t/0 from offset 1 on are damaged")
    bytes[60] ^= 1
    try overwrite(scratch.segment("t", base: 1), bytes)
    try scratch.log.writer("t", syncing: false).recover(token: token)
    #expect(try scratch.log.values("t") == ["value 1", "value 2", "value 3"])
}

@Test(arguments: [
    (EROFS, "mount the file system writable"), (EACCES, "give user"), (EIO, "check it"),
])
func `what the disk refuses is told with a remedy`(code: Int32, remedy: String) throws {
    let scratch = ScratchLog()
    let disk = SmallDisk(left: 0)
    disk.code = code
    let writer = try scratch.topic("t", write: disk.write)
    try writer.send("v")
    let told = try #require(failure { try writer.commit() })
    #expect(told.remedy.contains(remedy))
    #expect(told.place == scratch.segment("t"))
}

@Test func `topics are created whole, listed, and deleted`() throws {
    let scratch = ScratchLog()
    let log = scratch.log
    #expect(try log.topics() == [])
    try log.createTopic("b", TopicSettings(partitions: 2))
    try log.createTopic("a.x", TopicSettings(partitions: 1, retentionMicros: 5))
    #expect(try log.topics() == ["a.x", "b"])
    #expect(try log.settings("a.x") == TopicSettings(partitions: 1, retentionMicros: 5))
    #expect(
        failure { try log.createTopic("b", TopicSettings(partitions: 1)) }?.problem
            == "topic b exists already")
    try log.ensureTopic("b", TopicSettings(partitions: 9))
    #expect(try log.settings("b").partitions == 2)
    let unknown = try #require(failure { _ = try log.source("orders", bounded: true) })
    #expect(unknown.problem == "there is no topic orders")
    #expect(unknown.remedy.hasSuffix("topics there: a.x, b"))
    #expect(
        failure { _ = try log.source("b", bounded: true).reader(partition: 2) }?.problem
            == "topic b has no partition 2")
    try log.deleteTopic("b")
    #expect(try log.topics() == ["a.x"])
}

@Test(arguments: [
    "", ".", "..", ".hidden", "a/b", "naïve", "sp ace", "a\u{0}",
    String(repeating: "x", count: 250),
])
func `a topic name that is no safe file name is refused`(name: String) throws {
    let scratch = ScratchLog()
    #expect(failure { try scratch.log.createTopic(name, TopicSettings(partitions: 1)) } != nil)
    #expect(try scratch.log.topics() == [])
}

@Test func `a topic of a newer version or with damaged files is refused`() throws {
    let scratch = ScratchLog()
    let writer = try scratch.topic("t")
    try writer.send("a")
    try writer.commit()
    let settings = scratch.log.root + "/t/topic"
    try overwrite(settings, Array("millrace-topic 2\npartitions 1\n".utf8))
    let newer = try #require(failure { _ = try scratch.log.source("t", bounded: true) })
    #expect(newer.problem == "the topic was written in format 2 and this program knows 1")
    try overwrite(settings, [0, 1, 2])
    #expect(failure { _ = try scratch.log.source("t", bounded: true) }?.kind == .corruption)
    try overwrite(settings, Array(TopicSettings(partitions: 1).text.utf8))
    let path = scratch.log.root + "/t/committed"
    let whole = try contents(path)
    for at in whole.indices {
        var bad = whole
        bad[at] ^= 4
        try overwrite(path, bad)
        #expect(failure { _ = try scratch.log.source("t", bounded: true) }?.kind == .corruption)
    }
    try overwrite(path, whole)
    #expect(try scratch.log.values("t") == ["a"])
}

@Test(arguments: 1...8 as ClosedRange<UInt64>)
func `any sequence of appends, commits and crashes leaves what was committed`(seed: UInt64) throws {
    var random = TestRandom(seed: seed)
    let scratch = ScratchLog()
    try scratch.log.createTopic("t", TopicSettings(partitions: 2, segmentBytes: 400))
    var committed: [[String]] = [[], []]
    var appended = committed
    var prepared: (token: [UInt8], content: [[String]])?
    var writer: TopicWriter? = try scratch.log.writer("t", syncing: false)
    for step in 0..<120 {
        switch random.next(8) {
        case 0...3:
            let partition = random.next(2)
            let value = String(repeating: "v", count: random.next(90)) + "\(step)"
            try writer!.send(value, partition: partition)
            appended[partition].append(value)
        case 4:
            prepared = (try writer!.prepare(checkpoint: Int64(step + 1)), appended)
        case 5:
            guard let ready = prepared else { continue }
            try writer!.commit(token: ready.token)
            committed = ready.content
        default:
            // A crash: the process is gone, with or without a manifest that names the token.
            writer = nil
            writer = try scratch.log.writer("t", syncing: false)
            if let ready = prepared, random.next(2) == 0 {
                try writer!.recover(token: ready.token)
                committed = ready.content
            } else {
                try writer!.recover(token: nil)
            }
            writer!.beginCheckpoints(after: Int64(step + 1))
            appended = committed
            prepared = nil
        }
        for partition in 0..<2 {
            let found = try scratch.log.values("t", partition)
            #expect(found == committed[partition], "seed \(seed), step \(step)")
        }
    }
}
