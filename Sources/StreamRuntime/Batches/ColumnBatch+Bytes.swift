extension ColumnBatch {
    /// About what the rows take in memory: their values, and the bytes that strings and bytes show.
    ///
    /// - Note: bytes that several batches share count in each, those that no row shows in none.
    public var byteCount: Int {
        var bytes = columns.reduce(0) { $0 + $1.byteCount(count) }
        bytes += order.byteCount(count)
        bytes += keys.map { $0.bytes.byteCount(count) + $0.hashes.byteCount(count) } ?? 0
        bytes += raw?.byteCount(count) ?? 0
        return bytes + (changes == nil ? 0 : count)
    }
}

extension RowOrder {
    fileprivate func byteCount(_ rows: Int) -> Int { rows * (elements == nil ? 32 : 40) }
}

extension Column {
    /// What the first `rows` rows take.
    fileprivate func byteCount(_ rows: Int) -> Int {
        var bytes = rows * type.stride + (validity == nil ? 0 : rows)
        if type.isBytes {
            let views = views
            var shown: UInt64 = 0
            var row = 0
            while row < rows {
                shown &+= views[row] &>> 32
                row &+= 1
            }
            bytes += Int(shown)
        }
        for child in children { bytes += child.byteCount(child.count) }
        return bytes
    }
}
