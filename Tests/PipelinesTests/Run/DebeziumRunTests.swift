import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// A table's change events through whole pipelines: what comes out is the table.
@Suite struct DebeziumRunTests {
    private static let text = """
        version: 1
        job: {name: shelf, state: ./state}
        connections: {local: {embedded: ./topics}}
        streams:
          shelf:
            from: {topic: shelf, connection: local}
            format: {debezium: {changelog: full}}
            fields:
              sku: {type: string, required: true}
              store: string
              quantity: {type: "decimal(12,3)", required: true}
              lsn: {type: int64, path: source.lsn}
            time: {field: ts_ms, out_of_orderness: 1s}
            on_error: {dead_letter: rejected}
        pipelines:
          table:
            from: shelf
            steps:
              - latest: {id: newest, by: sku, order: lsn}
              - select: {sku: sku, quantity: quantity, store: store}
            to: {topic: table, key: sku}
          many:
            from: shelf
            steps: [{filter: quantity >= 10}, {select: {sku: sku, quantity: quantity}}]
            to: {topic: many, key: sku}
          totals:
            from: shelf
            steps:
              - aggregate: {id: totals, by: store, window: none, select: {skus: count(*), sum: sum(quantity), each: sum(quantity) / count(*)}}
            to: {topic: totals, key: store}
        """

    /// The change events of a random life of a table, and the table at its end.
    private struct Life {
        var events: [(key: String, value: String?)] = []
        var rows: [String: (store: String, quantity: Int)] = [:]

        init(seed: UInt64, count: Int) {
            var random = SampleGenerator(state: seed)
            var number = 0
            func image(_ sku: String, _ row: (store: String, quantity: Int)) -> String {
                "{\"sku\":\"\(sku)\",\"store\":\"\(row.store)\",\"quantity\":\(row.quantity)}"
            }
            func emit(
                _ life: inout Life, _ sku: String, _ op: String, _ before: String, _ after: String
            ) {
                number += 1
                let event =
                    "{\"before\":\(before),\"after\":\(after),\"op\":\"\(op)\",\"ts_ms\":5,\"source\":{\"lsn\":\(number),\"ts_ms\":\(1_700_000_000_000 + number * 100)}}"
                let isWrapped = Bool.random(using: &random)
                life.events.append(
                    (sku, isWrapped ? "{\"schema\":{},\"payload\":\(event)}" : event))
            }
            for _ in 0..<count {
                let sku = "s\(Int.random(in: 0..<12, using: &random))"
                let made = (
                    store: "w\(Int.random(in: 0..<3, using: &random))",
                    quantity: Int.random(in: 0..<20, using: &random)
                )
                if let old = rows[sku] {
                    if Int.random(in: 0..<3, using: &random) == 0 {
                        emit(&self, sku, "d", image(sku, old), "null")
                        events.append((sku, nil))
                        rows[sku] = nil
                    } else {
                        emit(&self, sku, "u", image(sku, old), image(sku, made))
                        rows[sku] = made
                    }
                } else {
                    emit(
                        &self, sku, Bool.random(using: &random) ? "c" : "r", "null",
                        image(sku, made))
                    rows[sku] = made
                }
                if number % 40 == 0 { events.append((sku, "{\"ts_ms\":7}")) }
            }
            events.append(("", "{\"op\":\"t\",\"source\":{\"ts_ms\":1700000000000}}"))
        }
    }

    private struct SampleGenerator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    private func run(
        _ life: Life, workers: Int, batch: Int
    ) throws -> (topics: [String: [String: String]], rejected: Int) {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-debezium-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let log = EmbeddedLog(root: directory + "/topics")
        try log.createTopic("shelf", TopicSettings(partitions: 2))
        let writer = try log.writer("shelf")
        for event in life.events {
            try writer.append(
                key: Array(event.key.utf8), value: event.value.map { Array($0.utf8) }, timestamp: 0)
        }
        try writer.commit()
        writer.close()
        let file = PlannedFile(
            file: directory + "/pipelines.yaml", text: DebeziumRunTests.text,
            variables: Variables(environment: [:], readFile: { _ in nil }))
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        let options = RunOptions(
            untilEnd: true, workers: workers, batchRows: batch, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: try #require(file.plan), options: options).run { false }
        if case .failed(let failure) = summary.outcome { throw failure }
        var tables: [String: [String: String]] = [:]
        var rejected = 0
        let commands = TopicCommands(log)
        _ = try commands.consume("rejected", .init()) { _ in rejected += 1 }
        for topic in ["table", "many", "totals"] {
            var table: [String: String] = [:]
            let source = try log.source(topic, bounded: true)
            _ = try source.partitions()
            let reader = try source.reader(partition: 0)
            while case .records(let batch) = try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
                for row in 0..<batch.count {
                    let key = String(decoding: batch.keys.bytes(row), as: UTF8.self)
                    table[key] =
                        batch.values.isValid(row)
                        ? String(decoding: batch.values.bytes(row), as: UTF8.self) : nil
                }
            }
            tables[topic] = table
        }
        return (tables, rejected)
    }

    @Test(arguments: [(1, 1), (1, 4096), (2, 7), (2, 4096)])
    func `a table's changes give the table, what of it holds a condition, and its sums`(
        workers: Int, batch: Int
    ) throws {
        let seed: UInt64 = 77
        let life = Life(seed: seed, count: 300)
        let found = try run(life, workers: workers, batch: batch)
        var table: [String: String] = [:]
        var many: [String: String] = [:]
        var totals: [String: (skus: Int, sum: Int)] = [:]
        for (sku, row) in life.rows {
            let start = "{\"sku\":\"\(sku)\",\"quantity\":\(row.quantity).000"
            table[sku] = start + ",\"store\":\"\(row.store)\"}"
            if row.quantity >= 10 { many[sku] = start + "}" }
            totals[row.store, default: (0, 0)].skus += 1
            totals[row.store, default: (0, 0)].sum += row.quantity
        }
        #expect(found.topics["table"] == table, "seed \(seed)")
        #expect(found.topics["many"] == many, "seed \(seed)")
        #expect(found.topics["totals"]?.count == totals.count, "seed \(seed)")
        for (store, total) in totals {
            let start =
                "{\"store\":\"\(store)\",\"skus\":\(total.skus),\"sum\":\(total.sum).000,"
            #expect(
                found.topics["totals"]?[store]?.hasPrefix(start) == true,
                "seed \(seed): \(found.topics["totals"]?[store] ?? "none"), not \(start)")
        }
        #expect(found.rejected == 1)
    }
}
