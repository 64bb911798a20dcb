import Operators
import StreamRuntime
import Testing

@Suite struct PartialAggregateTests {
    /// Sums up hot keys, then aggregates: what two tasks do with an exchange between them.
    private final class TwoPhases: StreamRuntime.Operator {
        private let first: PartialAggregate
        private let second: any StreamRuntime.Operator
        private let keys: KeyEncoder

        init(_ spec: AggregateSpec, _ whole: AggregateSpec, _ schema: Schema) throws {
            first = try PartialAggregate(spec, input: schema, keys: [0])
            second = try whole.makeOperator(input: schema)
            keys = KeyEncoder(columns: [0])
        }

        func open(_ context: OperatorContext) throws(JobFailure) {
            try first.open(context)
            try second.open(context)
        }

        func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
            let between = Between()
            try first.process(batch, into: between)
            for part in between.batches {
                part.keys = keys.encode(part)
                try second.process(part, into: output)
            }
        }

        func advance(
            to watermark: EventTime, into output: any Output
        ) throws(JobFailure) -> Progress { try second.advance(to: watermark, into: output) }

        func flush() throws(JobFailure) { try second.flush() }
    }

    private final class Between: Output {
        var batches: [ColumnBatch] = []
        func emit(_ batch: ColumnBatch, port: Int) { batches.append(batch) }
    }

    /// Every shape of the harness takes each row with a restore behind it.
    private let rowsInRound = 60

    private static let items: [(name: String, text: String)] = [
        ("n", "count(*)"), ("s", "sum(v)"), ("a", "avg(f)"), ("lo", "min(v)"), ("hi", "max(t)"),
        ("d", "count(distinct v)"), ("dt", "count(distinct t)"), ("f", "first(v)"),
        ("l", "last(t)"), ("big", "count(*) filter (where v > 50)"), ("all", "list(v)"),
        ("am", "arg_max(t, v)"), ("q", "approx_quantile(v, 0.5)"), ("sd", "stddev_samp(f)"),
    ]

    private static let windows: [Window] = [
        .tumble(size: 10 * second), .hop(size: 30 * second, every: 10 * second),
        .cumulate(size: 30 * second, every: 10 * second),
    ]

    @Test(arguments: 0..<3)
    func `results of hot keys that were summed up are the same to the byte`(index: Int) throws {
        let window = PartialAggregateTests.windows[index]
        let make = { (schema: Schema, takesPartials: Bool) throws in
            let plan = try ExpressionCompiler(schema: schema).compileAggregates(
                PartialAggregateTests.items, keys: ["k"])
            return AggregateSpec(
                window: window, plan: plan, allowedLateness: 5 * second, latePort: 1,
                takesPartials: takesPartials)
        }
        let header = "time k:string v:int64 f:double t:string"
        let plain = try OperatorHarness(header, keys: ["k"]) { schema in
            try make(schema, false).makeOperator(input: schema)
        }
        let twice = try OperatorHarness(header, keys: ["k"]) { schema in
            try TwoPhases(make(schema, false), make(schema, true), schema)
        }
        var random = Seeded(UInt64(index + 5))
        var latest = [Int64.min, Int64.min]
        for round in 0..<2 {
            let batch = ColumnBatch(schema: plain.schema, capacity: rowsInRound)
            for row in 0..<rowsInRound {
                // Two keys have most of the rows.
                let isHot = Int.random(in: 0..<10, using: &random) < 8
                batch.columns[0].append(
                    isHot ? "hot\(row % 2)" : "k\(Int.random(in: 0..<8, using: &random))")
                if row % 11 == 0 {
                    batch.columns[1].appendNull()
                } else {
                    batch.columns[1].append(Int64.random(in: 0..<100, using: &random))
                }
                batch.columns[2].append(Double.random(in: -1e9..<1e9, using: &random))
                batch.columns[3].append("t\(Int.random(in: 0..<30, using: &random))")
                let partition = row % 2
                let time =
                    Int64(round * rowsInRound + row) * (second / 2)
                    - Int64.random(in: 0..<(20 * second), using: &random)
                let mark = latest[partition] == .min ? .min : latest[partition] - 10 * second
                latest[partition] = max(latest[partition], time)
                batch.order.append(
                    eventTime: time, watermark: mark, origin: Int64(partition),
                    offset: Int64(round * rowsInRound + row))
            }
            batch.count = rowsInRound
            try plain.send(batch)
            try twice.send(batch)
            let reached = EventTime(micros: latest.min()! - 10 * second)
            try plain.advance(to: reached)
            try twice.advance(to: reached)
        }
        try plain.finish()
        try twice.finish()
        let columns =
            ["time", "W", "partition", "offset", "change", "k", "window_start", "window_end"]
            + PartialAggregateTests.items.map(\.name)
        let rows = plain.rows(columns)
        #expect(rows.count > 20)
        try twice.expect(rows: rows, of: columns)
        try twice.expect(rows: plain.rows(["offset", "k"], port: 1), of: ["offset", "k"], port: 1)
    }
}
