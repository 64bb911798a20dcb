import StreamRuntime
import Testing

@testable import FeatureServe

@Suite struct RESPServerTests {
    @Test func `commands over a socket are answered in order, also after a restart`() throws {
        let directory = RedisShop.temporary()
        defer { _ = RedisShop.discard(directory) }
        let store = try Shop.store()
        try Shop.write([.init(user: 7, orders: 9, at: 0)], to: store)
        for (round, stored) in [(0, ":1"), (1, ":0")] {
            let hashes = try HashStore(path: directory)
            var options = RESPServer.Options()
            options.port = 0
            options.project = "lab"
            options.threads = 1
            let server = try RESPServer(
                store: store, hashes: hashes, metrics: MetricsRegistry(), options: options)
            let port = try server.start()
            let key = RedisShop.user(7)
            var bytes: [UInt8] = []
            for _ in 0..<500 {
                bytes += RedisShop.bytes([
                    Array("HMGET".utf8), key, RedisShop.field("orders_1h"),
                ])
            }
            bytes += Array("HSET k f v\r\nCLUSTER NODES\r\nQUIT\r\nPING\r\n".utf8)
            let answer = RedisShop.text(try HTTPAsk.exchange(port: port, bytes))
            #expect(answer.hasPrefix("*1|$2| .|*1|$2| .|"))
            #expect(answer.contains("|\(stored)|$"), "round \(round): \(answer.suffix(200))")
            #expect(answer.contains("127.0.0.1:\(port)@\(port) myself,master"))
            #expect(answer.hasSuffix("|+OK|"), "nothing is answered after QUIT")
            #expect(throws: JobFailure.self) {
                var taken = options
                taken.port = port
                try RESPServer(
                    store: store, hashes: hashes, metrics: MetricsRegistry(), options: taken
                ).start()
            }
            server.stop()
        }
    }
}
