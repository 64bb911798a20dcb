import Codecs
import Glibc
import StreamRuntime
import Testing

@testable import FeatureServe

/// Lookups that wait, over real sockets on the loopback.
@Suite struct SlowLookupTests {
    private func serving(
        _ rows: any OnlineRows = MemoryRows(), views: [FeatureView] = [Shop.counters],
        budget: Int = 1 << 20, _ body: (Int, OnlineStore) throws -> Void
    ) throws {
        let store = try OnlineStore(
            catalog: try FeatureCatalog(entities: [Shop.user], views: views), rows: rows,
            budgetBytes: budget,
            provenance: FeatureProvenance(topics: ["clicks"], sources: ["user_counters": [0]]))
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        let server = FeatureServer(
            store: store, metrics: MetricsRegistry(), options: options, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        try body(port, store)
    }

    private func ask(_ port: Int, users: String = "7", _ more: String) throws -> HTTPAsk.Answer {
        try HTTPAsk.send(
            port: port, path: "/get-online-features",
            body:
                "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[\(users)]}\(more)}"
        )
    }

    @Test func `a lookup that waits for a record is answered when the sink has applied it`() throws
    {
        try serving { port, store in
            let sink = FeatureSink(
                try FeatureWriter(
                    store: store, view: "user_counters", schema: Shop.counterSchema))
            try sink.write(Shop.batch([.init(user: 7, orders: 1, at: Shop.noon)]))
            let writer = Thread {
                while store.board.waiting == 0 { sched_yield() }
                Shop.write([.init(user: 7, orders: 2, at: Shop.noon)], and: 41, to: store)
            }
            let answer = try ask(
                port, ",\"wait_for\":{\"topic\":\"clicks\",\"partition\":0,\"offset\":41}")
            writer.join()
            #expect(answer.status == 200)
            #expect(answer.body.contains("{\"values\":[2]"))
            #expect(answer.body.contains("\"wait_for\":{\"applied\":true}"))
            // What has been applied is not waited for.
            let again = try ask(
                port, ",\"wait_for\":{\"topic\":\"clicks\",\"partition\":0,\"offset\":40}")
            #expect(again.body.contains("\"wait_for\":{\"applied\":true}"))
        }
    }

    @Test(arguments: [
        ",\"wait_for\":{\"topic\":\"clicks\",\"partition\":0,\"offset\":9,\"deadline_ms\":20}",
        ",\"wait_for\":{\"topic\":\"clicks\",\"partition\":0,\"offset\":9},\"deadline_ms\":20",
    ])
    func `at its deadline a lookup is answered with what there is`(more: String) throws {
        try serving { port, store in
            try Shop.write([.init(user: 7, orders: 1, at: Shop.noon)], to: store)
            let answer = try ask(port, more)
            #expect(answer.body.contains("{\"values\":[1]"), "\(answer.body)")
            #expect(answer.body.contains("\"wait_for\":{\"applied\":false}"))
            #expect(store.board.waiting == 0)
        }
    }

    @Test func `requests behind one that waits are answered after it, in order`() throws {
        try serving { port, store in
            try Shop.write([.init(user: 7, orders: 1, at: Shop.noon)], to: store)
            func request(_ more: String) -> String {
                let body =
                    "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[7]}\(more)}"
                return "POST /get-online-features HTTP/1.1\r\nHost: x\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            }
            let both =
                request(
                    ",\"wait_for\":{\"topic\":\"clicks\",\"partition\":0,\"offset\":9,\"deadline_ms\":10}"
                ) + request("")
            let bytes = try HTTPAsk.exchange(port: port, Array(both.utf8), half: true)
            let answers = String(decoding: bytes, as: UTF8.self).split(separator: "HTTP/1.1 200 OK")
            #expect(answers.count == 2)
            #expect(answers.first?.contains("\"applied\":false") == true)
            #expect(answers.last?.contains("applied") == false)
        }
    }

    @Test
    func `while the store stands still lookups are answered in time and every value labelled`()
        throws
    {
        let rows = StalledRows()
        let view = FeatureView(
            name: "user_counters", entity: "user",
            definitions: [
                FeatureDefinition(Field("orders_1h", .int64), defaultValue: .integer(-1)),
                FeatureDefinition(Field("spend_24h", .float64)),
                FeatureDefinition(Field("city", .string), degradation: []),
            ], ttlMicros: 3600 * Shop.second)
        try serving(rows, views: [view], budget: 64 * 4096) { port, store in
            // More than memory holds, so that most rows are at rest.
            for user in 0..<Int64(4000) {
                try Shop.write(
                    [.init(user: user, orders: user, city: "x", at: Shop.noon)], to: store)
            }
            try store.sync()
            // One is in memory for certain, and two hours old.
            try Shop.write(
                [.init(user: -5, orders: 55, city: "y", at: Shop.noon - 7200 * Shop.second)],
                to: store)
            rows.stallsReads = true
            defer { rows.stallsReads = false }
            let body = """
                {"features":["user_counters:orders_1h","user_counters:spend_24h","user_counters:city"],\
                "entities":{"user_id":[0,-5,1]},"include":["degraded"],"deadline_ms":20}
                """
            let answer = try HTTPAsk.send(port: port, path: "/get-online-features", body: body)
            #expect(answer.status == 200)
            for part in [
                "{\"values\":[-1,55,-1],\"statuses\":[\"INVALID\",\"OUTSIDE_MAX_AGE\",\"INVALID\"]",
                "\"degraded\":[\"default\",\"last_known\",\"default\"]",
                "{\"values\":[null,0.0,null]", "\"degraded\":[\"null\",\"last_known\",\"null\"]",
                "{\"values\":[null,null,null]", "\"degraded\":[\"null\",\"null\",\"null\"]",
                "\"deadline_exceeded\":true",
            ] {
                #expect(answer.body.contains(part), "\(part) in \(answer.body)")
            }
            // Others are served meanwhile, and all is well again afterwards.
            #expect(try ask(port, users: "-5", "").body.contains("{\"values\":[55]"))
            rows.stallsReads = false
            let after = try ask(port, users: "0,1", ",\"deadline_ms\":5000")
            #expect(after.body.contains("{\"values\":[0,1],\"statuses\":[\"PRESENT\",\"PRESENT\"]"))
            #expect(after.body.contains("\"deadline_exceeded\":false"))
        }
    }

    @Test func `a large answer is gzip where the client takes it`() throws {
        try serving { port, store in
            for user in 0..<Int64(50) {
                try Shop.write([.init(user: user, orders: user, at: Shop.noon)], to: store)
            }
            let body = """
                {"features":["user_counters:orders_1h","user_counters:spend_24h","user_counters:city"],\
                "entities":{"user_id":[\((0..<50).map { "\($0)" }.joined(separator: ","))]}}
                """
            func answer(_ field: String) throws -> (head: String, body: [UInt8]) {
                let text =
                    "POST /get-online-features HTTP/1.1\r\nHost: x\r\n\(field)Connection: close\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
                let bytes = try HTTPAsk.exchange(port: port, Array(text.utf8))
                let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)))
                return (
                    String(decoding: bytes[..<end.lowerBound], as: UTF8.self),
                    Array(bytes[end.upperBound...])
                )
            }
            let plain = try answer("")
            #expect(!plain.head.contains("content-encoding"))
            #expect(try answer("Accept-Encoding: br, gzip;q=0\r\n").body == plain.body)
            let packed = try answer("Accept-Encoding: gzip, deflate\r\n")
            #expect(packed.head.contains("content-encoding: gzip"))
            #expect(packed.body.count < plain.body.count / 3 * 2)
            var text = [UInt8](repeating: 0, count: plain.body.count + 1)
            let progress = try packed.body.withUnsafeBufferPointer { packed in
                try text.withUnsafeMutableBufferPointer { try Inflater().inflate(packed, into: $0) }
            }
            #expect(Array(text[..<progress.produced]) == plain.body)
        }
    }
}
