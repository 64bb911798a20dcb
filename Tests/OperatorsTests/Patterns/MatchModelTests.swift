import Operators
import StreamRuntime
import Testing

/// Random patterns over random rows, against a search of all ways by brute force.
@Suite struct MatchModelTests {
    private indirect enum Form {
        case name(String)
        case sequence([Form])
        case choice([Form])
        case repetition(Form, Int, Int, isReluctant: Bool)

        static func random(_ depth: Int, _ random: inout Seeded) -> Form {
            switch Int.random(in: 0..<(depth == 0 ? 1 : 4), using: &random) {
            case 0: return .name(["a", "b", "up"].randomElement(using: &random)!)
            case 1:
                return .sequence(
                    (0..<Int.random(in: 2...3, using: &random)).map { _ in
                        Form.random(depth - 1, &random)
                    })
            case 2:
                return .choice(
                    (0..<2).map { _ in Form.random(depth - 1, &random) })
            default:
                let low = Int.random(in: 0...2, using: &random)
                return .repetition(
                    Form.random(depth - 1, &random), low,
                    low + Int.random(in: low == 0 ? 1...2 : 0...2, using: &random),
                    isReluctant: Bool.random(using: &random))
            }
        }

        var text: String {
            switch self {
            case .name(let name): name
            case .sequence(let parts): "(" + parts.map(\.text).joined(separator: " ") + ")"
            case .choice(let parts): "(" + parts.map(\.text).joined(separator: " | ") + ")"
            case .repetition(let part, let low, let high, let isReluctant):
                "(\(part.text)){\(low),\(high)}" + (isReluctant ? "?" : "")
            }
        }

        /// Every way to take rows from `at` on, in the order of preference: the ends and what rows are called.
        /// A row is `up` when it is above the `back`-th one of them before it.
        func ways(_ rows: [Int64], _ at: Int, _ limit: Int, _ called: [String], back: Int)
            -> [(end: Int, called: [String])]
        {
            switch self {
            case .name(let name):
                guard at < limit else { return [] }
                let value = rows[at]
                let holds: Bool
                switch name {
                case "a": holds = value % 2 == 0
                case "b": holds = value % 3 != 0
                default:
                    let before = called.indices.filter { called[$0] == "up" }.dropLast(back).last
                        .map { rows[at - called.count + $0] }
                    holds = value > before ?? 1
                }
                return holds ? [(at + 1, called + [name])] : []
            case .sequence(let parts):
                return parts.reduce([(at, called)]) { ways, part in
                    ways.flatMap { part.ways(rows, $0.0, limit, $0.1, back: back) }
                }
            case .choice(let parts):
                return parts.flatMap { $0.ways(rows, at, limit, called, back: back) }
            case .repetition(let part, let low, let high, let isReluctant):
                func rest(_ count: Int, _ at: Int, _ called: [String]) -> [(Int, [String])] {
                    let more =
                        count < high
                        ? part.ways(rows, at, limit, called, back: back).flatMap {
                            rest(count + 1, $0.end, $0.called)
                        } : []
                    if count < low { return more }
                    return isReluctant ? [(at, called)] + more : more + [(at, called)]
                }
                return rest(0, at, called).map { (end: $0.0, called: $0.1) }
            }
        }
    }

    @Test(arguments: (1...24).map { UInt64($0) })
    func `random patterns are found as a search of all ways says`(seed: UInt64) throws {
        var random = Seeded(seed)
        let skip = [
            MatchSkip.pastLast, .toNext, .toFirst("up"), .toLast("up"), .toLast("a"),
        ].randomElement(using: &random)!
        let back = Int.random(in: 0...2, using: &random)
        var form = Form.random(2, &random)
        func spec(_ form: Form) -> MatchSpec {
            let names = ["a", "b", "up"].filter(form.text.contains)
            return MatchSpec(
                pattern: form.text,
                definitions: [
                    .init("a", "n % 2 = 0"), .init("b", "n % 3 <> 0"),
                    .init("up", "n > coalesce(last(up.n, \(back)), 1)"),
                ].filter { names.contains($0.name) },
                within: .seconds(12),
                skip: skip.name.map(names.contains) == false ? .toNext : skip,
                select: [
                    .init("rows", "count(*)"), .init("start", "first(i)"), .init("end", "last(i)"),
                    .init("third", "first(i, 2)"), .init("last_but_one", "last(i, 1)"),
                ]
                    + names.map { .init("n_\($0)", "count(\($0).*)") })
        }
        let schema = Schema([
            Field("shop", .string), Field("i", .int64), Field("n", .int64),
        ])
        while MatchProgram.compile(spec(form), input: schema, keys: [0]).program == nil {
            form = Form.random(2, &random)
        }
        let harness = try OperatorHarness("time shop:string i:int64 n:int64", keys: ["shop"]) {
            schema in
            Match(
                program: try #require(
                    MatchProgram.compile(spec(form), input: schema, keys: [0]).program))
        }
        var shops: [String] = []
        var values: [Int64] = []
        let rows = try harness.sendRandom(150, &random) { index, columns, random in
            shops.append("s\(Int.random(in: 0..<3, using: &random))")
            values.append(Int64.random(in: 0..<8, using: &random))
            columns[0].append(shops.last!)
            columns[1].append(Int64(index))
            columns[2].append(values.last!)
        }
        let names = ["a", "b", "up"].filter(form.text.contains)
        var expected: [[String]] = []
        for shop in Set(shops) {
            let mine = rows.filter { shops[$0.index] == shop }
            let numbers = mine.map { values[$0.index] }
            var start = 0
            while start < mine.count {
                let limit =
                    mine.firstIndex { $0.time > mine[start].time + 12_000_000 } ?? mine.count
                guard let way = form.ways(numbers, start, limit, [], back: back).first,
                    way.end > start
                else {
                    start += 1
                    continue
                }
                expected.append(
                    [
                        shop, "\(way.end - start)", "\(mine[start].index)",
                        "\(mine[way.end - 1].index)",
                        way.end - start > 2 ? "\(mine[start + 2].index)" : "null",
                        way.end - start > 1 ? "\(mine[way.end - 2].index)" : "null",
                    ]
                        + names.map { name in "\(way.called.count { $0 == name })" })
                let next: Int? =
                    switch skip {
                    case .pastLast: way.end
                    case .toNext: start + 1
                    case .toFirst(let name): way.called.firstIndex(of: name).map { start + $0 }
                    case .toLast(let name): way.called.lastIndex(of: name).map { start + $0 }
                    }
                start = max(next ?? 0, start + 1)
            }
        }
        let columns =
            ["shop", "rows", "start", "end", "third", "last_but_one"] + names.map { "n_\($0)" }
        let found = harness.rows(columns)
        func text(_ rows: [[String]]) -> [String] {
            rows.map { $0.joined(separator: " ") }.sorted()
        }
        #expect(text(found) == text(expected), "seed \(seed): \(form.text), back \(back), \(skip)")
        try harness.expect(rows: found, of: columns)
    }
}
