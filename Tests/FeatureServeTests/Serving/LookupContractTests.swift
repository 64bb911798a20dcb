import StreamRuntime
import Testing

@testable import FeatureServe

/// Feast's wire, as its clients expect it.
@Suite struct LookupContractTests {
    @Test func `an answer is columns: entity keys first, then the features as they were asked for`()
        throws
    {
        let store = try Shop.store()
        try Shop.write(
            [
                .init(
                    user: 2, orders: 9, spend: 2, city: "Zürich \"X\"", at: Shop.noon - 5_500_000),
                .init(user: 3, orders: nil, spend: 0.1, city: nil, at: Shop.noon - 1),
            ], to: store)
        let answer = Shop.ask(
            store,
            """
            {"entities":{"user_id":[2,3,4]},"features":["user_counters:spend_24h",\
            "user_counters:orders_1h","user_counters:city"],"ignored":{"a":[1,{}]}}
            """)
        #expect(answer.status == 200)
        let epoch = "\"1970-01-01T00:00:00Z\""
        let times = """
            "event_timestamps":["2026-11-02T11:59:54.500Z","2026-11-02T11:59:59.999999Z",\(epoch)]}
            """
        #expect(
            answer.body == """
                {"results":[\
                {"values":[2,3,4],"statuses":["PRESENT","PRESENT","PRESENT"],\
                "event_timestamps":[\(epoch),\(epoch),\(epoch)]},\
                {"values":[2.0,0.1,null],"statuses":["PRESENT","PRESENT","NOT_FOUND"],\(times),\
                {"values":[9,null,null],"statuses":["PRESENT","NULL_VALUE","NOT_FOUND"],\(times),\
                {"values":["Zürich \\"X\\"",null,null],"statuses":["PRESENT","NULL_VALUE","NOT_FOUND"],\(times)],\
                "metadata":{"feature_names":["user_id","spend_24h","orders_1h","city"]}}
                """)
    }

    @Test func `a value is outside its max age strictly after the ttl, and still given`() throws {
        let store = try Shop.store()
        let ttl = Shop.counters.ttlMicros
        try Shop.write([.init(user: 1, orders: 5, at: Shop.noon)], to: store)
        let body = "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[1]}}"
        for (now, status) in [
            (Shop.noon + ttl, "PRESENT"), (Shop.noon + ttl + 1, "OUTSIDE_MAX_AGE"),
            (Shop.noon - 1, "PRESENT"),
        ] {
            let answer = Shop.ask(store, body, now: now).body
            #expect(answer.contains("{\"values\":[5],\"statuses\":[\"\(status)\"]"), "\(answer)")
        }
    }

    @Test func `every type has its form on the wire`() throws {
        let store = try Shop.store()
        let schema = Schema([Field("user_id", .int64)] + Shop.money.features)
        let batch = ColumnBatch(schema: schema, capacity: 2)
        batch.columns[0].append(Int64(1))
        batch.columns[1].append(Int128(-5))
        batch.columns[2].append(Int64(-1))
        batch.columns[3].append(Int64(-1))
        batch.columns[4].append(true)
        [UInt8(0), 255, 16, 7].withUnsafeBufferPointer { batch.columns[5].append($0) }
        batch.columns[6].children[0].append(Int64(3))
        batch.columns[6].children[0].appendNull()
        batch.columns[6].appendList(from: 0)
        batch.order.append(eventTime: Shop.noon, watermark: .min, origin: 0, offset: 0)
        batch.count = 1
        let writer = try FeatureWriter(store: store, view: "user_money", schema: schema)
        _ = try writer.write(batch)
        let names = Shop.money.features.map { "\"user_money:\($0.name)\"" }.joined(separator: ",")
        let answer = Shop.ask(store, "{\"features\":[\(names)],\"entities\":{\"user_id\":[1]}}")
            .body
        let values = answer.components(separating: "{\"values\":[").dropFirst(2).map {
            $0.components(separating: "],\"statuses\"")[0]
        }
        #expect(
            values == ["\"-0.05\"", "-1", "\"1969-12-31\"", "true", "\"AP8QBw==\"", "[3,null]"])
    }

    @Test(arguments: [
        (2.0, "2.0"), (0.1, "0.1"), (1e300, "1e+300"), (-0.0, "-0.0"), (.infinity, "\"Infinity\""),
        (-.infinity, "\"-Infinity\""), (.leastNonzeroMagnitude, "5e-324"),
        (0.10000000149011612, "0.10000000149011612"),
    ])
    func `a float always shows a point or an exponent`(value: Double, text: String) throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 0, spend: value, at: 1)], to: store)
        let answer = Shop.ask(
            store, "{\"features\":[\"user_counters:spend_24h\"],\"entities\":{\"user_id\":[1]}}",
            now: 1)
        #expect(
            answer.body.contains("{\"values\":[\(text)],\"statuses\":[\"PRESENT\"]"), "\(answer)")
    }

    @Test func `not a number is a null value`() throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 0, spend: .nan, at: 1)], to: store)
        let answer = Shop.ask(
            store, "{\"features\":[\"user_counters:spend_24h\"],\"entities\":{\"user_id\":[1]}}",
            now: 1)
        #expect(answer.body.contains("{\"values\":[null],\"statuses\":[\"NULL_VALUE\"]"))
    }

    @Test func `keys are coerced where nothing is lost`() throws {
        let store = try Shop.store()
        try Shop.write(
            [.init(user: 1, orders: 5, at: 1), .init(user: -2, orders: 6, at: 1)], to: store)
        for (key, values) in [
            ("1", "5"), ("\"1\"", "5"), ("1.0", "5"), ("\"-2\"", "6"), ("-2.000", "6"),
        ] {
            let answer = Shop.ask(
                store,
                "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[\(key)]}}",
                now: 1)
            #expect(answer.body.contains("{\"values\":[\(values)]"), "\(key): \(answer)")
        }
        for key in ["null", "1.5", "\"x\"", "9223372036854775808", "true", "[1]", "\"\"", "1e2"] {
            let answer = Shop.ask(
                store,
                "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[\(key)]}}")
            #expect(answer.status == 422, "\(key)")
            #expect(answer.body.hasPrefix("\"{\\\"module\\\": \\\"feast.errors\\\""), "\(answer)")
        }
    }

    @Test func `composite keys, entity names for single keys, unknown keys and full names`() throws
    {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 5, at: 1)], to: store)
        let schema = Schema([
            Field("product_id", .string), Field("store_id", .string), Field("p_found", .float64),
        ])
        let batch = ColumnBatch(schema: schema, capacity: 1)
        batch.columns[0].append("00\u{0}1")
        batch.columns[1].append("s\"1")
        batch.columns[2].append(0.93)
        batch.order.append(eventTime: 1, watermark: .min, origin: 0, offset: 0)
        batch.count = 1
        _ = try FeatureWriter(store: store, view: "availability", schema: schema).write(batch)
        let answer = Shop.ask(
            store,
            """
            {"features":["availability:p_found","user_counters:orders_1h"],"full_feature_names":true,\
            "include_feature_view_version_metadata":true,\
            "entities":{"product_id":["00\\u00001"],"user":[1],"else":["x"],"store_id":["s\\"1"]}}
            """, now: 1)
        #expect(answer.status == 200)
        #expect(answer.body.contains("{\"values\":[0.93],\"statuses\":[\"PRESENT\"]"), "\(answer)")
        #expect(
            answer.body.hasSuffix(
                """
                "metadata":{"feature_names":["product_id","user_id","store_id",\
                "availability__p_found","user_counters__orders_1h"],\
                "feature_view_metadata":[{"name":"availability"},{"name":"user_counters"}]}}
                """), "\(answer)")
        #expect(answer.body.contains("{\"values\":[\"s\\\"1\"]"))
    }

    @Test func `a service answers its features in its order and wins over features`() throws {
        let store = try Shop.store()
        let answer = Shop.ask(
            store,
            """
            {"feature_service":"fraud","features":["nonsense"],"entities":{"user_id":{"val":["1"]}}}
            """)
        #expect(answer.body.hasSuffix("[\"user_id\",\"spend_24h\",\"vip\"]}}"), "\(answer)")
    }

    @Test(arguments: [
        (
            "{\"features\":[\"nope:x\"],\"entities\":{\"user_id\":[1]}}", 404,
            "FeatureViewNotFoundException"
        ),
        (
            "{\"features\":[\"user_counters:x\"],\"entities\":{\"user_id\":[1]}}", 404,
            "SpecifiedFeaturesNotPresentError"
        ),
        (
            "{\"feature_service\":\"x\",\"entities\":{\"user_id\":[1]}}", 404,
            "FeatureServiceNotFoundException"
        ),
        (
            "{\"features\":[\"availability:p_found\"],\"entities\":{\"store_id\":[\"s\"]}}", 404,
            "EntityNotFoundException"
        ),
        (
            "{\"features\":[\"user_counters:city\",\"user_counters:city\"],\"entities\":{\"user_id\":[1]}}",
            500, "FeatureNameCollisionError"
        ),
        (
            "{\"features\":[\"user_counters@v2:city\"],\"entities\":{\"user_id\":[1]}}", 422,
            "FeastError"
        ),
        ("{\"features\":[],\"entities\":{\"user_id\":[1]}}", 422, "FeastError"),
        ("{\"features\":[\"user_counters:city\"],\"entities\":{}}", 422, "FeastError"),
        ("{\"features\":[\"user_counters:city\"]}", 422, "FeastError"),
        (
            "{\"features\":[\"user_counters:city\"],\"entities\":{\"user_id\":[]}}", 422,
            "FeastError"
        ),
        (
            "{\"features\":[\"availability:p_found\"],\"entities\":{\"store_id\":[\"s\"],\"product_id\":[\"a\",\"b\"]}}",
            422, "All entity rows must have the same columns."
        ),
    ])
    func `what cannot be answered has Feast's class and status`(
        body: String, status: Int, says: String
    ) throws {
        let answer = Shop.ask(try Shop.store(), body)
        #expect(answer.status == status)
        #expect(answer.body.contains(says), "\(answer)")
        #expect(
            answer.body.hasPrefix("\"{\\\"module\\\": \\\"feast.errors\\\", \\\"class\\\": \\\""))
    }

    @Test(arguments: [
        "", "{", "[]", "{\"features\":[1]}", "{\"a\":tru}", "{\"a\":01}", "{\"a\":1.}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\u{1}\"}", "{\"a\":\"\\ud800\"}", "{} x", "{\"a\":1,}", "{'a':1}",
        "{\"entities\":[1]}",
        "{\"full_feature_names\":1}", "nul", "{\"a\":" + String(repeating: "[", count: 500),
    ])
    func `a body that is not the JSON asked for is refused with its place`(body: String) throws {
        let answer = Shop.ask(try Shop.store(), body)
        #expect(answer.status == 422)
        #expect(answer.body.hasPrefix("{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\","))
    }

    @Test(arguments: [11, 12, 13] as [UInt64])
    func `no mutation of a request crashes or is answered with anything but JSON`(seed: UInt64)
        throws
    {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 5, at: 1)], to: store)
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { 1 })
        let whole = Array(
            """
            {"features":["user_counters:spend_24h","user_counters:city"],"full_feature_names":false,\
            "entities":{"user_id":[1,"2",3.0,-4e1],"x":["\\u00e9\\n"]}}
            """.utf8)
        var random = SplitMix(state: seed)
        let out = ByteArena()
        for _ in 0..<700 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(Array("{}[]\",:0".utf8).randomElement(using: &random)!, at: at)
                default: bytes.removeSubrange(at...)
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            out.count = 0
            let status = bytes.withUnsafeBufferPointer { engine.answer($0, into: out) }
            #expect([200, 404, 422, 500].contains(status), "seed \(seed)")
            var scanner = JSONScanner(UnsafeBufferPointer(start: out.base, count: out.count))
            let isJSON = (try? scanner.value()) != nil && scanner.peek() == 0
            #expect(isJSON, "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test func `a list of features asked for before is told from others`() throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 1, orders: 5, spend: 2, city: "c", at: 1)], to: store)
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { 1 })
        func ask(_ features: String, full: Bool = false) -> (status: Int, body: String) {
            Shop.ask(
                engine,
                "{\"features\":\(features),\"full_feature_names\":\(full),\"entities\":{\"user_id\":[1]}}"
            )
        }
        let one = "[\"user_counters:orders_1h\"]"
        let two = "[\"user_counters:orders_1h\",\"user_counters:city\"]"
        for _ in 0..<2 {
            #expect(ask(one).body.hasSuffix("[\"user_id\",\"orders_1h\"]}}"))
            #expect(
                ask(one, full: true).body.hasSuffix("[\"user_id\",\"user_counters__orders_1h\"]}}"))
            #expect(ask(two).body.hasSuffix("[\"user_id\",\"orders_1h\",\"city\"]}}"))
            #expect(ask("[]").status == 422)
            #expect(ask(one + "x").status == 422)
        }
        for index in 0..<(LookupEngine.planCount + 10) {
            let spaces = String(repeating: " ", count: index)
            #expect(ask("[\(spaces)\"user_counters:city\"]").body.contains("{\"values\":[\"c\"]"))
        }
        #expect(ask(one).body.contains("{\"values\":[5]"))
    }

    @Test func `a person sees values, event times, statuses and ages`() throws {
        let store = try Shop.store()
        try Shop.write(
            [.init(user: 1, orders: 5, spend: 2.5, city: nil, at: Shop.noon - 90 * Shop.second)],
            to: store)
        let lookup = try Lookup.inStore(
            store, view: "user_counters", keys: ["1"], nowMicros: Shop.noon)
        #expect(
            lookup.table == """
                user_counters  user_id=1
                feature    value  status      event time            age
                orders_1h  5      PRESENT     2026-11-02T11:58:30Z  90.0 s
                spend_24h  2.5    PRESENT     2026-11-02T11:58:30Z  90.0 s
                city       null   NULL_VALUE  2026-11-02T11:58:30Z  90.0 s

                """)
        #expect(
            lookup.json.hasPrefix(
                "{\"view\":\"user_counters\",\"keys\":[\"user_id=1\"],\"features\":[{\"name\":\"orders_1h\","
                    + "\"value\":5,\"status\":\"PRESENT\",\"event_time\":\"2026-11-02T11:58:30Z\",\"age_seconds\":90.0}"
            ))
        #expect(throws: JobFailure.self) { try Lookup.inStore(store, view: "nope", keys: ["1"]) }
        #expect(throws: JobFailure.self) {
            try Lookup.inStore(store, view: "user_counters", keys: ["1", "2"])
        }
    }
}
