import StreamRuntime
import Synchronization
import Testing

@testable import FeatureServe

@Suite struct RESPEngineTests {
    private typealias Wire = RedisShop
    private let orders = RedisShop.field("orders_1h")
    private let spend = RedisShop.field("spend_24h")
    private let city = RedisShop.field("city")

    private func word(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func `a row a pipeline wrote is read in Feast's layout, in any order of the fields`()
        throws
    {
        let shop = try RedisShop()
        let at: Int64 = 1_577_836_800_000_000
        try Shop.write([.init(user: 7, orders: 9, spend: 0.93, city: "", at: at)], to: shop.store)
        let key = Wire.user(7)
        let whole =
            word("*4\r\n$2\r\n") + hex("2009") + word("\r\n$9\r\n")
            + hex("29c3f5285c8fc2ed3f") + word("\r\n$2\r\n") + hex("1200") + word("\r\n$6\r\n")
            + hex("0880c2aff005") + word("\r\n")
        let command = Wire.bytes([word("HMGET"), key, orders, spend, city, Wire.time])
        // From the second time on the list of fields is known, and nothing but the key is parsed.
        for known in 0..<3 {
            #expect(shop.raw(command) == whole)
            #expect(shop.engine.knownReads == known)
        }
        #expect(
            shop.raw(Wire.bytes([word("HMGET"), key, Wire.time, orders, word("none"), orders]))
                == word("*4\r\n$6\r\n") + hex("0880c2aff005") + word("\r\n$2\r\n") + hex("2009")
                + word("\r\n$-1\r\n$2\r\n") + hex("2009") + word("\r\n"))
        #expect(shop.ask([word("HGET"), key, orders]) == "$2| .|")
        #expect(shop.ask([word("HMGET"), Wire.user(8), orders, spend]) == "*2|$-1|$-1|")
        #expect(shop.ask([word("HMGET"), Wire.user(7, project: "other"), orders]) == "*1|$-1|")
        let pipelined = shop.raw(command + command + Wire.bytes([word("PING")]))
        #expect(pipelined == whole + whole + word("+PONG\r\n"))
    }

    @Test func `commands that arrive in pieces wait for their rest`() throws {
        let shop = try RedisShop()
        try Shop.write([.init(user: 7, orders: 9, at: 0)], to: shop.store)
        let command = Wire.bytes([word("HMGET"), Wire.user(7), orders, Wire.time])
        let whole = shop.raw(command)
        #expect(whole.starts(with: word("*2\r\n")))
        for length in 1..<command.count {
            #expect(shop.raw(Array(command[..<length])) == [], "\(length) bytes")
        }
        #expect(shop.raw(command) == whole)
    }

    @Test func `a row that is set with its time is an upsert by event time`() throws {
        let shop = try RedisShop()
        let key = Wire.user(7)
        func set(_ seconds: Int64, _ count: Int64) -> String {
            shop.ask([
                word("HSET"), key, Wire.time, Wire.stamp(seconds), orders, Wire.value(count), spend,
                [], city, Wire.value("x"),
            ])
        }
        #expect(set(100, 1) == ":4|")
        #expect(set(200, 2) == ":0|")
        #expect(set(150, 3) == ":0|")
        #expect(shop.ask([word("HMGET"), key, orders, spend, city]) == "*3|$2| .|$0||$3|..x|")
        #expect(
            Shop.ask(
                shop.store,
                "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[7]}}",
                now: 300_000_000
            ).body.contains("{\"values\":[2],\"statuses\":[\"PRESENT\"]"))
    }

    @Test func `features that are not set keep their values`() throws {
        let shop = try RedisShop()
        try Shop.write([.init(user: 7, orders: 9, city: "Ulm", at: 0)], to: shop.store)
        let key = Wire.user(7)
        let set = [word("HSET"), key, orders, Wire.value(10), Wire.time, Wire.stamp(5)]
        #expect(shop.ask(set) == ":0|")
        #expect(
            shop.ask([word("HMGET"), key, orders, city, Wire.time]) == "*3|$2| |$5|..Ulm|$2|..|")
    }

    @Test func `writes that cannot be are refused, and leave nothing behind`() throws {
        let shop = try RedisShop(readOnly: ["user_money"])
        let key = Wire.user(7)
        let vip = FeastField.name(view: "user_money", feature: "vip")
        let cases: [(command: [[UInt8]], answer: String)] = [
            ([word("HSET"), key, orders, Wire.value(1)], "comes with its event time"),
            (
                [word("HSET"), key, orders, Wire.value("x"), Wire.time, Wire.stamp(1)],
                "user_counters:orders_1h: string_val where int64 is declared"
            ),
            (
                [word("HSET"), key, orders, Wire.value(1), Wire.time, word("x")],
                "_ts:user_counters"
            ),
            (
                [word("HSET"), key, vip, hex("3801"), FeastField.time(view: "user_money"), []],
                "is written by its pipeline only"
            ),
            ([word("HSET"), key, orders], "wrong number of arguments"),
            ([word("HSET"), word("other"), orders, [], city], "wrong number of arguments"),
            ([word("NOSUCH"), key], "unknown command 'NOSUCH'"),
        ]
        for (command, answer) in cases {
            let text = shop.ask(command)
            #expect(text.hasPrefix("-ERR") && text.contains(answer), "\(text)")
        }
        #expect(shop.ask([word("EXISTS"), key, word("other")]) == ":0|")
    }

    @Test func `what no view declares is a hash, beside the row and under keys of its own`() throws
    {
        let shop = try RedisShop()
        try Shop.write([.init(user: 7, orders: 9, at: 0)], to: shop.store)
        for key in [Wire.user(7), word("plain"), Wire.user(7, project: "other")] {
            let declared = key == Wire.user(7)
            #expect(shop.ask([word("HSET"), key, word("b"), word("2"), word("a"), []]) == ":2|")
            #expect(shop.ask([word("HSET"), key, word("a"), word("1")]) == ":0|")
            #expect(
                shop.ask([word("HMGET"), key, word("a"), orders, word("b"), word("c")])
                    == (declared ? "*4|$1|1|$2| .|$1|2|$-1|" : "*4|$1|1|$-1|$1|2|$-1|"))
            #expect(shop.ask([word("HLEN"), key]) == (declared ? ":6|" : ":2|"))
            #expect(shop.ask([word("HEXISTS"), key, word("b")]) == ":1|")
            #expect(shop.ask([word("HDEL"), key, word("b"), word("c")]) == ":1|")
            #expect(shop.ask([word("HKEYS"), key]).hasSuffix("$1|a|"))
            #expect(shop.ask([word("TYPE"), key]) == "+hash|")
            #expect(shop.ask([word("DEL"), key, word("nothing")]) == ":1|")
            #expect(shop.ask([word("HGETALL"), key]) == "*0|")
            #expect(shop.ask([word("TYPE"), key]) == "+none|")
        }
    }

    @Test func `a hash with a time is not replaced by an older one, and survives a restart`() throws
    {
        let shop = try RedisShop()
        let time = word("_ts:theirs")
        let key = Wire.user(7)
        let steps: [(seconds: Int64, value: String, shown: String)] = [
            (100, "a", "a"), (200, "b", "b"), (150, "c", "b"), (200, "d", "d"),
        ]
        for (seconds, value, shown) in steps {
            _ = shop.ask([word("HSET"), key, time, Wire.stamp(seconds), word("f"), word(value)])
            #expect(shop.ask([word("HGET"), key, word("f")]) == "$1|\(shown)|")
        }
        #expect(
            shop.ask([word("HSETNEWER"), key, time, Wire.stamp(199), word("f"), word("e")]) == ":0|"
        )
        #expect(
            shop.ask([word("HSETNEWER"), key, time, Wire.stamp(201), word("f"), word("g")]) == ":1|"
        )
        #expect(shop.ask("HSETNEWER k t 9 f nine") == ":1|")
        #expect(shop.ask("HSETNEWER k t 10 f ten") == ":1|")
        #expect(shop.ask("HSETNEWER k t 8.5 f eight") == ":0|")
        #expect(shop.ask("HGETALL k") == "*4|$1|f|$3|ten|$1|t|$2|10|")
        #expect(shop.ask("HSETNEWER k t soon f x").hasPrefix("-ERR the time"))
    }

    @Test func `compare-and-set of a declared row takes its time as a number too`() throws {
        let shop = try RedisShop()
        let key = Wire.user(7)
        func set(_ micros: String, _ count: Int64) -> String {
            shop.ask([word("HSETNEWER"), key, Wire.time, word(micros), orders, Wire.value(count)])
        }
        #expect(set("5000000", 1) == ":1|")
        #expect(set("4999999", 2) == ":0|")
        #expect(shop.ask([word("HMGET"), key, orders, Wire.time]) == "*2|$2| .|$2|..|")
    }

    @Test func `a scan finds rows and hashes by pattern, some at a time`() throws {
        let shop = try RedisShop()
        try Shop.write((0..<1500).map { .init(user: $0, orders: 1, at: 0) }, to: shop.store)
        for index in 0..<1200 {
            _ = shop.ask("HSET other\(index) f v")
        }
        func scan(_ options: [[UInt8]]) -> (keys: Int, rounds: Int) {
            var cursor = "0"
            var keys = 0
            var rounds = 0
            repeat {
                let bytes = shop.raw(Wire.bytes([word("SCAN"), word(cursor)] + options))
                let lines = Wire.text(bytes).split(separator: "|", omittingEmptySubsequences: false)
                cursor = String(lines[2])
                keys += Int(lines[3].dropFirst())!
                rounds += 1
            } while cursor != "0" && rounds < 20
            return (keys, rounds)
        }
        let prefix = FeastEntityKey(entity: Shop.user, project: "lab")!.prefix
        #expect(scan([]) == (2700, 3))
        #expect(scan([word("MATCH"), prefix + word("*lab")]).keys == 1500)
        #expect(scan([word("MATCH"), prefix + word("*mylab")]).keys == 0)
        #expect(scan([word("MATCH"), word("other1?"), word("COUNT"), word("5000")]) == (10, 1))
        #expect(shop.ask("SCAN 99999").hasPrefix("-ERR invalid cursor"))
        #expect(shop.ask("SCAN 0 TYPE string") == "*2|$1|0|*0|")
    }

    @Test func `deleting a view's fields lets any later row in, as teardown and apply need`() throws
    {
        let shop = try RedisShop()
        let key = Wire.user(7)
        let set = [
            word("HSET"), key, orders, Wire.value(1), spend, [], city, [], Wire.time, Wire.stamp(9),
        ]
        #expect(shop.ask(set) == ":4|")
        #expect(shop.ask([word("HDEL"), key, orders]) == ":1|")
        #expect(shop.ask([word("HMGET"), key, orders, Wire.time]) == "*2|$0||$2|..|")
        #expect(shop.ask([word("HDEL"), key, orders, spend, city, Wire.time]) == ":4|")
        #expect(shop.ask([word("HKEYS"), key]) == "*0|")
        #expect(shop.ask(set) == ":4|")
        #expect(shop.ask([word("DEL"), key]) == ":1|")
        #expect(shop.ask(set) == ":4|")
    }

    @Test func `a hash ends when it was told to`() throws {
        let shop = try RedisShop()
        #expect(shop.ask("HSET k f v") == ":1|")
        #expect(shop.ask("TTL k") == ":-1|")
        #expect(shop.ask("EXPIRE k 10") == ":1|")
        #expect(shop.ask("TTL k") == ":10|")
        shop.box.micros.add(9_999_000, ordering: .relaxed)
        #expect(shop.ask("PTTL k") == ":1|")
        #expect(shop.ask("HGET k f") == "$1|v|")
        shop.box.micros.add(1000, ordering: .relaxed)
        #expect(shop.ask("HGET k f") == "$-1|")
        #expect(shop.ask("TTL k") == ":-2|")
        #expect(shop.ask("SCAN 0") == "*2|$1|0|*0|")
        #expect(shop.ask("EXPIRE k 10") == ":0|")
        #expect(shop.ask("HSET k f w") == ":1|")
        #expect(shop.ask("TTL k") == ":-1|")
    }

    @Test func `databases are apart, and transactions run what was queued`() throws {
        let shop = try RedisShop()
        let steps: [(ask: String, answer: String)] = [
            ("SELECT 3", "+OK|"), ("HSET k f v", ":1|"), ("SELECT 0", "+OK|"), ("HGET k f", "$-1|"),
            ("SELECT 16", "-ERR DB index is out of range|"), ("MULTI", "+OK|"),
            ("HSET k f w", "+QUEUED|"), ("HGET k f", "+QUEUED|"), ("EXEC", "*2|:1|$1|w|"),
            ("EXEC", "-ERR EXEC without MULTI|"), ("MULTI", "+OK|"),
            ("HGET k", "-ERR wrong number of arguments for 'hget' command|"),
            ("EXEC", "-EXECABORT Transaction discarded because of previous errors.|"),
            ("MULTI", "+OK|"), ("DISCARD", "+OK|"), ("ECHO hi", "$2|hi|"), ("PING", "+PONG|"),
            ("CLUSTER KEYSLOT foo", ":12182|"), ("CLUSTER KEYSLOT {user1000}.x", ":3443|"),
            ("READONLY", "+OK|"), ("CLIENT SETINFO LIB-NAME x", "+OK|"),
            ("HELLO 4", "-NOPROTO unsupported protocol version|"),
        ]
        for (ask, answer) in steps { #expect(shop.ask(ask) == answer, "\(ask)") }
    }

    @Test func `version 3 of the protocol has maps and nulls of its own`() throws {
        let shop = try RedisShop()
        #expect(shop.ask("HELLO 3").hasPrefix("%7|$6|server|$5|redis|"))
        #expect(shop.ask("HSET k f v") == ":1|")
        #expect(shop.ask("HGETALL k") == "%1|$1|f|$1|v|")
        #expect(shop.ask("HMGET k f g") == "*2|$1|v|_|")
        #expect(shop.ask("HELLO 2").hasPrefix("*14|"))
    }

    @Test func `with a password nothing is answered before it`() throws {
        let shop = try RedisShop(password: "open sesame")
        let key = Wire.user(7)
        #expect(shop.ask([word("HMGET"), key, orders]) == "-NOAUTH Authentication required.|")
        #expect(shop.ask("AUTH sesame").hasPrefix("-WRONGPASS"))
        #expect(shop.ask("HELLO 3").hasPrefix("-NOAUTH"))
        #expect(shop.ask([word("AUTH"), word("open sesame")]) == "+OK|")
        #expect(shop.ask([word("HMGET"), key, orders]) == "*1|$-1|")
        #expect(try RedisShop().ask("AUTH x").hasPrefix("-ERR AUTH called without"))
    }

    @Test func `bytes that are no commands end the connection with a reason`() throws {
        let cases: [(bytes: String, answer: String)] = [
            ("*x\r\n", "-ERR Protocol error: invalid multibulk length|"),
            ("*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'|"),
            ("*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length|"),
            ("*1\r\n$99999999999\r\n", "-ERR Protocol error: invalid bulk length|"),
        ]
        for (bytes, answer) in cases {
            let shop = try RedisShop()
            #expect(Wire.text(shop.raw(word(bytes))) == answer)
            #expect(shop.session.isEnding)
        }
        #expect(
            Wire.text(try RedisShop().raw(word("PING\r\n\r\n  echo  hi \r\n"))) == "+PONG|$2|hi|")
    }

    @Test func `patterns are Redis's`() {
        let cases: [(pattern: String, text: String, matches: Bool)] = [
            ("*", "", true), ("a*c", "abc", true), ("a*c", "abcd", false), ("a?c", "abc", true),
            ("a?c", "ac", false), ("[a-c]x", "bx", true), ("[^a-c]x", "bx", false),
            ("\\*", "*", true), ("\\*", "x", false), ("a**b*", "ab", true), ("*lab", "mylab", true),
            ("[", "[", false), ("", "", true), ("", "a", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaa", false),
        ]
        for (pattern, text, matches) in cases {
            let found = Array(text.utf8).withUnsafeBufferPointer {
                GlobPattern(Array(pattern.utf8)).matches($0)
            }
            #expect(found == matches, "\(pattern) \(text)")
        }
    }
}
