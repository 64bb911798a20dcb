import Testing

@testable import FeatureServe

/// Keys over the Redis protocol: the same rules as on the other lanes.
@Suite struct RESPAccessTests {
    private func shop() throws -> RedisShop {
        func digest(_ secret: String) -> [UInt8] {
            Array(secret.utf8).withUnsafeBufferPointer { AccessKey.digest(of: $0) }
        }
        return try RedisShop(
            access: AccessRules(keys: [
                AccessKey(name: "reader", digest: digest("r"), reads: .some(["user_counters"])),
                AccessKey(name: "writer", digest: digest("w"), writes: .some(["user_counters"])),
                AccessKey(
                    name: "all", digest: digest("a"), reads: .all, writes: .all, isAdmin: true),
                AccessKey(name: "slow", digest: digest("s"), reads: .all, perSecond: 2),
            ]))
    }

    private func words(_ text: String) -> [[UInt8]] {
        text.split(separator: " ").map { Array($0.utf8) }
    }

    private func write(_ shop: RedisShop, at second: Int64) -> String {
        shop.ask(
            words("HSET") + [
                RedisShop.user(1), RedisShop.field("orders_1h"), RedisShop.value(7),
                RedisShop.field("spend_24h"), [], RedisShop.field("city"), [], RedisShop.time,
                RedisShop.stamp(second),
            ])
    }

    private func read(_ shop: RedisShop, _ field: [UInt8]) -> String {
        shop.ask(words("HMGET") + [RedisShop.user(1), field])
    }

    @Test func `a command needs a key, and the right to the views it names`() throws {
        let shop = try shop()
        #expect(read(shop, RedisShop.field("city")) == "-NOAUTH Authentication required.|")
        #expect(shop.ask("AUTH x").hasPrefix("-WRONGPASS"))
        #expect(shop.ask("AUTH w") == "+OK|")
        #expect(write(shop, at: Shop.noon / 1_000_000) == ":4|")
        #expect(read(shop, RedisShop.time).hasPrefix("*1|$"))
        #expect(read(shop, RedisShop.field("orders_1h")).hasPrefix("-NOPERM"))
        #expect(shop.ask("HSET other f v").hasPrefix("-NOPERM"))
        #expect(shop.ask("DEL other").hasPrefix("-NOPERM"))
        #expect(shop.ask("AUTH default r") == "+OK|")
        for _ in 0..<3 { #expect(read(shop, RedisShop.field("orders_1h")) == "*1|$2| .|") }
        #expect(write(shop, at: Shop.noon / 1_000_000 + 1).hasPrefix("-NOPERM"))
        #expect(shop.ask("HMGET other f").hasPrefix("-NOPERM"))
        #expect(shop.ask("SCAN 0").hasPrefix("-NOPERM"))
        #expect(shop.ask(words("HGETALL") + [RedisShop.user(1)]).hasPrefix("-NOPERM"))
        #expect(shop.ask("INFO").hasPrefix("-NOPERM"))
        let money = FeastField.name(view: "user_money", feature: "vip")
        #expect(read(shop, money).hasPrefix("-NOPERM"))
        #expect(shop.ask("HELLO 2 AUTH default a").hasPrefix("*14|"))
        #expect(shop.ask("HSET other f v") == ":1|")
        #expect(shop.ask("SCAN 0").hasPrefix("*2|"))
        #expect(shop.ask("RESET") == "+RESET|")
        #expect(read(shop, money) == "-NOAUTH Authentication required.|")
    }

    @Test func `a key beyond its requests of a second is refused, on the way that is known too`()
        throws
    {
        let shop = try shop()
        #expect(shop.ask("AUTH s") == "+OK|")
        let field = RedisShop.field("orders_1h")
        #expect(read(shop, field).hasPrefix("*1|"))
        #expect(read(shop, field).hasPrefix("*1|"))
        #expect(read(shop, field).hasPrefix("-ERR the key's requests"))
    }
}
