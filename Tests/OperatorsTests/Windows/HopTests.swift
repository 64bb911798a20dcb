import Operators
import StreamRuntime
import Testing

@Suite struct HopTests {
    private let everything: [(name: String, text: String)] = [
        ("n", "count(*)"), ("s", "sum(v)"), ("d", "count(distinct v)"), ("lo", "min(v)"),
        ("hi", "max(v)"), ("f", "first(v)"), ("l", "last(v)"),
    ]

    @Test func `rows leave a hopping window slice by slice`() throws {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .hop(size: 30 * second, every: 10 * second),
            select: everything)
        try harness.send(
            """
            time   k  v
            00:01  1  5
            00:12  1  2
            00:13  1  5
            00:14  2  7
            00:25  1  9
            00:55  2  1
            """)
        try harness.advance(to: "00:30")
        try harness.expect(
            """
            k  window_start  window_end  n  s   d  lo  hi  f  l
            1  -00:20        00:10       1  5   1  5   5   5  5
            1  -00:10        00:20       3  12  2  2   5   5  5
            2  -00:10        00:20       1  7   1  7   7   7  7
            1  00:00         00:30       4  21  3  2   9   5  9
            2  00:00         00:30       1  7   1  7   7   7  7
            """)
        try harness.finish()
        try harness.expect(
            """
            k  window_start  window_end  n  s   d  lo  hi  f  l
            1  00:10         00:40       3  16  3  2   9   2  9
            2  00:10         00:40       1  7   1  7   7   7  7
            1  00:20         00:50       1  9   1  9   9   9  9
            2  00:30         01:00       1  1   1  1   1   1  1
            2  00:40         01:10       1  1   1  1   1   1  1
            2  00:50         01:20       1  1   1  1   1   1  1
            """)
    }

    @Test func `a hop that does not divide its window has slices of the common divisor`() throws {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .hop(size: 25 * second, every: 10 * second),
            select: [("n", "count(*)"), ("s", "sum(v)")])
        try harness.send(
            """
            time   k  v
            00:04  1  1
            00:05  1  2
            00:14  1  4
            """)
        try harness.finish()
        try harness.expect(
            """
            window_start  window_end  n  s
            -00:20        00:05       1  1
            -00:10        00:15       3  7
            00:00         00:25       3  7
            00:10         00:35       1  4
            """)
    }

    @Test func `a row late for some of its windows counts in the others`() throws {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .hop(size: 30 * second, every: 10 * second),
            select: [("n", "count(*)"), ("s", "sum(v)")])
        try harness.send(
            """
            time   k  v  W
            00:01  1  1  min
            00:02  1  2  00:10
            00:03  1  4  00:29
            00:04  1  8  00:30
            """)
        try harness.finish()
        try harness.expect(
            """
            window_end  n  s
            00:10       1  1
            00:20       2  3
            00:30       3  7
            """)
        try harness.expect(
            """
            time   v
            00:04  8
            """, port: 1)
    }

    @Test func `a row within the allowed lateness corrects every window that ended before it`()
        throws
    {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .hop(size: 30 * second, every: 10 * second),
            select: [("n", "count(*)"), ("lo", "min(v)")], allowed: "00:15")
        try harness.send(
            """
            time   k  v  W
            00:01  1  5  min
            00:02  1  3  00:22
            00:05  2  9  00:24
            """)
        try harness.advance(to: "00:23")
        try harness.expect(
            """
            time          W      k  window_end  n  lo  change
            00:09.999999  min    1  00:10       1  5   insert
            00:19.999999  min    1  00:20       1  5   insert
            00:09.999999  00:22  1  00:10       2  3   updateAfter
            00:19.999999  00:22  1  00:20       2  3   updateAfter
            """)
        try harness.finish()
        try harness.expect(
            """
            time          W      k  window_end  n  lo  change
            00:09.999999  00:24  2  00:10       1  9   insert
            00:19.999999  00:24  2  00:20       1  9   insert
            00:29.999999  min    1  00:30       2  3   insert
            00:29.999999  min    2  00:30       1  9   insert
            """)
    }

    @Test func `cumulating windows grow and begin again`() throws {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .cumulate(size: 30 * second, every: 10 * second),
            select: [("n", "count(*)"), ("lo", "min(v)"), ("l", "last(v)")])
        try harness.send(
            """
            time   k  v  W
            00:01  1  5  min
            00:12  1  7  00:01
            00:35  1  2  00:12
            00:13  1  3  00:20
            00:14  1  1  00:30
            """)
        try harness.finish()
        try harness.expect(
            """
            window_start  window_end  n  lo  l
            00:00         00:10       1  5   5
            00:00         00:20       2  5   7
            00:00         00:30       3  3   3
            00:30         00:40       1  2   2
            00:30         00:50       1  2   2
            00:30         01:00       1  2   2
            """)
        try harness.expect(
            """
            time   v
            00:14  1
            """, port: 1)
    }
}
