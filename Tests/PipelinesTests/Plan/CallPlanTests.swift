import Connectors
import HTTP
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct CallPlanTests {
    private func file(_ call: String, more: String = "") -> PlannedFile {
        PlannedFile(
            file: "p.yaml",
            text: """
                version: 1
                \(more)
                connections:
                  topics: {embedded: ./topics}
                  crm: {http: {url: "http://127.0.0.1:8089/", headers: {Authorization: "Bearer ${KEY}"}}}
                streams:
                  events:
                    from: {topic: events, connection: topics}
                    format: json
                    fields: {message_id: string, retailer_id: string, price: "decimal(12,2)", at: timestamp}
                    time: {field: at, out_of_orderness: 1s}
                    on_error: fail
                pipelines:
                  send:
                    from: events
                    steps:
                      - rebatch: {id: batches, by: retailer_id, size: 50}
                    to:
                      call: \(call)
                """,
            variables: Variables(environment: ["KEY": "k"], readFile: { _ in nil }))
    }

    private func problems(_ call: String, more: String = "") -> [String] {
        file(call, more: more).problems.map { "\($0.code.rawValue) \($0.message)" }
    }

    @Test func `a whole call is planned as it is written`() throws {
        let plan = try #require(
            file(
                """
                {connection: crm, path: "/workspaces/{retailer_id}/send", idempotency_key: batch_id, \
                body: {count: size, messages: items}, in_flight: 20, retries: 5, \
                rate_limit: {by: retailer_id, per_hour: 250000, burst: 10}, \
                breaker: {errors: 30%, calls: 20, open: 1m}, \
                recipients: {list: messages, id: message_id, failed: "$.errors[].id"}, \
                templates: {subject: "{{ brand | default: 'We' }}"}, \
                workspaces: {r1: {headers: {X-Key: a}, variables: {brand: R1}}}, \
                results: results, dead_letter: failed}
                """
            ).plan)
        let sink = try #require(plan.sinks.first { $0.id == "call:send" })
        guard case .call(let call) = sink.target else {
            Issue.record("no call")
            return
        }
        let settings = call.settings
        #expect(settings.tenant == "retailer_id")
        #expect(settings.idempotencyKey == "batch_id")
        #expect(settings.inFlight == 20)
        #expect(settings.inFlightPerTenant == 5)
        #expect(settings.retry.tries == 6)
        #expect(settings.rate == RequestRate(perSecond: 250_000 / 3600.0, burst: 10))
        #expect(settings.breaker.errors == 0.3)
        #expect(settings.breaker.openMicros == 60_000_000)
        #expect(settings.provider.url == "http://127.0.0.1:8089")
        #expect(settings.provider.headers == [HTTPHeader("Authorization", "Bearer k")])
        #expect(settings.provider.recipients?.failed == ["errors", "id"])
        #expect(sink.schema.fields.map(\.name).suffix(2) == ["body//count", "body//messages"])
        #expect(call.results == .init(connection: "topics", topic: "results"))
        // Rates and secrets are no part of what decides results.
        #expect(!plan.json.text.contains("Bearer"))
    }

    @Test(arguments: [
        ("{connection: topics}", "E211 the connection \"topics\" is no HTTP service"),
        ("{connection: crn}", "E201 there is no connection \"crn\""),
        (
            "{connection: crm, tenant: shop}",
            "E206 the tenant of the call of \"send\" names \"shop\", which is no column"
        ),
        (
            "{connection: crm, idempotency_key: id}",
            "E206 the idempotency key of the call of \"send\" names \"id\", which is no column"
        ),
        (
            "{connection: crm, path: \"/{shop}\"}",
            "E206 the path has {shop}, which is no simple column"
        ),
        (
            "{connection: crm, recipients: {list: item, id: message_id}}",
            "E206 the body has no \"item\""
        ),
        (
            "{connection: crm, recipients: {list: items, id: id}}",
            "E206 the messages have no \"id\""
        ),
        (
            "{connection: crm, recipients: {list: size, id: id}}",
            "E307 \"size\" is no list of messages"
        ),
        ("{connection: crm, templates: {a: \"{{ b\"}}", "E109 \"{{\" is not closed"),
        ("{connection: crm, breaker: {errors: 120%}}", "E109 \"120%\" is no share of calls"),
        ("{connection: crm, body: {a: no_such}}", "E301 "),
    ])
    func `a mistake is told of at its place`(_ call: String, _ expected: String) {
        let found = problems(call)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.hasPrefix(expected) == true, "\(found)")
    }

    @Test func `a job whose checkpoints are elsewhere cannot call`() {
        #expect(
            problems("{connection: crm}", more: "job: {checkpoints: {store: ./shared}}")
                == ["E119 checkpoints are stored elsewhere, and the calls of \"send\" are not"])
    }

    @Test func `a replay calls nobody: what would be called is written to a topic`() throws {
        let plan = try #require(file("{connection: crm, tenant: retailer_id}").plan)
        let place = ScratchPlace(directory: "/tmp/scratch")
        let redirected = plan.redirected(to: place)
        #expect(
            redirected.sinks.first { $0.id == "call:send" }?.target
                == .topic(
                    connection: ScratchPlace.calls, topic: "call.send", keys: [0], partitions: 1))
        #expect(plan.outputs(in: place).map(\.output.name) == ["call.send"])
    }
}
