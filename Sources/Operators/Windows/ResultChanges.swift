import Glibc
import StreamRuntime

/// What each row of a batch is to the results of its key, and the rows its key has after it.
struct Turns {
    /// The kind of each row's result.
    let kinds: Column
    /// A byte a row, 1 where it takes one back; nil when none does.
    private(set) var takenBack: Column?
    /// Rows that take back what never came.
    private(set) var unknown: [Int32] = []

    /// Counts the rows into the entries of `core`.
    init(_ rows: ColumnBatch, _ core: AggregateCore) {
        let count = rows.count
        let kinds = Column(.bool, capacity: count)
        let bytes = kinds.bools
        let values = core.values
        var row = 0
        if let changes = rows.changes?.bools {
            let backs = Column(.bool, capacity: count)
            let marks = backs.bools
            while row < count {
                let word = values[row].assumingMemoryBound(to: Int64.self)
                let isBack = changes[row] >= RowChange.updateBefore.rawValue
                marks[row] = isBack ? 1 : 0
                if !isBack {
                    bytes[row] =
                        word.pointee == 0
                        ? RowChange.insert.rawValue : RowChange.updateAfter.rawValue
                    word.pointee &+= 1
                } else if word.pointee == 0 {
                    unknown.append(Int32(truncatingIfNeeded: row))
                } else {
                    word.pointee &-= 1
                    bytes[row] =
                        word.pointee == 0
                        ? RowChange.delete.rawValue : RowChange.updateAfter.rawValue
                }
                row &+= 1
            }
            backs.setCount(count)
            takenBack = backs
        } else {
            while row < count {
                let word = values[row].assumingMemoryBound(to: Int64.self)
                bytes[row] = word.pointee == 0 ? 0 : 1
                word.pointee &+= 1
                row &+= 1
            }
        }
        kinds.setCount(count)
        self.kinds = kinds
    }

    func isDelete(_ row: Int) -> Bool { kinds.bools[row] == RowChange.delete.rawValue }

    /// Makes one change of each pair: its key had a row before, and has one after.
    func join(_ pairs: ChangePairs) {
        for row in pairs.seconds { kinds.bools[Int(row)] = RowChange.updateAfter.rawValue }
    }

    /// Takes the counts out of the entries again.
    func undo(_ rows: ColumnBatch, _ core: AggregateCore) {
        let bad = Set(unknown)
        for row in 0..<rows.count where !bad.contains(Int32(row)) {
            let word = core.values[row].assumingMemoryBound(to: Int64.self)
            word.pointee &+= takenBack?.bools[row] == 1 ? 1 : -1
        }
    }
}

/// For each row of a batch the row of its key before it.
final class EarlierRows {
    /// The row before; ~i for the first row of a key, the i-th of `firsts`.
    private(set) var before: [Int32] = []
    /// The first row of each key.
    private(set) var firsts: [Int32] = []
    private var slots: [(address: UInt, row: Int32)] = []

    /// Lets the second row of each pair of `rows` follow the one before the first.
    func joinPairs(of rows: ColumnBatch) -> ChangePairs? { ChangePairs.find(rows, &before) }

    func find(_ entries: UnsafePointer<StateEntry>, _ count: Int) {
        var size = 64
        while size < 2 * count { size *= 2 }
        slots = Array(repeating: (0, 0), count: size)
        firsts.removeAll(keepingCapacity: true)
        if before.count < count { before = Array(repeating: 0, count: count) }
        let mask = UInt(size - 1)
        slots.withUnsafeMutableBufferPointer { slots in
            for row in 0..<count {
                let address = UInt(bitPattern: entries[row].value)
                var slot = Int((address &>> 4 &* 0x9E37_79B9_7F4A_7C15) &>> 20 & mask)
                while slots[slot].address != 0, slots[slot].address != address {
                    slot = (slot &+ 1) & (size &- 1)
                }
                if slots[slot].address == 0 {
                    before[row] = ~Int32(truncatingIfNeeded: firsts.count)
                    firsts.append(Int32(truncatingIfNeeded: row))
                } else {
                    before[row] = slots[slot].row
                }
                slots[slot] = (address, Int32(truncatingIfNeeded: row))
            }
        }
    }
}

/// Which rows of results are the same as what they replace.
enum Sameness {
    /// A byte a row, 1 where every column of `made` behind the first `keys` is as it was before: in the row of
    /// `made` that `before` names, or in ~`before` of `standing`.
    static func mask(
        _ made: ColumnBatch, _ standing: ColumnBatch, _ before: [Int32], skipping keys: Int
    ) -> [UInt8] {
        let count = made.count
        var same = [UInt8](repeating: 1, count: count)
        same.withUnsafeMutableBufferPointer { same in
            before.withUnsafeBufferPointer { before in
                guard let mask = same.baseAddress, let olds = before.baseAddress else { return }
                for column in keys..<made.columns.count {
                    compare(made.columns[column], standing.columns[column], olds, count, mask)
                }
            }
        }
        return same
    }

    private static func compare(
        _ made: Column, _ standing: Column, _ before: UnsafePointer<Int32>, _ count: Int,
        _ mask: UnsafeMutablePointer<UInt8>
    ) {
        let isPlain = made.validity == nil && standing.validity == nil
        switch made.type {
        // Told again rather than looked through.
        case .list, .structure: mask.update(repeating: 0, count: count)
        case .int64, .float64, .timestamp, .date:
            guard isPlain else { fallthrough }
            let mine = UnsafePointer(made.int64s)
            let theirs = UnsafePointer(standing.int64s)
            var row = 0
            while row < count {
                let old = before[row]
                let other = old < 0 ? theirs[Int(~old)] : mine[Int(old)]
                mask[row] &= mine[row] == other ? 1 : 0
                row &+= 1
            }
        default:
            for row in 0..<count where mask[row] != 0 {
                let old = before[row]
                let isSame =
                    old < 0
                    ? isEqual(made, row, standing, Int(~old)) : isEqual(made, row, made, Int(old))
                if !isSame { mask[row] = 0 }
            }
        }
    }

    private static func isEqual(_ left: Column, _ row: Int, _ right: Column, _ other: Int) -> Bool {
        let isValid = left.isValid(row)
        guard isValid == right.isValid(other) else { return false }
        if !isValid { return true }
        if left.type.isBytes { return ValueBytes.compare(left.bytes(row), right.bytes(other)) == 0 }
        let stride = left.type.stride
        return memcmp(left.values + row * stride, right.values + other * stride, stride) == 0
    }
}
