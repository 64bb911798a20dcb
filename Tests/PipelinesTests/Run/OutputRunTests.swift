import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Outputs of every kind through whole jobs: what they have is the same at any batch size and number of workers.
@Suite struct OutputRunTests {
    private static let text = """
        version: 1
        job: {name: outputs, state: ./state}
        connections: {local: {embedded: ./topics}}
        streams:
          shelf:
            from: {files: in.json}
            format: {debezium: {changelog: full}}
            fields: {sku: {type: string, required: true}, store: string, quantity: int64}
            time: {field: ts_ms, out_of_orderness: 1s}
            on_error: fail
          bids:
            from: {files: bids.json}
            format: json
            fields: {auction: int64, price: int64, at: timestamp}
            time: {field: at, out_of_orderness: 2s}
            on_error: fail
        pipelines:
          # A row before a change has the change's time: what is the same row is told without it.
          shelves:
            from: shelf
            steps: [{select: {sku: sku, store: store, quantity: quantity}}]
            to:
              - {topic: upserts, key: sku, connection: local}
              - {topic: changes, key: sku, connection: local, changes: debezium}
              - {topic: ops, connection: local, changes: changelog}
              - {files: out/lines, changes: changelog, format: csv}
              - {files: {path: "out/stores/{store}", roll: {size: 1KiB}}, changes: debezium}
              - {table: out/table.jsonl}
              - {table: out/table.csv, key: sku, format: csv}
              - {blackhole: checksum}
          shelves_again: {from: shelf, steps: [{select: {sku: sku, store: store, quantity: quantity}}], to: {blackhole: checksum, key: sku}}
          log:
            from: bids
            to:
              - {files: {path: out/log, partition_by: [auction], roll: {every: 1m}, format: csv}}
              - {files: "out/days/{day}/{hour}-{minute}"}
              - {blackhole: count}
        """

    private struct Random {
        var state: UInt64
        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
    }

    /// The events of a random life of a table, and the rows it has at its end.
    private func life(_ random: inout Random) -> (text: String, table: [String: String]) {
        var table: [String: String] = [:]
        var text = ""
        for number in 0..<400 {
            let sku = "s\(random.next(9))"
            let image =
                "{\"sku\":\"\(sku)\",\"store\":\"w\(random.next(3))\",\"quantity\":\(random.next(50))}"
            let old = table[sku]
            let goes = old != nil && random.next(3) == 0
            table[sku] = goes ? nil : image
            let op = goes ? "d" : old == nil ? "c" : "u"
            text +=
                "{\"before\":\(old ?? "null"),\"after\":\(goes ? "null" : image),\"op\":\"\(op)\","
                + "\"source\":{\"ts_ms\":\(1_767_225_600_000 + number * 100)}}\n"
        }
        return (text, table)
    }

    /// Every visible file below `directory`, by its path.
    private func files(_ directory: String) -> [String: String] {
        var found: [String: String] = [:]
        for case let name as String in FileManager.default.enumerator(atPath: directory)! {
            if name.split(separator: "/").contains(where: { $0.hasPrefix(".") }) { continue }
            guard let data = FileManager.default.contents(atPath: directory + "/" + name),
                !data.isEmpty
            else { continue }
            found[name] = String(decoding: data, as: UTF8.self)
        }
        return found
    }

    private struct Result {
        var files: [String: String]
        /// The records of each topic: key and value.
        var topics: [String: [(String?, String?)]]
        var counts: [OutputCount]
    }

    private func run(
        shelf: String, bids: String, workers: Int, batch: Int
    ) throws -> Result {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-outputs-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try shelf.write(toFile: directory + "/in.json", atomically: true, encoding: .utf8)
        try bids.write(toFile: directory + "/bids.json", atomically: true, encoding: .utf8)
        let file = PlannedFile(
            file: directory + "/pipelines.yaml", text: OutputRunTests.text,
            variables: Variables(environment: [:], readFile: { _ in nil }))
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        let plan = try #require(file.plan)
        let options = RunOptions(
            untilEnd: true, workers: workers, batchRows: batch, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: plan, options: options).run { false }
        if case .failed(let failure) = summary.outcome { throw failure }
        var topics: [String: [(String?, String?)]] = [:]
        for topic in ["upserts", "changes", "ops"] {
            let reader = try EmbeddedLog(root: directory + "/topics").source(topic, bounded: true)
                .reader(partition: 0)
            topics[topic] = []
            while case .records(let batch) = try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
                for row in 0..<batch.count {
                    func text(_ column: Column) -> String? {
                        column.isValid(row)
                            ? String(decoding: column.bytes(row), as: UTF8.self) : nil
                    }
                    topics[topic]!.append((text(batch.keys), text(batch.values)))
                }
            }
        }
        return Result(
            files: files(directory + "/out"), topics: topics,
            counts: OutputCount.all(of: plan, summary.figures))
    }

    @Test func `tables, logs and counts are what the rows say at any batch size and worker count`()
        throws
    {
        let seed: UInt64 = 2026
        var random = Random(state: seed)
        let (shelf, table) = life(&random)
        var bids = ""
        var minutes: [String: Int] = [:]
        for second in 0..<150 {
            bids +=
                "{\"auction\":\(random.next(3)),\"price\":\(second),\"at\":\"2026-01-01T23:5\(8 + second / 60 % 2):\(second % 60 < 10 ? "0" : "")\(second % 60)Z\"}\n"
            if second / 60 < 2 { minutes["5\(8 + second / 60)", default: 0] += 1 }
        }
        bids = bids.split(separator: "\n").prefix(120).joined(separator: "\n") + "\n"
        var first: Result?
        for (workers, batch) in [(1, 4096), (1, 1), (2, 17)] {
            let found = try run(shelf: shelf, bids: bids, workers: workers, batch: batch)
            var upserts: [String: String] = [:]
            for (key, value) in found.topics["upserts"]! { upserts[key!] = value }
            #expect(upserts == table, "seed \(seed)")
            let rows = table.sorted { $0.key < $1.key }
            #expect(found.files["table.jsonl"] == rows.map { $0.value + "\n" }.sorted().joined())
            #expect(found.files["table.csv"]?.split(separator: "\n").count == table.count + 1)
            // Every change of Debezium's is one of those that were read.
            let changes = found.topics["changes"]!.compactMap(\.1)
            #expect(changes.count == 400)
            #expect(
                changes.map { $0.split(separator: ",\"op\"")[0] }.sorted()
                    == shelf.split(separator: "\n").map { $0.split(separator: ",\"op\"")[0] }
                    .sorted())
            // The rows of an update are lines of their own.
            let updates = changes.count { $0.contains("\"op\":\"u\"") }
            #expect(found.topics["ops"]!.count == 400 + updates)
            #expect(
                found.files.filter { $0.key.hasPrefix("lines/") }.values.joined()
                    .split(separator: "\n").count { !$0.hasPrefix("op,") } == 400 + updates)
            #expect(
                found.files.filter { $0.key.hasPrefix("stores/") }.values.joined()
                    .split(separator: "\n").count >= 400)
            let shelves = found.counts.first { $0.output == "blackhole:shelves" }
            let sum = try #require(shelves?.checksum)
            #expect(sum != 0)
            for output in ["blackhole:shelves", "blackhole:shelves_again"] {
                let count = try #require(found.counts.first { $0.output == output })
                #expect(count.checksum == sum, "seed \(seed)")
                #expect(count.rows == Int64(table.count))
                #expect(count.rowsIn == Int64(400 + updates))
            }
            #expect(found.counts.first { $0.output == "blackhole:log" }?.rows == 120)
            for (minute, count) in minutes {
                let lines = found.files.filter { $0.key.hasPrefix("days/2026-01-01/23-\(minute)/") }
                #expect(
                    lines.values.joined().split(separator: "\n").count == count, "minute \(minute)")
            }
            let logged = found.files.filter { $0.key.hasPrefix("log/auction=1/") }
            #expect(logged.count == 2)
            #expect(logged.values.allSatisfy { $0.hasPrefix("price,at\n") })
            guard let before = first else {
                first = found
                continue
            }
            // Files of their own making are the same; those that checkpoints end are the same rows.
            for prefix in ["log/", "stores/", "table"] {
                #expect(
                    found.files.filter { $0.key.hasPrefix(prefix) }
                        == before.files.filter { $0.key.hasPrefix(prefix) })
            }
            #expect(found.topics["ops"]!.map(\.1) == before.topics["ops"]!.map(\.1))
            #expect(found.counts == before.counts)
        }
    }

    /// What is said of a file with one output changed.
    private func problems(_ output: String, steps: String = "[]") -> [String] {
        let text = """
            version: 1
            connections: {local: {embedded: ./topics}}
            streams:
              shelf:
                from: {topic: shelf, connection: local}
                format: {debezium: {changelog: \(steps == "upsert" ? "upsert" : "full")}}
                fields: {sku: {type: string, required: true}, op: string, items: "list<int64>"}
                time: {field: ts_ms, out_of_orderness: 1s}
                on_error: fail
            pipelines:
              shelves: {from: shelf, to: \(output)}
            """
        let file = PlannedFile(
            file: "pipelines.yaml", text: text,
            variables: Variables(environment: [:], readFile: { _ in nil }))
        return file.problems.map { "\($0.message); \($0.fix)" }
    }

    @Test func `changes that an output cannot tell of are refused with what to write instead`() {
        let table: [(String, String, [String])] = [
            ("{topic: t}", "", ["without a key", "changes: changelog"]),
            ("{topic: t, key: sku}", "", []),
            ("{topic: t, changes: upsert}", "", ["which row an upsert replaces", "key: ["]),
            ("{topic: t, changes: changelog}", "", ["have a column op already"]),
            ("{topic: t, changes: debezium, partitions: 2}", "", ["any of 2 partitions"]),
            ("{topic: t, changes: debezium}", "", []),
            ("{topic: t, changes: debezium, format: avro}", "", ["written as json"]),
            ("{files: out}", "", ["files only grow", "table: FILE"]),
            ("{files: out, changes: upsert}", "", ["files only grow", "changes: changelog"]),
            ("{files: out, changes: debezium}", "", []),
            ("{table: out.jsonl}", "", []),
            ("{table: out.jsonl}", "upsert", ["not known which rows", "key: ["]),
            ("{table: out.jsonl, key: sku}", "upsert", []),
            ("{table: out.jsonl, format: avro}", "", ["files are not written as avro"]),
            ("{blackhole: checksum}", "upsert", ["not known which rows"]),
            ("{blackhole: count}", "upsert", []),
            ("{blackhole: sum}", "", ["sum"]),
            ("{files: \"out/{nothing}\", changes: debezium}", "", ["no column and no part"]),
            ("{files: \"out/{items}\", changes: debezium}", "", ["cannot be part of a key"]),
            ("{files: \"out/{day\", changes: debezium}", "", ["has no end"]),
            ("{files: \"out/{day}/.x\", changes: debezium}", "", ["is hidden"]),
            ("{files: {path: out, roll: {}}, changes: debezium}", "", ["roll"]),
            (
                "[{files: \"out/{day}\", changes: debezium}, {files: out/x, changes: debezium}]",
                "",
                ["two outputs write files below out"]
            ),
            (
                "[{files: out, changes: debezium}, {files: \"out/x/{sku}\", changes: debezium}]",
                "",
                []
            ),
        ]
        for (output, kind, parts) in table {
            let found = problems(output, steps: kind)
            #expect(found.count == (parts.isEmpty ? 0 : 1), "\(output): \(found)")
            for part in parts {
                #expect(found.first?.contains(part) == true, "\(output): \(found)")
            }
        }
    }
}
