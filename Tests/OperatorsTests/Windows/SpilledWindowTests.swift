import Foundation
import Operators
import StreamRuntime
import Testing

/// Windows whose state is mostly on disk, with checkpoints and restarts, against windows in memory.
@Suite struct SpilledWindowTests {
    private final class Results: Output {
        var rows: [[String]] = []
        func emit(_ batch: ColumnBatch, port: Int) {
            for row in 0..<batch.count {
                rows.append(
                    ["\(port)"] + batch.columns.map { TableText.text($0, row) }
                        + ["\(batch.changes?.bools[row] ?? 0)"])
            }
        }
    }

    private static let schema = Schema([
        Field("k", .string), Field("v", .int64), Field("t", .string),
    ])
    private static let select = [
        (name: "n", text: "count(*)"), (name: "s", text: "sum(v)"),
        (name: "d", text: "count(distinct t)"),
        (name: "lo", text: "min(t)"), (name: "l", text: "last(v)"), (name: "a", text: "sum(v / 3)"),
    ]

    private func makeStep(_ window: Window, _ store: StateStore) throws -> any StreamRuntime
        .Operator
    {
        let plan = try ExpressionCompiler(schema: Self.schema).compileAggregates(
            Self.select, keys: ["k"])
        let step = try AggregateSpec(
            window: window, plan: plan, allowedLateness: 20 * second, latePort: 1
        ).makeOperator(input: Self.schema)
        try step.open(
            OperatorContext(
                stepId: "step", ordinal: 0, worker: 0, workers: 1, state: store,
                counters: StepCounters()))
        return step
    }

    private func batches(_ count: Int) -> [ColumnBatch] {
        var random = SplitMix(state: 5)
        var latest = Int64.min
        return (0..<count).map { index in
            let batch = ColumnBatch(schema: Self.schema, capacity: 60)
            for row in 0..<60 {
                var time = Int64(index * 2) * second + Int64(random.next() % 5) * second
                if random.next() % 40 == 0 { time -= 30 * second }
                batch.columns[0].append("customer-\(random.next() % 400)")
                batch.columns[1].append(Int64(random.next() % 100))
                batch.columns[2].append("some longer text \(random.next() % 12)")
                batch.order.append(
                    eventTime: time, watermark: latest == .min ? .min : latest - 5 * second,
                    origin: 0, offset: Int64(index * 60 + row))
                latest = max(latest, time)
            }
            batch.count = 60
            batch.keys = KeyEncoder(columns: [0]).encode(batch)
            return batch
        }
    }

    private func drive(
        _ step: any StreamRuntime.Operator, _ batch: ColumnBatch, _ output: Results
    ) throws {
        try step.process(batch, into: output)
        let watermark = EventTime(micros: batch.order.watermarks.int64s[batch.count - 1])
        while try step.advance(to: watermark, into: output) == .more {}
    }

    @Test(arguments: [
        Window.tumble(size: 10 * second), .hop(size: 30 * second, every: 10 * second),
        .session(gap: 15 * second),
    ])
    func `state on disk gives what state in memory gives`(_ window: Window) throws {
        let made = batches(40)
        let plain = Results()
        let roomy = StateStore()
        let step = try makeStep(window, roomy)
        var roomyBytes: [Int] = []
        for batch in made {
            try drive(step, batch, plain)
            roomyBytes.append(roomy.bytes)
        }
        while try step.advance(to: .endOfTime, into: plain) == .more {}

        var template = Array("/tmp/millrace-windows-XXXXXX".utf8CString)
        let root = template.withUnsafeMutableBufferPointer {
            String(cString: mkdtemp($0.baseAddress!))
        }
        defer { try? FileManager.default.removeItem(atPath: root) }
        var backend = try StateBackend(directory: root + "/live0", memoryBytes: 8 << 20)
        var store = StateStore(backend: backend, worker: 0, of: 1, budgetBytes: 48 << 10)
        var spilled = try makeStep(window, store)
        let results = Results()
        var wasSpilled = false
        for (index, batch) in made.enumerated() {
            try drive(spilled, batch, results)
            try store.relieve()
            wasSpilled = wasSpilled || store.bytes * 2 < roomyBytes[index]
            guard index % 5 == 4 else { continue }
            try spilled.flush()
            let path = root + "/checkpoint\(index)"
            try backend.complete(snapshots: [store.snapshot(step: "step")], linkingTo: path)
            defer { try? StateBackend.fill(path, from: nil) }
            guard index % 10 == 9 else { continue }
            // What is not in the checkpoint is gone.
            var records = backend.states.records
            for record in records.indices { records[record].isRestored = true }
            let live = root + "/live\(index / 10 + 1)"
            try StateBackend.fill(live, from: path)
            backend = try StateBackend(
                directory: live, memoryBytes: 8 << 20, registry: StateRegistry(records))
            store = StateStore(backend: backend, worker: 0, of: 1, budgetBytes: 48 << 10)
            spilled = try makeStep(window, store)
        }
        while try spilled.advance(to: .endOfTime, into: results) == .more {}
        #expect(wasSpilled)
        #expect(plain.rows.count > 400)
        #expect(results.rows == plain.rows)
    }
}
