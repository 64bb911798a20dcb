import StreamRuntime
import Testing

/// Runs one operator on tables and checks the tables that come out.
///
/// Every `expect` also replays the script so far in other ways, which must give the same rows: batches of
/// 1, 2 and 7 rows, everything since the last watermark in one batch, a snapshot and restore between
/// any two steps, and the keys split over 2 and 3 workers.
///
///     let harness = try OperatorHarness("time customer:string amount:int64", keys: ["customer"]) {
///         Deduplicate(schema: $0, within: .seconds(60))
///     }
///     try harness.send("""
///         time   customer  amount
///         00:09  ann       3
///         """)
///     try harness.advance(to: "00:10")
///     try harness.expect("""
///         customer  amount
///         ann       3
///         """)
///
/// Times are `mm:ss[.f]`, `hh:mm:ss[.f]` of 1970-01-01, or `2024-01-01T00:00:00[.f]`. Besides the schema's
/// columns a table may have `time` (event time), `partition`, `offset`, `W` (the partition's watermark) and
/// `change`. Without `W` it is the largest event time of the partition before the row less the
/// disorder bound, and at least the last `advance`. Rows that came out are shown in their total order.
final class OperatorHarness {
    let schema: Schema
    /// The counters of the plain run.
    let counters = StepCounters()
    private let keys: [Int]
    private let makeOperator: (Schema) throws -> any StreamRuntime.Operator
    private let disorder: Int64
    private var script: [ScriptStep] = []
    private var checked: [Int: Int] = [:]
    private var main: OperatorRun
    private var partitions: [Int64: PartitionClock] = [:]
    private var promised = Int64.min

    /// A harness for rows of `header`: `time` and `name:type` cells; `keys` name the key columns.
    init(
        _ header: String, keys: [String] = [], disorder: String = "00:00",
        _ makeOperator: @escaping (Schema) throws -> any StreamRuntime.Operator
    ) throws {
        schema = try TableText.schema(header)
        let schema = schema
        self.keys = try keys.map { try #require(schema.index(of: $0)) }
        self.makeOperator = makeOperator
        self.disorder = try TableText.micros(disorder)
        main = try OperatorRun(
            schema: schema, way: ReplayWay(), counters: counters, makeOperator: makeOperator)
    }

    /// Sends the rows of `table`.
    func send(_ table: String) throws {
        let rows = try TableText.rows(table)
        let batch = ColumnBatch(schema: schema, capacity: rows.count)
        for cells in rows { try append(cells, to: batch) }
        try send(batch)
    }

    /// Sends a batch as it is; its keys are made here.
    func send(_ batch: ColumnBatch) throws {
        for row in 0..<batch.count {
            try #require(
                batch.order.time(row) >= promised,
                "a row sent after advance(to:) is before what the watermark promised")
        }
        if !keys.isEmpty { batch.keys = KeyEncoder(columns: keys).encode(batch) }
        try perform(.rows(batch))
    }

    /// Moves the watermark.
    func advance(to time: String) throws {
        try advance(to: EventTime(micros: TableText.micros(time)))
    }

    /// Moves the watermark.
    func advance(to watermark: EventTime) throws {
        promised = watermark.micros
        try perform(.watermark(watermark))
    }

    /// Ends the input.
    func finish() throws { try advance(to: .endOfTime) }

    /// Checks the rows that came out of `port` since the last check of it.
    func expect(
        _ table: String, port: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let lines = try TableText.table(table)
        try expect(
            rows: lines.rows, of: lines.header, port: port, sourceLocation: sourceLocation)
    }

    /// Checks that nothing came out of `port` since the last check of it.
    func expectNothing(port: Int = 0, sourceLocation: SourceLocation = #_sourceLocation) throws {
        try expect(rows: [], of: ["time"], port: port, sourceLocation: sourceLocation)
    }

    /// Checks the rows that came out of `port` since the last check of it, given as cells of `columns`.
    func expect(
        rows expected: [[String]], of columns: [String], port: Int = 0,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let start = checked[port, default: 0]
        let output = main.output(port)
        checked[port] = output.count
        check(
            Array(output[start...]), expected, columns, "as sent", sourceLocation: sourceLocation)
        for way in ReplayWay.all(keyed: !keys.isEmpty) {
            let run = try replay(way)
            let rows = run.output(port)
            guard rows.count >= start else {
                Issue.record(
                    "\(way): rows that came out before are missing", sourceLocation: sourceLocation)
                continue
            }
            check(
                Array(rows[start...]), expected, columns, way.description,
                sourceLocation: sourceLocation)
        }
    }

    /// The rows that came out of `port` since the last check, as cells of `columns`.
    func rows(_ columns: [String], port: Int = 0) -> [[String]] {
        main.output(port)[checked[port, default: 0]...].map { row in columns.map { row.cell($0) } }
    }

    // MARK: inside

    private func perform(_ step: ScriptStep) throws {
        script.append(step)
        try main.perform(step)
    }

    private func replay(_ way: ReplayWay) throws -> OperatorRun {
        let run = try OperatorRun(
            schema: schema, way: way, counters: StepCounters(), makeOperator: makeOperator)
        for step in ScriptStep.rebatched(script, way.batchRows) { try run.perform(step) }
        return run
    }

    private func check(
        _ output: [OutputRow], _ expected: [[String]], _ columns: [String], _ way: String,
        sourceLocation: SourceLocation
    ) {
        let found = output.map { row in columns.map { row.cell($0) } }
        let wanted = expected.map { cells in
            zip(columns, cells).map { output.first?.normal($1, of: $0) ?? $1 }
        }
        if found == wanted { return }
        Issue.record(
            """
            \(way), found:
            \(TableText.render(columns, found))
            expected:
            \(TableText.render(columns, wanted))
            """, sourceLocation: sourceLocation)
    }

    private func append(_ cells: [String: String], to batch: ColumnBatch) throws {
        for (field, column) in zip(schema.fields, batch.columns) {
            try TableText.append(cells[field.name] ?? "null", to: column)
        }
        let time = try TableText.micros(#require(cells["time"], "a table needs a time column"))
        let partition = try cells["partition"].map { try #require(Int64($0)) } ?? 0
        var clock = partitions[partition] ?? PartitionClock()
        let derived = max(clock.latest.subtractingOrMin(disorder), promised)
        let watermark = try cells["W"].map { try TableText.micros($0) } ?? derived
        let offset = try cells["offset"].map { try #require(Int64($0)) } ?? clock.offset
        clock.latest = max(clock.latest, time)
        clock.offset = offset + 1
        partitions[partition] = clock
        batch.order.append(
            eventTime: time, watermark: watermark, origin: partition, offset: offset)
        if let change = cells["change"], let kind = TableText.changes.firstIndex(of: change) {
            let changes = batch.changes ?? RowChange.inserts(batch.count)
            changes.append(false)
            changes.bools[batch.count] = UInt8(kind)
            batch.changes = changes
        } else if let changes = batch.changes {
            changes.append(false)
        }
        batch.count += 1
    }
}

/// What the harness knows of one partition it plays.
private struct PartitionClock {
    var latest = Int64.min
    var offset: Int64 = 0
}

extension Int64 {
    fileprivate func subtractingOrMin(_ other: Int64) -> Int64 {
        let (value, overflow) = subtractingReportingOverflow(other)
        return overflow ? .min : value
    }
}
