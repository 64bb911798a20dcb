import StreamRuntime
import Testing

@testable import FeatureServe

@Suite struct FeatureMetersTests {
    private func records(_ offsets: [Int64], at micros: Int64) -> RecordBatch {
        let batch = RecordBatch(partition: 3, capacity: offsets.count)
        for offset in offsets {
            batch.keys.appendNull()
            batch.values.appendNull()
            batch.timestamps.append(micros)
            batch.offsets.append(offset)
        }
        return batch
    }

    private func rows(_ offsets: [Int64], origin: Int64) -> ColumnBatch {
        let batch = Shop.batch(offsets.map { .init(user: $0, orders: 1, at: Shop.noon) })
        for (row, offset) in offsets.enumerated() {
            batch.order.offsets.int64s[row] = offset
            batch.order.origins.int64s[row] = origin
        }
        return batch
    }

    @Test func `freshness is measured on every sixteenth offset from its record's own time`() throws
    {
        let registry = MetricsRegistry()
        let meters = FeatureMeters(registry)
        meters.times.note(records(Array(0..<40), at: Shop.noon), source: 2)
        let store = try Shop.store()
        let writer = try FeatureWriter(
            store: store, view: "user_counters", schema: Shop.counterSchema,
            meter: meters.meter(of: Shop.counters), now: { Shop.noon + 20_000 })
        _ = try writer.write(rows(Array(0..<40), origin: 2 << 32 | 3))
        _ = try writer.write(rows([0, 16, 32], origin: 1 << 32 | 3))
        _ = try writer.write(rows([0, 16, 32], origin: RowOrder.derived + 5))
        let text = registry.render()
        let name = "millrace_feature_freshness_seconds"
        #expect(text.contains("\(name)_count{feature_view=\"user_counters\"} 3\n"))
        #expect(text.contains("\(name)_sum{feature_view=\"user_counters\"} 0.06\n"))
        #expect(text.contains("\(name)_bucket{feature_view=\"user_counters\",le=\"0.01\"} 0\n"))
        #expect(text.contains("\(name)_bucket{feature_view=\"user_counters\",le=\"0.025\"} 3\n"))
    }

    @Test func `means, deviations and null ratios are those of the last whole window`() throws {
        let statistics = FeatureStatistics(view: Shop.counters, windowMicros: 100)
        func write(_ orders: [Int64?], at now: Int64) {
            statistics.observe(
                Shop.batch(orders.map { .init(user: 1, orders: $0, at: 0) }), columns: [1, 2, 3],
                now: now)
        }
        write([2, 4, nil, 4], at: 110)
        write([4, 5, 5, 7, 9, nil], at: 190)
        #expect(statistics.mean(0) == nil, "its window is open")
        write([1000], at: 200)
        #expect(statistics.mean(0) == 5)
        #expect(statistics.deviation(0) == 2)
        #expect(statistics.nullRatio(0) == 0.2)
        #expect(statistics.nullRatio(2) == 0)
    }

    @Test func `large numbers that differ little have their own deviation`() throws {
        let view = FeatureView(
            name: "v", entity: "user", features: [Field("x", .float64)])
        let statistics = FeatureStatistics(view: view, windowMicros: 100)
        let schema = Schema([Field("x", .float64)])
        for now: Int64 in [10, 110] {
            let batch = ColumnBatch(schema: schema, capacity: 4)
            for value in [1e9, 1e9 + 1, .nan, 1e9 + 2] {
                batch.columns[0].append(value)
                batch.order.append(eventTime: 0, watermark: 0, origin: 0, offset: 0)
            }
            batch.count = 4
            statistics.observe(batch, columns: [0], now: now)
        }
        #expect(statistics.mean(0) == 1e9 + 1)
        #expect(abs(statistics.deviation(0)! - (2.0 / 3).squareRoot()) < 1e-9)
        #expect(statistics.nullRatio(0) == 0.25, "not a number is no value")
    }
}
