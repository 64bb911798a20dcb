import Operators
import StreamRuntime
import Testing

@Suite struct RollingModelTests {
    /// One way to set up the step.
    struct Setup: Sendable, CustomTestStringConvertible {
        let seed: UInt64
        let includesSelf: Bool
        let delay: Int64
        let plain: Bool

        var testDescription: String {
            "seed \(seed), self \(includesSelf), delay \(delay), plain \(plain)"
        }
    }

    /// A row as the model keeps it.
    private struct Row {
        let time: Int64
        var origin: Int64 = 0
        var offset: Int64 = 0
        let amount: Int64?
        let price: Double
        let card: String
    }

    private static let setups: [Setup] = [
        Setup(seed: 1, includesSelf: true, delay: 0, plain: true),
        Setup(seed: 2, includesSelf: false, delay: 0, plain: true),
        Setup(seed: 3, includesSelf: true, delay: 3, plain: true),
        Setup(seed: 4, includesSelf: true, delay: 0, plain: false),
        Setup(seed: 5, includesSelf: false, delay: 0, plain: false),
        Setup(seed: 6, includesSelf: false, delay: 4, plain: false),
    ]

    @Test(arguments: setups)
    func `random rows get the windows a plain model says`(setup: Setup) throws {
        var random = Seeded(setup.seed)
        let widths: [Int64] = [2_000_000, 9_000_000]
        let delay = setup.delay * 1_000_000
        var select = [("n", "count(*)"), ("s", "sum(amount)")]
        if !setup.plain {
            select += [
                ("d", "count(distinct card)"), ("lo", "min(amount)"), ("hi", "max(card)"),
                ("f", "sum(price)"), ("l", "last(card)"),
                ("big", "count(*) filter (where amount > 50)"),
                ("k", "last_k(card, 3)"), ("g", "lag(card)"), ("t", "approx_top_k(card, 2)"),
                ("ad", "approx_count_distinct(card)"),
            ]
        }
        let names = select.map(\.0)
        let harness = try OperatorHarness(
            "time user:string amount:int64 price:double card:string i:int64", keys: ["user"]
        ) { schema in
            let compiler = ExpressionCompiler(schema: schema)
            let plans = try widths.map { width in
                let items = select.map { (name: "\($0.0)\(width)", text: $0.1) }
                return (
                    over: Duration.microseconds(width),
                    plan: try compiler.compileAggregates(items, keys: ["user"])
                )
            }
            return try Rolling(
                schema: schema, keys: [0], widths: plans, includesSelf: setup.includesSelf,
                delay: .microseconds(delay))
        }
        var users: [String] = []
        var sent: [Row] = []
        let rows = try harness.sendRandom(200, &random, step: 200_000, jump: 3_000_000) {
            index, columns, random in
            let user = "u\(Int.random(in: 0..<4, using: &random))"
            let amount =
                Int.random(in: 0..<8, using: &random) == 0
                ? nil : Int64.random(in: 0..<100, using: &random)
            let row = Row(
                time: 0, amount: amount,
                price: Double(Int.random(in: -1000..<1000, using: &random)) / 8,
                card: "c\(Int.random(in: 0..<5, using: &random))")
            users.append(user)
            sent.append(row)
            columns[0].append(user)
            if let amount { columns[1].append(amount) } else { columns[1].appendNull() }
            columns[2].append(row.price)
            columns[3].append(row.card)
            columns[4].append(Int64(index))
        }
        let reach = widths.max()! + delay
        var kept: [String: [Row]] = [:]
        var frontiers: [String: Int64] = [:]
        var expected: [[String]] = []
        for place in rows {
            let user = users[place.index]
            let given = sent[place.index]
            let row = Row(
                time: place.eventTime, origin: place.origin, offset: place.offset,
                amount: given.amount, price: given.price, card: given.card)
            if let frontier = frontiers[user], place.time >= frontier + reach {
                kept[user] = nil
                frontiers[user] = nil
            }
            let frontier = max(frontiers[user] ?? .min, row.time)
            let floor = frontier - reach
            var cells = ["\(place.index)"]
            for width in widths {
                var window = kept[user, default: []].filter {
                    $0.time > max(row.time - delay - width, floor) && $0.time <= row.time - delay
                }
                if setup.includesSelf && delay == 0 { window.append(row) }
                cells += RollingModelTests.results(window).prefix(names.count)
            }
            expected.append(cells)
            frontiers[user] = frontier
            if row.time > floor { kept[user, default: []].append(row) }
        }
        let columns = ["i"] + widths.flatMap { width in names.map { "\($0)\(width)" } }
        try harness.expect(rows: expected, of: columns)
    }

    private static func text(_ value: (any CustomStringConvertible)?) -> String {
        value?.description ?? "null"
    }

    private static func list(_ items: some Sequence<String>) -> String {
        "[" + items.joined(separator: ", ") + "]"
    }

    /// The results over a window, whose rows are in the order in which they were processed.
    private static func results(_ window: [Row]) -> [String] {
        let amounts = window.compactMap(\.amount)
        let cards = window.sorted {
            ($0.time, $0.origin, $0.offset) < ($1.time, $1.origin, $1.offset)
        }.map(\.card)
        let frequent = Dictionary(grouping: cards) { $0 }.sorted {
            ($1.value.count, $0.key) < ($0.value.count, $1.key)
        }
        let last = window.max { ($0.time, $0.origin, $0.offset) < ($1.time, $1.origin, $1.offset) }
        return [
            "\(window.count)", text(amounts.isEmpty ? nil : amounts.reduce(0, +)),
            "\(Set(window.map(\.card)).count)", text(amounts.min()), text(window.map(\.card).max()),
            text(window.isEmpty ? nil : window.map(\.price).reduce(0, +)),
            text(last?.card), "\(amounts.count { $0 > 50 })",
            cards.isEmpty ? "null" : list(cards.suffix(3)),
            cards.count < 2 ? "null" : cards[cards.count - 2],
            cards.isEmpty ? "null" : list(frequent.prefix(2).map(\.key)),
            "\(Set(cards).count)",
        ]
    }
}
