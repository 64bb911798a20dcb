import Codecs
import StreamRuntime
import Testing

@testable import FeatureServe

@Suite struct LookupOptionsTests {
    private let ask = "\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[7]}"

    private func store(history: [String: Int64] = [:]) throws -> OnlineStore {
        try OnlineStore(
            catalog: try Shop.catalog(), rows: MemoryRows(), budgetBytes: 1 << 20,
            provenance: FeatureProvenance(
                topics: ["orders", "clicks"], sources: ["user_counters": [1]],
                windows: ["user_counters": ["orders_1h": 3600 * Shop.second]]),
            history: history)
    }

    /// Writes one version as a sink does: record `offset` of partition 2 of the topic "clicks".
    private func write(
        _ store: OnlineStore, orders: Int64?, at: Int64, visible: Int64 = Shop.noon,
        offset: Int64 = 0, epoch: Int64 = 1, change: RowChange = .insert
    ) throws {
        let writer = try FeatureWriter(
            store: store, view: "user_counters", schema: Shop.counterSchema, now: { visible })
        let batch = Shop.batch([.init(user: 7, orders: orders, at: at, change: change)])
        batch.order.origins.int64s[0] = 1 << 32 | 2
        batch.order.offsets.int64s[0] = offset
        _ = try writer.write(batch, epoch: epoch)
    }

    private func asked(_ store: OnlineStore, _ more: String, now: Int64 = Shop.noon) -> String {
        Shop.ask(store, "{\(ask)\(more)}", now: now).body
    }

    @Test func `an answer without options is what it always was`() throws {
        let store = try store()
        try write(store, orders: 3, at: Shop.noon - Shop.second)
        let plain = asked(store, "")
        #expect(
            plain == """
                {"results":[{"values":[7],"statuses":["PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z"]},\
                {"values":[3],"statuses":["PRESENT"],"event_timestamps":["2026-11-02T11:59:59Z"]}],\
                "metadata":{"feature_names":["user_id","orders_1h"]}}
                """)
        #expect(asked(store, ",\"include\":[],\"consistency\":\"latest\"") == plain)
        #expect(asked(store, ",\"wait_for\":null,\"as_of\":null") == plain)
    }

    @Test func `details come as further members of the column`() throws {
        let store = try store()
        try write(store, orders: 3, at: Shop.noon - Shop.second, offset: 41)
        let body = asked(
            store,
            ",\"include\":[\"event_time\",\"visible_time\",\"age\",\"interval\",\"offsets\"]",
            now: Shop.noon + Shop.second / 2)
        #expect(
            body.contains(
                """
                "event_timestamps":["2026-11-02T11:59:59Z"],\
                "visible_timestamps":["2026-11-02T12:00:00Z"],"ages":[1.5],\
                "intervals":[{"from":"2026-11-02T10:59:59.000001Z","to":"2026-11-02T11:59:59.000001Z"}],\
                "offsets":[{"topic":"clicks","partition":2,"offset":41}]}
                """), "\(body)")
        // A push has no place in a log, and an unknown user has nothing.
        try Shop.write([.init(user: 7, orders: 4, at: Shop.noon)], to: store)
        #expect(
            asked(store, ",\"include\":[\"offsets\"]").contains(
                "\"offsets\":[{\"topic\":null,\"made_by\":\"push\"}]"))
        // Neither has the result of a window: many records made it.
        let window = try FeatureWriter(
            store: store, view: "user_counters", schema: Shop.counterSchema, now: { Shop.noon })
        let batch = Shop.batch([.init(user: 7, orders: 5, at: Shop.noon)])
        batch.order.origins.int64s[0] = RowOrder.derived + 3
        _ = try window.write(batch, epoch: 1)
        #expect(
            asked(store, ",\"include\":[\"offsets\"]").contains(
                "\"offsets\":[{\"topic\":null,\"made_by\":\"step\"}]"))
        let unknown = Shop.ask(
            store,
            """
            {"features":["user_counters:orders_1h"],"entities":{"user_id":[8,7]},"include":["age"]}
            """, now: Shop.noon)
        #expect(unknown.body.contains("\"ages\":[null,0.0]"))
    }

    @Test func `topics keep their names when the plan's sources move`() throws {
        let rows = MemoryRows()
        func open(_ topics: [String]) throws -> OnlineStore {
            try OnlineStore(
                catalog: try Shop.catalog(), rows: rows,
                provenance: FeatureProvenance(topics: topics))
        }
        let before = try open(["orders", "clicks"])
        try write(before, orders: 3, at: 5, offset: 9)
        try before.sync()
        let after = try open(["clicks", "orders", "payments"])
        #expect(
            asked(after, ",\"include\":[\"offsets\"]").contains(
                "{\"topic\":\"clicks\",\"partition\":2,\"offset\":9}"))
    }

    @Test(arguments: [
        ("\"include\":[\"colour\"]", "include knows only event_time, visible_time"),
        ("\"include\":\"age\"", "include is not a list"),
        ("\"consistency\":\"strong\"", "neither"),
        ("\"as_of\":\"yesterday\"", "as_of is not a time"),
        ("\"deadline_ms\":0", "between 1 and 60000"),
        ("\"deadline_ms\":1.5", "whole number"),
        ("\"wait_for\":{\"topic\":\"clicks\"}", "needs a topic, a partition and an offset"),
        (
            "\"wait_for\":{\"topic\":\"orders\",\"partition\":0,\"offset\":1}",
            "feeds none of the views"
        ), ("\"as_of\":5", "keeps no history"),
    ])
    func `what cannot be understood is refused with what would be`(
        member: String, message: String
    ) throws {
        let answer = Shop.ask(try store(), "{\(ask),\(member)}")
        #expect(answer.status == 422)
        #expect(answer.body.contains(message), "\(answer.body)")
    }

    @Test func `as of a past moment the answer is what was served then`() throws {
        let day: Int64 = 86_400 * Shop.second
        let store = try store(history: ["user_counters": day])
        let start = Shop.noon - 10_000 * Shop.second
        func at(_ second: Int64) -> Int64 { start + second * Shop.second }
        // Each is visible two seconds after its event; the last but one came late, the last is a deletion.
        try write(store, orders: 1, at: at(100), visible: at(102))
        try write(store, orders: 2, at: at(200), visible: at(202))
        try write(store, orders: nil, at: at(300), visible: at(302))
        try write(store, orders: 4, at: at(400), visible: at(900))
        try write(store, orders: nil, at: at(500), visible: at(950), change: .delete)
        let table: [(second: Int64, shown: String)] = [
            (99, "[null],\"statuses\":[\"NOT_FOUND\"]"),
            (101, "[null],\"statuses\":[\"NOT_FOUND\"]"), (102, "[1],\"statuses\":[\"PRESENT\"]"),
            (201, "[1],\"statuses\":[\"PRESENT\"]"), (202, "[2],\"statuses\":[\"PRESENT\"]"),
            (302, "[null],\"statuses\":[\"NULL_VALUE\"]"),
            (899, "[null],\"statuses\":[\"NULL_VALUE\"]"), (900, "[4],\"statuses\":[\"PRESENT\"]"),
            (950, "[null],\"statuses\":[\"NOT_FOUND\"]"),
        ]
        for row in table {
            let body = asked(store, ",\"as_of\":\(at(row.second) / Shop.second)")
            #expect(body.contains("{\"values\":\(row.shown)"), "\(row.second): \(body)")
        }
        // The ttl is an hour, counted from the moment asked about.
        try write(store, orders: 9, at: at(1000), visible: at(1000))
        let later = asked(store, ",\"as_of\":\(at(1000 + 3601) / Shop.second)")
        #expect(later.contains("{\"values\":[9],\"statuses\":[\"OUTSIDE_MAX_AGE\"]"))
        #expect(later.contains("\"as_of\":\"2026-11-02T10:30:01Z\""), "\(later)")
        for (moment, message) in [
            ((Shop.noon - day) / Shop.second - 1, "before what feature view user_counters keeps"),
            (Shop.noon / Shop.second + 1, "in the future"),
        ] {
            #expect(asked(store, ",\"as_of\":\(moment)").contains(message))
        }
    }

    @Test func `history is trimmed to its retention, but for the version that was current then`()
        throws
    {
        let store = try store(history: ["user_counters": 100 * Shop.second])
        let now = WallClock.micros()
        for age: Int64 in [500, 400, 300, 200, 50, 10] {
            try write(
                store, orders: age, at: now - age * Shop.second, visible: now - age * Shop.second)
        }
        try store.sync()
        let history = store.histories[0]
        #expect(history.figures == (6, 3))
        try store.sync()
        #expect(history.figures == (6, 3))
        let body = asked(store, ",\"as_of\":\(Double(now - 90 * Shop.second) / 1e6)", now: now)
        #expect(body.contains("{\"values\":[200]"), "\(body)")
    }

    @Test func `a lookup says whether the record it waits for has been applied`() throws {
        let store = try store()
        try write(store, orders: 3, at: Shop.noon)
        let wait = ",\"wait_for\":{\"topic\":\"clicks\",\"partition\":2,\"offset\":41}"
        #expect(asked(store, wait).contains("\"wait_for\":{\"applied\":false}"))
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { Shop.noon })
        let answer = ByteArena()
        var text = "{\(ask)\(wait)}"
        let outcome = text.withUTF8 { engine.attempt($0, .prompt, into: answer) }
        guard case .deferred(let deferral) = outcome, let record = deferral.record else {
            Issue.record("\(outcome)")
            return
        }
        #expect(record.offset == 41)
        let woken = Woken()
        let id = store.board.wait(for: record.targets, offset: 41) { woken.count() }
        #expect(id != nil)
        let sink = FeatureSink(
            try FeatureWriter(store: store, view: "user_counters", schema: Shop.counterSchema))
        sink.reach(SourceMark(origin: 1 << 32 | 2, offset: 40, time: 0))
        sink.reach(SourceMark(origin: 1 << 32 | 3, offset: 99, time: 0))
        #expect(woken.value == 0)
        sink.reach(SourceMark(origin: 1 << 32 | 2, offset: 50, time: 0))
        #expect(woken.value == 1)
        #expect(store.board.waiting == 0)
        #expect(asked(store, wait).contains("\"wait_for\":{\"applied\":true}"))
    }
}

@Suite struct PackedAnswerTests {
    @Test(arguments: [1, 8, 100, 2000])
    func `a packed answer is the plain one`(rows: Int) throws {
        let store = try Shop.store()
        for user in 0..<Int64(rows) where user % 7 != 3 {
            try Shop.write(
                [
                    .init(
                        user: user, orders: user % 11 == 5 && rows == 100 ? nil : user * 3,
                        city: "town \(user)", at: Shop.noon - user)
                ], to: store)
        }
        var body = """
            {"features":["user_counters:orders_1h","user_counters:spend_24h","user_counters:city",\
            "user_money:vip","user_money:since"],"entities":{"user_id":[\((0..<rows).map { "\($0)" }
                .joined(separator: ","))]}}
            """
        let plain = Shop.ask(store, body).body
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { Shop.noon })
        let literals = ByteArena()
        let outcome = body.withUTF8 {
            engine.attempt($0, LookupStage(packs: true), into: literals)
        }
        guard case .answered(200) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        // Few rows are not worth it, and those of many stand too far apart.
        #expect(engine.repeats.isEmpty == (rows < LookupAnswer.packedRowsMin || rows == 2000))
        let packer = RepeatGzip()
        let packed = packer.encode(
            UnsafeBufferPointer(start: literals.base, count: literals.count),
            repeats: engine.repeats)
        var text = [UInt8](repeating: 0, count: plain.utf8.count + 1)
        let progress = try text.withUnsafeMutableBufferPointer {
            try Inflater().inflate(packed, into: $0)
        }
        withExtendedLifetime(packer) {}
        #expect(String(decoding: text[..<progress.produced], as: UTF8.self) == plain)
    }
}
