import Testing

@testable import Pipelines

/// The mistakes people make most, each in the file of the error examples: what stands there, what they
/// write instead, and the code, place and fix they get.
@Suite struct CommonMistakesTests {
    private struct Mistake {
        let right: String
        let wrong: String
        let place: String
        let fix: String
    }

    private static let mistakes: [Mistake] = [
        // A comma in { } ends a value.
        .init(
            right: "entities:\n  user: {keys: {user_id: int64}}",
            wrong: "entities:\n  user: {keys: {user_id: int64, price: decimal(12,2)}}",
            place: "E112 40:49, E118 40:51", fix: "put the type in quotes"),
        // The body of a step at the level of its verb.
        .init(
            right: "- filter: amount > 100",
            wrong: "- deduplicate:\n        id: seen\n        by: order_id\n        within: 1h",
            place: "E116 22:9", fix: "indent the keys of \"deduplicate\" two spaces more than it"),
        // A step without its dash.
        .init(
            right: "- unnest: lines as line\n      - select",
            wrong: "- unnest: lines as line\n        select",
            place: "E116 27:9", fix: "begin each step with a dash: - select: …"),
        // Quotes that YAML takes away.
        .init(
            right: "sku: line.sku", wrong: "sku: 'square'", place: "E301 27:44",
            fix: "for the text write \"'square'\""),
        // Text in double quotes, which SQL takes for a column.
        .init(
            right: "amount > 100", wrong: "order_id = \"a\"", place: "E301 21:28", fix: ""),
        // A duration without a unit.
        .init(right: "ttl: 1h", wrong: "ttl: 3600", place: "E110 42:51", fix: "add a unit: 3600s"),
        // A type of another system.
        .init(
            right: "user_id: int64\n", wrong: "user_id: bigint\n", place: "E112 11:16",
            fix: "write \"int64\""),
        // A column that an aggregate no longer has.
        .init(
            right: "features: [orders, revenue]", wrong: "features: [orders, amount]",
            place: "E206 42:74", fix: "columns: user_id, window_start, window_end, orders, revenue"),
        // An aggregate where there is none.
        .init(right: "amount > 100", wrong: "sum(amount) > 100", place: "E301 21:17", fix: ""),
        // No word about late rows.
        .init(
            right: "          late: {allow: 10m, then: {topic: orders.late}}\n", wrong: "",
            place: "E107 32:9", fix: "add late: drop, or say where those rows go"),
        // A list where there is a name.
        .init(
            right: "from: orders\n    steps:\n      - unnest",
            wrong: "from: {stream: orders}\n    steps:\n      - unnest",
            place: "E108 24:11", fix: "write the name of a stream or pipeline"),
        // A comparison of unlike types.
        .init(right: "amount > 100", wrong: "order_id > 100", place: "E301 21:17", fix: ""),
        // SQL where there is YAML.
        .init(
            right: "- filter: amount > 100", wrong: "- where: amount > 100", place: "E117 21:9",
            fix: "verbs: filter, select"),
    ]

    @Test func `the commonest mistakes are answered at their place with what to write`() {
        for mistake in CommonMistakesTests.mistakes {
            let text = ErrorExample.base.replacing(
                mistake.right, with: mistake.wrong, maxReplacements: 1)
            #expect(text != ErrorExample.base, "\(mistake.right)")
            let found = planned(text).problems
            let places = found.map {
                "\($0.code.rawValue) \($0.position.line):\($0.position.column)"
            }
            #expect(places.joined(separator: ", ") == mistake.place, "\(mistake.wrong)")
            #expect(
                mistake.fix.isEmpty || found.contains { $0.fix.contains(mistake.fix) }, "\(found)")
        }
    }

    @Test func `problems are told as JSON too`() {
        let file = planned(ErrorExample.base.replacing("- filter:", with: "- filtre:"))
        let output = Validate.output(file, json: true)
        #expect(output.exitCode == 2)
        #expect(
            output.text == """
                {
                  "file": "pipelines.yaml",
                  "valid": false,
                  "problems": [
                    {
                      "file": "pipelines.yaml",
                      "line": 21,
                      "column": 9,
                      "length": 6,
                      "code": "E117",
                      "message": "unknown verb \\"filtre\\" in pipeline \\"large\\"",
                      "notes": [],
                      "fix": "write \\"filter\\"; verbs: filter, select, extend, unnest, route, deduplicate, \
                latest, aggregate, rolling, rebatch, process, join, match, top"
                    }
                  ],
                  "warnings": []
                }

                """)
        #expect(Validate.output(planned(ErrorExample.base), json: true).exitCode == 0)
    }

    @Test func `whatever is cut out of a file, it is answered and never crashes`() {
        let seed: UInt64 = 20_261_121
        var state = seed
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let base = Array(ErrorExample.base.unicodeScalars)
        for _ in 0..<150 {
            var text = base
            let from = random(text.count)
            text.removeSubrange(from..<min(text.count, from + 1 + random(12)))
            if random(2) == 0 {
                text.insert(
                    ["\t", "\"", "{", "]", ":", "*", "é"][random(7)], at: random(text.count))
            }
            let file = planned(String(String.UnicodeScalarView(text)))
            #expect((file.plan == nil) == !file.problems.isEmpty, "seed \(seed)")
            for problem in file.problems {
                #expect(
                    problem.position.line >= 1 && problem.position.line <= file.source.lineCount)
                _ = problem.rendered(in: file.source)
            }
        }
    }
}
