import NIOCore
import NIOPosix
import StreamRuntime
import Testing

@testable import FeatureServe

/// More writes than the disk takes.
@Suite struct WriteBoundTests {
    @Test func `beyond what may wait a write is refused with 503, and what waits is written`()
        throws
    {
        func body(_ user: Int) -> [UInt8] {
            Array(
                """
                {"feature_view_name":"user_counters","df":{"user_id":[\(user)],"orders_1h":[\(user)],\
                "spend_24h":[0],"city":["x"],"event_timestamp":["2026-11-02T12:00:00Z"]}}
                """.utf8)
        }
        let waiting = 6
        let rows = StalledRows()
        let store = try Shop.store(rows)
        let metrics = MetricsRegistry()
        let writes = WriteQueue(
            store: store,
            targets: WriteTargets(
                pushSources: ["clicks": ["user_counters"]], views: ["user_counters"]),
            metrics: metrics, bytesMax: waiting * body(1).count)
        defer { writes.stop() }
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        let http = FeatureServer(
            store: store, metrics: metrics, options: options, writes: writes, now: { Shop.noon })
        let port = try http.start()
        defer { http.stop(graceMillis: 200) }
        let grpc = GRPCServer(
            store: store, metrics: metrics, options: options, writes: writes, now: { Shop.noon })
        let grpcPort = try grpc.start()
        defer { grpc.stop(graceMillis: 200) }
        let ask = try GRPCAsk(port: grpcPort)
        defer { ask.close() }
        let loop = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        defer { try? loop.syncShutdownGracefully() }
        func submit(_ user: Int) -> EventLoopFuture<WriteQueue.Reply> {
            body(user).withUnsafeBufferPointer { writes.submit(.view, json: $0, on: loop.next()) }
        }
        rows.isStalled = true
        defer { rows.isStalled = false }
        // One is at the disk; as many as may wait behind it.
        var taken = [submit(0)]
        rows.waitUntilAsked()
        for user in 1...waiting { taken.append(submit(user)) }
        let text = String(decoding: body(90), as: UTF8.self)
        for _ in 0..<2 {
            let refused = try HTTPAsk.send(port: port, path: "/write-to-online-store", body: text)
            #expect(refused.status == 503)
            #expect(refused.body.contains("More is being written than the disk takes; try again"))
        }
        let push =
            "1206636c69636b7322066f6e6c696e652a0b0a046369747912039801002a190a0f6576656e745f74696d657374616d"
            + "70120640c0f6a1d7062a0f0a096f72646572735f3168120218032a160a097370656e645f323468120929000000000000"
            + "f83f2a0d0a07757365725f696412022007"
        let over = try ask.call("/GrpcFeatureServer/Push", unhex(push))
        #expect(over.status == "14", "\(over.message)")
        // Lookups go on meanwhile.
        let lookup = try HTTPAsk.send(
            port: port, path: "/get-online-features",
            body: "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[90]}}")
        #expect(lookup.body.contains("NOT_FOUND"))
        rows.isStalled = false
        for answer in taken { #expect(try answer.wait().status == 200) }
        let again = try HTTPAsk.send(port: port, path: "/write-to-online-store", body: text)
        #expect(again.status == 200)
        for user in [0, waiting, 90] {
            let shown = Shop.ask(
                store,
                "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[\(user)]}}")
            #expect(shown.body.contains("{\"values\":[\(user)],\"statuses\":[\"PRESENT\"]"))
        }
    }
}
