import Codecs
import NIOCore
import StreamRuntime
import Testing

@testable import FeatureServe

/// Rows that are not in memory hold up nobody but who asks for them, on every lane.
@Suite struct ColdRowTests {
    private static let lookup = "/feast.serving.ServingService/GetOnlineFeatures"

    private func grpc(
        _ shop: ColdShop, served: ServedLog? = nil, _ body: (GRPCAsk) throws -> Void
    ) throws {
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        options.served = served
        let server = GRPCServer(
            store: shop.store, metrics: MetricsRegistry(), options: options, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        let ask = try GRPCAsk(port: port)
        defer { ask.close() }
        try body(ask)
    }

    private func http(
        _ shop: ColdShop, served: ServedLog? = nil, _ body: (Int) throws -> Void
    ) throws {
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        options.served = served
        let server = FeatureServer(
            store: shop.store, metrics: MetricsRegistry(), options: options, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        try body(port)
    }

    private func column(_ body: [UInt8]) throws -> GRPCColumn { try GRPCColumn(body, number: 2) }

    @Test
    func `a gRPC lookup of rows at rest is answered when they are read; others go ahead of it`()
        throws
    {
        let shop = try ColdShop()
        try grpc(shop) { ask in
            shop.rows.stallsReads = true
            defer { shop.rows.stallsReads = false }
            let cold = try ask.begin(
                Self.lookup, [GRPCAsk.framed(ColdShop.request(ColdShop.cold))])
            let hot = try ask.call(Self.lookup, ColdShop.request([-5]))
            #expect(try column(hot.body).values == [55], "\(hot.message)")
            shop.rows.stallsReads = false
            let answer = try cold.wait()
            #expect(answer.status == "0", "\(answer.message)")
            let found = try column(answer.body)
            #expect(found.values == [0, 1])
            #expect(found.statuses == [1, 1])
            #expect(answer.notes == [:])
        }
    }

    @Test(arguments: [("grpc-timeout", "60m"), ("millrace-deadline-ms", "20")])
    func `a gRPC lookup with a bound is answered in time, every value labelled`(
        field: String, value: String
    ) throws {
        let shop = try ColdShop()
        try grpc(shop) { ask in
            shop.rows.stallsReads = true
            defer { shop.rows.stallsReads = false }
            let answer = try ask.call(Self.lookup, ColdShop.request([0, -5]), [(field, value)])
            #expect(answer.status == "0", "\(answer.message)")
            let found = try column(answer.body)
            #expect(found.values == [nil, 55])
            // INVALID: nothing is known of it.
            #expect(found.statuses == [0, 1])
            #expect(answer.notes == ["millrace-deadline-exceeded": "true"])
        }
    }

    @Test func `over gRPC a lookup may be about a past moment, a checkpoint, or a record`() throws {
        let shop = try ColdShop(history: ["user_counters": 3600 * Shop.second])
        try Shop.write(
            [.init(user: -5, orders: 56, at: Shop.noon + 60 * Shop.second)], to: shop.store)
        try grpc(shop) { ask in
            func asked(_ fields: (String, String)...) throws -> GRPCAsk.Answer {
                try ask.call(Self.lookup, ColdShop.request([-5]), fields)
            }
            #expect(try column(try asked().body).values == [56])
            for moment in ["2026-11-02T12:00:00Z", "\(Shop.noon / Shop.second)"] {
                let past = try asked(("millrace-as-of", moment))
                #expect(past.status == "0", "\(past.message)")
                #expect(try column(past.body).values == [55])
            }
            let snapshot = try asked(("millrace-consistency", "snapshot"))
            #expect(snapshot.notes["millrace-snapshot-epoch"] == "0", "\(snapshot.message)")
            let late = try asked(("millrace-wait-for", "clicks/0/7"), ("millrace-wait-ms", "20"))
            #expect(late.notes == ["millrace-applied": "false"], "\(late.message)")
            #expect(try column(late.body).values == [56])
            let waiting = try ask.begin(
                Self.lookup, [GRPCAsk.framed(ColdShop.request([-5]))],
                [("millrace-wait-ms", "60000"), ("millrace-wait-for", "clicks/0/8")])
            Shop.write(
                [.init(user: -5, orders: 57, at: Shop.noon + 90 * Shop.second)], and: 8,
                to: shop.store)
            let applied = try waiting.wait()
            #expect(applied.notes == ["millrace-applied": "true"])
            #expect(try column(applied.body).values == [57])
            for (field, value, part) in [
                ("millrace-as-of", "yesterday", "write 2026-11-21T09:30:00Z"),
                ("millrace-wait-for", "clicks/7", "TOPIC/PARTITION/OFFSET"),
                ("millrace-wait-for", "views/0/7", "feeds none"),
                ("millrace-deadline-ms", "0", "milliseconds"),
                ("millrace-colour", "red", "there are millrace-as-of"),
            ] {
                let refused = try asked((field, value))
                #expect(refused.status == "3")
                #expect(refused.message.contains(part), "\(refused.message)")
            }
        }
    }

    @Test func `a ranking of rows at rest waits off the event loop, up to its deadline`() throws {
        let shop = try ColdShop(onDemand: [ColdShop.score()])
        try http(shop) { port in
            shop.rows.stallsReads = true
            defer { shop.rows.stallsReads = false }
            let body = "{\"candidates\":[{\"user_id\":1},{\"user_id\":-5}]"
            let late = try HTTPAsk.send(
                port: port, path: "/rank/best", body: body + ",\"deadline_ms\":20}")
            #expect(late.status == 200)
            #expect(late.body.contains("\"keys\":{\"user_id\":-5},\"score\":55"), "\(late.body)")
            #expect(
                late.body.contains(
                    "\"keys\":{\"user_id\":1},\"score\":null,\"status\":\"INVALID\""),
                "\(late.body)")
            let waiting = Thread {
                let answer = try? HTTPAsk.send(port: port, path: "/rank/best", body: body + "}")
                #expect(answer?.body.contains("\"keys\":{\"user_id\":1},\"score\":1") == true)
            }
            // The loop is free meanwhile.
            let hot = try HTTPAsk.send(
                port: port, path: "/rank/best", body: "{\"candidates\":[{\"user_id\":-5}]}")
            #expect(hot.body.contains("\"score\":55"))
            shop.rows.stallsReads = false
            waiting.join()
        }
    }

    @Test
    func `what is sampled of a lookup that had to wait is noted once, and alike on every lane`()
        throws
    {
        func values(_ log: ServedLog) -> [String] {
            log.take().map { String(decoding: $0.value, as: UTF8.self) }.sorted()
        }
        let shop = try ColdShop()
        let byHTTP = ServedLog(share: 1, metrics: MetricsRegistry())
        try http(shop, served: byHTTP) { port in
            let answer = try HTTPAsk.send(
                port: port, path: "/get-online-features",
                body:
                    "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[0,-5,1]}}"
            )
            #expect(answer.status == 200)
        }
        let first = values(byHTTP)
        #expect(first.count == 3)
        let again = try ColdShop()
        let byGRPC = ServedLog(share: 1, metrics: MetricsRegistry())
        try grpc(again, served: byGRPC) { ask in
            let answer = try ask.call(Self.lookup, ColdShop.request([0, -5, 1]))
            #expect(answer.status == "0")
        }
        #expect(values(byGRPC) == first)
    }
}
