import Operators
import StreamRuntime
import Testing

/// Rows of a partition that was taken for idle: older than the watermark, and not late by their own.
@Suite struct IdleFiringTests {
    private final class Results: Output {
        var rows: [Int: [[String]]] = [:]
        func emit(_ batch: ColumnBatch, port: Int) {
            for row in 0..<batch.count {
                let values = batch.columns.map { TableText.text($0, row) }
                let change = TableText.changes[Int(batch.changes?.bools[row] ?? 0)]
                rows[port, default: []].append(
                    values + [TableText.time(batch.order.time(row)), change])
            }
        }
    }

    private func run(_ window: Window, allowed: Int64) throws -> Results {
        let schema = Schema([Field("k", .int64)])
        let plan = try ExpressionCompiler(schema: schema).compileAggregates(
            [("n", "count(*)")], keys: ["k"])
        let step = try AggregateSpec(
            window: window, plan: plan, allowedLateness: allowed, latePort: 1
        ).makeOperator(input: schema)
        let results = Results()
        try step.open(
            OperatorContext(
                stepId: "step", ordinal: 0, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        for (time, offset) in [(Int64(5), Int64(0)), (6, 1)] {
            let batch = ColumnBatch(schema: schema, capacity: 1)
            batch.columns[0].append(Int64(1))
            batch.order.append(
                eventTime: time * second, watermark: .min, origin: offset, offset: offset)
            batch.count = 1
            batch.keys = KeyEncoder(columns: [0]).encode(batch)
            try step.process(batch, into: results)
            let watermark = EventTime(micros: (time + 20) * second)
            while try step.advance(to: watermark, into: results) == .more {}
        }
        return results
    }

    @Test func `a window kept after an idle firing is corrected, no earlier than the watermark`()
        throws
    {
        let results = try run(.tumble(size: 10 * second), allowed: 60 * second)
        #expect(
            results.rows == [
                0: [
                    ["1", "00:00", "00:10", "1", "00:09.999999", "insert"],
                    ["1", "00:00", "00:10", "2", "00:25", "updateAfter"],
                ]
            ])
    }

    @Test func `a window no longer kept gives the row to the late port`() throws {
        let results = try run(.tumble(size: 10 * second), allowed: 0)
        #expect(
            results.rows == [
                0: [["1", "00:00", "00:10", "1", "00:09.999999", "insert"]],
                1: [["1", "00:06", "insert"]],
            ])
    }

    @Test func `a session kept after an idle firing is taken back and grows`() throws {
        let results = try run(.session(gap: 10 * second), allowed: 60 * second)
        #expect(
            results.rows == [
                0: [
                    ["1", "00:05", "00:15", "1", "00:14.999999", "insert"],
                    ["1", "00:05", "00:15", "1", "00:25", "delete"],
                    ["1", "00:05", "00:16", "2", "00:25", "insert"],
                ]
            ])
    }
}
