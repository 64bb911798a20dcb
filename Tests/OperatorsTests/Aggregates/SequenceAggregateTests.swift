import Glibc
import Operators
import StreamRuntime
import Testing

/// Aggregates of sequences, frequencies and ages over a few rows, in two arrival orders.
@Suite struct SequenceAggregateTests {
    private static let header = "time k:int64 i:int64 d:double t:string"
    private static let rows = [
        "00:05 1 3    1.5  pear", "00:01 1 null null null", "00:03 1 -2   0.5  apple",
        "00:02 1 3    2.0  fig", "00:04 1 40   4.0  apple",
    ]

    private static let cases: [(String, String)] = [
        ("last_k(t, 2)", "[apple, pear]"), ("last_k(i, 9)", "[null, 3, -2, 40, 3]"),
        ("last_k(i, 2) filter (where i < 10)", "[-2, 3]"),
        ("last_k(i, 1) filter (where false)", "null"),
        ("lag(t)", "apple"), ("lag(i, 3)", "3"), ("lag(i, 4)", "null"), ("lag(i, 5)", "null"),
        ("approx_top_k(t, 2)", "[apple, fig]"), ("approx_top_k(i, 3)", "[3, -2, 40]"),
        ("top_k(t, 1)", "[{value: apple, count: 2}]"), ("top_k(t, 1) filter (where false)", "null"),
        ("ewma(d, interval 1 second) filter (where d = 4.0)", "4.0"),
        ("decayed_count(interval 1 second) filter (where false)", "0.0"),
        ("distinct_error(approx_count_distinct(t))", "0.0"),
    ]

    @Test(arguments: cases) func `gives`(_ text: String, _ expected: String) throws {
        for rows in [Self.rows, Self.rows.reversed()] {
            let harness = try aggregateHarness(
                Self.header, by: ["k"], .tumble(size: 60 * second), select: [("x", text)],
                disorder: "01:00")
            try harness.send(
                "time k i d t offset\n"
                    + rows.enumerated().map {
                        "\($1) \(Self.rows.firstIndex(of: $1) ?? 0)"
                    }.joined(separator: "\n"))
            try harness.finish()
            try harness.expect(rows: [[expected]], of: ["x"])
        }
    }

    @Test func `values weigh less the older they are, however far apart`() throws {
        // Ages of 1, 2 and 600 half-lives: 600 lie beyond two blocks of weights.
        let halfLife = 0.693_147_180_559_945_3
        let tau = 10.0 / halfLife
        let select = [
            ("a", "round(ewma(d, interval '\(tau) seconds'), 9)"),
            ("s", "round(decayed_sum(d, interval '\(tau) seconds'), 9)"),
            ("n", "round(decayed_count(interval '\(tau) seconds'), 9)"),
        ]
        let harness = try OperatorHarness("time k:string d:double", keys: ["k"]) { schema in
            let plan = try ExpressionCompiler(schema: schema).compileAggregates(
                select.map { (name: $0.0, text: $0.1) }, keys: ["k"])
            return try Rolling(
                schema: schema, keys: [0], widths: [(over: .seconds(20_000), plan: plan)])
        }
        try harness.send(
            """
            time      k  d
            00:00     a  8.0
            00:10     a  2.0
            00:20     a  4.0
            01:40:20  a  1.0
            """)
        try harness.finish()
        try harness.expect(
            rows: [
                ["8.0", "8.0", "1.0"], ["4.0", "6.0", "1.5"], ["4.0", "7.0", "1.75"],
                ["1.0", "1.0", "1.0"],
            ], of: ["a", "s", "n"])
    }

    @Test func `distinct values are counted exactly to 128 and sketched beyond`() throws {
        let harness = try aggregateHarness(
            "time k:int64 i:int64", by: ["k"], .tumble(size: 60 * second),
            select: [
                ("n", "approx_count_distinct(i)"),
                ("e", "distinct_error(approx_count_distinct(i))"),
                ("exact", "count(distinct i)"),
            ])
        let batch = ColumnBatch(schema: harness.schema, capacity: 2 * 128 + 5000)
        func send(_ key: Int64, _ values: Range<Int64>) {
            for value in values {
                batch.columns[0].append(key)
                batch.columns[1].append(value)
                batch.order.append(
                    eventTime: 0, watermark: .min, origin: 0, offset: Int64(batch.count))
                batch.count += 1
            }
        }
        send(1, 0..<128)
        send(1, 0..<128)
        send(2, 0..<5000)
        try harness.send(batch)
        try harness.finish()
        let rows = harness.rows(["k", "n", "e", "exact"])
        let one = try #require(rows.first { $0[0] == "1" })
        #expect(one == ["1", "128", "0.0", "128"])
        let two = try #require(rows.first { $0[0] == "2" })
        let estimate = try #require(Double(two[1]))
        let bound = try #require(Double(two[2]))
        #expect(bound > 70 && bound < 90)
        #expect(abs(estimate - 5000) < 3 * bound, "\(estimate)")
    }

    @Test(arguments: [
        ("last_k(i, 0)", "last_k needs a constant number from 1 to 1024 here"),
        ("lag(i, i)", "lag needs a constant number from 1 to 1024 here"),
        ("last_k(i)", "last_k takes 2 arguments, not 1"),
        ("ewma(i, 20)", "the time of the decay must be a constant interval above a millisecond"),
        (
            "decayed_count(interval 1 month)",
            "the time of the decay must be a constant interval above a millisecond"
        ),
    ])
    func `a wrong constant is told`(text: String, message: String) throws {
        let schema = Schema([Field("k", .int64), Field("i", .int64)])
        #expect(
            performing: {
                _ = try ExpressionCompiler(schema: schema).compileAggregates(
                    [(name: "x", text: text)], keys: ["k"])
            }, throws: { "\($0)".contains(message) })
    }
}
