import Glibc
import StreamRuntime
import Synchronization
import Testing

@testable import FeatureServe

/// What clients write, over real sockets: `/push` and `/write-to-online-store`.
@Suite struct WriteContractTests {
    struct Counter {
        let port: Int
        let store: OnlineStore

        func post(_ path: String, _ body: String) throws -> HTTPAsk.Answer {
            try HTTPAsk.send(port: port, path: path, body: body)
        }

        func write(_ data: String) throws -> HTTPAsk.Answer {
            try post(
                "/write-to-online-store",
                "{\"feature_view_name\":\"user_counters\",\"allow_registry_cache\":false,\"df\":\(data)}"
            )
        }

        /// The values of the counters of `user`, and their statuses.
        func read(_ user: Int, _ features: [String] = ["orders_1h", "spend_24h", "city"]) -> String
        {
            let names = features.map { "\"user_counters:\($0)\"" }.joined(separator: ",")
            return Shop.ask(
                store, "{\"features\":[\(names)],\"entities\":{\"user_id\":[\(user)]}}"
            ).body.components(separating: "{\"values\":").dropFirst(2).map {
                String($0.components(separating: ",\"event_timestamps\"")[0])
            }.joined(separator: " ")
        }
    }

    static let targets = WriteTargets(
        pushSources: ["orders": ["user_counters"], "everything": ["user_counters", "user_money"]],
        views: ["user_counters"])

    static func serving(
        _ style: Compatibility = .millrace, rows: any OnlineRows = MemoryRows(),
        progress: @escaping @Sendable (String) -> Int64? = { _ in nil },
        metrics: MetricsRegistry = MetricsRegistry(),
        _ body: (Counter) throws -> Void
    ) throws {
        let store = try Shop.store(rows)
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        options.style = style
        options.progress = progress
        let writes = WriteQueue(
            store: store, targets: targets, metrics: metrics, style: style)
        defer { writes.stop() }
        let server = FeatureServer(
            store: store, metrics: metrics, options: options, writes: writes, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        try body(Counter(port: port, store: store))
    }

    private let whole = """
        {"user_id":[1,"2"],"orders_1h":[5,null],"spend_24h":[2,0.25],"city":["Zürich \\"X\\"",null],\
        "event_timestamp":["2026-11-02T11:59:00.123456","2026-11-02 11:59:59"],"created":[null,null],\
        "else":[{},[]]}
        """

    @Test func `a view is written in columns, and readable when the answer comes`() throws {
        try Self.serving { (counter) throws in
            let answer = try counter.write(whole)
            #expect(answer.status == 200)
            #expect(answer.body == "null")
            #expect(
                counter.read(1)
                    == "[5],\"statuses\":[\"PRESENT\"] [2.0],\"statuses\":[\"PRESENT\"] "
                    + "[\"Zürich \\\"X\\\"\"],\"statuses\":[\"PRESENT\"]")
            #expect(
                counter.read(2, ["orders_1h", "spend_24h"])
                    == "[null],\"statuses\":[\"NULL_VALUE\"] [0.25],\"statuses\":[\"PRESENT\"]")
            let times = Shop.ask(
                counter.store,
                "{\"features\":[\"user_counters:city\"],\"entities\":{\"user_id\":[1,2]}}")
            #expect(
                times.body.contains("[\"2026-11-02T11:59:00.123456Z\",\"2026-11-02T11:59:59Z\"]"))
        }
    }

    @Test func `a push has an empty answer without a type, and goes to every view of its source`()
        throws
    {
        try Self.serving { (counter) throws in
            let body = "{\"push_source_name\":\"orders\",\"to\":\"online\",\"df\":\(whole)}"
            let text =
                "POST /push HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
                + "\(body.utf8.count)\r\n\r\n" + body
            let answer = String(
                decoding: try HTTPAsk.exchange(port: counter.port, Array(text.utf8)), as: UTF8.self)
            #expect(
                answer == "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            #expect(counter.read(1, ["orders_1h"]) == "[5],\"statuses\":[\"PRESENT\"]")
            let both = """
                {"user_id":[9],"orders_1h":[1],"spend_24h":["Infinity"],"city":["x"],"balance":["-0.05"],\
                "since":[1793620800],"born":["2000-02-29"],"vip":[true],"token":["AP8QBw=="],"last":[[3,null]],\
                "event_timestamp":["2026-11-02T12:59:00+01:00"]}
                """
            let pushed = try counter.post(
                "/push", "{\"push_source_name\":\"everything\",\"df\":\(both)}")
            #expect(pushed.status == 200, "\(pushed)")
            #expect(
                counter.read(9, ["orders_1h", "spend_24h"])
                    == "[1],\"statuses\":[\"PRESENT\"] [\"Infinity\"],\"statuses\":[\"PRESENT\"]")
            let names = Shop.money.features.map { "\"user_money:\($0.name)\"" }
                .joined(separator: ",")
            let money = Shop.ask(
                counter.store, "{\"features\":[\(names)],\"entities\":{\"user_id\":[9]}}"
            ).body
            let values = money.components(separating: "{\"values\":[").dropFirst(2).map {
                $0.components(separating: "],\"statuses\"")[0]
            }
            #expect(
                values == [
                    "\"-0.05\"", "1793620800", "\"2000-02-29\"", "true", "\"AP8QBw==\"", "[3,null]",
                ])
            #expect(money.contains("\"2026-11-02T11:59:00Z\""))
        }
    }

    @Test func `older rows never replace newer ones, equal ones do`() throws {
        try Self.serving { (counter) throws in
            for (value, time, shown) in [
                (1, "2026-11-02T11:00:00", 1), (2, "2026-11-02T10:59:59.999999", 1),
                (3, "2026-11-02T11:00:00.000000", 3), (4, "2026-11-02T12:30:00+01:00", 4),
            ] {
                let answer = try counter.write(
                    """
                    {"user_id":[1],"orders_1h":[\(value)],"spend_24h":[0],"city":[null],\
                    "event_timestamp":["\(time)"]}
                    """)
                #expect(answer.status == 200)
                #expect(
                    counter.read(1, ["orders_1h"]).hasPrefix("[\(shown)],"), "\(value) at \(time)")
            }
        }
    }

    @Test func `pandas' map of rows and Python's numbers that are none are taken`() throws {
        try Self.serving { (counter) throws in
            let answer = try counter.write(
                """
                {"user_id":{"0":1,"1":2},"orders_1h":{"0":5,"1":6.0},"spend_24h":{"0":NaN,"1":-Infinity},\
                "city":{"0":null,"1":"x"},"event_timestamp":{"0":"2026-11-02T11:30","1":"2026-11-02T12:00"}}
                """)
            #expect(answer.status == 200, "\(answer)")
            #expect(counter.read(1, ["spend_24h"]) == "[null],\"statuses\":[\"NULL_VALUE\"]")
            #expect(
                counter.read(2, ["orders_1h", "spend_24h"])
                    == "[6],\"statuses\":[\"PRESENT\"] [\"-Infinity\"],\"statuses\":[\"PRESENT\"]")
        }
    }

    @Test func `what cannot be written is refused whole, with its place and the remedy`() throws {
        let row =
            "\"user_id\":[1],\"orders_1h\":[5],\"spend_24h\":[0],\"city\":[\"x\"],"
            + "\"event_timestamp\":[\"2026-11-02T11:00:00\"]"
        func with(_ part: String, _ other: String) -> String {
            "{\(row.components(separating: part).joined(separator: other))}"
        }
        let cases: [(String, Int, String)] = [
            (with("\"city\":[\"x\"],", ""), 422, "has no column city"),
            (with("\"user_id\":[1],", ""), 422, "has no column user_id"),
            (
                with(",\"event_timestamp\":[\"2026-11-02T11:00:00\"]", ""), 422,
                "has no column event_timestamp"
            ),
            (with("[5]", "[5,6]"), 422, "of the same length: user_id has 1, orders_1h 2"),
            (with("[5]", "[1.5]"), 422, "1.5 in row 0 of \\\"df\\\" is not a value of orders_1h"),
            (with("[5]", "[9223372036854775808]"), 422, "is not a value of orders_1h"),
            (with("[\"x\"]", "[7]"), 422, "7 in row 0"),
            (with("[\"x\"]", "[[\"x\"]]"), 422, "a list or an object in row 0"),
            (with("[1]", "[null]"), 422, "null is not a value of join key user_id"),
            (with("2026-11-02T11:00:00", "yesterday"), 422, "ISO 8601"),
            (with("[\"2026-11-02T11:00:00\"]", "[null]"), 422, "null in row 0"),
            ("{}", 200, "null"),
            ("[]", 422, "json_invalid"), ("{\"user_id\":1}", 422, "json_invalid"),
        ]
        try Self.serving { (counter) throws in
            for (data, status, says) in cases {
                let answer = try counter.write(data)
                #expect(answer.status == status, "\(data) \(answer)")
                #expect(
                    answer.body.components(separating: "\\\\\\\"").joined(separator: "\\\"")
                        .contains(says), "\(data) \(answer)")
            }
            #expect(counter.read(1, ["orders_1h"]) == "[null],\"statuses\":[\"NOT_FOUND\"]")
        }
    }

    @Test func `who may be written is told apart by name`() throws {
        let cases: [(String, String, Int, String)] = [
            (
                "/push", "{\"push_source_name\":\"nope\",\"df\":{}}", 422,
                "PushSourceNotFoundException"
            ),
            ("/push", "{\"df\":{}}", 422, "[\"body\",\"push_source_name\"]"),
            ("/push", "{\"push_source_name\":\"orders\"}", 422, "[\"body\",\"df\"]"),
            (
                "/push", "{\"push_source_name\":\"orders\",\"to\":\"moon\",\"df\":{}}", 422,
                "moon is not a supported push format"
            ),
            ("/push", "{\"push_source_name\":7,\"df\":{}}", 422, "json_invalid"),
            ("/push", "x", 422, "json_invalid"),
            (
                "/write-to-online-store", "{\"feature_view_name\":\"nope\",\"df\":{}}", 404,
                "FeatureViewNotFoundException"
            ),
            (
                "/write-to-online-store", "{\"feature_view_name\":\"availability\",\"df\":{}}", 422,
                "is written by a pipeline"
            ),
            (
                "/write-to-online-store", "{\"feature_view_name\":\"user_money\",\"df\":{}}", 200,
                "null"
            ),
            ("/write-to-online-store", "{\"df\":{}}", 422, "feature_view_name"),
        ]
        try Self.serving { (counter) throws in
            for (path, body, status, says) in cases {
                let answer = try counter.post(path, body)
                #expect(answer.status == status, "\(body) \(answer)")
                #expect(answer.body.contains(says), "\(body) \(answer)")
            }
            #expect(try HTTPAsk.send(port: counter.port, path: "/push").status == 405)
        }
    }

    @Test func `without a queue a server takes no writes`() throws {
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        let server = FeatureServer(
            store: try Shop.store(), metrics: MetricsRegistry(), options: options)
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        let answer = try HTTPAsk.send(port: port, path: "/push", body: "{}")
        #expect(answer.status == 501)
        #expect(answer.body.contains("This server takes no writes"))
    }

    @Test func `requests behind a write on one connection are answered after it, in order`() throws
    {
        try Self.serving { (counter) throws in
            let lookup =
                "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[1]}}"
            func post(_ path: String, _ body: String) -> String {
                "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                    + body
            }
            func data(_ value: Int) -> String {
                "{\"feature_view_name\":\"user_counters\",\"df\":{\"user_id\":[1],\"orders_1h\":[\(value)],"
                    + "\"spend_24h\":[0],\"city\":[null],\"event_timestamp\":[\"2026-11-02\"]}}"
            }
            var text = ""
            for value in 0..<20 {
                text += post("/write-to-online-store", data(value))
                text += post("/get-online-features", lookup)
            }
            let answers = String(
                decoding: try HTTPAsk.exchange(port: counter.port, Array(text.utf8), half: true),
                as: UTF8.self
            ).components(separating: "HTTP/1.1 200 OK\r\n").dropFirst()
            #expect(answers.count == 40)
            for (index, answer) in answers.enumerated() {
                #expect(
                    index % 2 == 0
                        ? answer.hasSuffix("\r\n\r\nnull")
                        : answer.contains("{\"values\":[\(index / 2)],"), "\(index): \(answer)")
            }
        }
    }

    @Test func `lookups are answered while a write waits for the disk`() async throws {
        let rows = StalledRows()
        try Self.serving(rows: rows) { (counter) throws in
            rows.isStalled = true
            let body = "{\"feature_view_name\":\"user_counters\",\"df\":\(whole)}"
            let writer = try HTTPAsk.connect(host: "127.0.0.1", port: counter.port)
            let text =
                "POST /write-to-online-store HTTP/1.1\r\nHost: x\r\nContent-Length: "
                + "\(body.utf8.count)\r\n\r\n" + body
            _ = Array(text.utf8).withUnsafeBytes { send(writer, $0.baseAddress!, $0.count, 0) }
            rows.waitUntilAsked()
            let lookup =
                "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[1]}}"
            #expect(
                try counter.post("/get-online-features", lookup).body
                    .contains("{\"values\":[5],"))
            rows.isStalled = false
            var answer = [UInt8](repeating: 0, count: 1024)
            let count = recv(writer, &answer, answer.count, 0)
            close(writer)
            #expect(
                String(decoding: answer[..<max(count, 0)], as: UTF8.self)
                    .hasPrefix("HTTP/1.1 200 OK"))
        }
    }

    @Test func `rows that the disk refuses are not said to be written`() throws {
        let rows = StalledRows()
        try Self.serving(rows: rows) { (counter) throws in
            rows.isBroken = true
            let answer = try counter.write(whole)
            #expect(answer.status == 503)
            #expect(answer.body.contains("the disk is full"))
            rows.isBroken = false
            #expect(try counter.write(whole).status == 200)
        }
    }

    @Test func `a write that was answered survives the end of the process`() async throws {
        let directory = ScratchDirectory()
        let path: String = directory.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            try WriteContractTests.serving(rows: try RocksRows(path: path)) { (counter) throws in
                for user in 1...50 {
                    let answer = try counter.write(
                        "{\"user_id\":[\(user)],\"orders_1h\":[\(user * 2)],\"spend_24h\":[0],"
                            + "\"city\":[null],\"event_timestamp\":[\"2026-11-02T11:00:00\"]}")
                    guard answer.status == 200 else { exit(1) }
                }
                kill(getpid(), SIGKILL)
            }
        }
        let store = try Shop.store(try RocksRows(path: path))
        let counter = Counter(port: 0, store: store)
        for user in 1...50 {
            #expect(
                counter.read(user, ["orders_1h"]) == "[\(user * 2)],\"statuses\":[\"PRESENT\"]",
                "user \(user)")
        }
    }

    @Test func `writes and syncs of many threads leave the newest row on disk`() throws {
        let rows = MemoryRows()
        try Self.serving(rows: rows) { (counter) throws in
            let store = counter.store
            let syncer = Thread { for _ in 0..<200 { try? store.sync() } }
            let writer = Thread {
                for value in 0..<300 {
                    _ = try? Shop.write(
                        [.init(user: 1, orders: Int64(value), at: Int64(value))], to: store)
                }
            }
            for value in 1...100 {
                let answer = try counter.write(
                    """
                    {"user_id":[1],"orders_1h":[\(value)],"spend_24h":[0],"city":[null],\
                    "event_timestamp":["2026-11-02T11:00:00.\(1000 + value)"]}
                    """)
                #expect(answer.status == 200)
                // What another process would find now.
                let found = Counter(port: 0, store: try Shop.store(rows))
                #expect(found.read(1, ["orders_1h"]).hasPrefix("[\(value)],"), "\(value)")
            }
            syncer.join()
            writer.join()
        }
    }

    @Test
    func `a push for training is in the log before its answer, and in the store if asked for`()
        throws
    {
        try Self.serving { counter in
            func push(_ target: String, _ user: Int) throws -> HTTPAsk.Answer {
                try counter.post(
                    "/push",
                    "{\"push_source_name\":\"orders\",\"to\":\"\(target)\",\"df\":{\"user_id\":[\(user)],"
                        + "\"orders_1h\":[5],\"spend_24h\":[0],\"city\":[null],"
                        + "\"event_timestamp\":[\"2026-11-02T11:30:00\"]}}")
            }
            let refused = try push("offline", 1)
            #expect(refused.status == 501)
            #expect(refused.body.contains("feature_log"))
            let sink = CountingSink()
            counter.store.pushedVersions = PushedVersions { _ in sink }
            for (target, user, committed, status) in [
                ("offline", 2, 1, "NOT_FOUND"), ("online_and_offline", 3, 2, "PRESENT"),
            ] {
                #expect(try push(target, user).status == 200)
                #expect(sink.committed.load(ordering: .relaxed) == committed)
                #expect(counter.read(user, ["orders_1h"]).contains(status), "\(target)")
            }
        }
    }

    @Test func `materializing answers what is true of the view's pipeline`() throws {
        let noon = Shop.noon
        try Self.serving(progress: {
            $0 == "user_counters" ? noon : $0 == "user_money" ? .min : nil
        }) { (counter) throws in
            for (body, status, says) in [
                (
                    "{\"end_ts\":\"2026-11-02T12:00:00\",\"feature_views\":[\"user_counters\"]}",
                    200, "null"
                ),
                (
                    "{\"end_ts\":\"2026-11-02T12:00:01\",\"feature_views\":[\"user_counters\"]}",
                    409,
                    "millrace replay"
                ),
                (
                    "{\"end_ts\":\"2026-11-02T12:00:00\",\"feature_views\":[\"user_money\"]}", 409,
                    "no event yet"
                ),
                (
                    "{\"end_ts\":\"2026-11-02T12:00:00\",\"feature_views\":[\"availability\"]}",
                    501,
                    "FeastProviderNotImplementedError"
                ),
                (
                    "{\"end_ts\":\"2026-11-02T12:00:00\",\"feature_views\":[\"x\"]}", 404,
                    "FeatureViewNotFoundException"
                ),
                ("{\"end_ts\":\"soon\"}", 422, "is no time"),
                ("{\"start_ts\":\"2026-11-02\"}", 422, "[\"body\",\"end_ts\"]"), ("x", 422, "json"),
            ] {
                for path in ["/materialize", "/materialize-incremental?async=true"] {
                    let answer = try counter.post(path, body)
                    #expect(answer.status == status, "\(body) \(answer)")
                    #expect(answer.body.contains(says), "\(body) \(answer)")
                }
            }
            for path in ["/search", "/retrieve-online-documents", "/v1/vector_stores"] {
                #expect(try counter.post(path, "{}").status == 404)
            }
        }
    }

    @Test func `writes are counted under Feast's names`() throws {
        let metrics = MetricsRegistry()
        try Self.serving(metrics: metrics) { (counter) throws in
            _ = try counter.write(whole)
            _ = try counter.post("/push", "{\"push_source_name\":\"orders\",\"df\":\(whole)}")
            _ = try counter.post("/push", "{\"push_source_name\":\"x\",\"df\":\(whole)}")
        }
        let text = metrics.render()
        for line in [
            "feast_push_request_total{push_source=\"orders\",mode=\"online\"} 1",
            "feast_feature_server_request_total{endpoint=\"/push\",status=\"success\"} 1",
            "feast_feature_server_request_total{endpoint=\"/push\",status=\"error\"} 1",
            "feast_feature_server_request_total{endpoint=\"/write-to-online-store\",status=\"success\"} 1",
            "feast_feature_server_request_latency_seconds_count{endpoint=\"/push\",feature_count=\"\","
                + "feature_view_count=\"\"} 2",
        ] {
            #expect(text.contains(line + "\n"), "\(line) in \(text)")
        }
    }

    @Test(arguments: [
        ("2026-11-02T12:00:00", 0), ("2026-11-02 12:00", 0), ("2026-11-02T12:00:00Z", 0),
        ("2026-11-02T12:00:00.5", 500_000), ("2026-11-02T12:00:00.123456789", 123_456),
        ("2026-11-02T14:00:00+02:00", 0), ("2026-11-02T09:30:00-0230", 0),
        ("2026-11-02T14:00:00+02", 0), ("2026-11-02", -43_200_000_000),
    ])
    func `a time without a zone is UTC`(text: String, micros: Int64) {
        #expect(
            Array(text.utf8).withUnsafeBufferPointer { TimestampText.micros($0) } == Shop.noon
                + micros)
    }

    @Test(arguments: [
        "", "2026-13-02", "2026-11-02T", "2026-11-02T24:00:00", "2026-11-02T12", "2026-11-02T12:60",
        "2026-11-02T12:00:00.", "2026-11-02T12:00:00.1234567890", "2026-11-02T12:00:00+1",
        "2026-11-02T12:00:00Zx", "2026-11-02T12:00:00+25:00", "1793620800",
    ])
    func `what is no time is not taken for one`(text: String) {
        #expect(Array(text.utf8).withUnsafeBufferPointer { TimestampText.micros($0) } == nil)
    }

    @Test(arguments: [
        ("", [] as [UInt8]?), ("AA==", [0]), ("AP8=", [0, 255]), ("AP8Q", [0, 255, 16]),
        ("AP8QBw==", [0, 255, 16, 7]), ("A", nil), ("AA=A", nil), ("A===", nil), ("AA*=", nil),
    ])
    func `base64 is read with its padding`(text: String, bytes: [UInt8]?) {
        #expect(Array(text.utf8).withUnsafeBufferPointer { Base64Text.bytes($0) } == bytes)
    }
}
