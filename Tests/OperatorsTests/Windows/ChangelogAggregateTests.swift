import Operators
import StreamRuntime
import Testing

/// Aggregates of a table that changes, against the aggregates of the table as it is.
@Suite struct ChangelogAggregateTests {
    private func harness(
        _ header: String, select: [(name: String, text: String)], withBefore: Bool = false
    ) throws -> OperatorHarness {
        try OperatorHarness(header, keys: ["k"]) { schema in
            let plan = try ExpressionCompiler(schema: schema).compileAggregates(
                select, keys: ["k"])
            return try AggregateSpec(
                window: .none(withBefore: withBefore), plan: plan,
                onError: .deadLetter(port: 1), takesBack: true
            ).makeOperator(input: schema)
        }
    }

    @Test func `what is taken back leaves the results, and a key goes with its last row`() throws {
        let harness = try harness(
            "time k:string v:int64",
            select: [("n", "count(*)"), ("m", "max(v)"), ("f", "first(v)")],
            withBefore: true)
        try harness.send(
            """
            time   k  v  change
            00:01  a  5  insert
            00:02  a  9  insert
            00:03  a  9  updateBefore
            00:04  a  7  updateAfter
            00:05  a  5  delete
            00:06  a  4  delete
            00:07  a  7  delete
            00:08  a  1  delete
            """)
        try harness.finish()
        try harness.expect(
            """
            time   change        n  m  f
            00:01  insert        1  5  5
            00:02  updateBefore  1  5  5
            00:02  updateAfter   2  9  5
            00:03  updateBefore  2  9  5
            00:03  updateAfter   1  5  5
            00:04  updateBefore  1  5  5
            00:04  updateAfter   2  7  5
            00:05  updateBefore  2  7  5
            00:05  updateAfter   1  7  7
            00:06  delete        1  7  7
            """)
        #expect(
            harness.rows(["reason"], port: 1) == [
                ["'it takes back a row that never came'"],
                ["'it takes back a row that never came'"],
            ])
    }

    @Test func `a result that stays the same is not told again`() throws {
        let harness = try harness(
            "time k:string v:int64", select: [("m", "max(v)")], withBefore: true)
        try harness.send(
            """
            time   k  v  change
            00:01  a  5  insert
            00:02  a  3  insert
            00:03  a  8  insert
            00:04  a  3  delete
            """)
        try harness.finish()
        try harness.expect(
            """
            time   change        m
            00:01  insert        5
            00:03  updateBefore  5
            00:03  updateAfter   8
            """)
    }

    @Test(arguments: [true, false])
    func `the two rows of an update are one change of the result`(withBefore: Bool) throws {
        let harness = try harness(
            "time k:string v:int64",
            select: [("n", "count(*)"), ("s", "sum(v)")],
            withBefore: withBefore)
        // Rows of one offset have one cause: an update of a last row, one of several, two at once, one of what
        // never came, one whose new row has another key, and two rows of two causes.
        try harness.send(
            """
            time   offset  k  v  change
            00:01  1       a  5  insert
            00:02  2       a  5  updateBefore
            00:02  2       a  6  updateAfter
            00:03  3       a  4  insert
            00:04  4       a  6  updateBefore
            00:04  4       a  9  updateAfter
            00:05  5       a  9  updateBefore
            00:05  5       a  1  updateAfter
            00:05  5       a  4  delete
            00:05  5       a  2  insert
            00:06  6       b  7  insert
            00:07  7       d  3  updateBefore
            00:07  7       d  3  updateAfter
            00:08  8       b  7  updateBefore
            00:09  9       a  1  updateBefore
            00:09  10      a  3  updateAfter
            """)
        try harness.finish()
        try harness.expect(
            withBefore
                ? """
                offset  change        k  n  s
                1       insert        a  1  5
                2       updateBefore  a  1  5
                2       updateAfter   a  1  6
                3       updateBefore  a  1  6
                3       updateAfter   a  2  10
                4       updateBefore  a  2  10
                4       updateAfter   a  2  13
                5       updateBefore  a  2  13
                5       updateBefore  a  2  5
                5       updateAfter   a  2  5
                5       updateAfter   a  2  3
                6       insert        b  1  7
                7       insert        d  1  3
                8       delete        b  1  7
                9       updateBefore  a  2  3
                9       updateAfter   a  1  2
                10      updateBefore  a  1  2
                10      updateAfter   a  2  5
                """
                : """
                offset  change       k  n  s
                1       insert       a  1  5
                2       updateAfter  a  1  6
                3       updateAfter  a  2  10
                4       updateAfter  a  2  13
                5       updateAfter  a  2  5
                5       updateAfter  a  2  3
                6       insert       b  1  7
                7       insert       d  1  3
                8       delete       b  0  null
                9       updateAfter  a  1  2
                10      updateAfter  a  2  5
                """)
        #expect(
            harness.rows(["reason"], port: 1) == [["'it takes back a row that never came'"]])
    }

    // MARK: models

    private struct Row: Equatable {
        let key: Int
        let value: Int?
        let name: String
    }

    private static let select: [(name: String, text: String)] = [
        ("n", "count(*)"), ("c", "count(v)"), ("s", "sum(v)"), ("a", "avg(v)"), ("lo", "min(v)"),
        ("hi", "max(v)"), ("d", "count(distinct v)"), ("dn", "count(distinct name)"),
        ("ln", "min(name)"), ("hn", "max(name)"), ("big", "count(*) filter (where v > 3)"),
        ("bigd", "count(distinct name) filter (where v > 3)"), ("vp", "var_pop(v)"),
        ("dec", "max(cast(v as decimal(10,2)))"), ("fs", "sum(cast(v as double))"),
        ("am", "arg_max(v, v)"),
    ]

    private static func results(_ rows: [Row]) -> [String] {
        let values = rows.compactMap(\.value)
        let names = rows.map(\.name)
        let total = values.reduce(0, +)
        let mean = values.isEmpty ? nil : Double(total) / Double(values.count)
        let square = values.reduce(0.0) { $0 + Double($1 * $1) }
        func text(_ value: (some CustomStringConvertible)?) -> String {
            value.map { "\($0)" } ?? "null"
        }
        let big = rows.filter { $0.value ?? 0 > 3 }
        let variance = mean.map { square / Double(values.count) - $0 * $0 }
        return [
            "\(rows.count)", "\(values.count)", values.isEmpty ? "null" : "\(total)", text(mean),
            text(values.min()), text(values.max()), "\(Set(values).count)",
            "\(Set(names).count)", text(names.min()), text(names.max()), "\(big.count)",
            "\(Set(big.map(\.name)).count)", text(variance.map { ($0 * 1e6).rounded() / 1e6 }),
            values.max().map { "\($0).00" } ?? "null", values.isEmpty ? "null" : "\(Double(total))",
            text(values.max()),
        ]
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6])
    func `results after random changes are those of the table`(seed: UInt64) throws {
        var random = Seeded(seed)
        let withBefore = seed % 2 == 0
        let harness = try harness(
            "time k:int64 v:int64 name:string", select: ChangelogAggregateTests.select,
            withBefore: withBefore)
        var table: [Row] = []
        var expected: [[String]] = []
        let batch = ColumnBatch(schema: harness.schema, capacity: 256)
        batch.changes = RowChange.inserts(0)
        // Many values and few keys: the sets become tables, and empty again.
        for step in 0..<250 {
            let wantsFewer = (step / 60) % 2 == 1
            let isRemoval =
                !table.isEmpty && Int.random(in: 0..<10, using: &random) < (wantsFewer ? 8 : 2)
            let row =
                isRemoval
                ? table.remove(at: Int.random(in: 0..<table.count, using: &random))
                : Row(
                    key: Int.random(in: 0..<2, using: &random),
                    value: Int.random(in: 0..<8, using: &random) == 0
                        ? nil : Int.random(in: -5..<25, using: &random),
                    name: "n\(Int.random(in: 0..<20, using: &random))")
            if !isRemoval { table.append(row) }
            batch.columns[0].append(Int64(row.key))
            if let value = row.value {
                batch.columns[1].append(Int64(value))
            } else {
                batch.columns[1].appendNull()
            }
            batch.columns[2].append(row.name)
            batch.order.append(
                eventTime: Int64(step) * second, watermark: .min, origin: 0, offset: Int64(step))
            batch.changes!.append(false)
            batch.changes!.bools[step] = (isRemoval ? RowChange.delete : .insert).rawValue
            batch.count += 1
            let rest = table.filter { $0.key == row.key }
            expected.append(
                ["\(step)", "\(row.key)"]
                    + (rest.isEmpty ? ["gone"] : ChangelogAggregateTests.results(rest)))
        }
        try harness.send(batch)
        try harness.finish()
        let names = ["offset", "k", "change"] + ChangelogAggregateTests.select.map(\.name)
        let rows = harness.rows(names)
        // The last word on each row, as the model writes it.
        var told: [[String]: [String]] = [:]
        for row in rows where row[2] != "updateBefore" {
            var cells = Array(row[3...])
            if let place = ChangelogAggregateTests.select.firstIndex(where: { $0.name == "vp" }),
                let number = Double(cells[place])
            {
                cells[place] = "\((number * 1e6).rounded() / 1e6 + 0)"
            }
            told[[row[0], row[1]]] = row[2] == "delete" ? ["gone"] : cells
        }
        var standing: [String: [String]] = [:]
        for row in expected {
            let results = Array(row[2...])
            let found = told[Array(row[..<2])]
            if withBefore, found == nil {
                #expect(standing[row[1]] == results, "seed \(seed), row \(row[0])")
            } else {
                #expect(found == results, "seed \(seed), row \(row[0])")
            }
            standing[row[1]] = results
        }
        try harness.expect(rows: rows, of: names)
    }

    @Test(arguments: [UInt64(7), 8])
    func `what is replaced is what was told before`(seed: UInt64) throws {
        var random = Seeded(seed)
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .none(withBefore: true),
            select: [("n", "count(*)"), ("m", "max(v)"), ("s", "sum(v) filter (where v > 5)")])
        _ = try harness.sendRandom(200, &random) { _, columns, random in
            columns[0].append(Int64.random(in: 0..<4, using: &random))
            columns[1].append(Int64.random(in: 0..<20, using: &random))
        }
        let names = ["change", "k", "n", "m", "s"]
        var standing: [String: [String]] = [:]
        let rows = harness.rows(names)
        for row in rows {
            let results = Array(row[2...])
            switch row[0] {
            case "insert": #expect(standing[row[1]] == nil, "seed \(seed)")
            case "updateBefore":
                #expect(standing[row[1]] == results, "seed \(seed)")
                standing[row[1]] = nil
                continue
            default: #expect(standing[row[1]] == nil, "seed \(seed)")
            }
            standing[row[1]] = results
        }
        #expect(standing.count == 4)
        try harness.expect(rows: rows, of: names)
    }
}
