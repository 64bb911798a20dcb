import StreamRuntime
import Testing

@Suite struct HarnessTests {
    @Test func `rows pass an operator that needs order in their total order`() throws {
        let harness = try OperatorHarness("time name:string n:int64", keys: ["name"]) { _ in
            Relay(needsOrderedInput: true)
        }
        try harness.send(
            """
            time   name       n  partition  W
            00:09  ann        1  0          min
            00:03  'bob the'  2  0          00:04
            00:05  cleo       3  1          min
            00:05  dan        4  0          00:04
            00:10  eve     null  1          00:05
            """)
        try harness.expectNothing()
        try harness.advance(to: "00:05")
        try harness.expect(
            """
            time   name       n  offset
            00:03  'bob the'  2  1
            """)
        try harness.advance(to: "00:10")
        try harness.expect(
            """
            time   name  n  partition
            00:05  dan   4  0
            00:05  cleo  3  1
            00:09  ann   1  0
            """)
        try harness.finish()
        try harness.expect(
            """
            name  n
            eve   null
            """)
    }

    @Test func `lists, structs, decimals and times go in and come out`() throws {
        let harness = try OperatorHarness(
            "time p:decimal(6,2) l:list<struct<a: string, b: int64>> at:timestamp f:double ok:bool"
        ) { _ in
            Relay(needsOrderedInput: true)
        }
        let table = """
            time                 p      l                           at             f    ok
            2024-02-29T12:00:00  -0.05  [{a: x, b: 1}, {a: y, b: null}]  00:01:02.5  1.5  true
            2024-03-01T00:00:00  12.30  []                          min            -0.0 null
            """
        try harness.send(table)
        try harness.finish()
        try harness.expect(table)
    }
}

/// Hands every row on.
private final class Relay: StreamRuntime.Operator {
    let needsOrderedInput: Bool

    init(needsOrderedInput: Bool) { self.needsOrderedInput = needsOrderedInput }

    func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        output.emit(batch)
    }
}
