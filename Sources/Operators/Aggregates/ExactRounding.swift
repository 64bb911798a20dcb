import StreamRuntime

/// Turns exact binary numbers into the nearest double, ties to even.
enum ExactRounding {
    /// The double nearest to `total` / (`divisor` · 10^`scale`).
    ///
    /// - Note: exact while divisor · 10^scale fits 64 bits; beyond that the division is made in doubles
    ///   and may be off by a few units in the last place.
    static func quotient(_ total: Int128, _ divisor: UInt64, scale: Int = 0) -> Double {
        var wide = divisor
        for digit in 0..<scale {
            let (next, overflow) = wide.multipliedReportingOverflow(by: 10)
            if overflow {
                var value = Double(total) / Double(wide)
                for _ in digit..<scale { value /= 10 }
                return value
            }
            wide = next
        }
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 4) { words in
            words[0] = 0
            words[1] = 0
            words[2] = UInt64(truncatingIfNeeded: total.magnitude)
            words[3] = UInt64(truncatingIfNeeded: total.magnitude >> 64)
            let rounded = divide(words, unit: -128, by: wide)
            return total < 0 ? -rounded : rounded
        }
    }

    /// The double nearest to the number in `words` (low word first, in units of 2^`unit`) over `divisor`.
    ///
    /// - Shape: `words` is overwritten. For a divisor other than 1 its two lowest words are zero, so that
    ///   64 bits and more of the quotient are known.
    static func divide(
        _ words: UnsafeMutableBufferPointer<UInt64>, unit: Int, by divisor: UInt64
    ) -> Double {
        var isInexact = false
        if divisor != 1 {
            var remainder: UInt64 = 0
            for index in stride(from: words.count - 1, through: 0, by: -1) {
                let step = divisor.dividingFullWidth((remainder, words[index]))
                words[index] = step.quotient
                remainder = step.remainder
            }
            isInexact = remainder != 0
        }
        var top = words.count - 1
        while top >= 0, words[top] == 0 { top -= 1 }
        guard top >= 0 else { return 0 }
        let highest = top * 64 + 63 - words[top].leadingZeroBitCount
        // The lowest bit a double of this size has, in units of the number; subnormals have fewer.
        let lowest = max(highest + unit - 52, -1074) - unit
        if lowest <= 0 {
            // Every bit fits: the number is at most 53 bits long.
            var value: UInt64 = 0
            for index in 0...top { value |= words[index] << UInt64(index * 64) }
            return Double(sign: .plus, exponent: unit, significand: Double(value))
        }
        var significand: UInt64 = 0
        if lowest <= highest {
            let index = lowest / 64
            let shift = UInt64(lowest % 64)
            significand = words[index] >> shift
            if shift > 0, index + 1 < words.count {
                significand |= words[index + 1] << (64 - shift)
            }
            significand &= (1 << 53) - 1
        }
        let half = lowest - 1
        let isHalf = half <= highest && words[half / 64] >> UInt64(half % 64) & 1 == 1
        var hasRest = isInexact
        if isHalf, !hasRest {
            hasRest = words[half / 64] & ((1 << UInt64(half % 64)) - 1) != 0
            var index = half / 64 - 1
            while index >= 0, !hasRest {
                hasRest = words[index] != 0
                index -= 1
            }
        }
        if isHalf, hasRest || significand & 1 == 1 { significand += 1 }
        return Double(sign: .plus, exponent: lowest + unit, significand: Double(significand))
    }
}
