import Operators
import StreamRuntime
import Testing

/// Sums of doubles against sums made in exact integer arithmetic, in several orders.
@Suite struct FloatSumTests {
    static let vectors: [([Double], String)] = [
        ([0.1, 0.2, 0.3], "0.6"), ([1e308, 1e308, -1e308], "1e+308"), ([1e308, 1e308], "inf"),
        ([1e16, 1, -1e16], "1.0"), ([1e300, 1e-300, -1e300], "1e-300"),
        ([0x1p-1074, 0x1p-1074], "1e-323"), ([-0.0], "0.0"), ([.infinity, 1], "inf"),
        ([.infinity, -.infinity], "nan"), ([.nan, 1], "nan"), ([-.infinity, 3], "-inf"),
        ([1, 0x1p-53], "1.0"), ([1, 0x1p-53, 0x1p-105], "1.0000000000000002"),
        ([0x1.fffffffffffffp1023, 0x1p969], "1.7976931348623157e+308"),
        ([2.2250738585072014e-308, -0x1p-1074], "2.225073858507201e-308"),
        ([0x1p-1060, 1e100, -1e100, 2], "2.0"),
    ]

    @Test(arguments: vectors) func `is exact in any order`(_ terms: [Double], _ expected: String)
        throws
    {
        for turn in 0..<terms.count {
            let turned = Array(terms[turn...] + terms[..<turn])
            let harness = try aggregateHarness(
                "time k:int64 d:double", by: ["k"], .tumble(size: 60 * second),
                select: [("s", "sum(d)")])
            try harness.send(
                "time k d\n" + turned.map { "00:01 1 \($0)" }.joined(separator: "\n"))
            try harness.finish()
            try harness.expect(rows: [[expected]], of: ["s"])
        }
    }

    @Test func `an average is rounded once`() throws {
        let harness = try aggregateHarness(
            "time k:int64 d:double i:int64", by: ["k"], .tumble(size: 60 * second),
            select: [("a", "avg(d)"), ("b", "avg(i)")])
        try harness.send(
            """
            time   k  d    i
            00:01  1  0.1  9007199254740993
            00:01  1  0.1  9007199254740993
            00:01  1  0.1  9007199254740993
            00:01  2  1    1
            00:01  2  1    1
            00:01  2  0    0
            """)
        try harness.finish()
        let rows = Set(harness.rows(["a", "b"]))
        #expect(
            rows == [["0.1", "9007199254740992.0"], ["0.6666666666666666", "0.6666666666666666"]])
    }

    @Test func `a window that slides over large and small terms stays exact`() throws {
        let harness = try aggregateHarness(
            "time k:int64 d:double", by: ["k"], .hop(size: 20 * second, every: 10 * second),
            select: [("s", "sum(d)"), ("v", "var_pop(d)")])
        try harness.send(
            """
            time   k  d
            00:01  1  1e300
            00:11  1  0.1
            00:12  1  0.2
            00:21  1  inf
            00:31  1  0.5
            00:41  1  0.5
            """)
        try harness.finish()
        try harness.expect(
            """
            window_end  s
            00:10       1e+300
            00:20       1e+300
            00:30       inf
            00:40       inf
            00:50       1.0
            01:00       0.5
            """)
    }
}
