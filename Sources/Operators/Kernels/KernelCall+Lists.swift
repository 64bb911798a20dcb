import StreamRuntime

/// Bounds on what one value may grow to.
enum TextLimits {
    /// 256 MiB: a few times the largest record there is (64 MiB), far below an arena's 4 GiB.
    static let lengthMax = 256 << 20
    static let tooLong = "the text would be longer than 256 MiB"
    /// Bytes of all texts a function makes of one batch: with one more value of `lengthMax` still far
    /// below the 4 GiB of an arena.
    static let batchMax = 1 << 30
    static let batchTooLong = "the texts of one batch would be longer than 1 GiB"
    /// Elements of a list made by a function.
    static let elementsMax: Int64 = 1 << 20
}

extension Column {
    /// The column with these rows null.
    func nulling(_ rows: [Int]) -> Column {
        guard !rows.isEmpty else { return self }
        let live = ensureValidity()
        for row in rows { live[row] = 0 }
        return self
    }

    /// Appends a view into the column's arena.
    func appendView(start: Int, length: Int) {
        reserve(1)
        views[count] = ByteView.pack(start: start, length: length)
        if let validity { validity[count] = 1 }
        setCount(count + 1)
    }
}

extension KernelCall {
    /// Lists whose elements `body` appends to `elements`; the reason it returns fails the row.
    @inline(__always)
    func buildLists(_ elements: Column, _ body: (Int) -> String?) -> Column {
        let result = Column(type, capacity: count, arena: nil, children: [elements])
        let live = result.ensureValidity()
        Validity.merge(arguments, into: result, count: count)
        if let mask = evaluation.mask?.bytes { Validity.and(live, mask, count) }
        for row in 0..<count {
            result.views[row] = 0
            guard live[row] != 0 else { continue }
            let start = elements.count
            if let reason = body(row) {
                fail(row, live, reason)
            } else {
                result.views[row] = ByteView.pack(start: start, length: elements.count - start)
            }
        }
        result.setCount(count)
        return result
    }
}
