import Operators
import StreamRuntime
import Testing

@Suite struct ChangelogStepTests {
    @Test
    func
        `a route sends each row of a table to where it belongs now and takes it from where it was`()
        throws
    {
        let harness = try OperatorHarness("time k:string n:int64") { schema in
            Route(
                conditions: [try ExpressionCompiler(schema: schema).compile("n > 5")],
                changelog: .full)
        }
        try harness.send(
            """
            time   k  n  change
            00:01  a  1  insert
            00:02  a  1  updateBefore
            00:02  a  9  updateAfter
            00:03  a  9  delete
            """)
        try harness.expect("change n\ninsert 1\ndelete 1")
        try harness.expect("change n\ninsert 9\ndelete 9", port: 1)
    }

    @Test func `where only keys are known every other port is told that the key is gone`() throws {
        let harness = try OperatorHarness("time k:string n:int64") { schema in
            Route(
                conditions: [try ExpressionCompiler(schema: schema).compile("n > 5")],
                changelog: .upsert)
        }
        try harness.send(
            """
            time   k  n  change
            00:01  a  1  insert
            00:02  a  9  updateAfter
            00:03  a  9  delete
            """)
        try harness.expect("change n\ninsert 1\ndelete 9\ndelete 9")
        try harness.expect("change n\ndelete 1\nupdateAfter 9\ndelete 9", port: 1)
    }

    @Test
    func `an unnest takes the elements of the old list away and puts those of the new one there`()
        throws
    {
        let harness = try OperatorHarness("time k:string l:list<int64>") { schema in
            Unnest(
                schema: schema, list: try ExpressionCompiler(schema: schema).compile("l"),
                alias: "e", changelog: .full)
        }
        try harness.send(
            """
            time   k  l       change
            00:01  a  [1,2]   insert
            00:02  a  [1,2]   updateBefore
            00:03  a  [3]     updateAfter
            """)
        try harness.expect(
            """
            time   change  e
            00:01  insert  1
            00:01  insert  2
            00:02  delete  1
            00:02  delete  2
            00:03  insert  3
            """)
    }

    @Test func `results come out that hold a condition, and go when they no longer do`() throws {
        let harness = try OperatorHarness("time k:string v:int64", keys: ["k"]) { schema in
            let plan = try ExpressionCompiler(schema: schema).compileAggregates(
                [("n", "count(*)"), ("hidden", "sum(v) between 10 and 20")], keys: ["k"])
            let spec = AggregateSpec(window: .none(withBefore: true), plan: plan)
            return Having(
                try spec.makeOperator(input: schema), schema: spec.schema,
                predicate: try ExpressionCompiler(schema: spec.schema).compile("hidden"),
                columns: 2, changelog: .full, onError: .fail)
        }
        try harness.send(
            """
            time   k  v
            00:01  a  5
            00:02  a  5
            00:03  a  5
            00:04  a  9
            00:05  a  1
            """)
        try harness.finish()
        try harness.expect(
            """
            time   change        k  n
            00:02  insert        a  2
            00:03  updateBefore  a  2
            00:03  updateAfter   a  3
            00:04  delete        a  3
            """)
    }
}
