import Operators
import StreamRuntime
import Testing

/// What a window promises while its many results leave.
@Suite struct FiringPromiseTests {
    /// Checks that no row comes before what was promised.
    private final class Results: Output {
        var promises: [OrderPlace] = []
        var rows = 0
        /// Rows that leave after the promise that covers them: what a sorter must hold.
        var heldMax = 0
        private var held: [OrderPlace] = []

        func emit(_ batch: ColumnBatch, port: Int) {
            for row in 0..<batch.count {
                let place = OrderPlace(
                    time: batch.order.time(row), origin: batch.order.origins.int64s[row],
                    offset: batch.order.offsets.int64s[row])
                #expect(promises.last.map { $0 <= place } ?? true)
                held.append(place)
            }
            rows += batch.count
            heldMax = max(heldMax, held.count)
        }

        func promise(_ place: OrderPlace) {
            promises.append(place)
            held.removeAll { $0 < place }
        }
    }

    @Test(arguments: [
        Window.tumble(size: 10 * second), .hop(size: 10 * second, every: 5 * second),
    ])
    func `a window of many keys promises its place after each batch of results`(
        _ window: Window
    ) throws {
        let schema = Schema([Field("k", .int64)])
        let plan = try ExpressionCompiler(schema: schema).compileAggregates(
            [("n", "count(*)")], keys: ["k"])
        let step = try AggregateSpec(
            window: window, plan: plan, allowedLateness: 0, latePort: nil
        ).makeOperator(input: schema)
        try step.open(
            OperatorContext(
                stepId: "step", ordinal: 2, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        let keys = 3 * Limits.firingRows + 5
        let batch = ColumnBatch(schema: schema, capacity: keys)
        for key in 0..<keys {
            batch.columns[0].append(Int64(key))
            batch.order.append(
                eventTime: 7 * second, watermark: .min, origin: 0, offset: Int64(key))
        }
        batch.count = keys
        batch.keys = KeyEncoder(columns: [0]).encode(batch)
        let results = Results()
        try step.process(batch, into: results)
        while try step.advance(to: EventTime(micros: 12 * second), into: results) == .more {}
        #expect(results.rows == keys)
        #expect(results.promises.count >= 3)
        #expect(results.promises.allSatisfy { $0.time == 10 * second - 1 })
        #expect(results.heldMax <= Limits.firingRows + 1)
    }
}
