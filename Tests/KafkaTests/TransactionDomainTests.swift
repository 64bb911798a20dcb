import CRdKafka
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors

/// Writes the first column as it is.
private final class FirstColumnEncoder: RecordEncoder {
    func encode(_ batch: ColumnBatch, into values: Column) {
        for row in 0..<batch.count { values.append(from: batch.columns[0], row: row) }
    }
}

private let schema = Schema([Field("value", .string)])

private func batch(_ values: [String]) -> ColumnBatch {
    let column = Column(.string, capacity: values.count)
    let order = RowOrder(capacity: values.count)
    for (row, value) in values.enumerated() {
        column.append(value)
        order.append(
            eventTime: 1_700_000_000_000_000, watermark: .min, origin: 0, offset: Int64(row))
    }
    return ColumnBatch(schema: schema, columns: [column], order: order, count: values.count)
}

@Suite struct TransactionDomainTests {
    private let cluster: Cluster

    init() throws {
        cluster = try Cluster()
        try cluster.create("in", partitions: 2)
        try cluster.create("out")
    }

    private func domain(
        checkpointMillis: Int = 1000, share: Int? = nil, topics: [String: String] = ["in": "in"],
        properties: [String: String] = [:]
    ) throws -> KafkaTransactionDomain {
        var connection = cluster.connection
        connection.properties.merge(properties) { $1 }
        return try KafkaTransactionDomain(
            connection,
            KafkaTransactionDomain.Settings(
                name: share.map { "millrace.job.\($0)" } ?? "millrace.job",
                group: KafkaGroup(
                    name: "millrace.job", share: share, topics: topics, marker: "out"),
                checkpointMillis: checkpointMillis))
    }

    private func sink(_ domain: KafkaTransactionDomain) throws -> KafkaTransactionSink {
        let sink = try KafkaTransactionSink(
            domain, topic: "out", encoder: FirstColumnEncoder(), schema: schema, key: [])
        try sink.recover(token: nil)
        return sink
    }

    private func position(_ offset: Int64) -> [UInt8] {
        [offset, Int64.min].flatMap { word in
            withUnsafeBytes(of: word.littleEndian) { Array($0) }
        }
    }

    private var values: [String] {
        get throws { try cluster.committed("out").map { $0.value ?? "-" } }
    }

    @Test func `rows can be seen when their checkpoint is committed, with the source's offsets`()
        throws
    {
        let domain = try domain()
        #expect(try domain.lastCommitted() == nil)
        domain.resume(after: 0)
        let sink = try sink(domain)
        try sink.write(batch(["a", "b"]))
        #expect(try sink.prepare(checkpoint: 1) == [])
        try sink.write(batch(["c"]))
        #expect(try values == [])
        try domain.commit(
            checkpoint: 1, manifest: "1-x", positions: ["in/0": position(7), "in/1": position(0)])
        #expect(try values == ["a", "b"])
        #expect(
            try cluster.offsets("millrace.job", "in", partitions: 2) == [
                "in/0 7 checkpoint=1 manifest=1-x", "in/1 0 checkpoint=1 manifest=1-x",
            ])
        _ = try sink.prepare(checkpoint: 2)
        try domain.commit(checkpoint: 2, manifest: "2-x", positions: ["in/0": position(8)])
        // An epoch without rows moves the offsets.
        _ = try sink.prepare(checkpoint: 3)
        try domain.commit(checkpoint: 3, manifest: "3-x", positions: ["in/0": position(9)])
        #expect(try values == ["a", "b", "c"])
        domain.close()
    }

    @Test func `a new instance learns what was committed, and the rest is gone`() throws {
        do {
            let domain = try domain()
            _ = try domain.lastCommitted()
            domain.resume(after: 0)
            let sink = try sink(domain)
            try sink.write(batch(["a"]))
            _ = try sink.prepare(checkpoint: 1)
            try domain.commit(checkpoint: 1, manifest: "1-x", positions: ["in/0": position(1)])
            try sink.write(batch(["lost"]))
            _ = try sink.prepare(checkpoint: 2)
            try sink.write(batch(["lost too"]))
            domain.abandon()
        }
        try cluster.restart()
        let domain = try domain()
        #expect(
            try domain.lastCommitted() == CommittedCheckpoint(checkpoint: 1, manifest: "1-x"))
        domain.resume(after: 1)
        let sink = try sink(domain)
        try sink.write(batch(["b"]))
        _ = try sink.prepare(checkpoint: 2)
        try domain.commit(checkpoint: 2, manifest: "2-y", positions: ["in/0": position(2)])
        #expect(try values == ["a", "b"])
        #expect(
            try self.domain().lastCommitted()
                == CommittedCheckpoint(checkpoint: 2, manifest: "2-y"))
    }

    @Test func `an instance that has been replaced can commit nothing, and says why`() throws {
        let old = try domain()
        defer { old.abandon() }
        _ = try old.lastCommitted()
        old.resume(after: 0)
        let zombie = try sink(old)
        try zombie.write(batch(["zombie"]))
        _ = try zombie.prepare(checkpoint: 1)

        let new = try domain()
        #expect(try new.lastCommitted() == nil)
        new.resume(after: 0)
        let told = try #require(
            failure {
                try old.commit(checkpoint: 1, manifest: "1-z", positions: ["in/0": position(9)])
            })
        #expect(told.problem.hasPrefix("another process runs this job"))
        #expect(told.recovery == .stopAndAsk)
        let sink = try sink(new)
        try sink.write(batch(["a"]))
        _ = try sink.prepare(checkpoint: 1)
        try new.commit(checkpoint: 1, manifest: "1-x", positions: ["in/0": position(1)])
        #expect(try values == ["a"])
        let again = try #require(failure { try zombie.write(batch(["more"])) })
        #expect(again.problem.hasPrefix("another process runs this job"))
    }

    @Test func `a job that reads no topic of the cluster remembers its checkpoint all the same`()
        throws
    {
        let first = try domain(topics: [:])
        _ = try first.lastCommitted()
        first.resume(after: 0)
        try first.commit(checkpoint: 1, manifest: "1-x", positions: ["files/0": position(5)])
        #expect(
            try cluster.offsets("millrace.job", "out", partitions: 1)
                == ["out/0 1 checkpoint=1 manifest=1-x"])
        // Also when it has come to read one meanwhile.
        #expect(
            try domain().lastCommitted() == CommittedCheckpoint(checkpoint: 1, manifest: "1-x"))
    }

    @Test func `shares of one group remember their own checkpoints`() throws {
        for share in 0..<2 {
            let domain = try domain(share: share)
            #expect(try domain.lastCommitted() == nil)
            domain.resume(after: 0)
            try domain.commit(
                checkpoint: 1, manifest: "1-\(share)",
                positions: ["in/\(share)": position(Int64(share))])
        }
        for share in 0..<2 {
            #expect(
                try domain(share: share).lastCommitted()
                    == CommittedCheckpoint(checkpoint: 1, manifest: "1-\(share)"))
        }
        #expect(try domain(share: 2).lastCommitted() == nil)
    }

    @Test func `a transaction that may not stay open long enough is refused with the sum`() throws {
        let short = try #require(
            failure {
                _ = try domain(
                    checkpointMillis: 10_000, properties: ["transaction.timeout.ms": "20000"])
            })
        #expect(
            short.problem == "transaction.timeout.ms is 20000, and a transaction of this job may "
                + "stay open for 25000 ms: twice the 10000 ms between checkpoints and 5000 ms for "
                + "the commit")
        _ = try domain(checkpointMillis: 10_000, properties: ["transaction.timeout.ms": "25001"])
        let long = try domain(checkpointMillis: 1_000_000)
        let refused = try #require(failure { _ = try long.lastCommitted() })
        #expect(
            refused.problem == "the brokers do not allow transactions of 2005000 ms, which "
                + "checkpoints every 1000000 ms need")
        #expect(refused.remedy.contains("transaction.max.timeout.ms"))
    }

    @Test func `a record that is too large for its topic is named, and nothing is committed`()
        throws
    {
        try cluster.broker.create("small", partitions: 1, ["max.message.bytes": "1000"])
        let domain = try domain()
        defer { domain.close() }
        _ = try domain.lastCommitted()
        domain.resume(after: 0)
        let sink = try KafkaTransactionSink(
            domain, topic: "small", encoder: FirstColumnEncoder(), schema: schema, key: [])
        try sink.recover(token: nil)
        var noise = ""
        for number in 0..<500 { noise += String(number &* 2_654_435_761, radix: 36) }
        try sink.write(batch([noise]))
        _ = try sink.prepare(checkpoint: 1)
        let told = try #require(
            failure {
                try domain.commit(checkpoint: 1, manifest: "1-x", positions: ["in/0": position(1)])
            })
        #expect(told.problem == "a record is too large for small/0")
        #expect(try self.domain().lastCommitted() == nil)
    }

    @Test func `what a committed offset says is read back, and foreign texts are not`() {
        let committed = CommittedCheckpoint(checkpoint: 12, manifest: "12-0f")
        for share in [nil, 0, 7] as [Int?] {
            let text = CommittedText.text(committed, share: share)
            #expect(CommittedText.read(text, share: share) == committed)
            #expect(CommittedText.read(text, share: 3) == nil)
        }
        for text in [
            "", "hello", "checkpoint=x manifest=a", "checkpoint=3", "checkpoint=0 manifest=a",
        ] {
            #expect(CommittedText.read(text, share: nil) == nil, "\(text)")
        }
    }
}
