import Operators
import StreamRuntime
import Testing

@Suite struct SessionTests {
    private func harness(allowed: String = "00:00") throws -> OperatorHarness {
        try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .session(gap: 10 * second),
            select: [("n", "count(*)"), ("s", "sum(v)"), ("f", "first(v)")], allowed: allowed,
            disorder: "01:00")
    }

    @Test func `rows less than the gap apart are one session`() throws {
        let harness = try harness()
        try harness.send(
            """
            time          k  v
            00:00         1  1
            00:09.999999  1  2
            00:19.999999  1  4
            00:05         2  8
            """)
        try harness.advance(to: "00:29.999998")
        try harness.expect(
            """
            time          k  window_start  window_end  n  s
            00:14.999999  2  00:05         00:15       1  8
            00:19.999998  1  00:00         00:19.999999  2  3
            """)
        try harness.advance(to: "00:29.999999")
        try harness.expect(
            """
            k  window_start  window_end    n  s
            1  00:19.999999  00:29.999999  1  4
            """)
    }

    @Test func `a row between two sessions makes them one`() throws {
        let harness = try harness()
        try harness.send(
            """
            time   k  v
            00:00  1  1
            00:16  1  2
            00:40  1  16
            00:08  1  4
            """)
        try harness.finish()
        try harness.expect(
            """
            window_start  window_end  n  s   f
            00:00         00:26       3  7   1
            00:40         00:50       1  16  16
            """)
    }

    @Test func `a row is late by the session it would join`() throws {
        let harness = try harness()
        try harness.send(
            """
            time   k  v  W
            00:00  1  1  min
            00:08  1  2  00:00
            00:02  1  4  00:12
            00:03  1  8  00:18
            00:01  2  9  00:10.999999
            00:01  3  9  00:11
            """)
        try harness.finish()
        try harness.expect(
            """
            time          W    k  window_start  window_end  n  s
            00:10.999999  min  2  00:01         00:11       1  9
            00:17.999999  min  1  00:00         00:18       3  7
            """)
        try harness.expect(
            """
            time   k  v
            00:01  3  9
            00:03  1  8
            """, port: 1)
    }

    @Test func `a session that has fired is corrected, or taken back when its bounds change`()
        throws
    {
        let harness = try harness(allowed: "00:20")
        try harness.send(
            """
            time   k  v  W
            00:00  1  1  min
            00:08  1  2  00:00
            00:02  1  4  00:19
            00:15  1  8  00:20
            00:04  2  1  00:21
            00:01  3  9  00:31
            """)
        try harness.advance(to: "00:18")
        try harness.expect(
            """
            time          k  window_start  window_end  n  s  change
            00:17.999999  1  00:00         00:18       2  3  insert
            """)
        try harness.finish()
        try harness.expect(
            """
            time          W      k  window_start  window_end  n  s   change
            00:17.999999  00:19  1  00:00         00:18       3  7   updateAfter
            00:17.999999  00:20  1  00:00         00:18       3  7   delete
            00:13.999999  00:21  2  00:04         00:14       1  1   insert
            00:24.999999  min    1  00:00         00:25       4  15  insert
            """)
        try harness.expect(
            """
            time   k
            00:01  3
            """, port: 1)
    }

    @Test func `a session that was corrected and lengthened fires once at its new end`() throws {
        let harness = try harness(allowed: "00:20")
        try harness.send(
            """
            time   k  v   W
            00:00  1  1   min
            00:08  1  2   00:00
            """)
        try harness.advance(to: "00:18")
        try harness.expect(
            """
            time          k  window_start  window_end  n  s  change
            00:17.999999  1  00:00         00:18       2  3  insert
            """)
        try harness.send(
            """
            time   k  v   W
            00:24  1  4   00:20
            00:33  1  8   00:20
            00:15  1  16  00:20
            """)
        try harness.finish()
        try harness.expect(
            """
            time          W      k  window_start  window_end  n  s   change
            00:17.999999  00:20  1  00:00         00:18       2  3   delete
            00:42.999999  min    1  00:00         00:43       5  31  insert
            """)
    }

    private final class Batches: Output {
        /// The ends of the sessions of each batch.
        var ends: [[Int64]] = []

        func emit(_ batch: ColumnBatch, port: Int) {
            ends.append((0..<batch.count).map { batch.order.eventTimes.int64s[$0] + 1 })
        }
    }

    @Test func `sessions that end between two watermarks leave in one batch, by their ends`() throws
    {
        let schema = Schema([Field("k", .int64)])
        let plan = try ExpressionCompiler(schema: schema).compileAggregates(
            [(name: "n", text: "count(*)")], keys: ["k"])
        let step = try AggregateSpec(
            window: .session(gap: 10 * second), plan: plan, allowedLateness: 0, latePort: 1
        ).makeOperator(input: schema)
        try step.open(
            OperatorContext(
                stepId: "step", ordinal: 0, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        let batch = ColumnBatch(schema: schema, capacity: 4)
        for (row, start) in [3, 1, 2, 30].enumerated() {
            batch.columns[0].append(Int64(row))
            batch.order.append(
                eventTime: Int64(start) * second, watermark: .min, origin: 0, offset: Int64(row))
        }
        batch.count = 4
        batch.keys = KeyEncoder(columns: [0]).encode(batch)
        let output = Batches()
        try step.process(batch, into: output)
        while try step.advance(to: EventTime(micros: 20 * second), into: output) == .more {}
        #expect(output.ends == [[11 * second, 12 * second, 13 * second]])
        while try step.advance(to: .endOfTime, into: output) == .more {}
        #expect(output.ends.last == [40 * second])
    }
}
