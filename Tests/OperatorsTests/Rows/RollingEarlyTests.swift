import Operators
import StreamRuntime
import Testing

@Suite struct RollingEarlyTests {
    private func harness(_ text: String) throws -> OperatorHarness {
        try OperatorHarness("time k:string n:int64", keys: ["k"]) { schema in
            let plan = try ExpressionCompiler(schema: schema).compileAggregates(
                [("result", text)], keys: ["k"])
            return try Rolling(
                schema: schema, keys: [0], widths: [(over: .seconds(60), plan: plan)])
        }
    }

    @Test(arguments: ["sum(n)", "max(n) + sum(n) - max(n)"])
    func `rows before 1970 stay in their windows while time goes on`(text: String) throws {
        let harness = try harness(text)
        for (row, result) in [
            ("1969-12-31T23:50:00  a  1", "1"), ("1969-12-31T23:50:30  a  2", "3"),
            ("1969-12-31T23:51:10  a  4", "6"), ("1969-12-31T23:52:20  b  8", "8"),
            ("1969-12-31T23:52:30  b  16", "24"), ("1969-12-31T23:59:59  b  32", "32"),
            ("1970-01-01T00:00:30  b  64", "96"),
        ] {
            try harness.send("time k n\n" + row)
            try harness.advance(to: String(row.prefix(19)) + ".5")
            try harness.expect(rows: [[result]], of: ["result"])
        }
    }

    @Test func `rows of a key that was forgotten are not in the window of a late row`() throws {
        let harness = try harness("sum(n)")
        try harness.send(
            """
            time      k  n  W
            00:10:00  a  1  min
            00:10:40  a  2  min
            """)
        try harness.advance(to: "00:10:50")
        try harness.send("time k n W\n00:14:00 b 4 min")
        try harness.advance(to: "00:14:00.5")
        try harness.advance(to: "00:16:00")
        // Its own time is long past; what was known of its key then is forgotten.
        try harness.send("time k n W\n00:10:45 a 8 00:16:00")
        try harness.finish()
        try harness.expect(
            """
            k  n  result
            a  1  1
            a  2  3
            b  4  4
            a  8  8
            """)
    }
}
