import Glibc
import StreamRuntime

/// The entities near a place, nearest first; equally near ones in the order of their keys.
final class NearRows {
    /// An entity that was found.
    struct Row {
        let miles: Double
        let keyStart: Int
        let keyLength: Int
    }

    private(set) var rows: [Row] = []
    private var keys = ByteArena(capacity: 4096)
    private let limit: Int
    /// Rows from which on all but the nearest are dropped.
    private let crowd: Int
    /// False when the view has more entities than its index may hold.
    var isComplete = true

    init(limit: Int) {
        self.limit = limit
        crowd = limit * 2 + 64
    }

    /// The bytes of a row's key.
    func key(_ row: Row) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: UnsafePointer(keys.base) + row.keyStart, count: row.keyLength)
    }

    /// The miles of every row.
    var miles: Column {
        let column = Column(.float64, capacity: max(rows.count, 1))
        for row in rows { column.append(row.miles) }
        return column
    }

    /// Adds a row that is within the circle, which shrinks when there are more rows than are wanted.
    @inline(__always)
    func add(
        _ miles: Double, _ key: UnsafePointer<UInt8>, _ length: Int, _ cover: inout GeoCover
    ) {
        rows.append(Row(miles: miles, keyStart: keys.count, keyLength: length))
        keys.append(key, length)
        if rows.count >= crowd { take(&cover) }
    }

    /// Keeps the nearest rows, in order.
    func take(_ cover: inout GeoCover) {
        guard rows.count > limit else { return }
        order()
        rows.removeLast(rows.count - limit)
        let kept = ByteArena(capacity: max(keys.count / 2, 64))
        for at in rows.indices {
            let row = rows[at]
            rows[at] = Row(miles: row.miles, keyStart: kept.count, keyLength: row.keyLength)
            kept.append(keys.base + row.keyStart, row.keyLength)
        }
        keys = kept
        cover.shrink(to: min(cover.miles, rows[limit - 1].miles))
    }

    /// Puts the rows in order, and drops those beyond the limit.
    func finish() {
        order()
        if rows.count > limit { rows.removeLast(rows.count - limit) }
    }

    private func order() {
        let bytes = keys.base
        rows.sort { left, right in
            guard left.miles == right.miles else { return left.miles < right.miles }
            let order = memcmp(
                bytes + left.keyStart, bytes + right.keyStart,
                min(left.keyLength, right.keyLength))
            return order == 0 ? left.keyLength < right.keyLength : order < 0
        }
    }
}
