import Operators
import StreamRuntime
import Testing

@Suite struct StringAggregateTests {
    @Test func `texts are put together without nulls, and no text at all is null`() throws {
        let harness = try aggregateHarness(
            "time k:string s:string", by: ["k"], .tumble(size: 60 * second),
            select: [
                ("texts", "string_agg(s, '|')"),
                ("short", "string_agg(s, '|') filter (where length(s) < 2)"),
            ])
        try harness.send(
            """
            time   k  s
            00:01  a  x
            00:02  a  null
            00:03  a  long
            00:04  b  null
            00:05  c  ''
            00:06  d  long
            """)
        try harness.finish()
        let rows = harness.rows(["k", "texts", "short"]).sorted { $0[0] < $1[0] }
        #expect(
            rows == [
                ["a", "x|long", "x"], ["b", "null", "null"], ["c", "''", "''"],
                ["d", "long", "null"],
            ])
        try harness.expect(rows: harness.rows(["k", "texts"]), of: ["k", "texts"])
    }
}
