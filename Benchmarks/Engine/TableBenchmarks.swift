import Glibc
import Operators
import StreamRuntime

/// How fast rows become first rows and changing results, each step alone on one core.
enum TableBenchmarks {
    private static let schema = Schema([
        Field("auction", .int64), Field("bidder", .int64), Field("price", .int64),
        Field("channel", .string), Field("ts", .timestamp),
    ])
    private static let rows = 4096

    static func run() throws {
        let perAuction = batches(400, keys: [0])
        let perPair = batches(400, keys: [1, 0])
        try measure("newest row per (bidder, auction), upsert", top("ts desc", 1, .upsert), perPair)
        try measure("newest row per (bidder, auction), full", top("ts desc", 1, .full), perPair)
        try measure("top 10 per auction by price", top("price desc", 10, .full), perAuction)
        try measure(
            "top 10 per auction by price, numbered, upsert",
            top("price desc", 10, .upsert, rank: "place"), perAuction)
        let perKey = batches(400, keys: [0], auctions: 100_000)
        try measure(
            "updating count and sum, 100 K keys",
            updating([("n", "count(*)"), ("s", "sum(price)")], full: false), perKey)
        try measure(
            "the same with what is replaced",
            updating([("n", "count(*)"), ("s", "sum(price)")], full: true), perKey)
        let perDay = batches(200, keys: [3])
        try measure(
            "updating counts and distinct counts with filters, 4 keys",
            updating(
                [
                    ("n", "count(*)"), ("low", "count(*) filter (where price < 10000)"),
                    ("b", "count(distinct bidder)"), ("a", "count(distinct auction)"),
                    ("lowb", "count(distinct bidder) filter (where price < 10000)"),
                ], full: false), perDay)
    }

    /// Batches of random bids; half of them go to a hundredth of the auctions.
    private static func batches(
        _ count: Int, keys: [Int], auctions: Int = 20_000
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
                batch.columns[0].append(Int64(random(random(2) == 0 ? auctions : auctions / 100)))
                batch.columns[1].append(Int64(random(10_000)))
                batch.columns[2].append(Int64(random(1_000_000)))
                batch.columns[3].append("channel-\(random(4))")
                batch.columns[4].append(Int64(row) * 100)
                batch.order.append(
                    eventTime: Int64(row) * 100, watermark: Int64(row) * 100 - 1, origin: 0,
                    offset: Int64(row))
                row += 1
            }
            batch.count = rows
            batch.keys = KeyEncoder(columns: keys).encode(batch)
            return batch
        }
    }

    private static func top(
        _ text: String, _ count: Int, _ changes: Changelog, rank: String? = nil
    ) throws -> any StreamRuntime.Operator {
        let order = SortOrder(text)
        let compiler = ExpressionCompiler(schema: schema)
        return TopSpec(
            order: order, expressions: try order.items.map { try compiler.compile($0.text) },
            count: count, rankName: rank, changes: changes
        ).makeOperator(schema: schema)
    }

    private static func updating(
        _ items: [(name: String, text: String)], full: Bool
    ) throws -> any StreamRuntime.Operator {
        let key = items.count > 2 ? "channel" : "auction"
        let plan = try ExpressionCompiler(schema: schema).compileAggregates(items, keys: [key])
        return try AggregateSpec(window: .none(withBefore: full), plan: plan).makeOperator(
            input: schema)
    }

    private static func measure(
        _ name: String, _ step: any StreamRuntime.Operator, _ batches: [ColumnBatch]
    ) throws {
        let output = Counter()
        try step.open(
            OperatorContext(
                stepId: "bench", ordinal: 1, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        let start = clock()
        for batch in batches { try step.process(batch, into: output) }
        let rate = Double(batches.count * rows) / (clock() - start)
        print("\(name): \((rate / 1e5).rounded() / 10) M rows/s (target 2), \(output.rows) out")
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
