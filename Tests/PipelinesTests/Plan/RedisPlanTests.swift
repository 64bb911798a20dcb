import Redis
import Testing

@testable import Pipelines

@Suite struct RedisPlanTests {
    private func file(_ head: String) -> PlannedFile {
        let text = """
            version: 1
            \(head)
            connections:
              topics: {embedded: ./topics}
            streams:
              visits:
                from: {topic: visits, connection: topics}
                format: json
                fields: {user_id: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: drop
            pipelines:
              kept: {from: visits, to: {topic: kept, connection: topics}}
            entities:
              user: {keys: {user_id: int64}}
            feature_views:
              profile:
                entity: user
                features: [{name: age, type: int64}]

            """
        return PlannedFile(
            file: "shop.yaml", text: text,
            variables: Variables(
                environment: ["REDIS_URL": "redis://:pw@cache:7000/1"], readFile: { _ in nil }))
    }

    @Test func `features are served as a Redis where the file says so`() throws {
        let cases: [(head: String, served: PlannedRESP?)] = [
            ("job: {name: shop}", nil),
            (
                "job: {name: shop, serve: {resp: {port: 6379}}}",
                PlannedRESP(port: 6379, project: "shop", password: nil)
            ),
            (
                "job: {name: shop, serve: {resp: {port: 0, project: lab, password: \"${REDIS_URL}\"}}}",
                PlannedRESP(port: 0, project: "lab", password: "redis://:pw@cache:7000/1")
            ),
        ]
        for (head, served) in cases {
            let file = file(head)
            #expect(file.problems.map { $0.rendered(in: file.source) } == [])
            let plan = try #require(file.plan)
            #expect(plan.settings.resp == served)
        }
    }

    @Test func `features are kept on a Redis where the file says so`() throws {
        let file = file("job: {name: shop}\nonline: {redis: \"${REDIS_URL}\"}")
        #expect(file.problems.map { $0.rendered(in: file.source) } == [])
        let plan = try #require(file.plan)
        let redis = try #require(plan.settings.redis)
        #expect(redis.project == "shop")
        #expect(redis.address.text == "cache:7000")
        #expect(redis.address.password == "pw" && redis.address.database == 1)
    }

    @Test func `an address that cannot be is told with its line, without the password`() throws {
        let file = file("online: {redis: \"rediss://:geheim@cache\"}")
        let problems = file.problems.map { $0.rendered(in: file.source) }.joined()
        #expect(problems.contains("TLS") && problems.contains("shop.yaml:2:"))
    }
}
