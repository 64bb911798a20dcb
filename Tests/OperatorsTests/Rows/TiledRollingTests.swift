import Operators
import StreamRuntime
import Testing

@Suite struct TiledRollingTests {
    private static func make(
        _ schema: Schema, widths: [Int64], grain: Int64, select: [(String, String)],
        includesSelf: Bool = true
    ) throws -> any StreamRuntime.Operator {
        let compiler = ExpressionCompiler(schema: schema)
        let plans = try widths.map { width in
            let items = select.map { (name: "\($0.0)\(width / second)", text: $0.1) }
            return (
                over: Duration.microseconds(width),
                plan: try compiler.compileAggregates(items, keys: ["user"])
            )
        }
        if TiledSums.fits(plans[0].plan) {
            return TiledSums(
                schema: schema, keys: [schema.index(of: "user")!], widths: plans,
                grain: .microseconds(grain), includesSelf: includesSelf,
                onError: .deadLetter(port: 1))
        }
        return try TiledRolling(
            schema: schema, keys: [schema.index(of: "user")!], widths: plans,
            grain: .microseconds(grain), includesSelf: includesSelf,
            onError: .deadLetter(port: 1))
    }

    @Test func `a window begins with the whole grain that its beginning lies in`() throws {
        let harness = try OperatorHarness("time user:string amount:int64", keys: ["user"]) {
            try TiledRollingTests.make(
                $0, widths: [60 * second], grain: 10 * second,
                select: [
                    ("n", "count(*)"), ("low", "min(amount)"),
                    ("gap", "last(amount) - lag(amount)"),
                ]
            )
        }
        try harness.send(
            """
            time   user  amount
            00:01  ann   1
            00:09  ann   5
            00:11  ann   7
            01:09  ann   4
            01:10  ann   3
            01:11  bob   2
            03:00  ann   9
            """)
        try harness.finish()
        try harness.expect(
            """
            time   user  amount  n60  low60  gap60
            00:01  ann   1       1    1      null
            00:09  ann   5       2    1      4
            00:11  ann   7       3    1      2
            01:09  ann   4       4    1      -3
            01:10  ann   3       3    3      -1
            01:11  bob   2       1    2      null
            03:00  ann   9       1    9      null
            """)
    }

    @Test func `a row whose argument fails is settled and counts nowhere`() throws {
        let harness = try OperatorHarness("time user:string amount:int64", keys: ["user"]) {
            try TiledRollingTests.make(
                $0, widths: [60 * second], grain: 10 * second, select: [("s", "sum(60 // amount)")])
        }
        try harness.send(
            """
            time   user  amount
            00:01  ann   1
            00:02  ann   0
            00:03  ann   2
            """)
        try harness.finish()
        try harness.expect(rows: [["1", "60"], ["2", "90"]], of: ["amount", "s60"])
        #expect(harness.rows(["column"], port: 1) == [["'60 // amount'"]])
    }

    private struct Row {
        let time: Int64
        var origin: Int64 = 0
        var offset: Int64 = 0
        let amount: Int64
        let card: String
    }

    private static func tile(_ time: Int64, _ grain: Int64) -> Int64 {
        time >= 0 ? time / grain : (time + 1) / grain - 1
    }

    private static let cases: [(seed: UInt64, includesSelf: Bool, sumsOnly: Bool)] = [
        (1, true, false), (2, false, false), (3, true, false), (4, true, true), (5, false, true),
        (6, true, true),
    ]

    @Test(arguments: cases)
    func `random rows get the windows a plain model says`(
        seed: UInt64, includesSelf: Bool, sumsOnly: Bool
    ) throws {
        var random = Seeded(seed)
        let widths: [Int64] = [4 * second, 9 * second]
        let grain = second
        var select = [
            ("n", "count(*)"), ("s", "sum(amount)"),
            ("f", "sum(cast(0 - amount as decimal(12,2))) filter (where amount < 50)"),
        ]
        if !sumsOnly {
            select += [
                ("lo", "min(amount)"), ("d", "count(distinct card)"),
                ("ad", "approx_count_distinct(card)"), ("l", "last_k(card, 3)"),
                ("m", "avg(amount)"),
            ]
        }
        let harness = try OperatorHarness(
            "time user:string amount:int64 card:string i:int64", keys: ["user"]
        ) {
            try TiledRollingTests.make(
                $0, widths: widths, grain: grain, select: select, includesSelf: includesSelf)
        }
        var users: [String] = []
        var sent: [Row] = []
        let rows = try harness.sendRandom(200, &random, step: 200_000, jump: 3_000_000) {
            index, columns, random in
            users.append("u\(Int.random(in: 0..<4, using: &random))")
            let row = Row(
                time: 0, amount: Int64.random(in: 0..<100, using: &random),
                card: "c\(Int.random(in: 0..<5, using: &random))")
            sent.append(row)
            columns[0].append(users[index])
            columns[1].append(row.amount)
            columns[2].append(row.card)
            columns[3].append(Int64(index))
        }
        let reach = widths.max()! + grain
        var kept: [String: [Row]] = [:]
        var frontiers: [String: Int64] = [:]
        var expected: [[String]] = []
        for place in rows {
            let user = users[place.index]
            let row = Row(
                time: place.eventTime, origin: place.origin, offset: place.offset,
                amount: sent[place.index].amount, card: sent[place.index].card)
            if let frontier = frontiers[user], place.time >= frontier + reach {
                kept[user] = nil
                frontiers[user] = nil
            }
            let floor = Self.tile((frontiers[user] ?? row.time) - reach, grain)
            let last = Self.tile(row.time, grain)
            let isLate = row.time < frontiers[user] ?? row.time
            var cells = ["\(place.index)"]
            for width in widths {
                let first = Self.tile(row.time - width, grain)
                var window = kept[user, default: []].filter {
                    let tile = Self.tile($0.time, grain)
                    return tile >= max(first, isLate ? floor : first) && tile <= last
                }
                if includesSelf { window.append(row) }
                cells += Self.results(window).prefix(select.count)
            }
            expected.append(cells)
            frontiers[user] = max(frontiers[user] ?? .min, row.time)
            if last >= Self.tile(frontiers[user]! - reach, grain) {
                kept[user, default: []].append(row)
            }
        }
        let columns =
            ["i"] + widths.flatMap { width in select.map { "\($0.0)\(width / second)" } }
        try harness.expect(rows: expected, of: columns)
    }

    private static func results(_ window: [Row]) -> [String] {
        if window.isEmpty { return ["0", "null", "null", "null", "0", "0", "null", "null"] }
        let cards = window.sorted {
            ($0.time, $0.origin, $0.offset) < ($1.time, $1.origin, $1.offset)
        }.map(\.card)
        let sum = window.map(\.amount).reduce(0, +)
        let small = window.map(\.amount).filter { $0 < 50 }
        return [
            "\(window.count)", "\(sum)",
            small.isEmpty
                ? "null" : (small.contains { $0 > 0 } ? "-" : "") + "\(small.reduce(0, +)).00",
            "\(window.map(\.amount).min()!)", "\(Set(cards).count)",
            "\(Set(cards).count)", "[" + cards.suffix(3).joined(separator: ", ") + "]",
            "\(Double(sum) / Double(window.count))",
        ]
    }
}
