import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct PlannerTests {
    /// Streams for the pipelines of the tests.
    private static let head = """
        version: 1
        connections:
          local: {embedded: ./topics}
        streams:
          orders:
            from: {topic: orders}
            format: json
            fields:
              order_id: string
              user_id: int64
              store_id: string
              amount: decimal(12,2)
              note: string
              lines: "list<struct<sku: string, quantity: int64>>"
              ts: timestamp
            time: {field: ts, out_of_orderness: 5s, idle: 30s}
            on_error: {dead_letter: orders.rejected}
          returns:
            from: {topic: returns}
            format: json
            fields: {amount: "decimal(12,2)", user_id: int64, order_id: string, at: timestamp}
            time: {field: at, out_of_orderness: 1m}
            on_error: {dead_letter: orders.rejected}
        pipelines:

        """

    private func plan(_ pipelines: String, only: [String] = []) throws -> JobPlan {
        let file = PlannedFile(
            file: "pipelines.yaml", text: PlannerTests.head + pipelines,
            variables: Variables(environment: [:], readFile: { _ in nil }), only: only)
        let told = file.problems.map { $0.rendered(in: file.source) }
        try #require(told == [])
        return try #require(file.plan)
    }

    @Test func `only the fields that something needs are decoded`() throws {
        let plan = try plan(
            """
              big:
                from: orders
                steps:
                  - filter: amount > 100
                  - extend: {cents: amount * 100, unused: note}
                  - select: {user_id: user_id, cents: cents}
                to: {topic: big}
            """)
        #expect(plan.sources.map(\.name) == ["orders"])
        #expect(plan.sources[0].fields.map(\.name) == ["user_id", "amount", "note", "ts"])
        #expect(plan.sinks[0].schema.fields.map(\.name) != [])
    }

    @Test func `columns of a select that nothing needs are not made, unless making them may fail`()
        throws
    {
        let plan = try plan(
            """
              all:
                from: orders
                steps:
                  - select: {order_id: order_id, user_id: user_id, note: note, text: upper(store_id), number: "note::int64"}
              some:
                from: all
                steps:
                  - select: {order_id: order_id, note: note}
                to: {topic: some}
              few:
                from: some
                steps:
                  - select: {order_id: order_id}
                to: {topic: few}
            """)
        #expect(plan.sources[0].fields.map(\.name) == ["order_id", "note", "ts"])
        #expect(
            plan.steps.map { $0.outputs[0].schema.fields.map(\.name) } == [
                ["order_id", "note", "number"], ["order_id", "note"], ["order_id"],
            ])
    }

    @Test func `a topic gets every column, a feature view makes only its own be decoded`() throws {
        let features = """
              sums:
                from: orders
                steps:
                  - aggregate:
                      id: sums
                      by: user_id
                      window: none
                      select: {spent: sum(amount)}
            entities: {user: {keys: {user_id: int64}}}
            feature_views: {user_sums: {entity: user, from: sums, features: [spent]}}
            """
        #expect(try plan(features).sources[0].fields.map(\.name) == ["user_id", "amount", "ts"])
        let all = try plan("  copy:\n    from: orders\n    to: {topic: copy}\n")
        #expect(all.sources[0].fields.count == 7)
    }

    @Test func `rows move to the owner of their key, and stay when they are there already`() throws
    {
        let plan = try plan(
            """
              chain:
                from: orders
                steps:
                  - deduplicate: {id: seen, by: [user_id, order_id], within: 1h}
                  - filter: amount > 0
                  - select: {user_id: user_id, order_id: order_id, amount: amount}
                  - latest: {id: newest, by: [user_id, order_id], order: amount}
                  - rolling: {id: velocity, by: user_id, over: 1h, select: {spent: sum(amount)}}
                to: {topic: out, key: user_id}
            """)
        let edges = plan.steps.map { step in step.inputs.map { $0.text(step.inputSchema) } }
        #expect(
            edges == [
                ["keyed by user_id, order_id"], ["forward"], ["forward"],
                ["local by user_id, order_id"], ["keyed by user_id"],
            ])
        #expect(plan.steps.map(\.isStateless) == [false, true, true, false, false])
        #expect(plan.steps.map(\.needsOrderedInput) == [true, false, false, true, true])
        #expect(plan.steps.map(\.id) == ["seen", "chain.2", "chain.3", "newest", "velocity"])
    }

    @Test func `inputs of a union are put together by name`() throws {
        let plan = try plan(
            """
              spent: {from: orders, steps: [{select: {user_id: user_id, amount: amount}}]}
              given: {from: returns, steps: [{select: {amount: amount, user_id: user_id}}]}
              both:
                from: [spent, given]
                to: {topic: both}
            """)
        #expect(plan.steps.map(\.id) == ["spent.1", "given.1", "both.from.given"])
        #expect(plan.steps[2].schema == plan.steps[0].schema)
        #expect(plan.sinks.last?.inputs.map(\.from) == [.step(0), .step(2)])
    }

    @Test func `late, stale and routed rows and dead letters have ports and outputs of their own`()
        throws
    {
        let plan = try plan(
            """
              paths:
                from: orders
                steps:
                  - route:
                      - {when: amount > 1000, as: large}
                      - {when: amount < 0, to: {topic: negative}}
                  - latest: {id: newest, by: order_id, order: ts, stale: {to: {topic: stale}}}
                  - aggregate:
                      id: minutes
                      by: store_id
                      window: {tumble: 1m}
                      select: {n: count(*)}
                      late: {allow: 5m, then: {topic: late}}
                to: {topic: minutes, key: store_id}
              alarms: {from: paths.large, to: {topic: alarms}}
            """)
        #expect(
            plan.steps.map { $0.outputs.map(\.name) } == [
                ["main", "large", "route 2"], ["main", "stale"], ["main", "late", "dead_letters"],
            ])
        #expect(
            plan.sinks.map { "\($0.id) \($0.inputs.map { "\($0.from) \($0.port)" })" } == [
                #"topic:local/orders.rejected ["source(0) 1", "step(2) 2"]"#,
                #"topic:local/negative ["step(0) 2"]"#, #"topic:local/stale ["step(1) 1"]"#,
                #"topic:local/late ["step(2) 1"]"#, #"topic:local/minutes ["step(2) 0"]"#,
                #"topic:local/alarms ["step(0) 1"]"#,
            ])
        guard case .latest(_, let stalePort) = plan.steps[1].operation else { return }
        #expect(stalePort == 1)
    }

    @Test func `a pipeline may be declared before what it reads`() throws {
        let plan = try plan(
            """
              second: {from: first, steps: [{filter: n > 1}], to: {topic: second}}
              first: {from: orders, steps: [{select: {n: amount}}]}
            """)
        #expect(plan.steps.map(\.pipeline) == ["first", "second"])
    }

    @Test func `of chosen pipelines only they and what they read are planned`() throws {
        let text = """
              first: {from: orders, steps: [{select: {n: amount}}], to: {topic: first}}
              second: {from: first, steps: [{filter: n > 1}], to: {topic: second}}
              third: {from: returns, to: {topic: third}}
            """
        let plan = try plan(text, only: ["second"])
        #expect(plan.pipelines.map(\.name) == ["first", "second"])
        #expect(plan.sources.map(\.name) == ["orders"])
        let unknown = PlannedFile(
            file: "pipelines.yaml", text: PlannerTests.head + text,
            variables: Variables(environment: [:], readFile: { _ in nil }), only: ["secnd"])
        #expect(
            unknown.problems.map(\.fix) == ["write \"second\"; pipelines: first, second, third"])
    }

    @Test func `a rolling step names its results after the widths as they are written`() throws {
        let plan = try plan(
            """
              velocity:
                from: orders
                steps:
                  - rolling: {id: v, by: user_id, over: [1h, 24h], select: {"n_{over}": count(*), "s_{over}": sum(amount)}}
                  - select: {user_id: user_id, a: n_1h, b: s_24h}
                to: {topic: velocity}
            """)
        #expect(
            plan.steps[0].schema.fields.suffix(4).map(\.name) == ["n_1h", "s_1h", "n_24h", "s_24h"])
        #expect(
            plan.steps[1].schema.fields.map(\.type) == [
                .int64, .int64, .decimal(precision: 38, scale: 2),
            ])
    }

    @Test func `the fingerprint changes with the meaning and not with the place`() throws {
        let text = "  a: {from: orders, steps: [{filter: amount > 1}], to: {topic: a}}\n"
        let first = try plan(text)
        #expect(try plan("  # a comment\n" + text).steps[0].line == first.steps[0].line + 1)
        #expect(try plan("  # a comment\n" + text).fingerprint == first.fingerprint)
        #expect(try plan(text.replacing("> 1", with: "> 2")).fingerprint != first.fingerprint)
    }

    @Test func `what changed since the last run is told step by step`() throws {
        let before = try plan(
            """
              a:
                from: orders
                steps:
                  - deduplicate: {id: seen, by: order_id, within: 1h}
                  - latest: {id: newest, by: user_id, order: ts}
                  - rebatch: {id: gone, by: user_id, size: 10}
                to: {topic: a}
            """)
        let after = try plan(
            """
              a:
                from: orders
                steps:
                  - deduplicate: {id: seen, by: order_id, within: 2h}
                  - latest: {id: newest_order, was: newest, by: user_id, order: ts}
                  - rebatch: {id: fresh, by: user_id, size: 10}
                to: {topic: a}
            """)
        #expect(
            PlanChanges(from: before.json.text, to: after).lines
                == [
                    "changes since the last run:",
                    "  ~ step seen (deduplicate): does is first within 2h, before first within 1h",
                    "  ~ step newest_order (latest): was newest, takes over its state",
                    "  + step fresh (rebatch): starts with empty state",
                    "  - step gone (rebatch): its state is left behind",
                    "  ~ output topic:local/a: inputs is from fresh, exchange gather, before from gone, exchange gather",
                ])
        #expect(
            PlanChanges(from: before.json.text, to: before).lines == [
                "changes since the last run: none"
            ])
    }

    @Test func `a plan can be read as text and drawn`() throws {
        let plan = try plan(
            "  a: {from: orders, steps: [{latest: {id: newest, by: user_id, order: ts}}], to: {topic: a, key: user_id}}\n"
        )
        #expect(
            plan.text(previous: nil).contains(
                "  latest (line 25): newest by ts\n      keyed by user_id, in order, state newest; from orders\n"
            ))
        #expect(plan.graph.contains("source0 -> step0 [label=\"keyed by user_id\"];"))
        #expect(plan.graph.contains("step0 -> sink1 [label=\"\"];"))
    }
}
