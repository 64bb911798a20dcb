import StreamRuntime
import Synchronization
import Testing

@testable import FeatureServe

@Suite struct OnlineStoreTests {
    private let ask = """
        {"features":["user_counters:orders_1h"],"entities":{"user_id":[7]}}
        """

    @Test func `a newer or equally old row replaces, an older one never`() throws {
        let store = try Shop.store()
        let steps: [(orders: Int64, at: Int64, shown: Int64)] = [
            (1, 100, 1), (2, 200, 2), (3, 150, 2), (4, 200, 4), (5, 199, 4), (6, 201, 6),
        ]
        for step in steps {
            let written = try Shop.write(
                [.init(user: 7, orders: step.orders, at: step.at)], to: store)
            #expect(written.applied == (step.shown == step.orders ? 1 : 0))
            #expect(written.older == (step.shown == step.orders ? 0 : 1))
            let answer = Shop.ask(store, ask, now: 300).body
            #expect(answer.contains("{\"values\":[\(step.shown)]"), "\(answer)")
        }
    }

    @Test func `a row without its key is counted and not kept`() throws {
        let store = try Shop.store()
        let written = try Shop.write(
            [.init(user: nil, orders: 1, at: 1), .init(user: 7, orders: 2, at: 1)], to: store)
        #expect(written == .init(applied: 1, older: 0, keyless: 1))
        #expect(store.size().rows == 1)
    }

    @Test func `a deletion hides the row and older rows do not bring it back`() throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 7, orders: 1, at: 100)], to: store)
        try Shop.write([.init(user: 7, at: 200, change: .delete)], to: store)
        #expect(Shop.ask(store, ask, now: 300).body.contains("NOT_FOUND"))
        try Shop.write([.init(user: 7, orders: 3, at: 150)], to: store)
        #expect(Shop.ask(store, ask, now: 300).body.contains("NOT_FOUND"))
        try Shop.write([.init(user: 7, orders: 4, at: 201)], to: store)
        #expect(Shop.ask(store, ask, now: 300).body.contains("{\"values\":[4]"))
    }

    @Test func `the row before an update is not written`() throws {
        let store = try Shop.store()
        let written = try Shop.write(
            [
                .init(user: 7, orders: 1, at: 200, change: .updateBefore),
                .init(user: 7, orders: 2, at: 200, change: .updateAfter),
            ], to: store)
        #expect(written.applied == 1)
        #expect(Shop.ask(store, ask, now: 300).body.contains("{\"values\":[2]"))
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `any interleaving of writes, syncs, evictions and restarts ends in the newest rows`(
        seed: UInt64
    ) throws {
        var random = SplitMix(state: seed)
        let rows = MemoryRows()
        // Small enough that most rows live at rest.
        var store = try Shop.store(rows, budget: 1 << 16)
        var model: [Int64: (orders: Int64, at: Int64)] = [:]
        for step in 0..<200 {
            var batch: [Shop.CounterRow] = []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let user = Int64.random(in: 0..<4000, using: &random)
                let row = Shop.CounterRow(
                    user: user, orders: Int64.random(in: 0..<1000, using: &random),
                    spend: 1.5, city: String(repeating: "x", count: Int(user % 50)),
                    at: Int64.random(in: 0..<500, using: &random))
                batch.append(row)
                if (model[user]?.at ?? .min) <= row.at { model[user] = (row.orders!, row.at) }
            }
            try Shop.write(batch, to: store)
            if Int.random(in: 0..<10, using: &random) == 0 { try store.sync() }
            if Int.random(in: 0..<40, using: &random) == 0 {
                try store.sync()
                store = try Shop.store(rows, budget: 1 << 16)
            }
            if step % 20 == 0, let (user, row) = model.randomElement(using: &random) {
                let answer = Shop.ask(
                    store,
                    "{\"features\":[\"user_counters:orders_1h\"],\"entities\":{\"user_id\":[\(user)]}}"
                )
                #expect(
                    answer.body.contains("{\"values\":[\(row.orders)]"), "seed \(seed) step \(step)"
                )
            }
        }
        let expected = model.map { user, row in (user, row.orders, row.at) }.sorted { $0.0 < $1.0 }
        let dump = try store.dump()
        #expect(dump.count == expected.count, "seed \(seed)")
        for (line, row) in zip(dump, expected) {
            #expect(line.contains(" \(row.2) orders_1h=\(row.1) spend"), "seed \(seed): \(line)")
        }
        #expect(store.size().bytes < 1 << 19, "seed \(seed)")
    }

    @Test func `what was synced is there after a restart, what was not is written again`() throws {
        let directory = ScratchDirectory()
        do {
            let store = try Shop.store(try RocksRows(path: directory.path))
            try Shop.write([.init(user: 7, orders: 41, at: 100)], to: store)
            try store.sync()
            try Shop.write([.init(user: 7, orders: 42, at: 200)], to: store)
        }
        let store = try Shop.store(try RocksRows(path: directory.path))
        #expect(Shop.ask(store, ask, now: 300).body.contains("{\"values\":[41]"))
        try Shop.write([.init(user: 7, orders: 42, at: 200)], to: store)
        #expect(Shop.ask(store, ask, now: 300).body.contains("{\"values\":[42]"))
        #expect(store.newestEventMicros(view: "user_counters") == 200)
    }

    @Test func `a view whose features changed starts anew and leaves the others alone`() throws {
        let rows = MemoryRows()
        let before = try Shop.store(rows)
        try Shop.write([.init(user: 7, orders: 1, at: 100)], to: before)
        try before.sync()
        let changed = FeatureView(
            name: "user_counters", entity: "user", features: [Field("orders_2h", .int64)])
        let between = try OnlineStore(
            catalog: try FeatureCatalog(entities: [Shop.user], views: [changed]), rows: rows)
        let schema = Schema([Field("user_id", .int64), Field("orders_2h", .int64)])
        let batch = ColumnBatch(schema: schema, capacity: 1)
        batch.columns[0].append(Int64(7))
        batch.columns[1].append(Int64(9))
        batch.order.append(eventTime: 50, watermark: .min, origin: 0, offset: 0)
        batch.count = 1
        let writer = try FeatureWriter(store: between, view: "user_counters", schema: schema)
        #expect(try writer.write(batch).applied == 1)
        try between.sync()
        let after = try Shop.store(rows)
        #expect(Shop.ask(after, ask, now: 300).body.contains("{\"values\":[1]"))
    }

    @Test func `an entity whose keys changed is refused with the remedy`() throws {
        let rows = MemoryRows()
        _ = try Shop.store(rows)
        let other = Entity(name: "user", keys: [Field("user_id", .string)])
        let failure = #expect(throws: JobFailure.self) {
            try OnlineStore(
                catalog: try FeatureCatalog(entities: [other], views: []), rows: rows)
        }
        #expect(failure?.problem.contains("user") == true)
    }

    @Test func `a writer says which column is missing or of another type`() throws {
        let store = try Shop.store()
        let cases: [(Schema, String)] = [
            (Schema([Field("user_id", .int64)]), "no column \"orders_1h\""),
            (
                Schema([
                    Field("user_id", .string), Field("orders_1h", .int64),
                    Field("spend_24h", .float64), Field("city", .string),
                ]), "\"user_id\" is string, not int64"
            ),
        ]
        for (schema, says) in cases {
            let failure = #expect(throws: JobFailure.self) {
                try FeatureWriter(store: store, view: "user_counters", schema: schema)
            }
            #expect(failure?.problem.contains(says) == true, "\(String(describing: failure))")
        }
    }

    @Test func `a damaged row at rest is reported, not served`() throws {
        let rows = MemoryRows()
        let store = try Shop.store(rows)
        try Shop.write([.init(user: 7, orders: 1, at: 100)], to: store)
        try store.sync()
        let batch = OnlineRowBatch()
        try rows.scan(prefix: [0, 1]) { key, value in
            batch.append { arena in
                for byte in key { JSONText.append(byte: byte, to: arena) }
                for byte in value.dropLast(3) { JSONText.append(byte: byte, to: arena) }
                return key.count
            }
            return true
        }
        try rows.put(batch, durable: true)
        let failure = #expect(throws: JobFailure.self) { try Shop.store(rows) }
        #expect(failure?.kind == .corruption)
    }

    @Test func `a lookup sees whole rows while they are written`() async throws {
        let store = try Shop.store()
        try Shop.write([.init(user: 7, orders: 0, spend: 0, at: 0)], to: store)
        let done = Flag()
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                for value in 1...2000 {
                    try Shop.write(
                        [
                            .init(
                                user: 7, orders: Int64(value), spend: Double(value),
                                at: Int64(value))
                        ],
                        to: store)
                }
                done.isSet.store(true, ordering: .releasing)
                return 0
            }
            group.addTask {
                let engine = LookupEngine(
                    store: store, metrics: MetricsRegistry(), now: { 1 })
                let body = """
                    {"features":["user_counters:orders_1h","user_counters:spend_24h"],\
                    "entities":{"user_id":[7]}}
                    """
                var asked = 0
                while !done.isSet.load(ordering: .acquiring) && asked < 20_000 || asked < 200 {
                    asked += 1
                    let values = Shop.ask(engine, body).body.components(separating: "{\"values\":[")
                    let orders = values[2].prefix { $0 != "]" }
                    let spend = values[3].prefix { $0 != "]" }
                    #expect(orders + ".0" == spend)
                }
                return asked
            }
            var asked = 0
            for try await count in group { asked += count }
            #expect(asked > 0)
        }
    }
}

extension String {
    func components(separating separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let found = rest.firstRange(of: separator) {
            parts.append(String(rest[..<found.lowerBound]))
            rest = rest[found.upperBound...]
        }
        return parts + [String(rest)]
    }
}

private final class Flag: Sendable {
    let isSet = Atomic<Bool>(false)
}
