import Operators
import StreamRuntime
import Testing

/// Joins of two tables of every type against the join of what the tables hold, after every single change.
@Suite struct TableJoinTests {
    struct Case: CustomStringConvertible, Sendable {
        var type = JoinType.inner
        var leftKeyed = false
        var rightKeyed = false
        var onlyGrows = false
        var condition: String?
        var seed: UInt64 = 1

        var description: String {
            "\(type) \(leftKeyed ? "keyed" : "bag") \(rightKeyed ? "keyed" : "bag")"
                + (onlyGrows ? " inserts" : "") + (condition.map { " where \($0)" } ?? "")
                + " seed \(seed)"
        }
    }

    static let cases: [Case] = JoinType.allCases.flatMap { type in
        [
            Case(type: type, onlyGrows: true, seed: 1), Case(type: type, seed: 2),
            Case(type: type, leftKeyed: true, rightKeyed: true, seed: 3),
            Case(type: type, leftKeyed: true, condition: "v <= r.v", seed: 4),
            Case(type: type, rightKeyed: true, condition: "v <= r.v", seed: 5),
            Case(type: type, onlyGrows: true, condition: "v + r.v = 2", seed: 6),
        ]
    }

    private static func harness(
        _ test: Case, timeToLive: Duration? = nil
    ) throws -> OperatorHarness {
        try OperatorHarness(
            "time side:string k:string n:int64 v:int64 r_id:int64 r_v:int64", keys: ["k"]
        ) { schema in
            try TwoSides(
                schema, tableKey: test.rightKeyed ? ["id"] : [], type: test.type,
                where: test.condition
            ) { form in
                UpdatingJoin(
                    form: form, leftKey: test.leftKeyed ? [1] : [],
                    hasRightKey: test.rightKeyed, timeToLive: timeToLive)
            }
        }
    }

    /// A row of one side as it was sent.
    private struct Sent {
        var isRight = false
        var key: String?
        var id = 0
        var value = 0
        var isRemoval = false
    }

    private static func send(
        _ count: Int, to harness: OperatorHarness, _ test: Case
    ) throws -> [(row: Sent, place: RandomRow)] {
        var random = Seeded(test.seed)
        var sent: [Sent] = []
        let order = try harness.sendRandom(
            count, &random,
            change: test.onlyGrows
                ? nil
                : { index, random in
                    sent[index].isRemoval = Int.random(in: 0..<3, using: &random) == 0
                    return sent[index].isRemoval ? .delete : .insert
                }
        ) { _, columns, random in
            var row = Sent()
            row.isRight = Bool.random(using: &random)
            let key = Int.random(in: 0..<7, using: &random)
            row.key = key == 6 ? nil : "k\(key / 2)"
            row.id = Int.random(in: 0..<2, using: &random)
            row.value = Int.random(in: 0..<3, using: &random)
            columns[0].append(row.isRight ? "r" : "l")
            if let key = row.key { columns[1].append(key) } else { columns[1].appendNull() }
            for column in 2..<6 {
                columns[column].append(Int64(column % 2 == 0 ? row.id : row.value))
            }
            sent.append(row)
        }
        return order.map { (sent[$0.index], $0) }
    }

    /// Brings a row into its table.
    private static func apply(_ row: Sent, _ table: inout [Sent], isKeyed: Bool) {
        let place = table.firstIndex {
            $0.key == row.key && $0.id == row.id && (isKeyed || $0.value == row.value)
        }
        if isKeyed || row.isRemoval { if let place { table.remove(at: place) } }
        if !row.isRemoval { table.append(row) }
    }

    /// The join of two tables as rows of k, n, v and r, counted.
    private static func join(_ lefts: [Sent], _ rights: [Sent], _ test: Case) -> [[String]: Int] {
        var result: [[String]: Int] = [:]
        var matched = Set<Int>()
        func show(_ row: Sent) -> String {
            "{k: \(row.key ?? "null"), id: \(row.id), v: \(row.value)}"
        }
        for left in lefts {
            let mine = [left.key ?? "null", "\(left.id)", "\(left.value)"]
            let partners = rights.indices.filter { index in
                let right = rights[index]
                guard let key = left.key, key == right.key else { return false }
                switch test.condition {
                case "v <= r.v": return left.value <= right.value
                case "v + r.v = 2": return left.value + right.value == 2
                default: return true
                }
            }
            matched.formUnion(partners)
            if test.type == .semi || test.type == .anti {
                if partners.isEmpty == (test.type == .anti) { result[mine, default: 0] += 1 }
                continue
            }
            for partner in partners { result[mine + [show(rights[partner])], default: 0] += 1 }
            if partners.isEmpty, test.type == .left || test.type == .full {
                result[mine + ["null"], default: 0] += 1
            }
        }
        if test.type == .right || test.type == .full {
            for (index, right) in rights.enumerated() where !matched.contains(index) {
                result[[right.key ?? "null", "null", "null", show(right)], default: 0] += 1
            }
        }
        return result
    }

    @Test(arguments: cases)
    func `after every change the result is the join of the tables`(test: Case) throws {
        let harness = try TableJoinTests.harness(test)
        let sent = try TableJoinTests.send(90, to: harness, test)
        let shows = test.type != .semi && test.type != .anti
        let columns = ["partition", "offset", "change", "k", "n", "v"] + (shows ? ["r"] : [])
        let rows = harness.rows(columns)
        var lefts: [Sent] = []
        var rights: [Sent] = []
        var found: [[String]: Int] = [:]
        var next = 0
        for (row, place) in sent {
            if row.isRight {
                TableJoinTests.apply(row, &rights, isKeyed: test.rightKeyed)
            } else {
                TableJoinTests.apply(row, &lefts, isKeyed: test.leftKeyed)
            }
            while next < rows.count, rows[next][0] == "\(place.origin)",
                rows[next][1] == "\(place.offset)"
            {
                let isGone = ["updateBefore", "delete"].contains(rows[next][2])
                let pair = Array(rows[next][3...])
                found[pair, default: 0] += isGone ? -1 : 1
                #expect(found[pair]! >= 0, "\(test): \(rows[next])")
                if found[pair] == 0 { found[pair] = nil }
                next += 1
            }
            let expected = TableJoinTests.join(lefts, rights, test)
            try #require(found == expected, "\(test): after \(row) at \(place)")
        }
        #expect(next == rows.count, "\(test)")
        if test.onlyGrows, test.type == .inner || test.type == .semi {
            #expect(rows.allSatisfy { $0[2] == "insert" }, "\(test)")
        }
        try harness.expect(rows: rows, of: columns)
    }

    @Test(arguments: cases.filter { [2, 4].contains($0.seed) })
    func `rows that are forgotten are never taken back twice`(test: Case) throws {
        let harness = try TableJoinTests.harness(test, timeToLive: .seconds(8))
        _ = try TableJoinTests.send(90, to: harness, test)
        let shows = test.type != .semi && test.type != .anti
        let columns = ["time", "change", "k", "n", "v"] + (shows ? ["r"] : [])
        let rows = harness.rows(columns)
        var found: [[String]: Int] = [:]
        for row in rows {
            let pair = Array(row[2...])
            found[pair, default: 0] += ["updateBefore", "delete"].contains(row[1]) ? -1 : 1
            #expect(found[pair]! >= 0, "\(test): \(row)")
        }
        try harness.expect(rows: rows, of: columns)
    }

    @Test func `a key with many rows is joined with each, in the order they came`() throws {
        let test = Case()
        let harness = try TableJoinTests.harness(test)
        let batch = ColumnBatch(schema: harness.schema, capacity: 400)
        for row in 0..<400 {
            let isRight = row == 399
            batch.columns[0].append(isRight ? "r" : "l")
            batch.columns[1].append("a")
            for column in 2..<6 { batch.columns[column].append(Int64(row)) }
            batch.order.append(
                eventTime: Int64(row) * 1000, watermark: .min, origin: 0, offset: Int64(row))
        }
        batch.count = 400
        try harness.send(batch)
        try harness.finish()
        let rows = (0..<399).map { ["\($0)", "insert", "{k: a, id: 399, v: 399}"] }
        try harness.expect(rows: rows, of: ["n", "change", "r"])
    }
}
