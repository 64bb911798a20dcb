import Glibc
import Operators
import StreamRuntime

/// How fast rows are aggregated in windows, the operator alone on one core.
enum WindowBenchmarks {
    private static let rows = 4096
    private static let second: Int64 = 1_000_000

    static func run() {
        do {
            try tumble(
                "tumble 60 s, count/sum/min/max/last, 125 K keys", keyCount: 125_000, target: 10)
            try tumble("tumble 60 s, count/sum/min/max/last, 1 K keys", keyCount: 1000, target: 10)
            try hop("hop 1 h / 1 min, count/sum/count distinct, 10 K users", target: 0.8)
            try session("session 30 s, count/sum, 10 K users", target: 1)
        } catch {
            print("window benchmarks: \(error)")
        }
    }

    private static func tumble(
        _ name: String, keyCount: Int, target: Double
    ) throws(JobFailure) {
        let schema = Schema([
            Field("store", .string), Field("product", .string), Field("quantity", .int64),
        ])
        // Each window of 60 s holds a million rows.
        let made = batches(500, schema, keys: [0, 1], rowsPerSecond: 16_667) { batch, random in
            let key = random(keyCount)
            batch.columns[0].append("s\(key % 400)")
            batch.columns[1].append("p\(key)")
            batch.columns[2].append(Int64(random(100)))
        }
        try measure(
            name, .tumble(size: 60 * second), keys: ["store", "product"],
            [
                ("n", "count(*)"), ("s", "sum(quantity)"), ("lo", "min(quantity)"),
                ("hi", "max(quantity)"), ("l", "last(quantity)"),
            ], schema, made, target: target)
    }

    private static func hop(_ name: String, target: Double) throws(JobFailure) {
        let schema = Schema([
            Field("user", .int64), Field("amount", .int64), Field("store", .int64),
        ])
        // 1,000 rows a second, so that 2 M rows span 33 minutes and 33 firings of 10 K keys.
        let made = batches(1500, schema, keys: [0], rowsPerSecond: 1000) { batch, random in
            batch.columns[0].append(Int64(random(10_000)))
            batch.columns[1].append(Int64(random(10_000)))
            batch.columns[2].append(Int64(random(500)))
        }
        try measure(
            name, .hop(size: 3600 * second, every: 60 * second), keys: ["user"],
            [("n", "count(*)"), ("s", "sum(amount)"), ("d", "count(distinct store)")], schema, made,
            target: target)
    }

    private static func session(_ name: String, target: Double) throws(JobFailure) {
        let schema = Schema([Field("user", .int64), Field("amount", .int64)])
        let made = batches(500, schema, keys: [0], rowsPerSecond: 1000) { batch, random in
            batch.columns[0].append(Int64(random(10_000)))
            batch.columns[1].append(Int64(random(10_000)))
        }
        try measure(
            name, .session(gap: 30 * second), keys: ["user"],
            [("n", "count(*)"), ("s", "sum(amount)")], schema, made, target: target)
    }

    private static func batches(
        _ count: Int, _ schema: Schema, keys: [Int], rowsPerSecond: Int64,
        _ fill: (ColumnBatch, (Int) -> Int) -> Void
    ) -> [ColumnBatch] {
        var state: UInt64 = 42
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var row: Int64 = 0
        return (0..<count).map { _ in
            let batch = ColumnBatch(schema: schema, capacity: rows)
            for _ in 0..<rows {
                fill(batch, random)
                let clock = row * second / rowsPerSecond
                batch.order.append(
                    eventTime: clock - Int64(random(5_000_000)), watermark: clock - 5_000_001,
                    origin: 0, offset: row)
                row += 1
            }
            batch.count = rows
            batch.keys = KeyEncoder(columns: keys).encode(batch)
            return batch
        }
    }

    private static func measure(
        _ name: String, _ window: Window, keys: [String],
        _ select: [(name: String, text: String)], _ schema: Schema, _ batches: [ColumnBatch],
        target: Double
    ) throws(JobFailure) {
        let plan: AggregatePlan
        do {
            plan = try ExpressionCompiler(schema: schema).compileAggregates(select, keys: keys)
        } catch {
            throw JobFailure(.step, "\(error)", at: name, remedy: "correct the benchmark")
        }
        let step = try AggregateSpec(window: window, plan: plan).makeOperator(input: schema)
        let output = Counter()
        try step.open(
            OperatorContext(
                stepId: "bench", ordinal: 1, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        let start = clock()
        for batch in batches {
            try step.process(batch, into: output)
            let reached = batch.order.watermarks.int64s[batch.count - 1]
            while try step.advance(to: EventTime(micros: reached), into: output) == .more {}
        }
        let seconds = clock() - start
        let rate = (Double(batches.count * rows) / seconds / 1e4).rounded() / 100
        print("\(name): \(rate) M rows/s, \(output.rows) results (target \(target))")
    }

    private static func clock() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private final class Counter: Output {
        var rows = 0
        func emit(_ batch: ColumnBatch, port: Int) { rows += batch.count }
    }
}
