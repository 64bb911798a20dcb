import Operators
import StreamRuntime
import Testing

/// Each aggregate over a few rows of one key in one window, in two arrival orders.
@Suite struct AccumulatorTests {
    static let header =
        "time k:int64 i:int64 d:double m:decimal(6,2) t:string b:bool ts:timestamp l:list<int64>"
    static let rows = [
        "00:05 1 3     1.5   1.25  pear   true  00:01  [1, 2]",
        "00:01 1 null  null  null  null   null  null   null",
        "00:03 1 -2    0.1   -3.00 apple  false 00:09  []",
        "00:02 1 3     0.2   9.99  fig    null  00:04  [1, 2]",
        "00:04 1 40    -0.0  0.01  apple  true  00:02  null",
    ]

    static let cases: [(String, String)] = [
        ("count(*)", "5"), ("count(i)", "4"), ("count(t)", "4"), ("count(distinct i)", "3"),
        ("count(distinct t)", "3"), ("count(distinct m)", "4"), ("count(distinct b)", "2"),
        ("count(distinct l)", "2"), ("count(distinct d)", "4"),
        ("sum(i)", "44"), ("sum(d)", "1.8"), ("sum(m)", "8.25"),
        ("avg(i)", "11.0"), ("avg(d)", "0.45"), ("avg(m)", "2.0625"),
        ("min(i)", "-2"), ("max(i)", "40"), ("min(d)", "0.0"), ("max(d)", "1.5"),
        ("min(m)", "-3.00"), ("max(m)", "9.99"), ("min(t)", "apple"), ("max(t)", "pear"),
        ("min(b)", "false"), ("max(b)", "true"), ("min(ts)", "00:01"), ("max(ts)", "00:09"),
        ("first(i)", "null"), ("last(i)", "3"), ("first(t)", "null"), ("last(t)", "pear"),
        ("any_value(t)", "fig"), ("any_value(m)", "9.99"), ("last(l)", "[1, 2]"),
        ("last(b)", "true"), ("last(ts)", "00:01"), ("last(m)", "1.25"), ("last(d)", "1.5"),
        ("var_pop(i)", "284.5"), ("stddev_pop(m)", "4.830814501717076"),
        ("var_samp(d)", "0.49666666666666665"), ("stddev_samp(i)", "19.476481543988722"),
        ("approx_quantile(i, 0)", "-2.0"), ("approx_quantile(i, 0.5)", "3.0"),
        ("approx_quantile(i, 1)", "40.0"), ("approx_quantile(d, 1)", "1.50390625"),
        ("approx_count_distinct(t)", "3"), ("approx_count_distinct(i)", "3"),
        ("list(i)", "[null, 3, -2, 40, 3]"), ("list(t)", "[null, fig, apple, apple, pear]"),
        ("bool_and(b)", "false"), ("bool_or(b)", "true"),
        ("arg_min(t, i)", "apple"), ("arg_max(t, i)", "apple"), ("arg_max(i, t)", "3"),
        ("arg_min(i, t)", "-2"), ("arg_max(t, m)", "fig"), ("arg_min(l, d)", "[]"),
        ("count(*) filter (where i > 0)", "3"), ("sum(i) filter (where b)", "43"),
        ("sum(i) filter (where i > 100)", "null"), ("avg(d) filter (where i > 100)", "null"),
        ("max(t) filter (where i > 100)", "null"), ("bool_and(b) filter (where false)", "null"),
        ("list(i) filter (where i = 40)", "[40]"), ("last(t) filter (where i < 0)", "apple"),
        ("count(distinct t) filter (where i > 0)", "3"), ("sum(m) / count(*)", "1.65"),
    ]

    @Test(arguments: cases) func `gives`(_ text: String, _ expected: String) throws {
        for rows in [Self.rows, Self.rows.reversed()] {
            let harness = try aggregateHarness(
                Self.header, by: ["k"], .tumble(size: 60 * second), select: [("x", text)],
                disorder: "01:00")
            let table =
                "time k i d m t b ts l offset\n"
                + rows.enumerated().map { "\($1) \(Self.rows.firstIndex(of: $1) ?? 0)" }
                .joined(separator: "\n")
            try harness.send(table)
            try harness.finish()
            try harness.expect(rows: [[expected]], of: ["x"])
        }
    }

    @Test
    func
        `a sum of decimals with more than 38 digits rejects the result, one that returns is right`()
        throws
    {
        let nines = String(repeating: "9", count: 38)
        let harness = try aggregateHarness(
            "time k:int64 m:decimal(38,0)", by: ["k"], .tumble(size: 60 * second),
            select: [("s", "sum(m)")], onError: .deadLetter(port: 2))
        let many = (0..<4).map { "00:0\($0) 1 \(nines)" } + (4..<7).map { "00:0\($0) 1 -\(nines)" }
        try harness.send(
            "time k m\n" + (many + ["00:01 2 \(nines)", "00:02 2 1"]).joined(separator: "\n"))
        try harness.finish()
        try harness.expect(rows: [["1", nines]], of: ["k", "s"])
        try harness.expect(
            rows: [["sum(m)", "'the sum has more than 38 digits'"]], of: ["column", "reason"],
            port: 2)
    }

    @Test func `a list beyond its bound rejects the result`() throws {
        let harness = try aggregateHarness(
            "time k:int64", by: ["k"], .tumble(size: 60 * second), select: [("l", "list(k)")],
            onError: .drop)
        let batch = ColumnBatch(schema: harness.schema, capacity: 16_385)
        for row in 0..<16_385 {
            batch.columns[0].append(Int64(7))
            batch.order.append(eventTime: 0, watermark: .min, origin: 0, offset: Int64(row))
        }
        batch.count = 16_385
        try harness.send(batch)
        try harness.finish()
        #expect(harness.rows(["l"]).isEmpty)
        #expect(harness.counters.read(.rejected) == 1)
    }
}
