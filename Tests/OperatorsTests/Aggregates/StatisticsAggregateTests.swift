import Operators
import StreamRuntime
import Testing

/// Aggregates of statistics over a few rows, in two arrival orders; the values are what DuckDB says.
@Suite struct StatisticsAggregateTests {
    private static let header = "time k:int64 i:int64 d:double t:string f:int64"
    private static let rows = [
        "00:05 1 3    1.5  pear 1", "00:01 1 null null null 1", "00:03 1 -2   0.5  apple 1",
        "00:02 1 3    2.0  fig 1", "00:04 1 40   4.0  apple 1",
    ]

    private static let cases: [(String, String)] = [
        ("round(skewness(i), 9)", "1.910104188"),
        ("round(kurtosis(i), 9)", "3.735723265"),
        ("round(kurtosis_pop(d), 9)", "-1.0"),
        ("round(sem(d), 9)", "0.637377439"),
        ("skewness(f)", "null"),
        ("kurtosis(d) filter (where i > 0)", "null"),
        ("round(covar_pop(i, d), 9)", "20.375"),
        ("round(covar_samp(d, i), 9)", "27.166666667"),
        ("round(corr(i, d), 9)", "0.947610358"),
        ("corr(f, d)", "nan"),
        ("regr_count(i, d)", "4"),
        ("round(regr_avgx(i, d), 9)", "2.0"),
        ("round(regr_avgy(i, d), 9)", "11.0"),
        ("round(regr_slope(i, d), 9)", "12.538461538"),
        ("round(regr_intercept(i, d), 9)", "-14.076923077"),
        ("round(regr_r2(i, d), 9)", "0.897965391"),
        ("round(regr_sxx(i, d), 9)", "6.5"),
        ("round(regr_syy(i, d), 9)", "1138.0"),
        ("round(regr_sxy(i, d), 9)", "81.5"),
        ("regr_slope(i, f)", "nan"),
        ("regr_intercept(i, f)", "null"),
        ("regr_r2(i, f)", "null"),
        ("round(regr_r2(f, d), 9)", "1.0"),
        ("covar_samp(i, d) filter (where i = 40)", "null"),
        ("corr(i, d) filter (where false)", "null"),
        ("bit_and(i)", "0"),
        ("bit_or(i)", "-1"),
        ("bit_xor(i)", "-42"),
        ("bit_xor(i) filter (where false)", "null"),
        ("round(median(i), 9)", "3.0"),
        ("round(median(d), 9)", "1.75"),
        ("round(median(i) filter (where i > 0), 9)", "3.0"),
        ("median(d) filter (where false)", "null"),
        ("round(mad(i), 9)", "2.5"),
        ("round(quantile_cont(d, 0.25), 9)", "1.25"),
        ("quantile_disc(i, 0.25)", "-2"),
        ("quantile_disc(t, 0.5)", "apple"),
        ("quantile_cont(i, [0.25, 0.5])", "[1.75, 3.0]"),
        ("quantile_disc(i, [0.1, 1])", "[-2, 40]"),
        ("mode(t)", "apple"),
        ("mode(i)", "3"),
        ("mode(i) filter (where false)", "null"),
        ("round(entropy(t), 9)", "1.5"), ("entropy(t) filter (where false)", "0.0"),
        ("round(entropy(i), 9)", "1.5"),
        ("round(product(i), 9)", "-720.0"),
        ("round(product(d), 9)", "6.0"),
        ("round(geomean(d), 9)", "1.56508458"),
        ("round(favg(i), 9)", "11.0"),
        ("round(fsum(d), 9)", "8.0"),
        ("round(kahan_sum(i), 9)", "44.0"),
        ("round(wavg(i, d), 9)", "21.1875"),
        ("round(wavg(d, f), 9)", "2.0"),
        ("round(wavg(d, i), 9)", "3.852272727"),
        ("histogram(t)", "[{key: apple, value: 2}, {key: fig, value: 1}, {key: pear, value: 1}]"),
        ("histogram(t) filter (where false)", "null"), ("bit_and(i) | bit_or(i)", "-1"),
    ]

    @Test(arguments: cases) func `gives`(_ text: String, _ expected: String) throws {
        for rows in [Self.rows, Self.rows.reversed()] {
            let harness = try aggregateHarness(
                Self.header, by: ["k"], .tumble(size: 60 * second), select: [("x", text)],
                disorder: "01:00")
            try harness.send(
                "time k i d t f offset\n"
                    + rows.enumerated().map {
                        "\($1) \(Self.rows.firstIndex(of: $1) ?? 0)"
                    }.joined(separator: "\n"))
            try harness.finish()
            try harness.expect(rows: [[expected]], of: ["x"])
        }
    }

    @Test func `covariances of values far from zero are as exact as of those near it`() throws {
        let far = 1_700_000_000_000.0
        let harness = try aggregateHarness(
            "time k:int64 d:double y:double", by: ["k"], .tumble(size: 60 * second),
            select: [
                ("c", "round(covar_pop(y, d), 6)"),
                ("r", "round(regr_slope(y, d), 6)"),
            ])
        let values = [1.0, 2, 3, 4, 10]
        try harness.send(
            "time k d y\n"
                + values.map { "00:01 1 \(far + $0) \(far - 2 * $0)" }.joined(separator: "\n"))
        try harness.finish()
        try harness.expect(rows: [["-20.0", "-2.0"]], of: ["c", "r"])
    }
}
