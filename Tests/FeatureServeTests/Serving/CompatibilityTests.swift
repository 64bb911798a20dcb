import StreamRuntime
import Testing

@testable import FeatureServe

/// The differences between Feast's servers, each under its switch.
@Suite struct CompatibilityTests {
    private func ask(
        _ style: Compatibility, _ body: String, details: Bool = true, now: Int64 = Shop.noon
    ) throws -> (status: Int, body: String) {
        let store = try Shop.store()
        try Shop.write(
            [
                .init(user: 1, orders: 5, at: Shop.noon - 1_500_000),
                .init(user: 2, orders: nil, at: Shop.noon - 1_500_000),
            ], to: store)
        let engine = LookupEngine(
            store: store, metrics: MetricsRegistry(), style: style, now: { now })
        let answer = ByteArena()
        var text = body
        let status = text.withUTF8 { engine.answer($0, details: details, into: answer) }
        return (
            status,
            String(
                decoding: UnsafeBufferPointer(start: answer.base, count: answer.count),
                as: UTF8.self)
        )
    }

    private let three =
        "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[1,2,3]}}"

    @Test(arguments: [
        (Compatibility.millrace, ["PRESENT", "NULL_VALUE", "NOT_FOUND"], "OUTSIDE_MAX_AGE"),
        (.python, ["PRESENT", "PRESENT", "PRESENT"], "PRESENT"),
        (.go, ["PRESENT", "NOT_FOUND", "NOT_FOUND"], "OUTSIDE_MAX_AGE"),
        (.java, ["PRESENT", "NULL_VALUE", "NOT_FOUND"], "OUTSIDE_MAX_AGE"),
    ])
    func `statuses of a value, a null, an unknown entity and one too old`(
        style: Compatibility, statuses: [String], old: String
    ) throws {
        let shown = statuses.map { "\"\($0)\"" }.joined(separator: ",")
        let answer = try ask(style, three)
        #expect(
            answer.body.contains("{\"values\":[5,null,null],\"statuses\":[\(shown)]"), "\(answer)")
        let later = try ask(style, three, now: Shop.noon + Shop.counters.ttlMicros).body
        #expect(later.contains("{\"values\":[5,null,null],\"statuses\":[\"\(old)\""), "\(later)")
    }

    @Test func `the Go server gives statuses only when asked, and times to the second`() throws {
        let short = try ask(.go, three, details: false).body
        #expect(
            short == "{\"results\":[{\"values\":[1,2,3]},{\"values\":[5,null,null]}],"
                + "\"metadata\":{\"feature_names\":[\"user_id\",\"orders_1h\"]}}")
        let long = try ask(.go, three).body
        #expect(
            long.contains(
                "\"event_timestamps\":[\"2026-11-02T11:59:58Z\",\"2026-11-02T11:59:58Z\","
                    + "\"1970-01-01T00:00:00Z\"]"), "\(long)")
        #expect(
            long.hasPrefix(
                "{\"results\":[{\"values\":[1,2,3],\"statuses\":[\"PRESENT\",\"PRESENT\",\"PRESENT\"],"
                    + "\"event_timestamps\":[\"2026-11-02T12:00:00Z\""), "\(long)")
    }

    @Test func `the Java server names features by their view and shows no keys`() throws {
        let answer = try ask(
            .java,
            "{\"features\":[\"user_counters:orders_1h\",\"user_counters:city\"],\"entities\":{\"user_id\":[1]}}"
        ).body
        #expect(answer.hasPrefix("{\"results\":[ {\"values\":[5],"), "\(answer)")
        #expect(
            answer.hasSuffix(
                "\"feature_names\":[\"user_counters:orders_1h\",\"user_counters:city\"]}}"))
        let bytes = Array(answer.utf8)
        let isJSON = bytes.withUnsafeBufferPointer {
            var scanner = JSONScanner($0)
            return (try? scanner.value()) != nil && scanner.peek() == 0
        }
        #expect(isJSON)
    }

    @Test func `a request without all keys is answered with nulls where Python does so`() throws {
        let body =
            "{\"features\":[\"availability:p_found\"],\"entities\":{\"store_id\":[\"s\",\"t\"]}}"
        #expect(try ask(.millrace, body).status == 404)
        let answer = try ask(.python, body)
        #expect(answer.status == 200)
        #expect(
            answer.body.contains("{\"values\":[null,null],\"statuses\":[\"PRESENT\",\"PRESENT\"]"),
            "\(answer)")
        #expect(answer.body.hasSuffix("[\"store_id\",\"p_found\"]}}"))
        let none = try ask(
            .python, "{\"features\":[\"availability:p_found\"],\"entities\":{\"x\":[1]}}")
        #expect(none.status == 404)
    }

    @Test(arguments: [
        ("{\"features\":[],\"entities\":{\"user_id\":[1]}}", 422, 500),
        ("{\"features\":[\"user_counters:city\"],\"entities\":{\"user_id\":[]}}", 422, 500),
        ("{\"features\":[\"user_counters:city\"],\"entities\":{\"user_id\":[null]}}", 422, 500),
        (
            "{\"features\":[\"user_counters:city\"],\"entities\":{\"user_id\":[9223372036854775808]}}",
            422, 500
        ),
        (
            "{\"features\":[\"user_counters:city\"],\"entities\":{\"user_id\":[1],\"x\":[1,2]}}",
            422,
            500
        ),
        ("{\"features\":[\"user_counters@v2:city\"],\"entities\":{\"user_id\":[1]}}", 422, 500),
        ("{\"features\":[\"nope:city\"],\"entities\":{\"user_id\":[1]}}", 404, 404),
        ("{\"feature_service\":\"nope\",\"entities\":{\"user_id\":[1]}}", 404, 404),
    ])
    func `errors have the status and the body of the server asked for`(
        body: String, ours: Int, python: Int
    ) throws {
        #expect(try ask(.millrace, body).status == ours)
        let theirs = try ask(.python, body)
        #expect(theirs.status == python)
        if python == 500 {
            #expect(!theirs.body.contains("module"), "\(theirs)")
            #expect(theirs.body.hasPrefix("\"") && theirs.body.hasSuffix("\""), "\(theirs)")
        } else {
            #expect(theirs.body.hasPrefix("\"{\\\"module\\\": \\\"feast.errors\\\""))
        }
        let go = try ask(.go, body)
        #expect(go.status == 500)
        #expect(go.body.hasPrefix("{\"error\":\"") && go.body.hasSuffix(",\"status_code\":500}"))
        #expect(try ask(.java, body).status == ours)
    }

    @Test func `the Go server refuses keys nobody needs, and versions`() throws {
        let extra =
            "{\"features\":[\"user_counters:city\"],\"entities\":{\"user_id\":[1],\"x\":[1]}}"
        #expect(try ask(.millrace, extra).status == 200)
        let refused = try ask(.go, extra)
        #expect(
            refused.body == "{\"error\":\"Invalid entity join key. key=x\",\"status_code\":500}")
        let latest =
            "{\"features\":[\"user_counters@latest:city\"],\"entities\":{\"user_id\":[1]}}"
        #expect(try ask(.millrace, latest).status == 200)
        #expect(try ask(.python, latest).status == 200)
        #expect(try ask(.go, latest).status == 500)
    }

    @Test func `rows of nothing but nulls clear values, and are dropped where Python drops them`()
        throws
    {
        let row =
            "{\"user_id\":[1],\"orders_1h\":[7],\"spend_24h\":[1],\"city\":[\"x\"],"
            + "\"event_timestamp\":[\"2026-11-02T11:00:00\"]}"
        let nulls =
            "{\"user_id\":[1],\"orders_1h\":[null],\"spend_24h\":[null],\"city\":[null],"
            + "\"event_timestamp\":[\"2026-11-02T11:30:00\"]}"
        for (style, kept) in [(Compatibility.millrace, "[null]"), (.python, "[7]")] {
            try WriteContractTests.serving(style) { (counter) throws in
                #expect(try counter.write(row).status == 200)
                #expect(try counter.write(nulls).status == 200)
                #expect(counter.read(1, ["orders_1h"]).hasPrefix(kept), "\(style)")
            }
        }
    }

    @Test func `missing columns are named in pandas' words where Python's are wanted`() throws {
        try WriteContractTests.serving(.python) { (counter) throws in
            let answer = try counter.write(
                "{\"user_id\":[1],\"orders_1h\":[7],\"event_timestamp\":[\"2026-11-02\"]}")
            #expect(answer.status == 500)
            #expect(answer.body == "\"\\\"['spend_24h', 'city'] not in index\\\"\"")
        }
        try WriteContractTests.serving(.python) { (counter) throws in
            let answer = try counter.post("/push", "{\"push_source_name\":\"x\",\"df\":{}}")
            #expect(answer.status == 422)
        }
    }

    @Test func `health is empty, but a word where Go's is wanted`() throws {
        for (style, text) in [(Compatibility.millrace, ""), (.python, ""), (.go, "Healthy")] {
            try WriteContractTests.serving(style) { (counter) throws in
                let answer = try HTTPAsk.send(port: counter.port, path: "/health")
                #expect(answer.status == 200)
                #expect(answer.body == text)
            }
        }
    }

    @Test func `the query asks Go's server for statuses`() throws {
        try WriteContractTests.serving(.go) { (counter) throws in
            for (query, has) in [
                ("", false), ("?status=true", true), ("?x=1&status=true", true),
                ("?status=false", false), ("?", false),
            ] {
                let answer = try counter.post("/get-online-features\(query)", three)
                #expect(answer.body.contains("statuses") == has, "\(query) \(answer)")
            }
        }
    }

    @Test func `the label of a number of features has few values`() {
        #expect(
            [1, 10, 11, 50, 51, 200, 201, 90_000].map(ServingPlan.countLabel)
                == ["1-10", "1-10", "11-50", "11-50", "51-200", "51-200", "201+", "201+"])
    }
}
