import StreamRuntime

/// A count or a sum in plain words, for the loop over rows: one word for a count, four for a sum.
struct TileSum: BitwiseCopyable {
    /// Where its words begin among those of all calls.
    let at: Int
    private let isCount: Bool
    private let isWide: Bool
    private let isNarrowResult: Bool
    private var values: UnsafePointer<Int64>?
    private var validity: UnsafePointer<UInt8>?
    private var filter: UnsafePointer<UInt8>?
    private var filterValidity: UnsafePointer<UInt8>?

    init(_ sum: RollingSum, at: Int) {
        self.at = at
        isCount = sum.isCount
        isWide = sum.isWide
        isNarrowResult = sum.resultType == .int64
    }

    /// Points it to the columns of a batch, which must live on until the next one.
    mutating func bind(_ argument: Column?, _ filter: Column?) {
        values = isCount ? nil : argument.map { UnsafePointer($0.int64s) }
        validity = argument?.validity.map { UnsafePointer($0) }
        self.filter = filter.map { UnsafePointer($0.bools) }
        filterValidity = filter?.validity.map { UnsafePointer($0) }
    }

    /// Adds what row `row` contributes.
    @inline(__always)
    func add(_ row: Int, to all: UnsafeMutablePointer<Int64>) {
        if let filter, filter[row] == 0 { return }
        if let filterValidity, filterValidity[row] == 0 { return }
        if let validity, validity[row] == 0 { return }
        let words = all + at
        words[0] &+= 1
        guard let values else { return }
        let low: Int64
        let middle: Int64
        if isWide {
            low = values[row &* 2]
            middle = values[row &* 2 &+ 1]
        } else {
            low = values[row]
            middle = low &>> 63
        }
        SumWords.add(low, middle, middle &>> 63, to: words)
    }

    /// Adds what `other` holds, or takes it out again.
    @inline(__always)
    func combine(
        _ other: UnsafePointer<Int64>, into all: UnsafeMutablePointer<Int64>, removes: Bool
    ) {
        let words = all + at
        let more = other + at
        words[0] &+= removes ? 0 &- more[0] : more[0]
        if isCount { return }
        if removes {
            SumWords.subtract(more[1], more[2], more[3], from: words)
        } else {
            SumWords.add(more[1], more[2], more[3], to: words)
        }
    }

    /// Writes the result at `row` of `values`; false when it is null or does not fit.
    @inline(__always)
    func finish(
        _ all: UnsafePointer<Int64>, _ values: UnsafeMutableRawPointer, _ row: Int
    ) -> Bool {
        let words = all + at
        if isCount {
            values.assumingMemoryBound(to: Int64.self)[row] = words[0]
            return true
        }
        return SumWords.finish(words, isNarrow: isNarrowResult, values, row)
    }
}
