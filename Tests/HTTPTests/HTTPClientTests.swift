import Foundation
import HTTP
import Synchronization
import TestHTTP
import Testing

@Suite final class HTTPClientTests {
    private let scratch = NSTemporaryDirectory() + "millrace-http-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(
            atPath: scratch, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: scratch) }

    private func server(
        _ answer: @escaping @Sendable (TestHTTPServer.Request) -> TestHTTPServer.Answer
    ) -> TestHTTPServer { TestHTTPServer(answer) }

    /// A server that gives these answers one after the other, then the last for ever.
    private func scripted(_ answers: [TestHTTPServer.Answer]) -> TestHTTPServer {
        let left = Mutex(answers)
        return TestHTTPServer { _ in
            left.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }
    }

    @Test func `method, path, headers and body arrive as they were given`() throws {
        let server = server { request in
            .whole(
                status: 201, headers: ["X-Said": " yes "],
                body: Array(
                    "\(request.method) \(request.target) \(request.headers["x-a"] ?? "-") ".utf8)
                    + request.body)
        }
        defer { server.stop() }
        let client = HTTPClient()
        let cases: [(HTTPRequest.Method, HTTPBody, String)] = [
            (.get, .none, "GET /p%20q?a=b 1 "), (.delete, .none, "DELETE /p%20q?a=b 1 "),
            (.put, .bytes(Array("body".utf8)), "PUT /p%20q?a=b 1 body"),
            (.post, .bytes([]), "POST /p%20q?a=b 1 "), (.post, .none, "POST /p%20q?a=b 1 "),
        ]
        for (method, body, expected) in cases {
            let response = try client.send(
                HTTPRequest(
                    method, server.url + "/p%20q?a=b", headers: [HTTPHeader("X-A", "1")], body: body
                ))
            #expect(response.status == 201)
            #expect(response.header("x-said") == "yes")
            #expect(String(decoding: response.body, as: UTF8.self) == expected)
        }
        #expect(try client.send(HTTPRequest(.head, server.url + "/h")).body == [])
        #expect(Set(server.requests.map(\.connection)) == [0], "one connection is enough")
    }

    @Test func `a range of a file is sent, and a body is written to a file`() throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Data(bytes).write(to: URL(fileURLWithPath: scratch + "/from"))
        let server = server { .whole(status: 200, body: $0.body) }
        defer { server.stop() }
        let client = HTTPClient()
        let response = try client.send(
            HTTPRequest(
                .put, server.url,
                body: .file(path: scratch + "/from", offset: 1000, count: 250_000)),
            into: scratch + "/to")
        #expect(response.body == [])
        let got = try Data(contentsOf: URL(fileURLWithPath: scratch + "/to"))
        #expect([UInt8](got) == Array(bytes[1000..<251_000]))
        let failure = #expect(throws: HTTPFailure.self) {
            try client.send(
                HTTPRequest(
                    .put, server.url,
                    body: .file(path: scratch + "/from", offset: 299_000, count: 2000)))
        }
        #expect(failure?.problem == scratch + "/from is shorter than it was")
    }

    @Test func `what passes is tried again, and what does not is not`() throws {
        let ok = TestHTTPServer.Answer.whole(status: 200, body: [7])
        let long = [UInt8](repeating: 1, count: 1000)
        let cases: [(first: [TestHTTPServer.Answer], status: Int, tries: Int)] = [
            ([.whole(status: 503), .whole(status: 500), ok], 200, 3),
            ([.torn, ok], 200, 2), ([.cut(status: 200, body: long, after: 500), ok], 200, 2),
            ([.whole(status: 429, headers: ["Retry-After": "1"]), ok], 200, 2),
            ([.whole(status: 503)], 503, 4), ([.whole(status: 403), ok], 403, 1),
            ([.whole(status: 404), ok], 404, 1),
        ]
        for (first, status, tries) in cases {
            let server = scripted(first)
            defer { server.stop() }
            let waits = Mutex<[Int]>([])
            let client = HTTPClient { millis in waits.withLock { $0.append(millis) } }
            let response = try client.send(
                retrying: RetryPolicy(tries: 4, firstMillis: 100, longestMillis: 300),
                { HTTPRequest(.get, server.url) })
            #expect(response.status == status)
            #expect(server.requests.count == tries)
            #expect(waits.withLock { $0.count } == tries - 1)
            #expect(waits.withLock { $0.allSatisfy { $0 >= 50 && $0 <= 300 } })
        }
    }

    @Test func `each failure is named with the host and the remedy`() throws {
        let silent = scripted([.silence])
        let torn = scripted([.torn])
        let cut = scripted([.cut(status: 200, body: [1, 2, 3], after: 1)])
        let large = scripted([.whole(status: 200, body: [UInt8](repeating: 0, count: 5000))])
        let closed = scripted([.torn])
        closed.stop()
        defer { for server in [silent, torn, cut, large] { server.stop() } }
        var settings = HTTPSettings()
        settings.totalMillis = 200
        settings.bodyBytesMax = 1000
        let client = HTTPClient(settings)
        let cases: [(String, HTTPFailure.Kind, Bool)] = [
            (silent.url, .timeout, true), (torn.url, .torn, true), (cut.url, .torn, true),
            (large.url, .tooLarge, false), (closed.url, .unreachable, true),
            ("ftp://127.0.0.1/", .malformed, false), ("http://", .malformed, false),
        ]
        for (url, kind, passes) in cases {
            let failure = #expect(throws: HTTPFailure.self) {
                try client.send(HTTPRequest(.get, url))
            }
            #expect(failure?.kind == kind, "\(url)")
            #expect(failure?.isPassing == passes)
            #expect(failure?.host == HTTPText.host(of: url))
            #expect(failure?.remedy.isEmpty == false)
        }
        let failure = #expect(throws: HTTPFailure.self) {
            try client.send(
                HTTPRequest(.get, large.url, headers: [HTTPHeader("A", "b\r\nHost: else")]))
        }
        #expect(failure?.kind == .malformed)
    }

    @Test func `user and password are sent and never told`() throws {
        let server = server { request in
            .whole(status: 200, body: Array((request.headers["authorization"] ?? "").utf8))
        }
        defer { server.stop() }
        var settings = HTTPSettings()
        settings.user = "ann"
        settings.password = "s:cret"
        let response = try HTTPClient(settings).send(HTTPRequest(.get, server.url))
        #expect(String(decoding: response.body, as: UTF8.self) == "Basic YW5uOnM6Y3JldA==")
        #expect(HTTPText.host(of: "https://ann:s@cret@host:81/a@b") == "host:81")
    }

    @Test func `many threads share a client`() throws {
        let server = server { .whole(status: 200, body: $0.body) }
        defer { server.stop() }
        let client = HTTPClient()
        let wrong = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 16) { number in
            let body = [UInt8](repeating: UInt8(number), count: 10_000)
            let response = try? client.send(HTTPRequest(.put, server.url, body: .bytes(body)))
            if response?.body != body { wrong.withLock { $0 += 1 } }
        }
        #expect(wrong.withLock { $0 } == 0)
        #expect(server.requests.count == 16)
    }

    @Test func `waits double up to the longest, with chance in their upper half`() {
        let policy = RetryPolicy(tries: 5, firstMillis: 100, longestMillis: 300)
        #expect((1...5).map { policy.wait(after: $0, chance: 0) } == [50, 100, 150, 150, nil])
        #expect((1...4).map { policy.wait(after: $0, chance: 0.5) } == [75, 150, 225, 225])
        #expect(policy.wait(after: 1, chance: 0, wishSeconds: 9) == 300)
        #expect(RetryPolicy.never.wait(after: 1, chance: 0) == nil)
    }

    @Test(arguments: [
        ("a/b c", false, "a%2Fb%20c"), ("a/b c", true, "a/b%20c"),
        ("é~-._+", true, "%C3%A9~-._%2B"),
    ])
    func `text is percent-encoded as addresses want it`(
        text: String, keepsSlashes: Bool, expected: String
    ) {
        #expect(HTTPText.encode(text, keepsSlashes: keepsSlashes) == expected)
    }
}
