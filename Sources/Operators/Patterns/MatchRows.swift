import StreamRuntime

/// The rows of one key that may still be part of a match.
///
/// - Shape: rows `head` on are kept; `head` is where the next match may begin.
final class MatchRows {
    private(set) var batch: ColumnBatch
    private(set) var times: [Int64] = []
    private(set) var names: [UInt64] = []
    var head = 0
    let key: [UInt8]
    let hash: Int64
    /// The time for which the key is in the queue; the end of time when it is not.
    var queued = Int64.max
    var isTouched = false

    init(schema: Schema, key: [UInt8], hash: Int64) {
        batch = ColumnBatch(schema: schema, capacity: 8)
        self.key = key
        self.hash = hash
    }

    var count: Int { times.count }
    var isEmpty: Bool { head == times.count }

    /// Appends row `row` of `input`, which may have these names.
    func append(_ input: ColumnBatch, _ row: Int, _ kept: [Int], names bits: UInt64) {
        for (slot, column) in kept.enumerated() {
            batch.columns[slot].append(from: input.columns[column], row: row)
        }
        batch.columns[kept.count].append(Int64(bitPattern: bits))
        batch.order.append(from: input.order, row: row)
        batch.count += 1
        times.append(input.order.time(row))
        names.append(bits)
    }

    /// Takes over rows that were kept in state.
    func restore(_ rows: ColumnBatch) {
        batch = rows
        let bits = rows.columns[rows.columns.count - 1].int64s
        times = (0..<rows.count).map { rows.order.time($0) }
        names = (0..<rows.count).map { UInt64(bitPattern: bits[$0]) }
    }

    /// Lets go of the rows before `head`.
    func compact() {
        guard head > 0, head == count || (head >= 64 && head * 2 > count) else { return }
        batch = current()
        times.removeFirst(head)
        names.removeFirst(head)
        head = 0
    }

    /// The rows from `head` on, with memory of their own.
    func current() -> ColumnBatch {
        let picks = (head..<count).map { RowPick(batch: 0, row: Int32($0)) }
        return BatchBuilder.gather(
            picks, count: picks.count, from: [batch], schema: batch.schema)
    }
}

extension MatchMeasure {
    /// Appends the value over rows `start..<end` of `rows`, called `called` from `start` on.
    ///
    /// - Parameter column: the position among the kept columns.
    func append(
        to target: Column, _ rows: MatchRows, _ start: Int, _ end: Int, _ called: [UInt8],
        column slot: Int?
    ) {
        func isMine(_ row: Int) -> Bool {
            guard let name else { return true }
            return Int(called[row - start]) == name
        }
        guard let slot else {
            return target.append(Int64((start..<end).count(where: isMine)))
        }
        let values = rows.batch.columns[slot]
        switch function {
        case .first:
            guard let row = (start..<end).first(where: isMine) else { return target.appendNull() }
            target.append(from: values, row: row)
        case .last:
            guard let row = (start..<end).last(where: isMine) else { return target.appendNull() }
            target.append(from: values, row: row)
        case .count:
            target.append(Int64((start..<end).count { isMine($0) && values.isValid($0) }))
        case .min, .max:
            var best: Int?
            for row in start..<end where isMine(row) && values.isValid(row) {
                guard let there = best else {
                    best = row
                    continue
                }
                let order = RowComparison.compare(values, row, values, there)
                if function == .min ? order < 0 : order > 0 { best = row }
            }
            guard let best else { return target.appendNull() }
            target.append(from: values, row: best)
        case .sum, .avg:
            var whole: Int128 = 0
            var real = 0.0
            var count = 0
            for row in start..<end where isMine(row) && values.isValid(row) {
                count += 1
                switch values.type {
                case .float64: real += values.float64s[row]
                case .decimal: whole &+= values.decimals[row]
                default: whole &+= Int128(values.int64s[row])
                }
            }
            if count == 0 { return target.appendNull() }
            if function == .sum {
                if values.type == .float64 { target.append(real) } else { target.append(whole) }
                return
            }
            var total = real
            if values.type != .float64 { total = Double(whole) }
            if case .decimal(_, let scale) = values.type {
                for _ in 0..<scale { total /= 10 }
            }
            target.append(total / Double(count))
        }
    }
}
