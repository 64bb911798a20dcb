import Glibc
import Operators
import StreamRuntime

/// How fast rows are sorted, split, deduplicated and rebatched, each alone on one core.
enum RowBenchmarks {
    private static let schema = Schema([
        Field("store", .string), Field("product", .string), Field("update", .string),
        Field("quantity", .int64), Field("price", .decimal(precision: 12, scale: 2)),
        Field("at", .timestamp),
    ])
    private static let rows = 4096

    static func run() {
        do {
            try sorter("sort rows already in order", disorder: 0, target: 15)
            try sorter("sort rows with 5 s disorder", disorder: 5_000_000, target: 5)
            splitter()
            try deduplicate()
            try rebatch()
            try rolling()
        } catch {
            print("row benchmarks: \(error)")
        }
    }

    /// Batches of random rows; a thousand rows a second of event time.
    private static func batches(
        _ count: Int, disorder: Int64, keys: [Int], keyCount: Int, uniqueEvery: Int = 1,
        stepMicros: Int64 = 1000
    ) -> [ColumnBatch] {
        var state: UInt64 = 42
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var row = 0
        return (0..<count).map { _ in
            let batch = ColumnBatch(schema: schema, capacity: rows)
            for _ in 0..<rows {
                let key = random(keyCount)
                batch.columns[0].append("store-\(key % 400)")
                batch.columns[1].append("product-\(key)")
                batch.columns[2].append(
                    "update-\(uniqueEvery > 1 ? random(row / uniqueEvery + 1) : row)")
                batch.columns[3].append(Int64(random(100)))
                batch.columns[4].append(Int128(random(10_000)))
                let clock = Int64(row) * stepMicros
                let time = clock - (disorder > 0 ? Int64(random(Int(disorder))) : 0)
                batch.columns[5].append(time)
                batch.order.append(
                    eventTime: time, watermark: clock - disorder - 1, origin: 0, offset: Int64(row))
                row += 1
            }
            batch.count = rows
            batch.keys = KeyEncoder(columns: keys).encode(batch)
            return batch
        }
    }

    private static func context(_ counters: StepCounters = StepCounters()) -> OperatorContext {
        OperatorContext(
            stepId: "bench", ordinal: 1, worker: 0, workers: 1, state: StateStore(),
            counters: counters)
    }

    /// Runs `step` over `batches`, a watermark after each, and prints millions of rows a second.
    private static func measure(
        _ name: String, _ step: any StreamRuntime.Operator, _ batches: [ColumnBatch],
        disorder: Int64 = 0, target: Double
    ) throws(JobFailure) {
        let output = Counter()
        try step.open(context())
        let start = clock()
        for batch in batches {
            try step.process(batch, into: output)
            let reached = batch.order.watermarks.int64s[batch.count - 1]
            while try step.advance(to: EventTime(micros: reached), into: output) == .more {}
        }
        while try step.advance(to: .endOfTime, into: output) == .more {}
        report(name, batches.count * rows, clock() - start, target: target)
    }

    private static func sorter(
        _ name: String, disorder: Int64, target: Double
    ) throws(JobFailure) {
        let made = batches(300, disorder: disorder, keys: [0, 1], keyCount: 100_000)
        try measure(name, RowSorter(schema: schema), made, disorder: disorder, target: target)
    }

    private static func splitter() {
        let made = batches(100, disorder: 0, keys: [0, 1], keyCount: 100_000)
        let splitter = KeySplitter(workers: 2)
        let start = clock()
        var parts = 0
        for _ in 0..<5 { for batch in made { parts += splitter.split(batch).count } }
        report("split rows by key for 2 workers", 500 * rows, clock() - start, target: 40)
        precondition(parts == 1000)
    }

    private static func deduplicate() throws(JobFailure) {
        let made = batches(500, disorder: 0, keys: [2], keyCount: 100_000, uniqueEvery: 2)
        try measure(
            "deduplicate within 1 h", Deduplicate(within: .seconds(3600)), made, target: 3)
    }

    private static func rebatch() throws(JobFailure) {
        let made = batches(500, disorder: 0, keys: [1], keyCount: 2000)
        let step = Rebatch(schema: schema, keys: [1], size: 50, linger: .seconds(600))
        try measure("rebatch to 50 per key", step, made, target: 4)
    }

    static func rolling() throws(JobFailure) {
        let made = batches(
            250, disorder: 0, keys: [1], keyCount: 10_000, stepMicros: 1_000_000)
        try measure(
            "rolling count, sum over 1 h, 24 h, 7 d",
            rolling(["count(*)", "sum(quantity)"]), made, target: 0.8)
        try measure(
            "rolling count distinct, max over 1 h, 24 h, 7 d",
            rolling(["count(distinct store)", "max(price)"]), made, target: 0.1)
    }

    private static func rolling(_ texts: [String]) throws(JobFailure) -> Rolling {
        let compiler = ExpressionCompiler(schema: schema)
        var widths: [(over: Duration, plan: AggregatePlan)] = []
        for hours in [1, 24, 168] {
            let items = texts.enumerated().map {
                (name: "c\($0.offset)_\(hours)", text: $0.element)
            }
            do {
                let plan = try compiler.compileAggregates(items, keys: ["product"])
                widths.append((over: .seconds(hours * 3600), plan: plan))
            } catch {
                preconditionFailure("\(error)")
            }
        }
        return try Rolling(schema: schema, keys: [1], widths: widths)
    }

    private static func clock() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func report(_ name: String, _ rows: Int, _ seconds: Double, target: Double) {
        let rate = (Double(rows) / seconds / 1e5).rounded() / 10
        print("\(name): \(rate) M rows/s (target \(target))")
    }

    private final class Counter: Output {
        var rows = 0
        func emit(_ batch: ColumnBatch, port: Int) { rows += batch.count }
    }
}
