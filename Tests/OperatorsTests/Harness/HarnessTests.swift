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

    @Test(arguments: [Forgetful.Fault.memory, .batches, .workers])
    func `what depends on restores, batches or workers is found`(fault: Forgetful.Fault)
        throws
    {
        let harness = try OperatorHarness("time name:string n:int64", keys: ["name"]) { _ in
            Forgetful(fault)
        }
        try harness.send(
            """
            time   name  n
            00:01  ann   0
            00:02  bob   0
            00:03  cleo  0
            """)
        try harness.finish()
        let rows = harness.rows(["n"])
        withKnownIssue {
            try harness.expect(rows: rows, of: ["n"])
        }
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

/// Numbers rows by something that a result must not depend on.
final class Forgetful: StreamRuntime.Operator {
    enum Fault: Sendable { case memory, batches, workers }
    private let fault: Fault
    private var seen: Int64 = 0
    private var workers: Int64 = 0

    init(_ fault: Fault) { self.fault = fault }

    func open(_ context: OperatorContext) throws(JobFailure) { workers = Int64(context.workers) }

    func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        for row in 0..<batch.count {
            seen += 1
            let number: Int64 =
                switch fault {
                case .memory: seen
                case .batches: Int64(batch.count)
                case .workers: workers
                }
            batch.columns[1].int64s[row] = number
        }
        output.emit(batch)
    }
}
