import Operators
import StreamRuntime
import Testing

@Suite struct RollingTests {
    private static func make(
        _ schema: Schema, key: String, widths: [(String, Duration)], select: [(String, String)],
        includesSelf: Bool = true, delay: Duration = .zero
    ) throws -> Rolling {
        let compiler = ExpressionCompiler(schema: schema)
        let plans = try widths.map { name, over in
            let items = select.map { (name: $0.0 + "_" + name, text: $0.1) }
            return (over: over, plan: try compiler.compileAggregates(items, keys: [key]))
        }
        return try Rolling(
            schema: schema, keys: [schema.index(of: key)!], widths: plans,
            includesSelf: includesSelf, delay: delay, onError: .deadLetter(port: 1))
    }

    private func harness(
        _ select: [(String, String)], over: [(String, Duration)] = [("10s", .seconds(10))],
        includesSelf: Bool = true, delay: Duration = .zero
    ) throws -> OperatorHarness {
        try OperatorHarness("time user:string amount:int64 card:string", keys: ["user"]) { schema in
            try RollingTests.make(
                schema, key: "user", widths: over, select: select, includesSelf: includesSelf,
                delay: delay)
        }
    }

    private let burst = """
        time   user  amount  card
        00:01  ann   5       x
        00:02  bob   7       y
        00:06  ann   3       z
        00:11  ann   null    x
        00:15  ann   4       x
        00:40  ann   1       x
        """

    @Test func `a row counts the rows of its key in the time before it and itself`() throws {
        let harness = try harness(
            [("n", "count(*)"), ("sum", "sum(amount)")],
            over: [("10s", .seconds(10)), ("1m", .seconds(60))])
        try harness.send(burst)
        try harness.finish()
        try harness.expect(
            """
            time   user  amount  n_10s  sum_10s  n_1m  sum_1m
            00:01  ann   5       1      5        1     5
            00:02  bob   7       1      7        1     7
            00:06  ann   3       2      8        2     8
            00:11  ann   null    2      3        3     8
            00:15  ann   4       3      7        4     12
            00:40  ann   1       1      1        5     13
            """)
    }

    @Test func `without itself a row sees only what came before it`() throws {
        let harness = try harness(
            [("n", "count(*)"), ("sum", "sum(amount)"), ("low", "min(amount)")],
            includesSelf: false)
        try harness.send(burst)
        try harness.finish()
        try harness.expect(
            """
            user  amount  n_10s  sum_10s  low_10s
            ann   5       0      null     null
            bob   7       0      null     null
            ann   3       1      5        5
            ann   null    1      3        3
            ann   4       2      3        3
            ann   1       0      null     null
            """)
    }

    @Test func `rows of one time see those before them in the order`() throws {
        let harness = try harness([("n", "count(*)"), ("who", "list(card)")])
        try harness.send(
            """
            time   user  amount  card  partition  offset
            00:05  ann   1       c     1          0
            00:05  ann   1       b     0          1
            00:05  ann   1       a     0          0
            """)
        try harness.finish()
        try harness.expect(
            """
            card  n_10s  who_10s
            a     1      [a]
            b     2      [a, b]
            c     3      [a, b, c]
            """)
    }

    @Test func `a late row gets its window as it was then and counts for later ones`() throws {
        let harness = try harness(
            [("n", "count(*)"), ("sum", "sum(amount)"), ("high", "max(amount)")],
            over: [("10s", .seconds(10)), ("1m", .seconds(60))])
        try harness.send(
            """
            time   user  amount  W
            00:10  ann   1       min
            00:30  ann   2       00:20
            00:12  ann   9       00:25
            00:21  ann   3       00:30
            00:31  ann   4       00:30
            00:31  ann   5       00:31
            """)
        try harness.finish()
        try harness.expect(
            """
            time   amount  n_10s  sum_10s  high_10s  n_1m  sum_1m  high_1m
            00:10  1       1      1        1         1     1       1
            00:12  9       2      10       9         2     10      9
            00:30  2       1      2        2         3     12      9
            00:21  3       2      12       9         3     13      9
            00:31  4       2      6        4         5     19      9
            00:31  5       3      11       5         6     24      9
            """)
    }

    @Test func `with a delay a row is seen by others only that much later`() throws {
        let harness = try harness(
            [("n", "count(*)"), ("cards", "count(distinct card)")], delay: .seconds(5))
        try harness.send(burst)
        try harness.finish()
        try harness.expect(
            """
            time   user  n_10s  cards_10s
            00:01  ann   0      0
            00:02  bob   0      0
            00:06  ann   1      1
            00:11  ann   2      2
            00:15  ann   2      2
            00:40  ann   0      0
            """)
    }

    @Test func `outputs may compute with aggregates and filters`() throws {
        let harness = try harness([
            ("share", "count(*) filter (where card = 'x') / count(*)"),
            ("mean", "avg(amount)"), ("first", "first(card)"),
        ])
        try harness.send(burst)
        try harness.finish()
        try harness.expect(
            """
            user  share_10s  mean_10s  first_10s
            ann   1.0        5.0       x
            bob   0.0        7.0       y
            ann   0.5        4.0       x
            ann   0.5        3.0       z
            ann   0.6666666666666666  3.5  z
            ann   1.0        1.0       x
            """)
    }

    @Test func `a sum that does not fit rejects its row and no other`() throws {
        let harness = try OperatorHarness("time k:string d:decimal(38,0)", keys: ["k"]) { schema in
            try RollingTests.make(
                schema, key: "k", widths: [("10s", .seconds(10))], select: [("sum", "sum(d)")])
        }
        let large = "9" + String(repeating: "0", count: 37)
        try harness.send(
            """
            time   k  d
            00:01  a  \(large)
            00:05  a  \(large)
            00:12  a  1
            """)
        try harness.finish()
        try harness.expect(
            "time sum_10s\n00:01 \(large)\n00:12 9\(String(repeating: "0", count: 36))1")
        try harness.expect("offset step\n1 step", port: 1)
    }

    @Test func `keys and log are forgotten when no row can see them`() throws {
        let store = StateStore()
        let schema = Schema([Field("user", .string), Field("amount", .int64)])
        let step = try RollingTests.make(
            schema, key: "user", widths: [("10s", .seconds(10))],
            select: [("sum", "sum(amount)"), ("low", "min(amount)")])
        try step.open(
            OperatorContext(
                stepId: "r", ordinal: 1, worker: 0, workers: 1, state: store,
                counters: StepCounters()))
        final class Nowhere: Output { func emit(_ batch: ColumnBatch, port: Int) {} }
        for second in 0..<200 {
            let batch = ColumnBatch(schema: schema, capacity: 1)
            batch.columns[0].append("user \(second)")
            batch.columns[1].append(Int64(second))
            let time = Int64(second) * 1_000_000
            batch.order.append(eventTime: time, watermark: time, origin: 0, offset: Int64(second))
            batch.count = 1
            batch.keys = KeyEncoder(columns: [0]).encode(batch)
            try step.process(batch, into: Nowhere())
            _ = try step.advance(to: EventTime(micros: time), into: Nowhere())
        }
        // A key is an entry of the running state, one of the minimum's and one in the log.
        #expect(store.keys(of: "r") < 120)
        #expect(store.keys(of: "r") > 20)
    }
}
