import StreamRuntime

/// Rows of a changelog that together are one change of their key: one that takes a row back and, next of the
/// key's rows and of the same cause, the one that comes in its place.
///
/// Rows of one cause have one place in the order, but for the element.
struct ChangePairs {
    /// For each row whether it is the first of a pair.
    private var marks: [Bool]
    /// The second rows, ascending.
    private(set) var seconds: [Int32] = []

    /// Whether a row is the first of a pair, so that its result is not told.
    func isFirst(_ row: Int) -> Bool { marks[row] }

    /// Finds the pairs of `rows`, of which `before` names the row of the same key before each, and lets the second
    /// of each follow the row before the first.
    ///
    /// - Returns: nil when there are none.
    static func find(_ rows: ColumnBatch, _ before: inout [Int32]) -> ChangePairs? {
        guard let changes = rows.changes else { return nil }
        var pairs: ChangePairs?
        for row in 0..<rows.count where !changes.isRemoval(row) {
            let first = before[row]
            guard first >= 0, changes.isRemoval(Int(first)),
                haveOneCause(rows.order, Int(first), row)
            else { continue }
            if pairs == nil {
                pairs = ChangePairs(marks: Array(repeating: false, count: rows.count))
            }
            pairs?.marks[Int(first)] = true
            pairs?.seconds.append(Int32(truncatingIfNeeded: row))
            before[row] = before[Int(first)]
        }
        return pairs
    }

    fileprivate static func haveOneCause(_ order: RowOrder, _ left: Int, _ right: Int) -> Bool {
        order.offsets.int64s[left] == order.offsets.int64s[right]
            && order.origins.int64s[left] == order.origins.int64s[right]
            && order.time(left) == order.time(right)
    }
}

/// Holds back the end of a batch as long as the row that takes the place of one taken back there may follow.
///
/// - Note: nothing is held once time has passed the rows, so never at a barrier.
struct HeldHalves {
    private var held: ColumnBatch?

    var isEmpty: Bool { held == nil }

    /// The rows whose pairs are whole, those held before included; nil when there are none.
    mutating func take(_ batch: ColumnBatch) -> ColumnBatch? {
        let whole = held.map { HeldHalves.joined($0, batch) } ?? batch
        held = nil
        guard let cut = HeldHalves.firstHalf(whole) else { return whole }
        held = HeldHalves.part(whole, cut..<whole.count)
        return cut == 0 ? nil : HeldHalves.part(whole, 0..<cut)
    }

    /// The rows that are held: none of them waits for another any more.
    mutating func takeRest() -> ColumnBatch? {
        defer { held = nil }
        return held
    }

    /// The first row that is taken back for a cause of which more rows may follow, and has no later row of its key.
    private static func firstHalf(_ batch: ColumnBatch) -> Int? {
        guard let changes = batch.changes, batch.count > 0 else { return nil }
        var found: Int?
        var later: Set<[UInt8]> = []
        var row = batch.count - 1
        while row >= 0, ChangePairs.haveOneCause(batch.order, row, batch.count - 1) {
            let isNew = later.insert(batch.keys.map { Array($0.bytes.bytes(row)) } ?? []).inserted
            if isNew, changes.isRemoval(row) { found = row }
            row -= 1
        }
        return found
    }

    private static func part(_ batch: ColumnBatch, _ range: Range<Int>) -> ColumnBatch {
        let rows = range.map { Int32(truncatingIfNeeded: $0) }
        return batch.gathered(rows, count: rows.count)
    }

    private static func joined(_ first: ColumnBatch, _ second: ColumnBatch) -> ColumnBatch {
        var picks: [RowPick] = []
        picks.reserveCapacity(first.count + second.count)
        for (index, batch) in [first, second].enumerated() {
            for row in 0..<batch.count {
                picks.append(RowPick(batch: Int32(index), row: Int32(truncatingIfNeeded: row)))
            }
        }
        return BatchBuilder.gather(
            picks, count: picks.count, from: [first, second], schema: first.schema)
    }
}

extension Column {
    /// Whether a row of this column of `RowChange`s takes a row back.
    fileprivate func isRemoval(_ row: Int) -> Bool {
        bools[row] >= RowChange.updateBefore.rawValue
    }
}
