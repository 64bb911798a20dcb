import Operators
import StreamRuntime
import Testing

@Suite struct TumbleTests {
    @Test func `a row on the window's end belongs to the next window`() throws {
        let harness = try aggregateHarness(
            "time customer:string amount:int64", by: ["customer"], .tumble(size: 10 * second),
            select: [("orders", "count(*)"), ("spent", "sum(amount)")], disorder: "00:05")
        try harness.send(
            """
            time   customer  amount
            00:09  ann       3
            00:10  ann       4
            00:00  bob       5
            """)
        try harness.expectNothing()
        try harness.advance(to: "00:10")
        try harness.expect(
            """
            time          customer  window_start  window_end  orders  spent
            00:09.999999  bob       00:00         00:10       1       5
            00:09.999999  ann       00:00         00:10       1       3
            """)
        try harness.finish()
        try harness.expect(
            """
            customer  window_start  window_end  orders  spent
            ann       00:10         00:20       1       4
            """)
    }

    @Test func `windows before 1970 and windows with an offset lie where they should`() throws {
        let harness = try aggregateHarness(
            "time k:int64", by: ["k"], .tumble(size: 10 * second, offset: 3 * second),
            select: [("n", "count(*)")], disorder: "01:00")
        try harness.send(
            """
            time    k
            -00:08  1
            -00:07  1
            00:02   1
            00:03   1
            """)
        try harness.finish()
        try harness.expect(
            """
            k  window_start  window_end  n
            1  -00:17        -00:07      1
            1  -00:07        00:03       2
            1  00:03         00:13       1
            """)
    }

    @Test func `a row is late when its own watermark is at the window's end and not before`() throws
    {
        let harness = try aggregateHarness(
            "time k:int64", by: ["k"], .tumble(size: 10 * second), select: [("n", "count(*)")])
        try harness.send(
            """
            time   k  W
            00:05  1  00:09.999999
            00:05  1  00:10
            00:05  1  00:11
            """)
        try harness.finish()
        try harness.expect(
            """
            k  window_start  n
            1  00:00         1
            """)
        try harness.expect(
            """
            time   k  W
            00:05  1  00:10
            00:05  1  00:11
            """, port: 1)
        #expect(harness.counters.read(.late) == 2)
    }

    @Test func `a row within the allowed lateness corrects, one at its end is late`() throws {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .tumble(size: 10 * second),
            select: [("n", "count(*)"), ("v", "sum(v)")], allowed: "00:05")
        try harness.send(
            """
            time   k  v  W
            00:01  1  1  min
            00:02  1  2  00:14.999999
            00:03  2  4  00:12
            00:04  1  8  00:15
            00:05  1  1  00:12
            """)
        try harness.advance(to: "00:11")
        try harness.expect(
            """
            time          k  n  v  change
            00:09.999999  1  1  1  insert
            """)
        try harness.finish()
        try harness.expect(
            """
            time          W             k  n  v  change
            00:09.999999  00:12         1  2  2  updateAfter
            00:09.999999  00:12         2  1  4  insert
            00:09.999999  00:14.999999  1  3  4  updateAfter
            """)
        try harness.expect(
            """
            time   k  v
            00:04  1  8
            """, port: 1)
    }

    @Test func `a time too far away for a window is rejected and nothing traps`() throws {
        let harness = try aggregateHarness(
            "time k:int64", by: ["k"], .tumble(size: 10 * second), select: [("n", "count(*)")],
            onError: .deadLetter(port: 2))
        try harness.send(
            """
            time  k  W
            min   1  min
            max   1  min
            00:01 1  min
            """)
        try harness.finish()
        try harness.expect(
            """
            k  n
            1  1
            """)
        try harness.expect(
            """
            time  reason
            min   'the time is too far away for a window'
            max   'the time is too far away for a window'
            """, port: 2)
    }

    @Test func `a row whose aggregate argument fails goes to the dead letters`() throws {
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .tumble(size: 10 * second),
            select: [("s", "sum(v + 1)")], onError: .deadLetter(port: 2))
        try harness.send(
            """
            time   k  v
            00:01  1  9223372036854775807
            00:02  1  1
            """)
        try harness.finish()
        try harness.expect(
            """
            k  s
            1  2
            """)
        try harness.expect(
            """
            time   offset
            00:01  0
            """, port: 2)
    }

    @Test func `without a key all rows are together`() throws {
        let harness = try aggregateHarness(
            "time v:int64", by: [], .tumble(size: 10 * second), select: [("s", "sum(v)")])
        try harness.send(
            """
            time   v
            00:01  1
            00:02  2
            """)
        try harness.finish()
        try harness.expect(
            """
            window_start  window_end  s
            00:00         00:10       3
            """)
    }

    @Test func `keys of several types and null keys come out as they went in`() throws {
        let harness = try aggregateHarness(
            "time a:string b:decimal(10,2) c:bool d:double e:int64",
            by: ["a", "b", "c", "d", "e"], .tumble(size: 10 * second), select: [("n", "count(*)")])
        try harness.send(
            """
            time   a     b      c      d     e
            00:01  null  null   null   null  null
            00:02  x     -1.50  true   -2.5  -7
            00:03  x     -1.50  true   -2.5  -7
            """)
        try harness.finish()
        #expect(
            Set(harness.rows(["a", "b", "c", "d", "e", "n"]))
                == [
                    ["null", "null", "null", "null", "null", "1"],
                    ["x", "-1.50", "true", "-2.5", "-7", "2"],
                ])
    }

    @Test func `a large firing comes out whole and in key order`() throws {
        let harness = try aggregateHarness(
            "time k:int64", by: ["k"], .tumble(size: 10 * second), select: [("n", "count(*)")])
        let batch = ColumnBatch(schema: harness.schema, capacity: 5000)
        for row in 0..<5000 {
            batch.columns[0].append(Int64(row))
            batch.order.append(
                eventTime: second, watermark: .min, origin: 0, offset: Int64(row))
        }
        batch.count = 5000
        try harness.send(batch)
        try harness.finish()
        let rows = harness.rows(["k", "n", "offset"])
        #expect(rows.count == 5000)
        #expect(Set(rows.map { $0[0] }).count == 5000)
        let hashes = rows.compactMap { Int64($0[2]) }.map { UInt64(bitPattern: $0) }
        #expect(hashes == hashes.sorted())
    }
}
