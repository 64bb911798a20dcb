import Operators
import StreamRuntime
import Testing

@Suite struct LatestTests {
    private func harness(
        _ type: String, timeToLive: Duration? = nil
    ) throws -> OperatorHarness {
        try OperatorHarness("time item:string v:\(type) n:int64", keys: ["item"]) { schema in
            Latest(
                order: try ExpressionCompiler(schema: schema).compile("v"), stalePort: 1,
                timeToLive: timeToLive, onError: .deadLetter(port: 2))
        }
    }

    @Test(arguments: [
        ("int64", ["-3", "5", "7"]), ("double", ["-0.5", "2.5", "1e300"]),
        ("decimal(38,2)", ["-1.00", "9999999999999999999.00", "99999999999999999999.00"]),
        ("timestamp", ["00:01", "00:02", "02:00:00"]), ("string", ["''", "a", "ab"]),
        ("bool", ["false", "true", "true"]),
    ])
    func `an older row is stale, an equal or newer one passes`(
        type: String, values: [String]
    ) throws {
        let harness = try harness(type)
        try harness.send(
            """
            time   item  v             n
            00:01  a     \(values[1])  1
            00:02  a     \(values[0])  2
            00:03  b     \(values[0])  3
            00:04  a     \(values[1])  4
            00:05  a     \(values[2])  5
            00:06  a     \(values[0])  6
            """)
        try harness.finish()
        try harness.expect("time n\n00:01 1\n00:03 3\n00:04 4\n00:05 5")
        try harness.expect("time n\n00:02 2\n00:06 6", port: 1)
        #expect(harness.counters.read(.stale) == 2)
    }

    @Test func `a row without an order value is rejected and changes nothing`() throws {
        let harness = try harness("int64")
        try harness.send(
            """
            time   item  v     n
            00:01  a     5     1
            00:02  a     null  2
            00:03  a     4     3
            """)
        try harness.finish()
        try harness.expect("n\n1")
        try harness.expect("n\n3", port: 1)
        try harness.expect("offset reason\n1 'the order value is null'", port: 2)
    }

    @Test func `a key is forgotten a time to live after its last row that passed`() throws {
        let harness = try harness("int64", timeToLive: .seconds(60))
        try harness.send(
            """
            time          item  v  n
            00:01         a     5  1
            00:30         a     6  2
            01:29.999999  a     1  3
            01:30         a     1  4
            """)
        try harness.advance(to: "01:20")
        try harness.advance(to: "05:00")
        try harness.send("time item v n\n05:01 a 0 5")
        try harness.finish()
        try harness.expect("n\n1\n2\n4\n5")
        try harness.expect("n\n3", port: 1)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `random rows pass as a plain model says`(seed: UInt64) throws {
        var random = Seeded(seed)
        var items: [(String, Int64)] = []
        let harness = try harness("int64")
        let rows = try harness.sendRandom(300, &random) { index, columns, random in
            let item = "i\(Int.random(in: 0..<12, using: &random))"
            let value = Int64(index) + Int64.random(in: -30...0, using: &random)
            items.append((item, value))
            columns[0].append(item)
            columns[1].append(value)
            columns[2].append(Int64(index))
        }
        var newest: [String: Int64] = [:]
        var passed: [[String]] = []
        var stale: [[String]] = []
        for row in rows {
            let (item, value) = items[row.index]
            if value >= newest[item] ?? .min {
                newest[item] = value
                passed.append(["\(row.index)"])
            } else {
                stale.append(["\(row.index)"])
            }
        }
        try harness.expect(rows: passed, of: ["n"])
        try harness.expect(rows: stale, of: ["n"], port: 1)
    }
}
