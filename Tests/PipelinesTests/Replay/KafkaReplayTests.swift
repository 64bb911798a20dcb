import Connectors
import Foundation
import StreamRuntime
import TestBroker
import Testing

@testable import Pipelines

/// The shop of the other replay tests, with its topics on a broker and its outputs exactly-once.
private final class KafkaShop {
    let broker: TestBroker
    let directory: String
    let topics: KafkaTopics
    var file: String { directory + "/pipelines.yaml" }

    init(_ change: (String) -> String = { $0 }) throws {
        directory = NSTemporaryDirectory() + "millrace-kafka-replay-\(UUID().uuidString)"
        broker = try TestBroker(directory: directory + "/broker")
        // The broker looks into batches, to compact them or to find a time, only when they are plain.
        topics = try KafkaTopics(
            KafkaConnection(
                bootstrap: broker.bootstrap, properties: ["compression.type": "none"]))
        for (topic, partitions) in [("orders", 3), ("out", 2), ("minutes", 1)] as [(String, Int32)]
        {
            try broker.create(topic, partitions: partitions, ["retention.ms": "-1"])
        }
        try write(change)
    }

    deinit {
        broker.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    func write(_ change: (String) -> String = { $0 }) throws {
        let text = ReplayPlace.orders.replacingOccurrences(
            of: "{embedded: ./topics}", with: "{kafka: {bootstrap: \"\(broker.bootstrap)\"}}")
        try change(text).write(toFile: file, atomically: true, encoding: .utf8)
    }

    func append(_ count: Int, from first: Int) throws {
        let appender = try topics.appender(to: "orders")
        for number in first..<(first + count) {
            let order = ReplayPlace.order(number)
            try appender.append(
                key: order.key, value: order.value, timestamp: order.micros, partition: nil,
                fallback: 0)
        }
        try appender.commit()
    }

    func live(toEnd: Bool = false) throws {
        let plan = try ReplaySession.plan(file, only: [])
        let ends = try plan.currentRanges().mapValues { $0.to! }
        let options = RunOptions(untilEnd: toEnd, workers: 1, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: plan, options: options).run {
            guard !toEnd, let newest = try? LiveJob.newest(plan) else { return false }
            return BoundedRun.offsets(newest.positions) == ends
        }
        if case .failed(let failure) = summary.outcome { throw failure }
    }

    func replay(
        _ name: String, _ change: (inout ReplayCommand.Options) -> Void = { _ in }
    ) throws -> ReplayLedger? {
        var options = ReplayCommand.Options()
        options.isQuiet = true
        options.name = name
        change(&options)
        let plan = try ReplaySession.plan(file, only: options.pipelines)
        return try ReplayCommand(path: file, options: options).replay(plan) { false }
    }

    /// "partition timestamp key value" of every committed record, in order: offsets depend on how many
    /// transactions there were.
    func records(_ topic: String) throws -> [String] {
        var lines: [String] = []
        try ReplaySources.forEachBatch(of: try topics.source(of: topic, bounded: true)) { batch in
            for row in 0..<batch.count {
                lines.append(
                    "\(batch.partition) \(batch.timestamps.int64s[row]) "
                        + "\(batch.keys.string(row)) \(batch.values.string(row))")
            }
        }
        return lines
    }
}

@Suite(.serialized) struct KafkaReplayTests {
    private static func doubled(_ text: String) -> String {
        text.replacingOccurrences(of: "sum(amount)}}", with: "sum(amount) * 2}}")
    }

    /// What the outputs hold after a job that ran one version of the file over `count` orders.
    private func undisturbed(
        _ count: Int, _ change: (String) -> String = { $0 }
    ) throws -> [[String]] {
        let shop = try KafkaShop(change)
        try shop.append(count, from: 0)
        try shop.live(toEnd: true)
        return [try shop.records("out"), try shop.records("minutes")]
    }

    @Test func `on Kafka, a shadow equals the live job, and a corrected one takes its place`()
        throws
    {
        let shop = try KafkaShop()
        try shop.append(150, from: 0)
        try shop.live()
        #expect(try shop.replay("same")?.complete == true)
        try shop.append(50, from: 150)
        try shop.live()
        let same = VerifyCommand(path: shop.file, id: "same").run()
        #expect(same.exitCode == 0, "\(same.text)")

        try shop.write(KafkaReplayTests.doubled)
        #expect(try shop.replay("doubled") { $0.to = "20" }?.complete == true)
        let before = [try shop.records("out"), try shop.records("minutes")]
        let promotion = PromoteCommand(path: shop.file, id: "doubled", isQuiet: true)
        #expect(try promotion.promote().values.reduce(0, +) == 200)
        try shop.append(100, from: 200)
        try shop.live(toEnd: true)
        let after = [try shop.records("out"), try shop.records("minutes")]
        let old = try undisturbed(300)
        let new = try undisturbed(300, KafkaReplayTests.doubled)
        #expect(old != new)
        for index in 0...1 {
            // Partition by partition: what was there stays, what follows is the corrected job's.
            for partition in ["0 ", "1 "] {
                func of(_ rows: [[String]]) -> [String] {
                    rows[index].filter { $0.hasPrefix(partition) }
                }
                let kept = of(before).count
                #expect(of(after) == Array(of(old).prefix(kept)) + of(new).dropFirst(kept))
            }
        }
    }

    @Test func `an archive keeps Kafka's offsets with their gaps, and a replay begins with it`()
        throws
    {
        let shop = try KafkaShop()
        try shop.append(300, from: 0)
        // Kafka's own gaps: of every user the last order stays, and all those after.
        try shop.broker.compact("orders")
        try shop.append(60, from: 300)
        let archive = shop.directory + "/archive"
        let parts = try ArchiveCommand(
            path: shop.file, topic: "orders", connection: nil, target: archive
        ).copy()
        let kept = parts.reduce(0) { $0 + $1.records }
        #expect(kept < 200 && kept >= 60)
        let archived = EmbeddedLog(root: archive)
        var offsets: [[Int64]] = []
        for log in [
            try archived.source("orders", bounded: true),
            try shop.topics.source(of: "orders", bounded: true),
        ] as [any RecordSource] {
            var found: [Int64] = []
            try ReplaySources.forEachBatch(of: log) { batch in
                for row in 0..<batch.count { found.append(batch.offsets.int64s[row]) }
            }
            offsets.append(found)
        }
        #expect(offsets[0] == offsets[1])
        #expect(Int64(offsets[0].count) == kept)

        let direct = try #require(try shop.replay("direct"))
        let seamed = try #require(try shop.replay("seamed") { $0.archive = archive })
        #expect(direct.complete && seamed.complete)
        #expect(seamed.outputs == direct.outputs)
        #expect(seamed.partitions.contains { $0.gaps.contains { $0.reason == .absent } })
        #expect(
            seamed.partitions.reduce(0) { $0 + ($1.records ?? 0) } == kept)
        #expect(seamed.partitions.allSatisfy { $0.archived != nil })
    }

    @Test func `a time is found, results go to a topic, and time retention is warned of`() throws {
        let shop = try KafkaShop()
        try shop.append(200, from: 0)
        try shop.broker.create("history", partitions: 2, ["retention.ms": "86400000"])
        let ledger = try shop.replay("history") {
            $0.pipelines = ["sums"]
            $0.from = "2023-11-14T22:18:20Z"
            $0.into = "topic:history"
        }
        let read = try #require(ledger).partitions.reduce(0) { $0 + ($1.records ?? 0) }
        #expect(read > 90 && read < 120)
        #expect(try shop.records("history").count > 80)
        #expect(ledger?.complete == true)
        let plan = try ReplaySession.plan(shop.file, only: ["sums"])
        let lines = RetentionNotice.lines(
            of: plan, target: .topic(connection: "local", name: "history"))
        #expect(lines.count == 1)
        #expect(lines[0].contains("history deletes records older than 24 hours"))
    }
}
