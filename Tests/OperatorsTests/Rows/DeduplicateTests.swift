import Operators
import StreamRuntime
import Testing

@Suite struct DeduplicateTests {
    private func harness() throws -> OperatorHarness {
        try OperatorHarness("time id:string n:int64", keys: ["id"]) { _ in
            Deduplicate(within: .seconds(60))
        }
    }

    @Test func `the first row of a key passes and its repetitions do not`() throws {
        let harness = try harness()
        try harness.send(
            """
            time   id  n
            00:01  a   1
            00:02  b   2
            00:02  a   3
            00:59  b   4
            """)
        try harness.finish()
        try harness.expect(
            """
            time   id  n
            00:01  a   1
            00:02  b   2
            """)
        #expect(harness.counters.read(.duplicates) == 2)
    }

    @Test func `a row exactly the time later passes, and starts the time anew`() throws {
        let harness = try harness()
        try harness.send(
            """
            time          id  n
            00:01         a   1
            01:00.999999  a   2
            01:01         a   3
            02:00.999999  a   4
            02:01         a   5
            """)
        try harness.advance(to: "02:30")
        try harness.send(
            """
            time   id  n
            03:00  a   6
            03:01  a   7
            """)
        try harness.finish()
        try harness.expect(
            """
            id  n
            a   1
            a   3
            a   5
            a   7
            """)
    }

    @Test func `the order of the log decides which row is the first`() throws {
        let harness = try harness()
        try harness.send(
            """
            time   id  n  partition  W
            00:05  a   1  1          min
            00:05  a   2  0          min
            00:04  b   3  1          00:01
            00:03  b   4  0          00:01
            """)
        try harness.finish()
        try harness.expect(
            """
            id  n
            b   4
            a   2
            """)
    }

    @Test func `a late repetition is known by when it came, not by its event time`() throws {
        let harness = try harness()
        try harness.send(
            """
            time   id  n  W
            09:50  a   1  min
            08:00  a   2  09:55
            08:00  b   3  09:55
            10:30  b   4  09:55
            10:55  b   5  09:55
            """)
        try harness.finish()
        try harness.expect(
            """
            id  n
            a   1
            b   3
            b   5
            """)
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func `random rows pass as a plain model says`(seed: UInt64) throws {
        var random = Seeded(seed)
        var ids: [String] = []
        let harness = try OperatorHarness("time id:string n:int64", keys: ["id"]) { _ in
            Deduplicate(within: .seconds(20))
        }
        let rows = try harness.sendRandom(300, &random) { index, columns, random in
            let id = "k\(Int.random(in: 0..<25, using: &random))"
            ids.append(id)
            columns[0].append(id)
            columns[1].append(Int64(index))
        }
        var first: [String: Int64] = [:]
        var expected: [[String]] = []
        for row in rows {
            let id = ids[row.index]
            if let time = first[id], row.time - time < 20_000_000 { continue }
            first[id] = row.time
            expected.append([id, "\(row.index)"])
        }
        try harness.expect(rows: expected, of: ["id", "n"])
    }
}
