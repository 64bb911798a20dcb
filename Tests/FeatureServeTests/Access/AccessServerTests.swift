import Glibc
import StreamRuntime
import Testing

@testable import FeatureServe

/// Keys and TLS at the HTTP server's door.
@Suite struct AccessServerTests {
    private func digest(_ secret: String) -> [UInt8] {
        Array(secret.utf8).withUnsafeBufferPointer { AccessKey.digest(of: $0) }
    }

    private func serving(
        _ keys: [AccessKey], tls: TLSServer.Files? = nil,
        tlsInterval: Int64 = TLSServer.usualIntervalNanos, _ body: (Int) throws -> Void
    ) throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 5, at: Shop.noon)], to: store)
        let metrics = MetricsRegistry()
        let writes = WriteQueue(
            store: store, targets: WriteTargets(pushSources: ["clicks": ["user_counters"]]),
            metrics: metrics)
        defer { writes.stop() }
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        options.access = AccessRules(keys: keys)
        options.tls = tls
        options.tlsIntervalNanos = tlsInterval
        let server = FeatureServer(
            store: store, metrics: metrics, options: options, writes: writes, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        try body(port)
    }

    private func ask(
        _ port: Int, _ path: String, _ body: String?, _ field: String = ""
    ) throws -> String {
        let count = body?.utf8.count ?? 0
        let text =
            "\(body == nil ? "GET" : "POST") \(path) HTTP/1.1\r\nhost: x\r\n\(field)"
            + "content-length: \(count)\r\nconnection: close\r\n\r\n\(body ?? "")"
        return String(
            decoding: try HTTPAsk.exchange(port: port, Array(text.utf8)), as: UTF8.self)
    }

    private static let lookup =
        "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[1]}}"
    private static let money = "{\"features\":[\"user_money:vip\"],\"entities\":{\"user_id\":[1]}}"
    private static let push =
        "{\"push_source_name\":\"clicks\",\"df\":{\"user_id\":[1],\"orders_1h\":[1],\"spend_24h\":[1.0],"
        + "\"city\":[\"x\"],\"event_timestamp\":[\"2026-11-02T12:00:01\"]}}"

    @Test
    func `with keys declared nothing but health is answered without one, and no more than it may`()
        throws
    {
        let one = "authorization: Bearer one\r\n"
        let two = "x-api-key: two\r\n"
        let table: [(path: String, body: String?, field: String, status: String, says: String)] = [
            ("/health", nil, "", "200", ""),
            ("/get-online-features", Self.lookup, "", "401", "Missing authentication token"),
            (
                "/get-online-features", Self.lookup, "authorization: Basic one\r\n", "401",
                "Missing authentication token"
            ),
            (
                "/get-online-features", Self.lookup, "authorization: Bearer on\r\n", "401",
                "Invalid authentication token"
            ),
            ("/get-online-features", Self.lookup, one, "200", "\"values\":[5]"),
            ("/get-online-features", Self.money, one, "403", "FeastPermissionError"),
            ("/get-online-features", Self.lookup, two, "403", "may not read feature view"),
            ("/push", Self.push, one, "403", "may not write feature view user_counters"),
            ("/metrics", nil, one, "403", "FeastPermissionError"),
            ("/metrics", nil, two, "200", "millrace_online_rows 1"),
            ("/push", Self.push, two, "200", ""),
            ("/get-online-features", Self.lookup, one, "200", "\"values\":[1]"),
            ("/nothing", nil, "", "401", ""),
        ]
        let keys = [
            AccessKey(name: "scoring", digest: digest("one"), reads: .some(["user_counters"])),
            AccessKey(name: "loading", digest: digest("two"), writes: .all, isAdmin: true),
        ]
        try serving(keys) { port throws in
            for row in table {
                let answer = try ask(port, row.path, row.body, row.field)
                #expect(answer.hasPrefix("HTTP/1.1 \(row.status) "), "\(row): \(answer)")
                #expect(answer.contains(row.says), "\(row): \(answer)")
            }
        }
    }

    @Test func `a key whose requests are used up is told when to come back`() throws {
        let keys = [AccessKey(name: "slow", digest: digest("one"), reads: .all, perSecond: 1)]
        try serving(keys) { port throws in
            let field = "x-api-key: one\r\n"
            #expect(
                try ask(port, "/get-online-features", Self.lookup, field).hasPrefix("HTTP/1.1 200"))
            let refused = try ask(port, "/get-online-features", Self.lookup, field)
            #expect(refused.hasPrefix("HTTP/1.1 429 Too Many Requests\r\n"))
            #expect(refused.contains("\r\nretry-after: 1\r\n"))
        }
    }

    @Test(.enabled(if: access("/usr/bin/openssl", X_OK) == 0))
    func
        `over TLS the server shows its certificate, and clients theirs where an authority is given`()
        throws
    {
        var template = Array("/tmp/millrace-tls-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map { UInt8($0) }, as: UTF8.self)
        defer { _ = shell("rm -rf \(folder)") }
        let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        _ = shell(
            """
            cd \(folder) && openssl req -x509 \(new) -keyout ca.key -out ca.pem -subj /CN=ca -days 2 &&
            for name in server client; do
              openssl req \(new) -keyout $name.key -out $name.csr -subj /CN=$name &&
              openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $name.pem -days 2
            done
            """)
        func ask(_ port: Int, _ words: String) -> String {
            shell(
                "printf 'GET /health HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n' | timeout 5 "
                    + "openssl s_client -quiet -CAfile \(folder)/ca.pem -verify_return_error "
                    + "-connect 127.0.0.1:\(port) \(words)")
        }
        let plain = TLSServer.Files(
            certificate: folder + "/server.pem", key: folder + "/server.key")
        var mutual = plain
        mutual.clientAuthority = folder + "/ca.pem"
        let certificate = "-cert \(folder)/client.pem -key \(folder)/client.key"
        try serving([], tls: plain) { port throws in
            #expect(ask(port, "").contains("HTTP/1.1 200 OK"))
            #expect(ask(port, "-tls1_2").contains("HTTP/1.1 200 OK"))
            #expect(ask(port, "-alpn http/1.1").contains("HTTP/1.1 200 OK"))
            #expect(!ask(port, "-alpn h2").contains("HTTP/1.1 200 OK"))
            #expect(!ask(port, "-tls1_1").contains("HTTP/1.1 200 OK"))
            let text = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
            let answer = try HTTPAsk.exchange(port: port, Array(text.utf8), half: true)
            #expect(!String(decoding: answer, as: UTF8.self).contains("HTTP"))
        }
        try serving([], tls: mutual) { port throws in
            #expect(ask(port, certificate).contains("HTTP/1.1 200 OK"))
            #expect(!ask(port, "").contains("HTTP/1.1 200 OK"))
        }
        for (files, says) in [
            (TLSServer.Files(certificate: folder + "/none.pem", key: plain.key), "certificate"),
            (TLSServer.Files(certificate: plain.certificate, key: folder + "/client.key"), "key"),
        ] {
            let failure = #expect(throws: JobFailure.self) { try serving([], tls: files) { _ in } }
            #expect(failure?.description.contains(says) == true)
        }
    }

    @Test(.enabled(if: access("/usr/bin/openssl", X_OK) == 0))
    func `a certificate that was replaced is shown to the next client, once its key is there too`()
        throws
    {
        var template = Array("/tmp/millrace-tls-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map { UInt8($0) }, as: UTF8.self)
        defer { _ = shell("rm -rf \(folder)") }
        func make(_ name: String) {
            _ = shell(
                """
                cd \(folder) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
                  -nodes -keyout \(name).key -out \(name).pem -subj /CN=\(name) -days 2
                """)
        }
        make("first")
        make("second")
        func take(_ name: String, _ end: String) {
            // As tools do it: a new file in the place of the old one.
            _ = shell(
                "cd \(folder) && cp \(name).\(end) new && mv new server.\(end)")
        }
        take("first", "pem")
        take("first", "key")
        func shown(_ port: Int) -> String {
            shell("timeout 5 openssl s_client -connect 127.0.0.1:\(port) < /dev/null")
        }
        let files = TLSServer.Files(
            certificate: folder + "/server.pem", key: folder + "/server.key")
        try serving([], tls: files, tlsInterval: 0) { port throws in
            #expect(shown(port).contains("CN = first"))
            take("second", "pem")
            // The old one, while the new certificate has no key.
            #expect(shown(port).contains("CN = first"))
            take("second", "key")
            #expect(shown(port).contains("CN = second"))
        }
        try serving([], tls: files) { port throws in
            take("first", "pem")
            take("first", "key")
            // Not looked at again so soon.
            #expect(shown(port).contains("CN = second"))
        }
    }

    /// What a shell prints.
    private func shell(_ command: String) -> String {
        guard let pipe = popen("{ \(command)\n} 2>&1", "r") else { return "" }
        defer { pclose(pipe) }
        var text: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&room, 1, room.count, pipe)
            if count <= 0 { return String(decoding: text, as: UTF8.self) }
            text += room[..<count]
        }
    }
}
