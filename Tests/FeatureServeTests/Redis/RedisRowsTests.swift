import Glibc
import Redis
import StreamRuntime
import Testing

@testable import FeatureServe

@Suite(.enabled(if: RedisServerProcess.isInstalled, "redis-server is not installed"))
struct RedisRowsTests {
    private typealias Wire = RedisShop
    private let ask = """
        {"features":["user_counters:orders_1h","user_money:vip"],"entities":{"user_id":[7]}}
        """

    /// A store of the shop on a server; closed with the object.
    private final class Shared {
        let store: OnlineStore
        let rows: RedisRows
        let metrics = MetricsRegistry()

        init(_ address: RedisAddress) throws {
            rows = RedisRows(
                local: MemoryRows(), address: address, project: "lab", metrics: metrics)
            store = try Shop.store(rows)
            try rows.start(store)
        }

        deinit { rows.close() }

        func figure(_ name: String) -> Double? {
            metrics.render().split(separator: "\n").first { $0.hasPrefix(name + " ") }
                .flatMap { Double($0.split(separator: " ")[1]) }
        }
    }

    private func fields(_ server: RedisServerProcess, _ key: [UInt8]) throws -> [[UInt8]: [UInt8]] {
        let all = try server.ask(RedisCommand([Array("HGETALL".utf8), key])).array ?? []
        return Dictionary(
            uniqueKeysWithValues: stride(from: 0, to: all.count, by: 2).map {
                (all[$0].bytes ?? [], all[$0 + 1].bytes ?? [])
            })
    }

    @Test func `rows are on the server in Feast's layout once a checkpoint counts`() throws {
        let server = try RedisServerProcess()
        let shared = try Shared(server.address)
        try Shop.write(
            [.init(user: 7, orders: 9, spend: nil, city: "Ulm", at: 1_577_836_800_000_000)],
            to: shared.store)
        try shared.store.sync()
        let expected = [
            Wire.field("orders_1h"): hex("2009"), Wire.field("spend_24h"): [],
            Wire.field("city"): Wire.value("Ulm"), Wire.time: hex("0880c2aff005"),
        ]
        #expect(try fields(server, Wire.user(7)) == expected)
        #expect(shared.figure("millrace_redis_rows_total") == 1)
        #expect(shared.figure("millrace_redis_up") == 1)
    }

    @Test func `what another has written newer stays, and is what lookups show`() throws {
        let server = try RedisServerProcess()
        let steps: [(theirs: Int64, stays: Bool)] = [
            (-5_000_000, false), (5, false), (1_000_000, false), (1_000_001, true),
            (2_000_000_000_000_000, true),
        ]
        for (theirs, stays) in steps {
            let shared = try Shared(server.address)
            _ = try server.ask("FLUSHALL")
            let stamp = appended { FeastTimestamp.append(micros: theirs, to: $0) }
            _ = try server.ask(
                RedisCommand([
                    Array("HSET".utf8), Wire.user(7), Wire.time, stamp, Wire.field("orders_1h"),
                    Wire.value(3),
                ]))
            try Shop.write([.init(user: 7, orders: 1, at: 1_000_000)], to: shared.store)
            try shared.store.sync()
            let orders = try fields(server, Wire.user(7))[Wire.field("orders_1h")]
            #expect(orders == Wire.value(stays ? 3 : 1), "theirs at \(theirs)")
            #expect(Shop.ask(shared.store, ask, now: 5).body.contains(stays ? "[3]" : "[1]"))
            #expect(shared.figure("millrace_redis_older_total") == (stays ? 1 : 0))
        }
    }

    @Test func `a row that this process never wrote is asked for, all its views at once`() throws {
        let server = try RedisServerProcess()
        let writer = try Shared(server.address)
        try Shop.write([.init(user: 7, orders: 9, at: 5)], to: writer.store)
        try writer.store.sync()
        let reader = try Shared(server.address)
        for _ in 0..<2 {
            let answer = Shop.ask(reader.store, ask, now: 10).body
            #expect(answer.contains("{\"values\":[9],\"statuses\":[\"PRESENT\"]"), "\(answer)")
            #expect(answer.contains("NOT_FOUND"))
        }
        // Asked again only for the view that nobody wrote.
        #expect(reader.figure("millrace_redis_reads_total") == 2)
        let shop = try RedisShop(
            rows: RedisRows(
                local: MemoryRows(), address: server.address, project: "lab",
                metrics: MetricsRegistry()))
        #expect(
            shop.ask([Array("HMGET".utf8), Wire.user(7), Wire.field("orders_1h")])
                == "*1|$2| .|")
    }

    @Test func `a deletion is known to others, and older rows do not undo it`() throws {
        let server = try RedisServerProcess()
        let writer = try Shared(server.address)
        try Shop.write([.init(user: 7, orders: 9, at: 5)], to: writer.store)
        try writer.store.sync()
        try Shop.write([.init(user: 7, at: 8, change: .delete)], to: writer.store)
        try writer.store.sync()
        #expect(
            try fields(server, Wire.user(7)).keys.map { $0 } == [Array("_del:user_counters".utf8)])
        let late = try Shared(server.address)
        try Shop.write([.init(user: 7, orders: 1, at: 7)], to: late.store)
        try late.store.sync()
        #expect(Shop.ask(late.store, ask, now: 9).body.contains("NOT_FOUND"))
        try Shop.write([.init(user: 7, orders: 2, at: 9)], to: late.store)
        try late.store.sync()
        #expect(try fields(server, Wire.user(7))[Wire.field("orders_1h")] == Wire.value(2))
        #expect(try fields(server, Wire.user(7)).count == 4)
    }

    @Test func `while the server is away lookups answer, rows wait, and nothing is lost`() throws {
        let server = try RedisServerProcess()
        let shared = try Shared(server.address)
        try Shop.write([.init(user: 7, orders: 1, at: 1)], to: shared.store)
        try shared.store.sync()
        server.stop()
        try Shop.write((0..<100).map { .init(user: $0, orders: 2, at: 2) }, to: shared.store)
        let answer = Shop.ask(shared.store, ask, now: 3)
        #expect(answer.status == 200)
        #expect(answer.body.contains("{\"values\":[2]"), "\(answer.body)")
        #expect(Shop.ask(shared.store, ask.replacingSeven(), now: 3).status == 200)
        #expect(shared.figure("millrace_redis_up") == 0)
        try server.start()
        try shared.store.sync()
        for user in [0, 7, 99] {
            let held = try fields(server, Wire.user(Int64(user)))
            #expect(held[Wire.field("orders_1h")] == Wire.value(2))
        }
    }

    @Test func `a server killed under a view that is being filled costs no lookup and no row`()
        throws
    {
        let server = try RedisServerProcess()
        let shared = try Shared(server.address)
        let sink = FeatureSink(
            try FeatureWriter(
                store: shared.store, view: "user_counters", schema: Shop.counterSchema,
                now: { Shop.noon }))
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        let http = FeatureServer(
            store: shared.store, metrics: shared.metrics, options: options, now: { Shop.noon })
        let port = try http.start()
        defer { http.stop(graceMillis: 200) }
        let users = Int64(300)
        func fill(_ round: Int64) throws {
            for first in stride(from: 0, to: users, by: 50) {
                try sink.write(
                    Shop.batch(
                        (first..<first + 50).map {
                            .init(user: $0, orders: round, at: Shop.noon - 10 + round)
                        }))
            }
        }
        /// Every value is the newest of its user; of one that nobody wrote nothing is known without the server.
        func look(_ round: Int64, unknown: String) throws {
            for user in [0, 150, users - 1, 100_000] {
                let answer = try HTTPAsk.send(
                    port: port, path: "/get-online-features",
                    body:
                        "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[\(user)]}}"
                )
                #expect(answer.status == 200)
                let wanted =
                    user < users
                    ? "{\"values\":[\(round)],\"statuses\":[\"PRESENT\"]"
                    : "{\"values\":[null],\"statuses\":[\"\(unknown)\"]"
                #expect(answer.body.contains(wanted), "round \(round): \(answer.body)")
            }
        }
        try fill(1)
        try look(1, unknown: "NOT_FOUND")
        try shared.store.sync()
        server.stop()
        for round in Int64(2)...4 {
            try fill(round)
            try look(round, unknown: "INVALID")
        }
        try server.start()
        try shared.store.sync()
        for user in stride(from: 0, to: users, by: 37) {
            let row = try fields(server, Wire.user(user))
            #expect(row[Wire.field("orders_1h")] == Wire.value(4), "user \(user)")
            var time: [UInt8] = []
            time = appended { FeastTimestamp.append(micros: Shop.noon - 6, to: $0) }
            #expect(row[Wire.time] == time)
        }
        #expect(shared.figure("millrace_redis_up") == 1)
        #expect(shared.figure("millrace_redis_waiting_bytes") == 0)
    }

    @Test func `a job that must stop does not wait for the server for ever`() throws {
        let server = try RedisServerProcess()
        let shared = try Shared(server.address)
        server.stop()
        try Shop.write([.init(user: 7, orders: 1, at: 1)], to: shared.store)
        shared.rows.end(within: 0)
        let failure = #expect(throws: JobFailure.self) { try shared.store.sync() }
        #expect(failure?.description.contains("wait for Redis") == true)
    }

    @Test func `a server that is not there is told of before a job starts`() throws {
        let server = try RedisServerProcess()
        server.stop()
        let failure = #expect(throws: JobFailure.self) { _ = try Shared(server.address) }
        #expect(failure?.description.contains("127.0.0.1:\(server.port)") == true)
    }

    @Test func `in a cluster every row is on the node that has its slot`() throws {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
        let nodes = [
            try RedisServerProcess(options: options), try RedisServerProcess(options: options),
        ]
        _ = try nodes[0].ask("CLUSTER", "ADDSLOTSRANGE", "0", "8191")
        _ = try nodes[1].ask("CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
        _ = try nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", "\(nodes[1].port)")
        for node in nodes { try node.waitForCluster() }
        let shared = try Shared(
            try RedisAddress("redis+cluster://127.0.0.1:\(nodes[1].port)"))
        try Shop.write((0..<200).map { .init(user: $0, orders: 2, at: 2) }, to: shared.store)
        try shared.store.sync()
        var held = [0, 0]
        for user in 0..<200 {
            let key = Wire.user(Int64(user))
            let slot = key.withUnsafeBufferPointer { ClusterSlot.of($0) }
            let node = slot < 8192 ? 0 : 1
            held[node] += 1
            #expect(try fields(nodes[node], key)[Wire.field("orders_1h")] == Wire.value(2))
        }
        #expect(held[0] > 50 && held[1] > 50)
        let reader = try Shared(
            try RedisAddress("redis+cluster://127.0.0.1:\(nodes[0].port)"))
        #expect(Shop.ask(reader.store, ask, now: 3).body.contains("{\"values\":[2]"))
        // A slot moves: the client follows.
        let key = Wire.user(7)
        let slot = key.withUnsafeBufferPointer { ClusterSlot.of($0) }
        let (from, to) = slot < 8192 ? (nodes[0], nodes[1]) : (nodes[1], nodes[0])
        let target = try to.ask("CLUSTER", "MYID").bytes ?? []
        let source = try from.ask("CLUSTER", "MYID").bytes ?? []
        let name = Array("\(slot)".utf8)
        let set = [Array("CLUSTER".utf8), Array("SETSLOT".utf8), name]
        _ = try to.ask(RedisCommand(set + [Array("IMPORTING".utf8), source], key: nil))
        _ = try from.ask(RedisCommand(set + [Array("MIGRATING".utf8), target], key: nil))
        _ = try from.ask(
            RedisCommand(
                [Array("MIGRATE".utf8), Array("127.0.0.1".utf8), Array("\(to.port)".utf8), key]
                    + ["0", "2000"].map { Array($0.utf8) }, key: nil))
        try Shop.write([.init(user: 7, orders: 5, at: 5)], to: shared.store)
        try shared.store.sync()
        for node in [to, from] {
            _ = try node.ask(RedisCommand(set + [Array("NODE".utf8), target], key: nil))
        }
        #expect(try fields(to, key)[Wire.field("orders_1h")] == Wire.value(5))
        try Shop.write([.init(user: 7, orders: 6, at: 6)], to: shared.store)
        try shared.store.sync()
        #expect(try fields(to, key)[Wire.field("orders_1h")] == Wire.value(6))
    }

    @Test func `addresses are read, and what they lack is said`() throws {
        let whole = try RedisAddress("redis://ann:s%40crt@cache:7000/3")
        #expect(whole.text == "cache:7000")
        #expect(whole.user == "ann" && whole.password == "s@crt" && whole.database == 3)
        #expect(try RedisAddress("redis://:pw@h").password == "pw")
        #expect(try RedisAddress("redis+cluster://a:1,b:2").nodes.count == 2)
        for text in [
            "cache:7000", "rediss://h", "redis://", "redis://a:1,b:2", "redis://h:x", "redis://h/x",
        ] {
            #expect(throws: RedisError.self, "\(text)") { _ = try RedisAddress(text) }
        }
    }
}

extension String {
    /// The same request about a user nobody wrote.
    fileprivate func replacingSeven() -> String { split(separator: "7").joined(separator: "70007") }
}

extension RedisServerProcess {
    /// Waits until the cluster's nodes agree that all slots are served.
    fileprivate func waitForCluster() throws {
        for _ in 0..<1000 {
            let info = try ask("CLUSTER", "INFO").bytes ?? []
            let text = String(decoding: info, as: UTF8.self)
            if text.contains("cluster_state:ok"), text.contains("cluster_known_nodes:2"),
                text.contains("cluster_slots_assigned:16384")
            {
                return
            }
            usleep(10_000)
        }
        Issue.record("the cluster never came up")
    }
}
