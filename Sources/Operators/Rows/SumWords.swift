import StreamRuntime

/// A count and an exact sum of 192 bits in four words: how many terms, then the sum from its lowest word up.
enum SumWords {
    /// Adds a number of 192 bits to the sum.
    @inline(__always)
    static func add(
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

    /// Takes a number of 192 bits out of the sum: adds its complement.
    @inline(__always)
    static func subtract(
        _ low: Int64, _ middle: Int64, _ high: Int64, from words: UnsafeMutablePointer<Int64>
    ) {
        let (first, borrow) = UInt64(bitPattern: words[1])
            .subtractingReportingOverflow(UInt64(bitPattern: low))
        let (half, borrowHalf) = UInt64(bitPattern: words[2])
            .subtractingReportingOverflow(UInt64(bitPattern: middle))
        let (second, borrowRest) = half.subtractingReportingOverflow(borrow ? 1 : 0)
        words[1] = Int64(bitPattern: first)
        words[2] = Int64(bitPattern: second)
        words[3] &-= high &+ (borrowHalf ? 1 : 0) &+ (borrowRest ? 1 : 0)
    }

    /// Writes the sum at `row` of `values`, in 64 bits or in 128; false when it is null or does not fit.
    @inline(__always)
    static func finish(
        _ words: UnsafePointer<Int64>, isNarrow: Bool, _ values: UnsafeMutableRawPointer,
        _ row: Int
    ) -> Bool {
        if words[0] == 0 || words[3] != words[2] &>> 63 { return false }
        if isNarrow {
            values.assumingMemoryBound(to: Int64.self)[row] = words[1]
            return words[2] == words[1] &>> 63
        }
        let total = Int128(words[2]) << 64 | Int128(UInt64(bitPattern: words[1]))
        values.assumingMemoryBound(to: Int128.self)[row] = total
        return total < RollingSum.limit && total > -RollingSum.limit
    }
}
