import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct SharesPlanTests {
    private func file(_ pipelines: String, key: String = ", key: user_id", shares: Int = 4)
        -> PlannedFile
    {
        let text = """
            version: 1
            job: {name: shop, shares: \(shares)}
            connections:
              cluster: {kafka: {bootstrap: "localhost:9092"}}
            streams:
              orders:
                from: {topic: orders\(key)}
                format: json
                fields: {order_id: string, user_id: int64, store_id: string, amount: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: drop
              returns:
                from: {topic: returns, key: [user_id]}
                format: json
                fields: {order_id: string, user_id: int64, store_id: string, amount: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: drop
            pipelines:

            """
        return PlannedFile(
            file: "pipelines.yaml", text: text + pipelines,
            variables: Variables(environment: [:], readFile: { _ in nil }))
    }

    private func plan(_ pipelines: String, key: String = ", key: user_id", shares: Int = 4) throws
        -> JobPlan
    {
        let file = file(pipelines, key: key, shares: shares)
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        return try #require(file.plan)
    }

    private func reasons(_ plan: JobPlan) -> [String: String] {
        Dictionary(uniqueKeysWithValues: plan.repartitions.map { ($0.id, $0.reason) })
    }

    private let chain = """
          chain:
            from: orders
            steps:
              - deduplicate: {id: seen, by: [user_id, order_id], within: 1h}
              - select: {who: user_id, shop: store_id, amount: amount}
              - rolling: {id: velocity, by: who, over: 1h, select: {spent: sum(amount)}}
              - aggregate: {id: shops, by: shop, window: {tumble: 1m}, select: {n: count(*)}, late: drop}
              - latest: {id: newest, by: [shop, n], order: window_end}
            to: {topic: out, key: shop}
        """

    @Test func `a key that holds the topic's needs no repartition topic, another one does`() throws
    {
        let plan = try plan(chain)
        #expect(plan.repartitions.map(\.topic) == ["millrace.shop.shops.repartition"])
        #expect(plan.repartitions.map(\.connection) == ["cluster"])
        #expect(
            reasons(plan) == ["shops": "the rows are spread by who, and who is not in the key"])
        #expect(plan.steps.map { $0.repartition != nil } == [false, false, false, true, false])
        #expect(plan.copartitionedSources.map(\.name) == ["orders"])
    }

    @Test func `without a declared key every first keyed step gets its repartition topic`() throws {
        let plan = try plan(chain, key: "")
        #expect(plan.repartitions.map(\.id) == ["seen", "velocity", "shops"])
        #expect(
            reasons(plan)
                == [
                    "seen": "it is not known by what the rows are spread",
                    "velocity": "it is not known by what the rows are spread",
                    "shops": "the rows are spread by who, and who is not in the key",
                ])
        #expect(plan.copartitionedSources == [])
    }

    @Test func `one share needs no repartition topic`() throws {
        #expect(try plan(chain, key: "", shares: 1).repartitions == [])
    }

    @Test func `inputs of one step must be spread by the same columns`() throws {
        let union = """
              both:
                from: [orders, returns]
                steps: [{latest: {id: newest, by: user_id, order: ts}}]
                to: {topic: out, key: user_id}
            """
        let together = try plan(union)
        #expect(together.repartitions == [])
        #expect(together.copartitionedSources.map(\.name) == ["orders", "returns"])
        #expect(
            reasons(try plan(union, key: ", key: order_id"))
                == ["newest": "its inputs are spread in different ways"])
        #expect(
            reasons(try plan(union, key: ""))
                == ["newest": "of some of its inputs it is not known by what they are spread"])
    }

    @Test func `the number of shares divides the partitions of a topic read by its key`() throws {
        let plan = try plan(chain)
        #expect(plan.partitionProblem(of: plan.sources[0], partitions: 8) == nil)
        let problem = plan.partitionProblem(of: plan.sources[0], partitions: 6)
        #expect(problem?.problem == "topic orders has 6 partitions, which 4 shares do not divide")
        let other = try self.plan(chain, key: "")
        #expect(other.partitionProblem(of: other.sources[0], partitions: 6) == nil)
    }

    @Test func `the plan tells of repartition topics and why they are needed`() throws {
        let plan = try plan(chain)
        let text = plan.text(previous: nil)
        #expect(text.contains(", 4 shares\n"))
        #expect(
            text.contains(
                "through topic millrace.shop.shops.repartition: the rows are spread by who"))
        #expect(plan.json.text.contains("\"repartition\": \"millrace.shop.shops.repartition\""))
        #expect(plan.graph.contains("millrace.shop.shops.repartition"))
        #expect(plan.fingerprint != (try self.plan(chain, shares: 2)).fingerprint)
    }

    @Test func `what one process alone can have is refused`() {
        let file = file(
            """
              files:
                from: orders
                steps: [{select: {user_id: user_id, amount: amount}}]
                to: [{files: ./out}, {topic: out}]
            entities: {user: {keys: {user_id: int64}}}
            feature_views: {sums: {entity: user, from: files, features: [amount]}}
            """)
        #expect(file.problems.map(\.code) == [.notShared, .notShared])
        let renamed = self.file(chain.replacing("id: shops,", with: "id: shops, was: markets,"))
        #expect(renamed.problems.map(\.code) == [.notShared])
        #expect(renamed.problems[0].notes[0].contains("millrace.shop.markets.repartition"))
    }
}
