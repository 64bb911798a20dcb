import StreamRuntime
import Synchronization

@testable import FeatureServe

/// The small shop the tests serve features of.
enum Shop {
    static let noon: Int64 = 1_793_620_800_000_000  // 2026-11-02T12:00:00Z
    static let second: Int64 = 1_000_000

    static let user = Entity(name: "user", keys: [Field("user_id", .int64)])
    static let item = Entity(
        name: "item", keys: [Field("store_id", .string), Field("product_id", .string)])
    static let counters = FeatureView(
        name: "user_counters", entity: "user",
        features: [
            Field("orders_1h", .int64), Field("spend_24h", .float64), Field("city", .string),
        ], ttlMicros: 3600 * second)
    static let money = FeatureView(
        name: "user_money", entity: "user",
        features: [
            Field("balance", .decimal(precision: 12, scale: 2)), Field("since", .timestamp),
            Field("born", .date), Field("vip", .bool), Field("token", .bytes),
            Field("last", .list(.int64)),
        ])
    static let availability = FeatureView(
        name: "availability", entity: "item", features: [Field("p_found", .float64)],
        ttlMicros: 300 * second)

    static func catalog() throws -> FeatureCatalog {
        try FeatureCatalog(
            entities: [user, item], views: [counters, money, availability],
            services: [
                FeatureService(
                    name: "fraud",
                    parts: [
                        .init(view: "user_counters", features: ["spend_24h"]),
                        .init(view: "user_money", features: ["vip"]),
                    ])
            ])
    }

    static func store(
        _ rows: any OnlineRows = MemoryRows(), budget: Int = 64 << 20
    ) throws -> OnlineStore {
        try OnlineStore(catalog: try catalog(), rows: rows, budgetBytes: budget)
    }

    struct CounterRow {
        var user: Int64?
        var orders: Int64?
        var spend: Double? = 0
        var city: String? = ""
        var at: Int64
        var change: RowChange = .insert
    }

    static let counterSchema = Schema([
        Field("user_id", .int64), Field("orders_1h", .int64), Field("spend_24h", .float64),
        Field("city", .string),
    ])

    static func batch(_ rows: [CounterRow]) -> ColumnBatch {
        let batch = ColumnBatch(schema: counterSchema, capacity: rows.count)
        let changes = RowChange.inserts(0)
        for (index, row) in rows.enumerated() {
            if let user = row.user {
                batch.columns[0].append(user)
            } else {
                batch.columns[0].appendNull()
            }
            if let orders = row.orders {
                batch.columns[1].append(orders)
            } else {
                batch.columns[1].appendNull()
            }
            if let spend = row.spend {
                batch.columns[2].append(spend)
            } else {
                batch.columns[2].appendNull()
            }
            if let city = row.city {
                batch.columns[3].append(city)
            } else {
                batch.columns[3].appendNull()
            }
            batch.order.append(
                eventTime: row.at, watermark: .min, origin: 0, offset: Int64(index))
            changes.append(row.change != .insert)
            changes.bools[index] = row.change.rawValue
        }
        batch.count = rows.count
        if rows.contains(where: { $0.change != .insert }) { batch.changes = changes }
        return batch
    }

    @discardableResult
    static func write(_ rows: [CounterRow], to store: OnlineStore) throws -> FeatureWriter.Written {
        let writer = try FeatureWriter(
            store: store, view: "user_counters", schema: counterSchema, now: { noon })
        return try writer.write(batch(rows))
    }

    /// Writes rows and then says that record `offset` of partition 0 of the first source has been applied.
    static func write(_ rows: [CounterRow], and offset: Int64, to store: OnlineStore) {
        guard
            let writer = try? FeatureWriter(
                store: store, view: "user_counters", schema: counterSchema, now: { noon })
        else { return }
        let sink = FeatureSink(writer)
        try? sink.write(batch(rows))
        sink.reach(SourceMark(origin: 0, offset: offset, time: 0))
    }

    /// The answer of the store itself to a request body, at `now`.
    static func ask(
        _ store: OnlineStore, _ body: String, now: Int64 = noon
    ) -> (status: Int, body: String) {
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { now })
        return ask(engine, body)
    }

    static func ask(_ engine: LookupEngine, _ body: String) -> (status: Int, body: String) {
        let answer = ByteArena()
        var text = body
        let status = text.withUTF8 { engine.answer($0, into: answer) }
        let bytes = UnsafeBufferPointer(start: answer.base, count: answer.count)
        return (status, String(decoding: bytes, as: UTF8.self))
    }
}

/// A repeatable source of numbers.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Counts how often it was called, from any thread.
final class Woken: Sendable {
    private let calls = Atomic<Int>(0)
    var value: Int { calls.load(ordering: .acquiring) }
    func count() { calls.wrappingAdd(1, ordering: .acquiringAndReleasing) }
}
