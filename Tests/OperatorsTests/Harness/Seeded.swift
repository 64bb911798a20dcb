import StreamRuntime

/// A random generator that repeats itself: SplitMix64.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

extension OperatorHarness {
    /// Sends `count` random rows in batches, with watermarks between them, and ends the input.
    ///
    /// - Shape: event times wander forward by about `step` a row and jump back by up to `jump`; two
    ///   partitions. `fill` appends a row's values to the columns, then `change` says what the row is.
    /// - Returns: the rows in total order, as indices into the order they were sent, with their order.
    func sendRandom(
        _ count: Int, _ random: inout Seeded, step: Int64 = 1_000_000, jump: Int64 = 5_000_000,
        change: ((Int, inout Seeded) -> RowChange)? = nil,
        fill: (Int, [Column], inout Seeded) -> Void
    ) throws -> [RandomRow] {
        var rows: [RandomRow] = []
        var clock: Int64 = 100_000_000
        var latest = [Int64.min, Int64.min]
        var offsets: [Int64] = [0, 0]
        var sent = 0
        while sent < count {
            let size = min(Int.random(in: 1...9, using: &random), count - sent)
            let batch = ColumnBatch(schema: schema, capacity: size)
            if change != nil { batch.changes = RowChange.inserts(0) }
            for _ in 0..<size {
                clock += Int64.random(in: 0...(2 * step), using: &random)
                let isLate = Int.random(in: 0..<12, using: &random) == 0
                let back = Int64.random(in: 0...(isLate ? 4 * jump : jump), using: &random)
                let partition = Int.random(in: 0..<2, using: &random)
                let time = (clock - back) / 100_000 * 100_000
                let watermark = latest[partition] == .min ? .min : latest[partition] - jump
                latest[partition] = max(latest[partition], time)
                fill(sent, batch.columns, &random)
                if let change {
                    batch.changes!.append(false)
                    let row = batch.changes!.count - 1
                    batch.changes!.bools[row] = change(sent, &random).rawValue
                }
                batch.order.append(
                    eventTime: time, watermark: watermark, origin: Int64(partition),
                    offset: offsets[partition])
                rows.append(
                    RandomRow(
                        index: sent, eventTime: time, watermark: watermark,
                        time: max(time, watermark),
                        origin: Int64(partition), offset: offsets[partition]))
                offsets[partition] += 1
                sent += 1
            }
            batch.count = size
            try send(batch)
            let reached = latest.min()!
            if reached != .min, Int.random(in: 0..<3, using: &random) == 0 {
                try advance(to: EventTime(micros: reached - jump))
            }
        }
        try finish()
        return rows.sorted {
            ($0.time, $0.origin, $0.offset) < ($1.time, $1.origin, $1.offset)
        }
    }
}

/// A row that `sendRandom` sent.
struct RandomRow {
    let index: Int
    let eventTime: Int64
    let watermark: Int64
    let time: Int64
    let origin: Int64
    let offset: Int64
}
