import Glibc
import NIOCore
import StreamRuntime
import Testing

@testable import FeatureServe

/// The server over real sockets on the loopback.
@Suite struct FeatureServerTests {
    private func serving(
        limits: ServerLimits = ServerLimits(), _ body: (Int, FeatureServer) throws -> Void
    ) throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 5, at: Shop.noon)], to: store)
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        options.limits = limits
        let server = FeatureServer(
            store: store, metrics: MetricsRegistry(), options: options, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        try body(port, server)
    }

    private let lookup =
        "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[1]}}"

    private func post(_ body: String, extra: String = "") -> String {
        "POST /get-online-features HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n"
            + extra + "\r\n" + body
    }

    private func exchange(_ port: Int, _ text: String, half: Bool = true) throws -> String {
        String(
            decoding: try HTTPAsk.exchange(port: port, Array(text.utf8), half: half), as: UTF8.self)
    }

    @Test func `lookups, health and metrics are served, the rest is refused`() throws {
        try serving { (port, _) throws in
            let answer = try HTTPAsk.send(port: port, path: "/get-online-features", body: lookup)
            #expect(answer.status == 200)
            #expect(answer.body.contains("{\"values\":[5],\"statuses\":[\"PRESENT\"]"))
            #expect(try HTTPAsk.send(port: port, path: "/health").status == 200)
            #expect(try HTTPAsk.send(port: port, path: "/nothing").status == 404)
            #expect(try HTTPAsk.send(port: port, path: "/get-online-features").status == 405)
            #expect(try HTTPAsk.send(port: port, path: "/health", body: "x").status == 405)
            let metrics = try HTTPAsk.send(port: port, path: "/metrics?x=1").body
            for line in [
                "# TYPE millrace_lookup_seconds histogram", "millrace_lookup_seconds_count 1",
                "feast_online_features_status_total{feature_view=\"user_counters\",status=\"present\"} 1",
                "feast_feature_server_request_latency_seconds_count{endpoint=\"/get-online-features\","
                    + "feature_count=\"1-10\",feature_view_count=\"1\"} 1",
                "feast_feature_freshness_seconds{feature_view=\"user_counters\",project=\"millrace\"} 0",
                "millrace_http_answers_total{status=\"404\"} 1", "millrace_online_rows 1",
            ] {
                #expect(metrics.contains(line + "\n"), "\(line) in \(metrics)")
            }
        }
    }

    @Test func `requests in one packet are answered in order on one connection`() throws {
        try serving { (port, _) throws in
            let text =
                post(lookup) + "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
                + "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                + post("{}", extra: "Connection: close\r\n") + post(lookup)
            let answers = try exchange(port, text, half: false)
                .components(separating: "HTTP/1.1 ").dropFirst().map { String($0.prefix(3)) }
            #expect(answers == ["200", "200", "200", "422"])
        }
    }

    @Test func `a body may come in chunks, and byte by byte`() throws {
        try serving { (port, _) throws in
            let half = lookup.utf8.count / 2
            let first = String(lookup.prefix(half))
            let second = String(lookup.dropFirst(half))
            let text =
                "POST /get-online-features HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                + "Connection: close\r\n\r\n" + String(first.utf8.count, radix: 16) + ";ext=1\r\n"
                + first + "\r\n" + String(second.utf8.count, radix: 16) + "\r\n" + second
                + "\r\n0\r\nTrailer: x\r\n\r\n"
            #expect(try exchange(port, text, half: false).contains("{\"values\":[5]"))
        }
        var body = ChunkedBody(bytesMax: 100)
        var isWhole = false
        for byte in Array("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".utf8) {
            isWhole = try [byte].withUnsafeBufferPointer { try body.take($0) }.isWhole
        }
        #expect(isWhole)
        #expect(String(decoding: body.bytes, as: UTF8.self) == "abcde")
    }

    @Test func `a client that waits to be told to continue is told`() throws {
        try serving { (port, _) throws in
            let text = post(lookup, extra: "Expect: 100-continue\r\nConnection: close\r\n")
            let split = text.components(separating: "\r\n\r\n")
            let answer = try exchange(port, split[0] + "\r\n\r\n", half: true)
            #expect(answer.hasPrefix("HTTP/1.1 100 Continue\r\n\r\n"))
        }
    }

    @Test func `what is not HTTP is refused with its status and the connection closes`() throws {
        let heads: [(String, String)] = [
            ("nonsense\r\n\r\n", "400"), ("GET / HTTP/2.0\r\n\r\n", "505"),
            ("GET / HTTP/1.1\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "400"
            ),
            ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501"),
            ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", "413"),
            ("GET / HTTP/1.1\r\nHost: x\r\nA: " + String(repeating: "a", count: 20_000), "431"),
            ("GET / HTTP/1.1\r\nHost: x\r\nExpect: pigs\r\n\r\n", "417"),
        ]
        try serving { (port, _) throws in
            for (head, status) in heads {
                let answer = try exchange(port, head, half: false)
                #expect(answer.hasPrefix("HTTP/1.1 \(status)"), "\(head.prefix(60)) \(answer)")
                #expect(answer.contains("connection: close"))
            }
        }
    }

    @Test(arguments: [21, 22] as [UInt64])
    func `no bytes a client sends take the server down`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let whole = Array((post(lookup) + post(lookup)).utf8)
        try serving { (port, _) throws in
            for _ in 0..<60 {
                var bytes = whole
                for _ in 0..<3 {
                    let at = Int.random(in: 0..<bytes.count, using: &random)
                    if Bool.random(using: &random) {
                        bytes[at] = UInt8.random(in: 0...255, using: &random)
                    } else {
                        bytes.remove(at: at)
                    }
                }
                _ = try HTTPAsk.exchange(port: port, bytes, half: true)
            }
            let answer = try HTTPAsk.send(port: port, path: "/get-online-features", body: lookup)
            #expect(answer.status == 200, "seed \(seed)")
        }
    }

    @Test func `a client that never finishes its request is told so and closed`() throws {
        var limits = ServerLimits()
        limits.requestTime = .milliseconds(60)
        limits.idleTime = .milliseconds(60)
        try serving(limits: limits) { (port, _) throws in
            #expect(try exchange(port, "POST /get-on", half: false).hasPrefix("HTTP/1.1 408"))
            #expect(try exchange(port, "", half: false).isEmpty)
        }
    }

    @Test func `more connections than the limit are closed`() throws {
        var limits = ServerLimits()
        limits.connections = 0
        try serving(limits: limits) { (port, _) throws in
            #expect(
                try exchange(port, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", half: false).isEmpty)
        }
    }

    @Test func `a port in use is an environment failure with a remedy`() throws {
        try serving { (port, _) throws in
            var options = FeatureServer.Options()
            options.port = port
            let second = FeatureServer(
                store: try Shop.store(), metrics: MetricsRegistry(), options: options)
            let failure = #expect(throws: JobFailure.self) { try second.start() }
            #expect(failure?.kind == .environment)
            #expect(failure?.problem == "port \(port) is in use")
        }
    }

    @Test func `stopping closes resting connections and refuses new ones`() throws {
        try serving { (port, server) throws in
            let answer = try exchange(port, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            server.stop(graceMillis: 1000)
            #expect(throws: JobFailure.self) { try HTTPAsk.send(port: port, path: "/health") }
            server.stop(graceMillis: 1000)
        }
    }

    @Test func `a request that has begun to arrive is answered before the server stops`()
        async throws
    {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 5, at: Shop.noon)], to: store)
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        // No clock decides here, however long a busy machine takes.
        options.limits.requestTime = .hours(1)
        let server = FeatureServer(
            store: store, metrics: MetricsRegistry(), options: options, now: { Shop.noon })
        let port = try server.start()
        let request = Array(post(lookup, extra: "Expect: 100-continue\r\n").utf8)
        let client = try HTTPAsk.connect(host: "127.0.0.1", port: port)
        var patience = timeval(tv_sec: 600, tv_usec: 0)
        setsockopt(
            client, SOL_SOCKET, SO_RCVTIMEO, &patience,
            socklen_t(MemoryLayout<timeval>.size))
        let split = request.count - 10
        _ = request.withUnsafeBytes { send(client, $0.baseAddress!, split, 0) }
        // Told to continue, the client knows that its request has begun to arrive.
        var answer = [UInt8](repeating: 0, count: 1 << 14)
        #expect(
            recv(client, &answer, answer.count, 0) == "HTTP/1.1 100 Continue\r\n\r\n".utf8.count)
        let stopped = Task.detached { server.stop(graceMillis: 600_000) }
        // The listener is closed once the server is stopping.
        while (try? HTTPAsk.send(port: port, path: "/health")) != nil { await Task.yield() }
        _ = request.withUnsafeBytes { send(client, $0.baseAddress! + split, 10, 0) }
        var text = ""
        while case let count = recv(client, &answer, answer.count, 0), count > 0 {
            text += String(decoding: answer[..<count], as: UTF8.self)
        }
        close(client)
        await stopped.value
        #expect(text.hasPrefix("HTTP/1.1 200 OK"))
        #expect(text.contains("{\"values\":[5]"))
    }

    @Test func `a lookup through the server reads like one of the store`() throws {
        try serving { (port, _) throws in
            let lookup = try Lookup.onServer(
                port: port, catalog: try Shop.catalog(), view: "user_counters",
                keys: ["user_id=1"], nowMicros: Shop.noon)
            #expect(lookup.values[0].value == "5")
            #expect(lookup.values[0].status == "PRESENT")
            #expect(lookup.values[0].ageSeconds == 0)
            let missing = try Lookup.onServer(
                port: port, catalog: try Shop.catalog(), view: "availability",
                keys: ["product_id=p", "store_id=s"])
            #expect(
                missing.values == [
                    .init(
                        feature: "p_found", value: "null", status: "NOT_FOUND", eventTime: nil,
                        ageSeconds: nil)
                ])
        }
    }
}
