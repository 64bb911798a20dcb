import Operators
import StreamRuntime
import Testing

@Suite struct EndedWindowTests {
    private func harness() throws -> OperatorHarness {
        try OperatorHarness(
            "time window_end:timestamp n:int64", keys: ["window_end"]
        ) { schema in
            let plan = try ExpressionCompiler(schema: schema).compileAggregates(
                [("most", "max(n)"), ("keys", "count(*)")], keys: ["window_end"])
            return try AggregateSpec(
                window: .ended(column: 0), plan: plan, latePort: 1, onError: .deadLetter(port: 2)
            ).makeOperator(input: schema)
        }
    }

    @Test func `a window that another step made fires once, at its end`() throws {
        let harness = try harness()
        try harness.send(
            """
            time          window_end                  n  W
            00:09.999999  1970-01-01T00:00:10.000000  3  min
            00:19.999999  1970-01-01T00:00:20.000000  1  min
            00:09.999999  1970-01-01T00:00:10.000000  7  min
            00:09.999999  null                        7  min
            """)
        try harness.advance(to: "00:09.999999")
        try harness.expectNothing()
        try harness.advance(to: "00:10")
        try harness.expect(
            """
            time          window_end                  most  keys
            00:09.999999  1970-01-01T00:00:10.000000  7     2
            """)
        try harness.send(
            """
            time          window_end                  n  W
            00:09.999999  1970-01-01T00:00:10.000000  8  00:12
            00:19.999999  1970-01-01T00:00:20.000000  5  00:12
            """)
        try harness.finish()
        try harness.expect(
            """
            time          window_end                  most  keys
            00:19.999999  1970-01-01T00:00:20.000000  5     2
            """)
        try harness.expect("time n\n00:09.999999 8", port: 1)
        #expect(harness.rows(["reason"], port: 2) == [["'the window has no end'"]])
    }
}
