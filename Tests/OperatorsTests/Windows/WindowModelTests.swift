import Operators
import StreamRuntime
import Testing

/// Random rows of several partitions against windows worked out row by row in plain Swift.
@Suite struct WindowModelTests {
    struct Row {
        let time: Int64
        let watermark: Int64
        let partition: Int64
        let offset: Int64
        let key: Int64
        let value: Int64?
    }

    struct Setting: CustomTestStringConvertible {
        let size: Int64
        let every: Int64
        let isGrowing: Bool
        let allowed: Int64
        var testDescription: String { "\(size)/\(every) growing \(isGrowing) allowed \(allowed)" }
    }

    static let settings = [
        Setting(size: 10, every: 10, isGrowing: false, allowed: 0),
        Setting(size: 10, every: 10, isGrowing: false, allowed: 7),
        Setting(size: 30, every: 10, isGrowing: false, allowed: 0),
        Setting(size: 30, every: 10, isGrowing: false, allowed: 25),
        Setting(size: 25, every: 10, isGrowing: false, allowed: 5),
        Setting(size: 30, every: 10, isGrowing: true, allowed: 0),
        Setting(size: 30, every: 10, isGrowing: true, allowed: 12),
    ]

    @Test(arguments: settings, 1...2)
    func `last results of windows are those of a plain model`(_ setting: Setting, _ seed: Int)
        throws
    {
        var random = SplitMix(state: UInt64(seed))
        let rows = Self.rows(&random, count: 160)
        let window: Window =
            setting.isGrowing
            ? .cumulate(size: setting.size * second, every: setting.every * second)
            : .hop(size: setting.size * second, every: setting.every * second)
        let harness = try OperatorHarness("time k:int64 v:int64", keys: ["k"]) { schema in
            let plan = try ExpressionCompiler(schema: schema).compileAggregates(
                [
                    ("n", "count(*)"), ("s", "sum(v)"), ("d", "count(distinct v)"),
                    ("lo", "min(v)"), ("f", "first(v)"), ("l", "last(v)"), ("all", "list(v)"),
                ], keys: ["k"])
            return try AggregateSpec(
                window: window, plan: plan, allowedLateness: setting.allowed * second, latePort: 1
            ).makeOperator(input: schema)
        }
        // Watermarks move as far as every partition's own has moved.
        var sent: [Int64: Int64] = [:]
        var batch = ColumnBatch(schema: harness.schema, capacity: 64)
        for (index, row) in rows.enumerated() {
            batch.columns[0].append(row.key)
            if let value = row.value {
                batch.columns[1].append(value)
            } else {
                batch.columns[1].appendNull()
            }
            batch.order.append(
                eventTime: row.time, watermark: row.watermark, origin: row.partition,
                offset: row.offset)
            batch.count += 1
            sent[row.partition] = max(sent[row.partition] ?? .min, row.watermark)
            if index % 23 == 22 {
                try harness.send(batch)
                batch = ColumnBatch(schema: harness.schema, capacity: 64)
                let least = sent.count == 3 ? sent.values.min() ?? .min : .min
                if least > .min { try harness.advance(to: EventTime(micros: least)) }
            }
        }
        try harness.send(batch)
        try harness.finish()
        let columns = ["k", "window_start", "window_end", "n", "s", "d", "lo", "f", "l", "all"]
        let found = harness.rows(columns)
        var latest: [[String]: [String]] = [:]
        for row in found { latest[Array(row[..<3])] = Array(row[3...]) }
        let wanted = Self.model(rows, setting)
        #expect(latest == wanted, "seed \(seed)")
        let late = rows.filter { Self.ends($0, setting).isEmpty }.count
        #expect(harness.rows(["k"], port: 1).count == late, "seed \(seed)")
        // Every other way to run it gives the same rows, corrections included.
        try harness.expect(rows: found, of: columns)
    }

    /// Rows of three partitions, disordered beyond their bound now and then.
    static func rows(_ random: inout SplitMix, count: Int) -> [Row] {
        var latest: [Int64] = [.min, .min, .min]
        var offsets: [Int64] = [0, 0, 0]
        var rows: [Row] = []
        for index in 0..<count {
            let partition = Int(random.next() % 3)
            var time = Int64(index) * second + Int64(random.next() % 5) * second
            if random.next() % 5 == 0 { time -= Int64(random.next() % 60) * second }
            let bound = 3 * second
            let watermark = latest[partition] == .min ? .min : latest[partition] - bound
            rows.append(
                Row(
                    time: time, watermark: watermark, partition: Int64(partition),
                    offset: offsets[partition], key: Int64(random.next() % 4),
                    value: random.next() % 9 == 0 ? nil : Int64(random.next() % 6)))
            offsets[partition] += 1
            latest[partition] = max(latest[partition], time)
        }
        return rows
    }

    /// The windows the row counts in, by their ends.
    static func ends(_ row: Row, _ setting: Setting) -> [Int64] {
        let (size, every) = (setting.size * second, setting.every * second)
        var ends: [Int64] = []
        var start = -200 * second
        while start <= row.time {
            if setting.isGrowing {
                let period = start
                for step in 1...(size / every)
                where period % size == 0 && row.time < period + step * every {
                    if row.time < period + size { ends.append(period + step * every) }
                }
            } else if row.time < start + size, (start % every) == 0 {
                ends.append(start + size)
            }
            start += every
        }
        return ends.filter { row.watermark < $0 + setting.allowed * second }
    }

    static func model(_ rows: [Row], _ setting: Setting) -> [[String]: [String]] {
        var windows: [[Int64]: [Row]] = [:]
        for row in rows {
            for end in ends(row, setting) {
                let size = setting.size * second
                var start = end - size
                if setting.isGrowing {
                    start = row.time / size * size
                    if row.time % size < 0 { start -= size }
                }
                windows[[row.key, start, end], default: []].append(row)
            }
        }
        var results: [[String]: [String]] = [:]
        for (window, rows) in windows {
            let ordered = rows.sorted {
                ($0.time, $0.partition, $0.offset) < ($1.time, $1.partition, $1.offset)
            }
            let values = ordered.compactMap(\.value)
            func text(_ value: Int64?) -> String { value.map { "\($0)" } ?? "null" }
            results[["\(window[0])", TableText.time(window[1]), TableText.time(window[2])]] = [
                "\(rows.count)", text(values.isEmpty ? nil : values.reduce(0, +)),
                "\(Set(values).count)", text(values.min()), text(ordered[0].value),
                text(ordered[ordered.count - 1].value),
                "[" + ordered.map { text($0.value) }.joined(separator: ", ") + "]",
            ]
        }
        return results
    }
}

/// Random numbers from a seed.
struct SplitMix {
    var state: UInt64

    /// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
