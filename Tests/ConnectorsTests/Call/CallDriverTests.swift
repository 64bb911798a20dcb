import HTTP
import Testing

@testable import Connectors

@Suite struct CallDriverTests {
    @Test(arguments: [
        ("Hi from {{ brand }}", ["brand": "Fresh & Co"], "Hi from Fresh & Co"),
        ("Hi from {{brand | escape}}", ["brand": "Fresh & Co"], "Hi from Fresh &amp; Co"),
        ("{{ a | default: \"x | y\" | upcase }}!", [:], "X | Y!"),
        ("{{ a | default: 'none' }}", ["a": ""], "none"),
        ("{{ a }}{{ b }}", ["a": "{{ b }}", "b": "2"], "{{ b }}2"),
        ("no places", [:], "no places"),
    ])
    func `a template puts values in as they are`(
        _ text: String, _ values: [String: String], _ expected: String
    ) throws {
        #expect(try CallTemplate(text: text).rendered { values[$0] } == expected)
    }

    @Test func `a path encodes what it is given`() throws {
        let path = try CallTemplate(path: "/workspaces/{retailer_id}/send")
        #expect(try path.rendered { _ in "a/b c" } == "/workspaces/a%2Fb%20c/send")
        #expect(path.neededNames == ["retailer_id"])
    }

    @Test(arguments: ["{{ a", "{{ a | shout }}", "{{ }}", "{{ a | default: x }}"])
    func `a wrong template is told of with its remedy`(_ text: String) {
        #expect(throws: CallTemplate.Problem.self) { try CallTemplate(text: text) }
    }

    private func driver(_ change: (inout CallProvider) -> Void = { _ in }) throws -> CallDriver {
        var provider = CallProvider(
            name: "crm", url: "http://crm", path: try CallTemplate(path: "/w/{retailer_id}/send"))
        provider.recipients = CallRecipients(list: "items", id: "message_id")
        provider.recipients?.failed = ["errors", "id"]
        provider.recipients?.reason = ["errors", "reason"]
        provider.answerId = ["dispatch_id"]
        change(&provider)
        var settings = CallSettings(name: "send", provider: provider)
        settings.idempotencyKey = "batch_id"
        return CallDriver(settings: settings)
    }

    private let row = JSONValue(
        Array(
            """
            {"retailer_id":"r1","batch_id":"b7","items":[{"message_id":"m1"},{"message_id":"m2"}]}
            """.utf8))!

    @Test func `a row becomes a request with its tenant's path, headers and key`() throws {
        var workspace = CallWorkspace()
        workspace.headers = [HTTPHeader("Authorization", "Bearer x")]
        let prepared = try driver().prepare(row, tenant: "r1", workspace: workspace)
        #expect(prepared.request.url == "http://crm/w/r1/send")
        #expect(prepared.request.headers.contains(HTTPHeader("Idempotency-Key", "b7")))
        #expect(prepared.request.headers.contains(HTTPHeader("Authorization", "Bearer x")))
        #expect(prepared.request.body == .bytes(row.text))
        #expect(prepared.messages.map(\.id) == ["m1", "m2"])
    }

    @Test func `the refused part of a batch is sent under a key of its own`() throws {
        let prepared = try driver().prepare(
            row, tenant: "r1", workspace: CallWorkspace(), only: ["m2"], round: 1)
        #expect(prepared.request.headers.contains(HTTPHeader("Idempotency-Key", "b7#1")))
        #expect(prepared.messages.map(\.id) == ["m2"])
    }

    @Test func `a tenant without a workspace is refused by name`() throws {
        let driver = try driver()
        let row = row
        #expect(throws: CallDriver.Refusal(reason: "there is no workspace for \"r1\"")) {
            try driver.prepare(row, tenant: "r1", workspace: nil)
        }
    }

    @Test func `declared bodies and templates make the body`() throws {
        let driver = try driver {
            $0.hasBody = true
            $0.bodyName = ""
            $0.recipients = nil
            $0.templates = [
                .init(
                    name: "subject",
                    text: try! CallTemplate(text: "{{ brand | default: 'We' }} miss you"))
            ]
        }
        let row = JSONValue(
            Array(#"{"retailer_id":"r1","batch_id":"b","body//campaign":"c"}"#.utf8))!
        let prepared = try driver.prepare(row, tenant: "r1", workspace: CallWorkspace())
        #expect(
            prepared.request.body
                == .bytes(Array(#"{"campaign":"c","subject":"We miss you"}"#.utf8)))
    }

    @Test func `answers say what becomes of a request`() throws {
        let driver = try driver()
        let prepared = try driver.prepare(row, tenant: "r1", workspace: CallWorkspace())
        func judge(_ status: Int, _ body: String = "") -> CallDriver.Answer {
            driver.judge(HTTPResponse(status: status, body: Array(body.utf8)), prepared)
        }
        #expect(judge(200) == .done(failed: [:], id: nil))
        #expect(
            judge(
                200,
                #"{"dispatch_id":"d1","errors":[{"id":"m2","reason":"gone"},{"id":"m9","reason":""}]}"#
            )
                == .done(failed: ["m2": "gone"], id: "d1"))
        #expect(judge(429) == .limited("status 429"))
        #expect(judge(500) == .failed("status 500"))
        #expect(judge(503) == .outage("status 503"))
        #expect(judge(401) == .outage("status 401"))
        #expect(judge(422, "no such campaign") == .refused("status 422: no such campaign"))
    }

    @Test(arguments: [
        ("retry-after", "30", 1_030_000_000),
        ("retry-after", "Thu, 01 Jan 1970 01:00:00 GMT", 3_600_000_000),
        ("x-ratelimit-reset", "1700000000", 1_700_000_000_000_000),
        ("x-ratelimit-reset", "5", 1_005_000_000),
    ])
    func `a limit is read from its header`(_ name: String, _ value: String, _ until: Int64) {
        let answer = HTTPResponse(status: 429, headers: [HTTPHeader(name, value)])
        #expect(RetryAfter.until(answer, now: 1_000_000_000) == until)
    }

    @Test func `documents are read and written as they are`() {
        let text = #"{"a":[1,2.50,-3e4,null,true,{"b":"\"\\\n\u00e9"}],"c":{}}"#
        let value = JSONValue(Array(text.utf8))
        #expect(value?.values(at: ["a", "b"]) == [.string("\"\\\n\u{e9}")])
        #expect(value.flatMap { JSONValue($0.text) } == value)
        for wrong in ["", "{", "[1,]", "{\"a\" 1}", "tru", "1 2", "\"\u{1}\"", "nan"] {
            #expect(JSONValue(Array(wrong.utf8)) == nil, "\(wrong)")
        }
    }
}
