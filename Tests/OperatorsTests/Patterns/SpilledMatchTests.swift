import Foundation
import Operators
import StreamRuntime
import Testing

/// Patterns whose rows are mostly on disk, with restarts, against patterns in memory.
@Suite struct SpilledMatchTests {
    private final class Results: Output {
        var rows: [[String]] = []
        func emit(_ batch: ColumnBatch, port: Int) {
            for row in 0..<batch.count {
                rows.append(batch.columns.map { TableText.text($0, row) })
            }
        }
    }

    private static let schema = Schema([
        Field("card", .string), Field("s", .string), Field("n", .int64), Field("note", .string),
    ])

    private func makeStep(_ store: StateStore) throws -> Match {
        let spec = MatchSpec(
            pattern: "a{3,} b",
            definitions: [.init("a", "s = 'a'"), .init("b", "s = 'b'")], within: .seconds(3000),
            select: [
                .init("rows", "count(*)"), .init("from", "first(n)"), .init("to", "last(n)"),
                .init("note", "first(a.note)"),
            ])
        let (program, problems) = MatchProgram.compile(spec, input: Self.schema, keys: [0])
        let step = Match(program: try #require(program, "\(problems)"), onError: .drop)
        try step.open(
            OperatorContext(
                stepId: "step", ordinal: 0, worker: 0, workers: 1, state: store,
                counters: StepCounters()))
        return step
    }

    /// In total order.
    private func batches(_ count: Int) -> [ColumnBatch] {
        var random = SplitMix(state: 7)
        return (0..<count).map { index in
            let batch = ColumnBatch(schema: Self.schema, capacity: 50)
            for row in 0..<50 {
                let number = index * 50 + row
                batch.columns[0].append("card-\(random.next() % 300)")
                batch.columns[1].append(random.next() % 6 == 0 ? "b" : "a")
                batch.columns[2].append(Int64(number))
                batch.columns[3].append(
                    String(repeating: "a note about row \(number), ", count: 10))
                batch.order.append(
                    eventTime: Int64(number) * second, watermark: Int64(number - 1) * second,
                    origin: 0, offset: Int64(number))
            }
            batch.count = 50
            batch.keys = KeyEncoder(columns: [0]).encode(batch)
            return batch
        }
    }

    private func drive(_ step: Match, _ batch: ColumnBatch, _ output: Results) throws {
        try step.process(batch, into: output)
        let watermark = EventTime(micros: batch.order.watermarks.int64s[batch.count - 1])
        while try step.advance(to: watermark, into: output) == .more {}
    }

    @Test func `open patterns keep within the memory of their worker, and find the same matches`()
        throws
    {
        let made = batches(120)
        let plain = Results()
        let roomy = StateStore()
        let step = try makeStep(roomy)
        var roomyBytes = 0
        for batch in made {
            try drive(step, batch, plain)
            roomyBytes = max(roomyBytes, roomy.bytes)
        }
        while try step.advance(to: .endOfTime, into: plain) == .more {}

        var template = Array("/tmp/millrace-patterns-XXXXXX".utf8CString)
        let root = template.withUnsafeMutableBufferPointer {
            String(cString: mkdtemp($0.baseAddress!))
        }
        defer { try? FileManager.default.removeItem(atPath: root) }
        let budget = 200 << 10
        var backend = try StateBackend(directory: root + "/live0", memoryBytes: 8 << 20)
        var store = StateStore(backend: backend, worker: 0, of: 1, budgetBytes: budget)
        var spilled = try makeStep(store)
        let results = Results()
        var spilledBytes = 0
        for (index, batch) in made.enumerated() {
            try drive(spilled, batch, results)
            try store.relieve()
            spilledBytes = max(spilledBytes, store.bytes)
            guard index % 15 == 14 else { continue }
            try spilled.flush()
            let path = root + "/checkpoint\(index)"
            try backend.complete(snapshots: [store.snapshot(step: "step")], linkingTo: path)
            defer { try? StateBackend.fill(path, from: nil) }
            guard index % 30 == 29 else { continue }
            // What is not in the checkpoint is gone.
            var records = backend.states.records
            for record in records.indices { records[record].isRestored = true }
            let live = root + "/live\(index / 30 + 1)"
            try StateBackend.fill(live, from: path)
            backend = try StateBackend(
                directory: live, memoryBytes: 8 << 20, registry: StateRegistry(records))
            store = StateStore(backend: backend, worker: 0, of: 1, budgetBytes: budget)
            spilled = try makeStep(store)
        }
        while try spilled.advance(to: .endOfTime, into: results) == .more {}
        #expect(plain.rows.count > 300)
        #expect(results.rows == plain.rows)
        #expect(roomyBytes > 2 * budget, "\(roomyBytes)")
        #expect(spilledBytes < budget + budget / 2, "\(spilledBytes)")
    }
}
