import StreamRuntime
import Testing

@testable import FeatureServe

@Suite struct ServedAuditTests {
    /// A store with a log of versions, lookups of which all are sampled, and a clock that the test sets.
    private final class Shopfront {
        let place = VersionPlace()
        let store: OnlineStore
        let served: ServedLog
        let metrics = MetricsRegistry()
        private let sink: FeatureSink

        init(share: Double = 1, rowsMax: Int = 100) throws {
            store = try Shop.store()
            served = ServedLog(share: share, rowsMax: rowsMax, metrics: metrics)
            let clock = Clock()
            sink = FeatureSink(
                try FeatureWriter(
                    store: store, view: "user_counters", schema: Shop.counterSchema,
                    versions: try place.sink(), now: { clock.now }))
            try sink.recover(token: nil)
            self.clock = clock
        }

        final class Clock: @unchecked Sendable {
            var now: Int64 = 0
        }
        let clock: Clock

        func write(
            _ user: Int64, _ orders: Int64, event: Int64, visible: Int64, watermark: Int64 = .min
        ) throws {
            clock.now = visible
            let batch = Shop.batch([.init(user: user, orders: orders, at: event)])
            batch.order.watermarks.int64s[0] = watermark
            try sink.write(batch)
        }

        func commit(_ checkpoint: Int64 = 1) throws {
            try sink.commit(
                checkpoint: checkpoint, token: try sink.prepare(checkpoint: checkpoint))
        }

        func look(_ users: [Int64], at now: Int64) {
            clock.now = now
            let clock = clock
            let engine = LookupEngine(
                store: store, metrics: metrics, served: served, now: { clock.now })
            _ = Shop.ask(
                engine,
                "{\"features\":[\"user_counters:orders_1h\",\"user_counters:city\"],"
                    + "\"entities\":{\"user_id\":\(users)}}")
        }

        /// What the sample holds, each value changed by `change`.
        func rows(_ change: (String) -> String = { $0 }) -> [ServedRow] {
            served.take().enumerated().compactMap { number, record in
                let text = Array(change(String(decoding: record.value, as: UTF8.self)).utf8)
                return record.key.withUnsafeBufferPointer { key in
                    text.withUnsafeBufferPointer {
                        ServedRow(key: key, value: $0, place: "_served/0@\(number)")
                    }
                }
            }
        }

        func audit(_ rows: [ServedRow]) throws -> ServedAudit {
            var audit = ServedAudit(rows, catalog: store.catalog)
            for view in audit.views {
                try audit.run(
                    view: view,
                    sources: [try place.log.source(VersionPlace.topic, bounded: true)],
                    threads: 1)
            }
            return audit
        }
    }

    private static let second = Shop.second

    @Test func `what was given is what the log says, found or not, old or null`() throws {
        let shop = try Shopfront()
        try shop.write(1, 5, event: Shop.noon, visible: Shop.noon + Self.second)
        try shop.write(2, 6, event: Shop.noon, visible: Shop.noon + Self.second)
        shop.look([1, 2, 3], at: Shop.noon + 2 * Self.second)
        try shop.write(
            1, 7, event: Shop.noon + 3 * Self.second, visible: Shop.noon + 4 * Self.second)
        shop.look([1], at: Shop.noon + 5 * Self.second)
        shop.look([2], at: Shop.noon + 9000 * Self.second)
        try shop.commit()
        let rows = shop.rows()
        #expect(rows.count == 5)
        let audit = try shop.audit(rows)
        #expect(audit.counts == ["user_counters": [.equal: 5]])
        #expect(audit.wrong == nil)
    }

    @Test
    func `what came afterwards is late data when it was behind its watermark, else publish lag`()
        throws
    {
        let cases: [(watermark: Int64, verdict: ServedAudit.Verdict)] = [
            (.min, .publishLag), (Shop.noon + 60 * Self.second, .lateData),
        ]
        for (watermark, verdict) in cases {
            let shop = try Shopfront()
            try shop.write(1, 5, event: Shop.noon, visible: Shop.noon + Self.second)
            shop.look([1], at: Shop.noon + 30 * Self.second)
            try shop.write(
                1, 6, event: Shop.noon + 20 * Self.second, visible: Shop.noon + 90 * Self.second,
                watermark: watermark)
            try shop.commit()
            #expect(try shop.audit(shop.rows()).counts == ["user_counters": [verdict: 1]])
        }
    }

    @Test func `a value given just before it counted as readable is publish lag`() throws {
        let shop = try Shopfront()
        try shop.write(1, 5, event: Shop.noon, visible: Shop.noon + 2000)
        shop.look([1], at: Shop.noon + 1000)
        try shop.commit()
        #expect(try shop.audit(shop.rows()).counts == ["user_counters": [.publishLag: 1]])
    }

    @Test func `a value that nothing explains is wrong, with its key and its places`() throws {
        let shop = try Shopfront()
        for user: Int64 in 1...4 {
            try shop.write(user, 5, event: Shop.noon, visible: Shop.noon + Self.second)
        }
        shop.look([1, 2, 3], at: Shop.noon + 2 * Self.second)
        try shop.write(4, 6, event: Shop.noon + Self.second, visible: Shop.noon + 60 * Self.second)
        try shop.commit()
        var number = 0
        let rows = shop.rows { text in
            number += 1
            return number == 2 ? text.replacing("\"value\":5", with: "\"value\":6") : text
        }
        let audit = try shop.audit(rows)
        #expect(audit.counts == ["user_counters": [.equal: 2, .wrong: 1]])
        let wrong = try #require(audit.wrong)
        #expect(wrong.keys == "{\"user_id\":2}")
        #expect(wrong.place == "_served/0@1")
        #expect(wrong.given.hasPrefix("orders_1h=6 city=\"\" of "))
        #expect(wrong.expected.hasPrefix("orders_1h=5 city=\"\" of "))
        #expect(wrong.version?.offset == 0)
    }

    @Test func `another definition and moments beyond the log are told apart from what is wrong`()
        throws
    {
        let shop = try Shopfront()
        try shop.write(1, 5, event: Shop.noon, visible: Shop.noon + Self.second)
        try shop.commit()
        shop.look([1], at: Shop.noon + 2 * Self.second)
        let hash = shop.store.catalog.view("user_counters")!.definition.text
        let changed = shop.rows {
            $0.replacing("\"value\":5", with: "\"value\":6")
                .replacing(hash, with: "00000000000000aa")
        }
        #expect(try shop.audit(changed).counts == ["user_counters": [.changedDefinition: 1]])
        // Written and given, but its checkpoint is not whole yet.
        try shop.write(
            1, 9, event: Shop.noon + 5 * Self.second, visible: Shop.noon + 6 * Self.second)
        shop.look([1], at: Shop.noon + 7 * Self.second)
        #expect(try shop.audit(shop.rows()).counts == ["user_counters": [.unknown: 1]])
    }

    @Test func `the sample holds whole entities, and what comes too fast is dropped and counted`()
        throws
    {
        let shop = try Shopfront(share: 0.25, rowsMax: 1000)
        for _ in 0..<3 { shop.look(Array(0..<400), at: Shop.noon) }
        let keys = shop.rows().map(\.key)
        let each = Dictionary(grouping: keys) { $0 }.mapValues(\.count)
        #expect((50...150).contains(each.count), "\(each.count) of 400 entities")
        #expect(each.values.allSatisfy { $0 == 3 })
        let small = try Shopfront(rowsMax: 10)
        small.look(Array(0..<25), at: Shop.noon)
        #expect(small.rows().count == 10)
        #expect(small.metrics.render().contains("millrace_served_rows_dropped_total 15\n"))
    }
}
