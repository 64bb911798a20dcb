import Operators
import StreamRuntime
import Testing

@Suite struct UpdatingTests {
    @Test func `every row gives the updated result of its key`() throws {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .none(),
            select: [("n", "count(*)"), ("s", "sum(v)"), ("l", "last(v)")])
        try harness.send(
            """
            time   k  v  W
            00:03  1  4  min
            00:01  1  1  min
            00:02  2  8  min
            00:03  1  2  min
            """)
        try harness.finish()
        try harness.expect(
            """
            time   k  n  s  l  change
            00:01  1  1  1  1  insert
            00:02  2  1  8  8  insert
            00:03  1  2  5  4  updateAfter
            00:03  1  3  7  2  updateAfter
            """)
    }

    @Test func `the result before can be given too`() throws {
        let harness = try aggregateHarness(
            "time k:int64", by: ["k"], .none(withBefore: true), select: [("n", "count(*)")])
        try harness.send(
            """
            time   k
            00:01  1
            00:02  1
            """)
        try harness.finish()
        try harness.expect(
            """
            time   k  n  change
            00:01  1  1  insert
            00:02  1  1  updateBefore
            00:02  1  2  updateAfter
            """)
    }
}
