import Operators
import StreamRuntime
import Testing

@Suite struct RowStepTests {
    @Test func `a filter lets rows pass where its condition is true, not where it is null`() throws
    {
        let harness = try OperatorHarness("time n:int64 name:string") { schema in
            Filter(predicate: try ExpressionCompiler(schema: schema).compile("n > 1"))
        }
        try harness.send(
            """
            time   n     name
            00:01  1     a
            00:02  2     b
            00:03  null  c
            00:04  3     d
            """)
        try harness.expect(
            """
            time   n  name
            00:02  2  b
            00:04  3  d
            """)
    }

    @Test func `rows a condition fails on become dead letters that lead back to the record`() throws
    {
        let harness = try OperatorHarness("time n:int64") { schema in
            Filter(
                predicate: try ExpressionCompiler(schema: schema).compile("10 % n = 0"),
                onError: .deadLetter(port: 1))
        }
        try harness.send(
            """
            time   n
            00:01  5
            00:02  -9223372036854775808
            00:03  3
            """)
        try harness.expect(
            """
            n
            5
            """)
        try harness.expectNothing(port: 1)
    }

    @Test func `select makes new columns and extend adds or replaces them`() throws {
        let make = { (schema: Schema, text: [(String, String)]) in
            let compiler = ExpressionCompiler(schema: schema)
            return try text.map { (name: $0.0, expression: try compiler.compile($0.1)) }
        }
        let select = try OperatorHarness("time n:int64 name:string") { schema in
            Project(selecting: try make(schema, [("twice", "n * 2"), ("who", "name")]))
        }
        try select.send("time n name\n00:01 4 ann\n00:02 null bob")
        try select.expect("time twice who\n00:01 8 ann\n00:02 null bob")
        let extend = try OperatorHarness("time n:int64 name:string") { schema in
            Project(
                extending: schema, with: try make(schema, [("n", "n + 1"), ("old", "n")]))
        }
        try extend.send("time n name\n00:01 4 ann")
        try extend.expect("time n name old\n00:01 5 ann 4")
    }

    @Test func `a row that fails in several columns is rejected once and the others come out`()
        throws
    {
        let harness = try OperatorHarness("time n:int64") { schema in
            let compiler = ExpressionCompiler(schema: schema)
            return Project(
                selecting: [
                    ("a", try compiler.compile("n + 9223372036854775807")),
                    ("b", try compiler.compile("n * 9223372036854775807")),
                ], onError: .deadLetter(port: 1))
        }
        try harness.send("time n\n00:01 0\n00:02 2\n00:03 0")
        try harness.expect("time b\n00:01 0\n00:03 0")
        try harness.expect("time offset step topic\n00:02 1 step source", port: 1)
        #expect(harness.counters.read(.rejected) == 1)
    }

    @Test func `under on_error fail the first row that cannot be used stops the job`() throws {
        let harness = try OperatorHarness("time n:int64") { schema in
            let overflow = try ExpressionCompiler(schema: schema).compile("n * 9223372036854775807")
            return Project(selecting: [("a", overflow)], onError: .fail)
        }
        let failure = #expect(throws: JobFailure.self) {
            try harness.send("time n offset\n00:01 1 7\n00:02 2 8")
        }
        #expect(failure?.place == "step step, source partition 0 offset 8")
    }

    @Test func `unnest makes a row for each element and none for an empty list or null`() throws {
        let harness = try OperatorHarness(
            "time id:string counts:list<struct<sku: string, n: int64>>"
        ) { schema in
            Unnest(
                schema: schema, list: try ExpressionCompiler(schema: schema).compile("counts"),
                alias: "count")
        }
        try harness.send(
            """
            time   id  counts
            00:01  a   [{sku: x, n: 1}, {sku: y, n: 2}]
            00:02  b   []
            00:03  c   null
            00:04  d   [{sku: z, n: 3}, null]
            """)
        try harness.expect(
            """
            time   id  offset  count
            00:01  a   0       {sku: x, n: 1}
            00:01  a   0       {sku: y, n: 2}
            00:04  d   3       {sku: z, n: 3}
            00:04  d   3       null
            """)
    }

    @Test func `route sends a row to the first condition that is true`() throws {
        let harness = try OperatorHarness("time n:int64") { schema in
            let compiler = ExpressionCompiler(schema: schema)
            return Route(conditions: [try compiler.compile("n > 5"), try compiler.compile("n > 1")])
        }
        try harness.send("time n\n00:01 9\n00:02 3\n00:03 0\n00:04 null\n00:05 6")
        try harness.expect("n\n0\nnull")
        try harness.expect("n\n9\n6", port: 1)
        try harness.expect("n\n3", port: 2)
    }
}
