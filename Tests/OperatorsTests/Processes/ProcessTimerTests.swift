import Operators
import StreamRuntime
import Testing

@Suite struct ProcessTimerTests {
    private static func spec(ttl: Duration) -> ProcessSpec {
        ProcessSpec(
            state: [.init(name: "n", type: .int64, initial: "0")],
            entries: [
                .init(
                    sets: [.init("n", "n + 1")],
                    timers: [.init("late", "now() + interval (after) seconds")],
                    emits: [[.init("k", "k"), .init("what", "'row'"), .init("n", "n")]]),
                .init(
                    cause: .timer("late"),
                    emits: [[.init("k", "k"), .init("what", "'timer'"), .init("n", "n")]]),
            ], timeToLive: ttl)
    }

    private func harness(ttl: Duration) throws -> OperatorHarness {
        try OperatorHarness("time k:int64 after:int64", keys: ["k"]) { schema in
            KeyedProcess(
                program: try #require(
                    ProcessProgram.compile(
                        ProcessTimerTests.spec(ttl: ttl), input: schema, keys: [0]
                    ).program))
        }
    }

    @Test func `timers hours and days ahead fire at their time, whatever was restored between`()
        throws
    {
        let harness = try harness(ttl: .seconds(40 * 86_400))
        try harness.send(
            """
            time      k  after
            00:00:10  1  10800
            00:00:10  2  432000
            00:00:10  3  3456001
            00:00:20  4  86399
            00:00:30  5  59
            """)
        try harness.advance(to: "00:01:00")
        try harness.expect(
            """
            k  what  n
            1  row   1
            2  row   1
            3  row   1
            4  row   1
            5  row   1
            """)
        for (time, keys) in [
            ("00:01:29", ["5"]), ("02:00:00", []), ("03:00:09", []), ("03:00:10", ["1"]),
            ("24:00:18", []), ("24:00:19", ["4"]), ("119:00:00", []), ("120:00:10", ["2"]),
        ] as [(String, [String])] {
            try harness.advance(to: time)
            try harness.expect(rows: keys.map { [$0, "timer", "1"] }, of: ["k", "what", "n"])
        }
        // Key 3 is forgotten a second before its timer; key 2 begins anew.
        try harness.advance(to: "960:00:10")
        try harness.send(
            """
            time       k  after
            960:00:10  2  5
            960:00:10  3  5
            """)
        try harness.finish()
        // The two timers of one moment come in the order of their keys' hashes.
        let rows = harness.rows(["k", "what", "n"])
        #expect(rows.prefix(2) == [["2", "row", "1"], ["3", "row", "1"]])
        #expect(Set(rows.suffix(2)) == [["2", "timer", "1"], ["3", "timer", "1"]])
        try harness.expect(rows: rows, of: ["k", "what", "n"])
    }

    @Test func `many timers of one moment fire a bounded number at a time`() throws {
        let harness = try harness(ttl: .seconds(3600))
        let batch = ColumnBatch(schema: harness.schema, capacity: 6000)
        for key in 0..<6000 {
            batch.columns[0].append(Int64(key))
            batch.columns[1].append(Int64(60))
            batch.order.append(
                eventTime: 1_000_000, watermark: .min, origin: 0, offset: Int64(key))
        }
        batch.count = 6000
        try harness.send(batch)
        try harness.advance(to: "00:30")
        #expect(harness.rows(["k"]).count == 6000)
        try harness.advance(to: "02:00")
        let rows = harness.rows(["k", "what", "time"]).filter { $0[1] == "timer" }
        #expect(rows.count == 6000)
        #expect(Set(rows.map { $0[0] }).count == 6000)
        #expect(Set(rows.map { $0[2] }) == ["01:00.999999"])
    }
}
