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
        #expect(shop.ask("DEL other") == ":0|")
        #expect(shop.ask("AUTH default r") == "+OK|")
        for _ in 0..<3 { #expect(read(shop, RedisShop.field("orders_1h")) == "*1|$2| .|") }
        #expect(write(shop, at: Shop.noon / 1_000_000 + 1).hasPrefix("-NOPERM"))
        #expect(shop.ask("HMGET other f").hasPrefix("-NOPERM"))
        #expect(shop.ask("INFO").hasPrefix("-NOPERM"))
        let money = FeastField.name(view: "user_money", feature: "vip")
        #expect(read(shop, money).hasPrefix("-NOPERM"))
        #expect(shop.ask("HELLO 2 AUTH default a").hasPrefix("*14|"))
        #expect(shop.ask("HSET other f v") == ":1|")
        #expect(shop.ask("SCAN 0").hasPrefix("*2|"))
        #expect(shop.ask("RESET") == "+RESET|")
        #expect(read(shop, money) == "-NOAUTH Authentication required.|")
    }

    @Test func `commands on whole keys show and change what the key may`() throws {
        let shop = try shop()
        let user = RedisShop.user(1)
        func key(_ command: String) -> String { shop.ask(words(command) + [user]) }
        #expect(shop.ask("AUTH a") == "+OK|")
        #expect(write(shop, at: Shop.noon / 1_000_000) == ":4|")
        #expect(shop.ask(words("HSET") + [user] + words("own thing")) == ":1|")
        #expect(shop.ask("HSET other f v") == ":1|")
        // Three features and their time; the hash beside them is nobody's view.
        #expect(key("HLEN") == ":5|")
        #expect(shop.ask("AUTH r") == "+OK|")
        #expect(key("HLEN") == ":4|")
        #expect(key("HGETALL").hasPrefix("*8|"))
        #expect(!key("HGETALL").contains("thing"))
        #expect(key("HKEYS").hasPrefix("*4|"))
        #expect(shop.ask(words("HEXISTS") + [user] + words("own")) == ":0|")
        #expect(shop.ask(words("HEXISTS") + [user, RedisShop.time]) == ":1|")
        #expect(key("EXISTS") == ":1|")
        #expect(key("TTL") == ":-1|")
        #expect(shop.ask("EXISTS other") == ":0|")
        #expect(shop.ask("TYPE other") == "+none|")
        #expect(shop.ask("TTL other") == ":-2|")
        let scanned = shop.ask("SCAN 0")
        #expect(scanned.contains("*1|") && !scanned.contains("other"), "\(scanned)")
        #expect(key("DEL").hasPrefix("-NOPERM"))
        #expect(shop.ask("EXPIRE other 5").hasPrefix("-NOPERM"))
        // Who writes the view alone may not take the hash beside it away, and so nothing goes.
        #expect(shop.ask("AUTH w") == "+OK|")
        #expect(key("HGETALL") == "*0|")
        #expect(key("DEL").hasPrefix("-NOPERM"))
        #expect(shop.ask("DEL other").hasPrefix("-NOPERM"))
        #expect(shop.ask("AUTH a") == "+OK|")
        #expect(key("HLEN") == ":5|")
        #expect(shop.ask(words("HDEL") + [user] + words("own")) == ":1|")
        #expect(shop.ask("AUTH w") == "+OK|")
        #expect(key("DEL") == ":1|")
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
