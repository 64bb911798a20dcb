import Connectors
import Foundation
import HTTP
import StreamRuntime
import Synchronization
import TestHTTP
import Testing

@testable import Pipelines

/// Lookups that ask an HTTP service.
@Suite struct HTTPLookupTests {
    /// A service whose prices go up with each answer; it does not know "gone".
    private final class Prices: Sendable {
        private let count = Mutex(0)
        private let plan: @Sendable (_ sku: String, _ ask: Int) -> TestHTTPServer.Answer?

        init(_ plan: @escaping @Sendable (String, Int) -> TestHTTPServer.Answer? = { _, _ in nil })
        {
            self.plan = plan
        }

        func answer(_ request: TestHTTPServer.Request) -> TestHTTPServer.Answer {
            let sku = String(request.target.split(separator: "/").last ?? "")
            let ask = count.withLock { count in
                count += 1
                return count
            }
            if let planned = plan(sku, ask) { return planned }
            if sku == "gone" { return .whole(status: 404) }
            return .whole(
                status: 200,
                body: Array(#"{"data": {"price": \#(ask), "name": "\#(sku)!"}}"#.utf8))
        }
    }

    private func server(
        _ plan: @escaping @Sendable (String, Int) -> TestHTTPServer.Answer? = { _, _ in nil }
    ) -> TestHTTPServer {
        let prices = Prices(plan)
        return TestHTTPServer { prices.answer($0) }
    }

    private static func join(_ type: String, _ more: String = "") -> String {
        """
        {id: enrich, on: {sku: product}, as: p, type: \(type), lookup: {http: {connection: prices, path: "/products/{product}"}, \
        answer: {price: {type: int64, path: data.price}, name: {type: string, path: data.name}}\(more)}}
        """
    }

    @Test func `each row gets what the service has for its key, in order, and no row is lost`()
        throws
    {
        let server = server()
        defer { server.stop() }
        let place = try LookupPlace()
        let rows = try place.run(
            LookupPlace.file(
                Self.join("left"), url: server.url, select: "name: p.name, known: p is not null"))
        #expect(
            rows == [
                #"{"id":"o1","name":"p1!","known":true}"#,
                #"{"id":"o2","name":"p2!","known":true}"#,
                #"{"id":"o3","name":"p1!","known":true}"#,
                #"{"id":"o4","name":null,"known":false}"#,
                #"{"id":"o5","name":null,"known":false}"#,
                #"{"id":"o6","name":"p1!","known":true}"#,
            ])
        // Without a cache each moment is asked for; a key that is null is no question.
        #expect(server.requests.count == 5)
        #expect(server.requests.allSatisfy { $0.headers["x-key"] == "k" })
    }

    @Test func `an inner join leaves out rows of keys that nothing is known of`() throws {
        let server = server()
        defer { server.stop() }
        let rows = try LookupPlace().run(
            LookupPlace.file(Self.join("inner"), url: server.url, select: "name: p.name"))
        #expect(rows.count == 4 && !rows.contains { $0.contains("o4") || $0.contains("o5") })
    }

    @Test(arguments: [1, 2, 3])
    func `rows of one key and cell of event time share an answer, misses too`(workers: Int) throws {
        let server = server()
        defer { server.stop() }
        let rows = try LookupPlace().run(
            LookupPlace.file(
                Self.join("left", ", cache: {ttl: 10000d}"), url: server.url,
                select: "sku: sku, price: p.price"),
            workers: workers,
            orders: LookupPlace.orders
                + #"{"id":"o7","sku":"gone","ts":"2026-01-01T00:01:00Z"}"# + "\n")
        #expect(rows.count == 7)
        #expect(Set(server.requests.map(\.target)).count == 3)
        #expect(server.requests.count == 3)
        let prices = rows.filter { $0.contains(#""sku":"p1""#) }.map {
            $0.split(separator: ":").last
        }
        #expect(Set(prices).count == 1 && prices.count == 3)
    }

    @Test func `an answer is asked for again when event time has left its cell`() throws {
        let server = server()
        defer { server.stop() }
        // o1 and o3 may lie in one cell of ten seconds or in two; o6 lies in another one.
        let rows = try LookupPlace().run(
            LookupPlace.file(
                Self.join("left", ", cache: {ttl: 10s, missing_ttl: 1s}"), url: server.url))
        let asked = server.requests.filter { $0.target.hasSuffix("p1") }.count
        #expect(asked == 2 || asked == 3)
        #expect(rows.first != rows.last)
    }

    @Test func `what was answered stays, whatever the service says later`() throws {
        let server = server()
        let place = try LookupPlace()
        let text = LookupPlace.file(
            Self.join("left", ", cache: {ttl: 4s, missing_ttl: 2s}"), url: server.url)
        let first = try place.run(text)
        let asked = server.requests.count
        for workers in [1, 2, 3] {
            try place.forgetAllButAnswers()
            #expect(try place.run(text, workers: workers, batchRows: 2) == first)
        }
        #expect(server.requests.count == asked)
        server.stop()
        try place.forgetAllButAnswers()
        #expect(try place.run(text) == first)
    }

    @Test func `a request that fails is repeated`() throws {
        let server = server { _, ask in
            switch ask {
            case 1: .whole(status: 500)
            case 2: .torn
            case 3: .whole(status: 503)
            default: nil
            }
        }
        defer { server.stop() }
        let rows = try LookupPlace().run(
            LookupPlace.file(
                Self.join("inner", ", cache: {ttl: 10000d}, in_flight: 1"), url: server.url))
        #expect(rows.count == 4)
        #expect(server.requests.count == 6)
    }

    @Test func `a service that asks for patience is left alone for as long as it says`() throws {
        let server = TestHTTPServer { request in
            switch request.target {
            case "/busy": .whole(status: 429, headers: ["Retry-After": "7"])
            case "/later": .whole(status: 503, headers: ["Retry-After": "3"])
            case "/down": .whole(status: 503)
            default: .whole(status: 429)
            }
        }
        defer { server.stop() }
        let path = try #require(LookupTemplate("/{k}", names: ["k"]))
        let lookup = HTTPLookup(
            HTTPLookup.Settings(url: server.url, path: path), fields: LookupFields([]),
            inFlight: 1, clock: StandingClock())
        func ask(_ key: String) -> LookupReply {
            lookup.ask([
                LookupQuestion(number: 0, key: [], hash: 0, parts: [.text(key)], time: 0)
            ])[0]
        }
        #expect(ask("busy") == .limited("status 429", until: 1_007_000_000))
        #expect(ask("later") == .limited("status 503", until: 1_003_000_000))
        #expect(ask("down") == .outage("status 503"))
        #expect(ask("else") == .limited("status 429", until: nil))
    }

    private final class StandingClock: Clock {
        var nanos: Int64 { 0 }
        var nowMicros: Int64 { 1_000_000_000 }
    }

    @Test(arguments: [
        ("semi", "", ["o1", "o2", "o3", "o6"]), ("anti", "", ["o4", "o5"]),
        ("semi", "p.price >= 2", ["o2"]), ("anti", "p.price >= 2", ["o1", "o3", "o4", "o5", "o6"]),
    ])
    func `rows can be let through by what is known of their key`(
        type: String, condition: String, ids: [String]
    ) throws {
        let server = TestHTTPServer { request in
            request.target.hasSuffix("gone")
                ? .whole(status: 404)
                : .whole(
                    status: 200,
                    body: Array(#"{"price": \#(request.target.last!), "other": [{}]}"#.utf8))
        }
        defer { server.stop() }
        let rows = try LookupPlace().run(
            LookupPlace.file(
                """
                {id: enrich, on: sku, as: p, type: \(type)\(condition.isEmpty ? "" : ", where: " + condition), \
                lookup: {http: {connection: prices, path: "/{sku}"}\(condition.isEmpty ? "" : ", answer: {price: int64}"), \
                cache: {ttl: 1h}, rate_limit: {per_second: 1000}, breaker: {errors: 50%, calls: 20, open: 1s}}}
                """, url: server.url, select: "sku: sku"))
        #expect(rows.map { String($0.dropFirst(7).prefix(2)) } == ids)
    }

    @Test func `rows whose question fails become dead letters, and do so again`() throws {
        let server = server { sku, _ in sku == "p2" ? .whole(status: 500, body: [0x21]) : nil }
        let place = try LookupPlace()
        let text = LookupPlace.file(
            Self.join("left", ", retries: 1, on_error: {dead_letter: failed}"), url: server.url)
        let rows = try place.run(text)
        #expect(rows.count == 5)
        let letters = try place.rows(of: "failed")
        #expect(letters.count == 1)
        #expect(letters[0].contains(#""reason":"status 500: !, after 2 tries""#), "\(letters)")
        #expect(letters[0].contains(#""step":"enrich""#))
        server.stop()
        try place.forgetAllButAnswers()
        #expect(try place.run(text) == rows)
        #expect(try place.rows(of: "failed") == letters)
    }

    @Test func `a failure can count as a key that nothing is known of`() throws {
        let server = server { sku, _ in sku == "p2" ? .whole(status: 400) : nil }
        defer { server.stop() }
        let rows = try LookupPlace().run(
            LookupPlace.file(Self.join("left", ", on_error: as_missing"), url: server.url))
        #expect(rows[1] == #"{"id":"o2","price":null}"#)
    }

    @Test func `a job that stops at a failure asks again when it is started again`() throws {
        let isBroken = Mutex(true)
        let server = server { _, _ in isBroken.withLock { $0 } ? .whole(status: 400) : nil }
        defer { server.stop() }
        let place = try LookupPlace()
        let text = LookupPlace.file(Self.join("left"), url: server.url)
        #expect(throws: (any Error).self) { try place.run(text) }
        isBroken.withLock { $0 = false }
        #expect(try place.run(text).count == 6)
    }

    @Test func `an answer of another type is a failure that names the field`() throws {
        let server = server { _, _ in
            .whole(status: 200, body: Array(#"{"data": {"price": "dear"}}"#.utf8))
        }
        defer { server.stop() }
        let place = try LookupPlace()
        let rows = try place.run(
            LookupPlace.file(
                Self.join("left", ", on_error: {dead_letter: failed}"), url: server.url))
        #expect(rows == [#"{"id":"o5","price":null}"#])
        #expect(try place.rows(of: "failed").allSatisfy { $0.contains("price") })
    }

    @Test(arguments: ["GET", "POST"])
    func `many keys go into one request`(method: String) throws {
        let server = TestHTTPServer { request in
            let text = request.target + String(decoding: request.body, as: UTF8.self)
            let known = ["p1", "p2"].filter { text.contains($0) }
            let items = known.map { #"{"sku": "\#($0)", "price": \#($0.dropFirst())}"# }
            return .whole(
                status: 200,
                body: Array(#"{"items": [\#(items.joined(separator: ","))]}"#.utf8))
        }
        defer { server.stop() }
        let rows = try LookupPlace().run(
            LookupPlace.file(
                """
                {id: enrich, on: {sku: product}, as: p, type: left, lookup: {http: {connection: prices, path: /prices, method: \(method), \
                batch: {size: 10, keys: skus, answers: $.items, key: sku}}, answer: {price: int64}, cache: {ttl: 10000d}, in_flight: 1}}
                """, url: server.url))
        #expect(
            rows
                == [1, 2, 1, nil, nil, 1].enumerated().map { index, price in
                    #"{"id":"o\#(index + 1)","price":\#(price.map { "\($0)" } ?? "null")}"#
                })
        #expect(server.requests.count == 1)
        let asked = server.requests[0]
        if method == "GET" {
            #expect(asked.target == "/prices?skus=p1,p2,gone")
        } else {
            #expect(String(decoding: asked.body, as: UTF8.self) == #"{"skus":["p1","p2","gone"]}"#)
        }
    }

    @Test func `a body has the keys with their types`() throws {
        let server = TestHTTPServer { request in
            .whole(status: 200, body: Array(#"{"price": 7}"#.utf8))
        }
        defer { server.stop() }
        let rows = try LookupPlace().run(
            LookupPlace.file(
                """
                {id: enrich, on: [sku, store], as: p, lookup: {http: {connection: prices, path: /price, \
                body: {sku: "{sku}", store: "{store}", both: "{sku}/{store}"}}, answer: {price: int64}}}
                """, url: server.url),
            orders: #"{"id":"o1","sku":"p1","store":3,"ts":"2026-01-01T00:00:01Z"}"# + "\n")
        #expect(rows == [#"{"id":"o1","price":7}"#])
        #expect(
            server.requests.map { String(decoding: $0.body, as: UTF8.self) }
                == [#"{"sku":"p1","store":3,"both":"p1/3"}"#])
    }

    @Test func `the plan says who is asked and where answers are kept, and no secret`() throws {
        let place = try LookupPlace()
        let plan = try #require(
            place.planned(
                LookupPlace.file(Self.join("left", ", cache: {ttl: 10m, missing_ttl: 1m}"))
            ).plan)
        let text = plan.text(previous: nil)
        #expect(
            text.contains(
                "left asks http prices GET /products/{product} by product, p, answers hold 10m, missing keys 1m; answers are journalled"
            ), "\(text)")
        #expect(text.contains("state/lookups/enrich"))
        #expect(!plan.json.text.contains("\"k\"") && !plan.json.text.contains("X-Key"))
    }

    @Test(arguments: [
        (
            "{id: e, on: sku, lookup: {http: {connection: local, path: /}, answer: {a: int64}}}",
            "E211 the connection \"local\" is no HTTP service"
        ),
        (
            "{id: e, on: sku, lookup: {http: {connection: prices, path: \"/{sk}\"}, answer: {a: int64}}}",
            "E206 the path has {sk}, which is no key of \"on\""
        ),
        (
            "{id: e, on: sku, lookup: {http: {connection: prices, path: \"/{sku\"}, answer: {a: int64}}}",
            "E109 \"{\" is not closed in the path"
        ),
        (
            "{id: e, on: sku, lookup: {http: {connection: prices, path: /}}}",
            "E107 the lookup of step \"e\" does not say what an answer has"
        ),
        (
            "{id: e, on: sku, lookup: {http: {connection: prices, path: /}, answer: {a: int64}, cache: {ttl: 1s, missing_ttl: 2s}}}",
            "E110 missing_ttl is 2s, longer than the ttl of 1s"
        ),
        (
            "{id: e, on: ts, lookup: {http: {connection: prices, path: /}, answer: {a: int64}}}",
            "E304 \"ts\" is timestamp, and keys are asked for as text or numbers"
        ),
        (
            "{id: e, on: sku, type: full, lookup: {http: {connection: prices, path: /}, answer: {a: int64}}}",
            "E119 a lookup asks for rows that are there, so a full join has nothing to show"
        ),
        (
            "{id: e, on: sku, type: semi, lookup: {http: {connection: prices, path: /}, on_error: as_missing}}",
            "E119 as_missing would leave rows out of a semi join because a service failed"
        ),
        (
            "{id: e, on: sku, as: p, type: semi, where: p.a > 1, lookup: {http: {connection: prices, path: /}}}",
            "E107 the lookup of step \"e\" does not say what an answer has"
        ),
        (
            "{id: e, on: sku, type: semi, lookup: {redis: {connection: cache, key: \"{sku}\"}}}",
            "E107 the lookup of step \"e\" does not say what an answer has"
        ),
        (
            "{id: e, on: sku, as: p, where: p.a, lookup: {http: {connection: prices, path: /}, answer: {a: int64}}}",
            "E302 a condition must be true or false"
        ),
        (
            "{id: e, on: sku, lookup: {http: {connection: prices, path: /}, answer: {a: int64}, breaker: {errors: many}}}",
            "E109 \"many\" is no share of calls"
        ),
        (
            "{id: e, on: sku, as: id, lookup: {http: {connection: prices, path: /}, answer: {a: int64}}}",
            "E308 there is already a column \"id\""
        ),
        (
            "{id: e, on: sku, lookup: {http: {connection: prices, path: /}, answer: {a: int64}, on_error: as_missing}}",
            "E119 as_missing would leave rows out of an inner join because a service failed"
        ),
        (
            "{id: e, on: sku, lookup: {redis: {connection: prices, key: \"{sku}\"}, answer: {a: int64}}}",
            "E211 the connection \"prices\" is no Redis server"
        ),
        (
            "{id: e, on: sku, lookup: {features: {view: v}}}",
            "E212 there is no feature view \"v\""
        ),
        (
            "{id: e, on: sku, with: orders, lookup: {features: {view: v}}}",
            "E119 \"lookup\" beside \"with\" in join \"e\" of pipeline \"priced\": only one can be"
        ),
    ])
    func `what cannot be asked is told`(join: String, problem: String) {
        let problems = LookupPlace.problems(LookupPlace.file(join, select: "n: 1"))
        #expect(problems.contains(problem), "\(problems)")
    }
}
