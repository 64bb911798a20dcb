import Operators
import StreamRuntime
import Testing

/// Random rows of several partitions against sessions worked out in total order in plain Swift.
@Suite struct SessionModelTests {
    typealias Row = WindowModelTests.Row

    struct Session: Hashable {
        var start: Int64
        var end: Int64
        var values: [Int64]
    }

    static let gap = 4 * second

    @Test(arguments: [Int64(0), 9], 1...2)
    func `sessions are those of a plain model`(_ allowed: Int64, _ seed: Int) throws {
        var random = SplitMix(state: UInt64(seed) &* 77)
        let rows = WindowModelTests.rows(&random, count: 150)
        let harness = try aggregateHarness(
            "time k:int64 v:int64", by: ["k"], .session(gap: Self.gap),
            select: [("all", "list(v)"), ("n", "count(*)")],
            allowed: allowed == 0 ? "00:00" : "00:09")
        var sent: [Int64: Int64] = [:]
        var batch = ColumnBatch(schema: harness.schema, capacity: 64)
        for (index, row) in rows.enumerated() {
            batch.columns[0].append(row.key)
            batch.columns[1].append(row.value ?? -1)
            batch.order.append(
                eventTime: row.time, watermark: row.watermark, origin: row.partition,
                offset: row.offset)
            batch.count += 1
            sent[row.partition] = max(sent[row.partition] ?? .min, row.watermark)
            if index % 17 == 16 {
                try harness.send(batch)
                batch = ColumnBatch(schema: harness.schema, capacity: 64)
                let least = sent.count == 3 ? sent.values.min() ?? .min : .min
                if least > .min { try harness.advance(to: EventTime(micros: least)) }
            }
        }
        try harness.send(batch)
        try harness.finish()
        let columns = ["k", "window_start", "window_end", "all", "n", "change"]
        let found = harness.rows(columns)
        var standing: [[String]: [String]] = [:]
        for row in found {
            let window = Array(row[..<3])
            switch row[5] {
            case "delete":
                #expect(standing.removeValue(forKey: window) == Array(row[3..<5]), "seed \(seed)")
            case "updateAfter":
                #expect(standing[window] != nil, "seed \(seed)")
                standing[window] = Array(row[3..<5])
            default:
                #expect(standing[window] == nil, "seed \(seed)")
                standing[window] = Array(row[3..<5])
            }
        }
        let (wanted, late) = Self.model(rows, allowed * second)
        #expect(standing == wanted, "seed \(seed)")
        #expect(harness.rows(["k"], port: 1).count == late, "seed \(seed)")
        try harness.expect(rows: found, of: columns)
    }

    /// Every session there ever is, and the number of late rows.
    static func model(_ rows: [Row], _ allowed: Int64) -> ([[String]: [String]], late: Int) {
        struct Part {
            var start: Int64
            var end: Int64
            var rows: [Row]
        }
        let ordered = rows.sorted {
            (max($0.time, $0.watermark), $0.partition, $0.offset)
                < (max($1.time, $1.watermark), $1.partition, $1.offset)
        }
        var open: [Int64: [Part]] = [:]
        var closed: [(Int64, Part)] = []
        var late = 0
        for row in ordered {
            let moment = max(row.time, row.watermark)
            var parts = open[row.key] ?? []
            for part in parts where part.end + allowed <= moment { closed.append((row.key, part)) }
            parts.removeAll { $0.end + allowed <= moment }
            let joined = parts.filter { $0.start < row.time + gap && $0.end > row.time }
            let end = max(row.time + gap, joined.map(\.end).max() ?? .min)
            if row.watermark >= end + allowed {
                late += 1
                open[row.key] = parts
                continue
            }
            parts.removeAll { $0.start < row.time + gap && $0.end > row.time }
            parts.append(
                Part(
                    start: min(row.time, joined.map(\.start).min() ?? .max), end: end,
                    rows: joined.flatMap(\.rows) + [row]))
            open[row.key] = parts
        }
        for (key, parts) in open { closed += parts.map { (key, $0) } }
        var results: [[String]: [String]] = [:]
        for (key, part) in closed {
            let rows = part.rows.sorted {
                ($0.time, $0.partition, $0.offset) < ($1.time, $1.partition, $1.offset)
            }
            results[["\(key)", TableText.time(part.start), TableText.time(part.end)]] = [
                "[" + rows.map { "\($0.value ?? -1)" }.joined(separator: ", ") + "]",
                "\(rows.count)",
            ]
        }
        return (results, late)
    }
}
