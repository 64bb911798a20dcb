import StreamRuntime
import Testing

@testable import FeatureServe

/// Commands whose rows are not in memory, over real sockets.
@Suite struct RESPColdTests {
    private func serving(
        _ store: OnlineStore, access: AccessRules = .open, _ body: (Int) throws -> Void
    ) throws {
        let directory = RedisShop.temporary()
        defer { _ = RedisShop.discard(directory) }
        let hashes = try HashStore(path: directory)
        var options = RESPServer.Options()
        options.port = 0
        options.project = "lab"
        options.threads = 1
        options.access = access
        let server = try RESPServer(
            store: store, hashes: hashes, metrics: MetricsRegistry(), options: options)
        let port = try server.start()
        defer { server.stop() }
        try body(port)
    }

    private static func read(_ user: Int64) -> [UInt8] {
        RedisShop.bytes([
            Array("HMGET".utf8), RedisShop.user(user), RedisShop.field("orders_1h"),
        ])
    }

    private static let quit = Array("QUIT\r\n".utf8)

    @Test func `commands on rows at rest wait elsewhere, in order; other connections go on`() throws
    {
        let shop = try ColdShop()
        try serving(shop.store) { port in
            shop.rows.stallsReads = true
            defer { shop.rows.stallsReads = false }
            let write = RedisShop.bytes([
                Array("HSET".utf8), RedisShop.user(3), RedisShop.field("orders_1h"),
                RedisShop.value(7), RedisShop.time, RedisShop.stamp(Shop.noon / 1_000_000 + 1),
            ])
            let commands =
                Self.read(-5) + Self.read(1) + Self.read(-5) + Self.read(2) + write
                + Self.read(3) + RedisShop.bytes([Array("HLEN".utf8), RedisShop.user(4)])
                + Array("MULTI\r\n".utf8) + Self.read(5) + Array("EXEC\r\n".utf8) + Self.quit
            let waiting = Thread {
                let bytes = try? HTTPAsk.exchange(port: port, commands)
                #expect(
                    RedisShop.text(bytes ?? [])
                        == "*1|$2| 7|*1|$2| .|*1|$2| 7|*1|$2| .|:0|*1|$2| .|:4|+OK|+QUEUED|*1|*1|$2| .|+OK|"
                )
            }
            // Answered while the other stands, more than once, on the known way too.
            for _ in 0..<3 {
                let hot = try HTTPAsk.exchange(
                    port: port, Self.read(-5) + Self.read(-5) + Self.quit)
                #expect(RedisShop.text(hot) == "*1|$2| 7|*1|$2| 7|+OK|")
            }
            shop.rows.stallsReads = false
            waiting.join()
        }
    }

    @Test func `a command that waits takes one request of its key's second`() throws {
        let digest = Array("s".utf8).withUnsafeBufferPointer { AccessKey.digest(of: $0) }
        let shop = try ColdShop()
        let rules = AccessRules(keys: [
            AccessKey(name: "slow", digest: digest, reads: .all, perSecond: 3)
        ])
        try serving(shop.store, access: rules) { port in
            let bytes = try HTTPAsk.exchange(
                port: port,
                Array("AUTH s\r\n".utf8) + Self.read(-5) + Self.read(1) + Self.read(2)
                    + Self.read(3) + Self.quit)
            let text = RedisShop.text(bytes)
            #expect(
                text.hasPrefix("+OK|*1|$2| 7|*1|$2| .|*1|$2| .|-ERR the key's requests"), "\(text)")
        }
    }

    @Test func `what is computed is served over gRPC; a Redis client computes it itself`() throws {
        let shop = try ColdShop(onDemand: [ColdShop.score()])
        try serving(shop.store) { port in
            let field = FeastField.name(view: "score", feature: "points")
            let bytes = try HTTPAsk.exchange(
                port: port,
                RedisShop.bytes([Array("HMGET".utf8), RedisShop.user(-5), field]) + Self.quit)
            #expect(RedisShop.text(bytes) == "*1|$-1|+OK|")
        }
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        let server = GRPCServer(
            store: shop.store, metrics: MetricsRegistry(), options: options, now: { Shop.noon })
        let port = try server.start()
        defer { server.stop(graceMillis: 200) }
        let ask = try GRPCAsk(port: port)
        defer { ask.close() }
        for users in [[Int64(-5)], [-5, 1, 9999]] {
            let answer = try ask.call(
                "/feast.serving.ServingService/GetOnlineFeatures",
                ColdShop.request(users, "score:points"))
            #expect(answer.status == "0", "\(answer.message)")
            let found = try GRPCColumn(answer.body, number: 2)
            #expect(found.values == (users.count == 1 ? [55] : [55, 1, nil]))
            #expect(found.statuses == (users.count == 1 ? [1] : [1, 1, 2]))
        }
    }
}
