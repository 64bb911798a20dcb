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
        TileSum.add(low, middle, middle &>> 63, to: words)
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
            // What is taken out is added as its complement.
            var (low, middle, high) = (~more[1], ~more[2], ~more[3])
            low &+= 1
            if low == 0 {
                middle &+= 1
                if middle == 0 { high &+= 1 }
            }
            TileSum.add(low, middle, high, to: words)
        } else {
            TileSum.add(more[1], more[2], more[3], to: words)
        }
    }

    /// Adds a number of 192 bits.
    @inline(__always)
    private static func add(
        _ low: Int64, _ middle: Int64, _ high: Int64, to words: UnsafeMutablePointer<Int64>
    ) {
        let (first, carry) = UInt64(bitPattern: words[1])
            .addingReportingOverflow(UInt64(bitPattern: low))
        let (half, carryHalf) = UInt64(bitPattern: words[2])
            .addingReportingOverflow(UInt64(bitPattern: middle))
        let (second, carryRest) = half.addingReportingOverflow(carry ? 1 : 0)
        words[1] = Int64(bitPattern: first)
        words[2] = Int64(bitPattern: second)
        words[3] &+= high &+ (carryHalf ? 1 : 0) &+ (carryRest ? 1 : 0)
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
        if words[0] == 0 || words[3] != words[2] &>> 63 { return false }
        if isNarrowResult {
            values.assumingMemoryBound(to: Int64.self)[row] = words[1]
            return words[2] == words[1] &>> 63
        }
        let total = Int128(words[2]) << 64 | Int128(UInt64(bitPattern: words[1]))
        values.assumingMemoryBound(to: Int128.self)[row] = total
        return total < RollingSum.limit && total > -RollingSum.limit
    }
}
