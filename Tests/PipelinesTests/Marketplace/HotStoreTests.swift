import StreamRuntime
import Testing

@testable import Pipelines

/// The whole marketplace when one store has half of the traffic.
@Suite(.serialized) struct HotStoreTests {
    private static func text(_ bytes: [UInt8]?) -> String? {
        bytes.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test
    func
        `one store with half of the traffic is spread over the workers, and the results are the same`()
        throws
    {
        let place = try Marketplace(scale: 0.1)
        defer { place.remove() }
        // Every other record becomes one of store s001; those of one order, or one row of a table, stay together.
        let store = #/"(store_id|location_id)":"s\d+"/#
        var turns: [String: Int] = [:]
        var moved = 0
        var records = 0
        try place.rewriteInputs { topic, before in
            before.map { record in
                guard let value = HotStoreTests.text(record.value),
                    value.firstMatch(of: store) != nil
                else { return record }
                records += 1
                turns[topic, default: 0] += 1
                guard turns[topic]! % 2 == 0 else { return record }
                moved += 1
                var changed = record
                changed.value = Array(value.replacing(store) { "\"\($0.1)\":\"s001\"" }.utf8)
                changed.key = HotStoreTests.text(record.key)
                    .map { Array($0.replacing(store) { "\"\($0.1)\":\"s001\"" }.utf8) }
                return changed
            }
        }
        #expect(records > 1000)
        #expect(moved * 2 >= records - turns.count)
        var expected: Marketplace.Results?
        for workers in [1, 2, 3] {
            try place.reset()
            let summary = try place.run(workers: workers)
            let found = try place.results()
            #expect((expected ?? found) == found, "\(workers) workers")
            expected = found
            // Steps by store and product: nobody has more than twice an equal share, nobody less than a third.
            for step in ["folded_stock", "item_scan_counts", "item_memory", "item_demand_hours"] {
                let rows = try #require(
                    summary.spread.first {
                        $0.key.hasSuffix(step) && !$0.key.hasPrefix("features:")
                    }?.value)
                let all = rows.reduce(0, +)
                #expect(rows.count == workers)
                #expect(all > 100, "\(step)")
                #expect(
                    rows.allSatisfy {
                        $0 * Int64(workers) * 3 >= all && $0 * Int64(workers) <= 2 * all
                    },
                    "\(step) of \(workers) workers: \(rows)")
            }
        }
    }
}
