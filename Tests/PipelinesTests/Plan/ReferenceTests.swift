import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct ReferenceTests {
    @Test func `the tables of the reference are the catalogue's`() throws {
        let mark = "a test compares the two. -->\n\n"
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/PIPELINES.md")
        let text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
        let end = try #require(text.range(of: mark)).upperBound
        try expectDocument("docs/PIPELINES.md", is: text[..<end] + Reference.tables)
    }

    @Test func `the example of the reference is a file without problems`() throws {
        let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/PIPELINES.md")
        let text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
        let begin = try #require(text.range(of: "```yaml\n")).upperBound
        let end = try #require(text.range(of: "```", range: begin..<text.endIndex)).lowerBound
        #expect(planned(String(text[begin..<end])).problems == [])
    }

    @Test func `the example of every verb is a step without problems`() {
        let fields =
            "{amount: int64, store_id: string, quantity: int64, price: int64, product_id: string, update_id: string, "
            + "counted_at: timestamp, user_id: int64, retailer_id: string, campaign_id: string, ts: timestamp, "
            + "count: \"struct<location_id: string>\", counts: \"list<int64>\"}"
        for verb in Verb.present where verb.name != "route" {
            let input = verb.name == "unnest" ? "counts" : "all"
            // The first rows are a table, which needs a key.
            let key = verb.name == "top" ? ", key: store_id" : ""
            let step = verb.example.split(separator: "\n").map { "      \($0)" }
            let text = """
                version: 1
                connections: {local: {embedded: ./topics}}
                streams:
                  all:
                    from: {topic: all}
                    format: json
                    fields: \(fields)
                    time: {field: ts, out_of_orderness: 5s}
                    on_error: drop
                pipelines:
                  counts: {from: all, steps: [{select: {counts: counts}}], to: {topic: counts}}
                  products: {from: all, to: {topic: products}}
                  one:
                    from: \(input)
                    steps:
                \(step.joined(separator: "\n"))
                    to: {topic: one\(key)}
                """
            let file = planned(text)
            #expect(file.problems.map { $0.rendered(in: file.source) } == [], "\(verb.name)")
        }
    }

    @Test func `every step of the catalogue's verbs can be made`() throws {
        let file = planned(
            """
            version: 1
            connections: {local: {embedded: ./topics}}
            streams:
              all:
                from: {topic: all}
                format: json
                fields: {id: int64, user: string, amount: int64, items: "list<int64>", ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: {dead_letter: rejected}
            pipelines:
              everything:
                from: all
                steps:
                  - filter: amount > 1
                  - extend: {double: amount + amount}
                  - unnest: items as item
                  - route: [{when: item > 3, to: {topic: large}}]
                  - select: {id: id, user: user, item: item, ts: ts}
                  - join: {id: with_others, with: all, as: other, on: id, type: left, as_of: {key: user}, where: other.amount > item}
                  - deduplicate: {id: a, by: [id, item], within: 1h}
                  - latest: {id: b, by: id, order: ts, stale: {to: {topic: stale}}}
                  - rolling: {id: c, by: user, over: [1h, 1d], select: {"n_{over}": count(*)}, delay: 1m}
                  - rebatch: {id: d, by: user, size: 3, linger: 1m}
                  - extend: {at: first_event_time}
                  - aggregate: {id: e, by: user, window: {tumble: 1m}, select: {n: sum(size)}, late: drop}
                  - aggregate: {id: f, by: user, window: {hop: 1h, every: 1m}, select: {n: max(n)}, late: drop}
                  - aggregate: {id: g, by: user, window: {session: 1m}, select: {n: count(distinct n)}, late: drop}
                  - aggregate: {id: h, by: [], window: {cumulate: 1h, every: 1m}, select: {n: max(n)}, late: drop}
                  - process: {id: j, by: n, state: {c: {type: int64, initial: 0}}, on: [{set: {c: c + 1}, emit: {n: n, c: c}}], ttl: 1d}
                  - extend: {at: now()}
                  - match: {id: k, by: n, pattern: a b+, define: {b: c > last(a.c)}, within: 1h, select: {c: count(b.*), at: last(at)}}
                  - aggregate: {id: i, by: n, window: none, select: {rows: count(*)}}
                to: {topic: out}
            """)
        #expect(file.problems.map { $0.rendered(in: file.source) } == [])
        let plan = try #require(file.plan)
        #expect(plan.steps.count == 21)
        for step in plan.steps {
            let made = try StepFactory.makeOperator(step)
            #expect(made.needsOrderedInput == step.needsOrderedInput, "\(step.verb)")
        }
    }
}
