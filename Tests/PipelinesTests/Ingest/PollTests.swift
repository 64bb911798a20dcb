import Foundation
import HTTP
import StreamRuntime
import Synchronization
import TestHTTP
import Testing

@testable import Pipelines

/// Services that are polled, on the loopback.
@Suite struct PollTests {
    private func answer(_ body: String, _ headers: [String: String] = [:]) -> TestHTTPServer.Answer
    {
        .whole(status: 200, headers: headers, body: Array(body.utf8))
    }

    @Test(.timeLimit(.minutes(1)))
    func `each poll asks for what is new, page by page, and its items are records`() throws {
        let failing = Atomic<Bool>(false)
        let server = TestHTTPServer { request in
            if failing.load(ordering: .relaxed) { return .whole(status: 500) }
            return request.target.contains("cursor=p2")
                ? .whole(status: 200, body: Array(#"{"items":[{"item":"c","quantity":3}]}"#.utf8))
                : .whole(
                    status: 200,
                    body: Array(
                        #"{"items":[{"item":"a","quantity":1},{"item":"b","quantity":2}],"next":"p2"}"#
                            .utf8))
        }
        defer { server.stop() }
        let house = try ArrivalHouse(
            from: "{poll: {http: shop, path: \"/counts?since={since}\", items: items, key: item, "
                + "paging: {cursor: next}, overlap: 1m, every: 1h}}",
            fields: "      polled: {type: string, from: header:poll.time}",
            connections:
                "  shop: {http: {url: \"\(server.url)\", headers: {Authorization: \"Bearer ${KEY}\"}}}"
        )
        let rows = try house.run()
        #expect(rows.count == 3 && rows[0].contains(#""polled":"20"#))
        #expect(
            try house.lines("stock", of: house.topics)
                == [
                    #"{"item":"a","quantity":1}"#, #"{"item":"b","quantity":2}"#,
                    #"{"item":"c","quantity":3}"#,
                ])
        let asked = server.requests
        #expect(asked.map(\.method) == ["GET", "GET"])
        #expect(asked[0].target == "/counts?since=1970-01-01T00%3A00%3A00Z")
        #expect(asked[1].target == "/counts?since=1970-01-01T00%3A00%3A00Z&cursor=p2")
        #expect(asked[0].headers["authorization"] == "Bearer hush")

        let source = try #require(house.plan.sources.first)
        var collector = try PollCollector(source, plan: house.plan)
        let noon: Int64 = 1_795_262_400_000_000
        failing.store(true, ordering: .relaxed)
        #expect(throws: JobFailure.self) { try collector.round(nowMicros: noon) { false } }
        failing.store(false, ordering: .relaxed)
        // A new process goes on; the next poll counts from the last one that came to its end, less the overlap.
        collector.close()
        collector = try PollCollector(source, plan: house.plan)
        #expect(try !collector.round(nowMicros: noon) { false })
        #expect(try !collector.round(nowMicros: noon + 3_600_000_000) { false })
        #expect(server.requests.last!.target == "/counts?since=2026-11-21T11%3A59%3A00Z&cursor=p2")
        collector.close()
        #expect(try house.lines("stock", of: house.topics).count == 9)
    }

    @Test(.timeLimit(.minutes(1)))
    func `a page that fails is asked for again, by its cursor, also by another process`() throws {
        let refuses = Atomic<Bool>(true)
        let server = TestHTTPServer { request in
            let body = String(decoding: request.body, as: UTF8.self)
            if body.contains(#""cursor":"2""#) {
                return refuses.load(ordering: .relaxed)
                    ? .whole(status: 429, headers: ["Retry-After": "7"])
                    : .whole(status: 200, body: Array(#"{"d":{"results":[3]}}"#.utf8))
            }
            return .whole(status: 200, body: Array(#"{"d":{"results":[1,2],"at":2}}"#.utf8))
        }
        defer { server.stop() }
        let house = try ArrivalHouse(
            from: "{poll: {url: \"\(server.url)/batch\", body: '{\"states\": [\"IN_STOCK\"]}', "
                + "items: d.results, paging: {cursor: d.at, in: body}, topic: counted}, connection: local}",
            format: "raw",
            fields: "")
        let source = try #require(house.plan.sources.first)
        for _ in 0..<2 {
            let collector = try PollCollector(source, plan: house.plan)
            do throws(JobFailure) {
                _ = try collector.round(nowMicros: 1_000_000) { false }
                Issue.record("the page was refused")
            } catch {
                #expect(error.recovery == .retry(afterMillis: 7000))
                #expect(Collectors.wait(after: 3, error, every: 1) == 7_000_000)
            }
            collector.close()
        }
        #expect(
            try house.lines("counted", of: EmbeddedLog(root: house.directory + "/topics")) == [
                "1", "2",
            ])
        refuses.store(false, ordering: .relaxed)
        let collector = try PollCollector(source, plan: house.plan)
        #expect(try !collector.round(nowMicros: 2_000_000) { false })
        collector.close()
        #expect(
            try house.lines("counted", of: EmbeddedLog(root: house.directory + "/topics")) == [
                "1", "2", "3",
            ])
        let bodies = server.requests.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(bodies.count == 4 && bodies[0] == #"{"states": ["IN_STOCK"]}"#)
        #expect(bodies[3] == #"{"cursor":"2","states": ["IN_STOCK"]}"#)
        #expect(server.requests[3].headers["content-type"] == "application/json")
    }

    @Test(.timeLimit(.minutes(1)))
    func `next links, Link fields, pages and offsets lead to the end`() throws {
        let table: [(paging: String, items: String, answers: [(String, String, String)])] = [
            (
                "{next: [\"@odata.nextLink\"]}", "value",
                [
                    ("/s/list?x=1", #"{"value":[1],"@odata.nextLink":"list?skip=1"}"#, ""),
                    ("/s/list?skip=1", #"{"value":[2]}"#, ""),
                ]
            ),
            (
                "{next: header:Link}", "$",
                [
                    ("/s/list?x=1", "[1]", "</s/two>; rel=\"next\", </s/zero>; rel=prev"),
                    ("/s/two", "[2]", "</s/one>; rel=\"previous\""),
                ]
            ),
            (
                "{page: page}", "items",
                [
                    ("/s/list?x=1&page=1", #"{"items":[1]}"#, ""),
                    ("/s/list?x=1&page=2", #"{"items":[2]}"#, ""),
                    ("/s/list?x=1&page=3", #"{"items":[]}"#, ""),
                ]
            ),
            (
                "{offset: $skip}", "items",
                [
                    ("/s/list?x=1&%24skip=0", #"{"items":[1,2]}"#, ""),
                    ("/s/list?x=1&%24skip=2", #"{"items":[3]}"#, ""),
                    ("/s/list?x=1&%24skip=3", #"{"items":[]}"#, ""),
                ]
            ),
        ]
        for (paging, items, answers) in table {
            let server = TestHTTPServer { request in
                guard let (_, body, link) = answers.first(where: { $0.0 == request.target }) else {
                    return .whole(status: 404)
                }
                return .whole(
                    status: 200, headers: link.isEmpty ? [:] : ["Link": link],
                    body: Array(body.utf8))
            }
            defer { server.stop() }
            let house = try ArrivalHouse(
                from:
                    "{poll: {url: \"\(server.url)/s/list?x=1\", items: \(items), paging: \(paging)}}",
                format: "raw")
            let collector = try PollCollector(#require(house.plan.sources.first), plan: house.plan)
            #expect(try !collector.round(nowMicros: 1_000_000) { false }, "\(paging)")
            collector.close()
            #expect(server.requests.map(\.target) == answers.map(\.0))
            #expect(
                try house.lines("stock", of: house.topics).count
                    == (paging.contains("offset") ? 3 : 2), "\(paging)")
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a stale cursor begins the poll again, and what is no answer is told`() throws {
        let server = TestHTTPServer { request in
            request.target.contains("cursor")
                ? .whole(status: 410) : .whole(status: 200, body: Array(#"{"i":[1],"c":"x"}"#.utf8))
        }
        defer { server.stop() }
        let house = try ArrivalHouse(
            from: "{poll: {url: \"\(server.url)/a\", items: i, paging: {cursor: c}}}", format: "raw"
        )
        let collector = try PollCollector(#require(house.plan.sources.first), plan: house.plan)
        for _ in 0..<4 {
            #expect(throws: JobFailure.self) { try collector.round(nowMicros: 1) { false } }
        }
        #expect(
            server.requests.map(\.target)
                == ["/a", "/a?cursor=x", "/a?cursor=x", "/a?cursor=x", "/a", "/a?cursor=x"])
        collector.close()
        let gone = try ArrivalHouse(
            from: "{poll: {url: \"\(server.url)/a\", items: other.place}}", format: "raw")
        let other = try PollCollector(#require(gone.plan.sources.first), plan: gone.plan)
        do throws(JobFailure) {
            _ = try other.round(nowMicros: 1) { false }
            Issue.record("the answer has no items there")
        } catch { #expect(error.problem == "the answer has no array at other.place") }
        other.close()
    }

    @Test func `waits double up to the time between two polls`() {
        let failure = JobFailure(.source, "down", at: "x", remedy: "wait")
        let waits = (1...6).map {
            Collectors.wait(after: $0, failure, every: 10_000_000) / 1_000_000
        }
        #expect(waits == [1, 2, 4, 8, 10, 10])
        #expect(Collectors.wait(after: 60, failure, every: .max) == 300_000_000)
    }
}
