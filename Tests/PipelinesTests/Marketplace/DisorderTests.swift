import Connectors
import StreamRuntime
import Testing

@testable import Pipelines

/// The whole marketplace over input in another order and with every record twice.
@Suite(.serialized) struct DisorderTests {
    /// Every record twice, each copy up to a minute later among the others of its partition than it came.
    private static func disturb(
        _ records: [Marketplace.Record], _ random: inout Seeded
    ) -> [Marketplace.Record] {
        var reached: [Int: Int64] = [:]
        var moved: [(place: Int64, record: Marketplace.Record)] = []
        for record in records {
            let now = max(reached[record.partition, default: 0], record.timestamp)
            reached[record.partition] = now
            for _ in 0..<2 {
                moved.append((now + Int64(random.next(60_000)) * 1000, record))
            }
        }
        return moved.enumerated().sorted {
            ($0.element.place, $0.offset) < ($1.element.place, $1.offset)
        }.map(\.element.record)
    }

    /// What every output topic says in the end. Batches are told by their messages, and dead letters by the
    /// record: which messages share a batch, and where a record lay, depends on the order of arrival.
    private static func tables(_ place: Marketplace) throws -> [String: [String: String]] {
        var tables = try place.tables()
        for topic in tables.keys {
            var table: [String: String] = [:]
            for record in try place.records(of: topic) {
                guard let value = record.value.flatMap({ JSONValue($0) }) else { continue }
                if topic == "crm.batches" {
                    for message in value["items"]?.items ?? [] {
                        let id = message["message_id"]?.scalarText ?? ""
                        #expect(table[id] == nil, "message \(id) is in two batches")
                        table[id] = String(decoding: message.text, as: UTF8.self)
                    }
                } else if let raw = value["raw"]?.scalarText {
                    table[raw] = value["reason"]?.scalarText
                }
            }
            if !table.isEmpty { tables[topic] = table }
        }
        return tables
    }

    @Test
    func `records doubled and up to a minute out of order leave the same tables and features`()
        throws
    {
        let seed: UInt64 = 20_261_124
        var random = Seeded(seed)
        // Streams must wait for what may come so late.
        let place = try Marketplace(scale: 0.05) {
            $0
        } included: {
            $0.replacing(#/out_of_orderness: \w+/#, with: "out_of_orderness: 3m")
        }
        defer { place.remove() }
        let features = try place.undisturbed(workers: 1, batchRows: 4096).features
        let tables = try DisorderTests.tables(place)
        #expect(tables.count > 20)
        try place.rewriteInputs { _, records in DisorderTests.disturb(records, &random) }
        let disturbed = try place.undisturbed(workers: 2, batchRows: 512).features
        let after = try DisorderTests.tables(place)
        for (topic, table) in tables.sorted(by: { $0.key < $1.key }) {
            let other = after[topic] ?? [:]
            let keys = Set(table.keys).union(other.keys).filter { table[$0] != other[$0] }.sorted()
            guard let first = keys.first else { continue }
            Issue.record(
                """
                seed \(seed), \(topic): \(keys.count) of \(table.count) differ; \(first): \
                \(table[first] ?? "-") != \(other[first] ?? "-")
                """)
        }
        let lost = Set(features).subtracting(disturbed)
        for (view, lines) in Dictionary(grouping: lost, by: { $0.split(separator: " ")[2] }) {
            let line = lines.min()!
            let head = line.split(separator: " ").prefix(3).joined(separator: " ") + " "
            let other = disturbed.first { $0.hasPrefix(head) } ?? "-"
            Issue.record("seed \(seed), \(view): \(lines.count) differ: \(line) != \(other)")
        }
        #expect(features.count == disturbed.count)
        #expect(features.count > 100)
    }
}
