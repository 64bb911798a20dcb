import StreamRuntime

/// The rows of a batch by whether their windows have ended.
struct WindowEnds {
    private(set) var inTime: [Int32] = []
    private(set) var late: [Int32] = []
    private(set) var endless: [Int32] = []

    /// The rows of `rows`, whose windows end where `column` says; time has come to `reached`.
    init(_ rows: ColumnBatch, column: Int, reached: Int64) {
        let ends = rows.columns[column]
        inTime.reserveCapacity(rows.count)
        for row in 0..<rows.count {
            if !ends.isValid(row) {
                endless.append(Int32(row))
            } else if max(rows.order.time(row), reached) >= ends.int64s[row] {
                late.append(Int32(row))
            } else {
                inTime.append(Int32(row))
            }
        }
    }
}
