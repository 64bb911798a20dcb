import StreamRuntime

/// An exact sum of doubles, the same whatever the order of its terms.
///
/// Most sums fit a 128-bit integer in units of a power of two chosen by the first term. What does not fit
/// moves to a superaccumulator in the blob, wide enough for every double and 2^63 terms.
///
/// - Shape: words 0 and 1 the sum, word 2 the exponent of its unit plus 4096 (0: nothing added yet;
///   -1: the sum is in the blob). Blob: 36 words of two's complement in units of 2^-1074, then counts of
///   +infinity, -infinity and NaN.
/// - Source: superaccumulator after Kulisch; small superaccumulators in Neal, "Fast exact summation using
///   small and large superaccumulators", 2015.
struct FloatSum {
    static let fixedBytes = 24
    static let wideWords = 36
    static let wideBytes = (wideWords + 3) * 8
    /// Bits kept below the first term, so that smaller terms fit too.
    private static let headroom = 36
    private static let bias = 4096
    private static let spilled: Int64 = -1

    let words: UnsafeMutablePointer<Int64>
    let entry: StateEntry
    let place: AccumulatorPlace
    let blob: Int

    /// Adds `value` or, with `sign` -1, takes it out again.
    @inline(__always) func add(_ value: Double, sign: Int64 = 1) {
        let bits = value.bitPattern
        let biased = Int(bits >> 52 & 0x7FF)
        if biased == 0x7FF { return addSpecial(value, sign) }
        let fraction = bits & (1 << 52 - 1)
        let magnitude = Int64(biased == 0 ? fraction : fraction | 1 << 52)
        let isNegative = (Int64(bitPattern: bits) < 0) != (sign < 0)
        let exponent = max(biased, 1) &- 1075
        let shift = exponent &- (Int(words[2]) &- FloatSum.bias)
        if words[2] > 0 && shift >= 0 && shift <= 72 {
            let term = Int128(isNegative ? -magnitude : magnitude) &<< Int128(shift)
            let (sum, overflow) = WideWords.load(words).addingReportingOverflow(term)
            if !overflow { return WideWords.store(sum, words) }
        }
        add(Int128(isNegative ? -magnitude : magnitude), exponent: exponent)
    }

    /// Adds everything `other` holds or, with `sign` -1, takes it out again.
    func add(_ other: FloatSum, sign: Int64 = 1) {
        if other.words[2] == 0 { return }
        if other.words[2] > 0 {
            let value = WideWords.load(other.words)
            return add(sign < 0 ? -value : value, exponent: Int(other.words[2]) - FloatSum.bias)
        }
        let mine = spill()
        let theirs = other.wide
        FloatSum.addWide(theirs, to: mine, sign: sign)
        for special in FloatSum.wideWords..<(FloatSum.wideWords + 3) {
            mine[special] = mine[special] &+ (sign < 0 ? 0 &- theirs[special] : theirs[special])
        }
    }

    /// The double nearest to the sum over `divisor`.
    func value(over divisor: UInt64 = 1) -> Double {
        if words[2] == 0 { return 0 }
        if words[2] > 0 {
            let sum = WideWords.load(words)
            let unit = Int(words[2]) - FloatSum.bias
            return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 4) { parts in
                parts[0] = 0
                parts[1] = 0
                parts[2] = UInt64(truncatingIfNeeded: sum.magnitude)
                parts[3] = UInt64(truncatingIfNeeded: sum.magnitude >> 64)
                let rounded = ExactRounding.divide(parts, unit: unit - 128, by: divisor)
                return sum < 0 ? -rounded : rounded
            }
        }
        return FloatSum.round(wide, over: divisor)
    }

    /// The sum as the double nearest to it and the double nearest to what that leaves.
    func parts() -> (high: Double, low: Double) {
        let high = value()
        guard high.isFinite, words[2] != 0 else { return (high, 0) }
        return withUnsafeTemporaryAllocation(
            of: UInt64.self, capacity: FloatSum.wideWords + 3
        ) { scratch in
            let base = scratch.baseAddress!
            scratch.initialize(repeating: 0)
            if words[2] > 0 {
                FloatSum.add(
                    WideWords.load(words), at: Int(words[2]) - FloatSum.bias + 1074, to: base)
            } else {
                FloatSum.addWide(wide, to: base, sign: 1)
            }
            let bits = high.magnitude.bitPattern
            let biased = Int(bits >> 52)
            let fraction = bits & (1 << 52 - 1)
            let magnitude = Int128(biased == 0 ? fraction : fraction | 1 << 52)
            FloatSum.add(
                high < 0 ? magnitude : -magnitude, at: max(biased, 1) - 1075 + 1074, to: base)
            return (high, FloatSum.round(base, over: 1))
        }
    }

    // MARK: in 128 bits

    private func add(_ value: Int128, exponent: Int) {
        if value == 0 { return }
        if words[2] == 0 {
            // A merged sum is taken as it is; a first term gets room below.
            let lead = value.magnitude.leadingZeroBitCount - 2
            let room = max(0, min(FloatSum.headroom, min(lead, exponent + 1074)))
            WideWords.store(value << Int128(room), words)
            words[2] = Int64(exponent - room + FloatSum.bias)
            return
        }
        if words[2] > 0, fit(value, exponent) { return }
        FloatSum.add(value, at: exponent + 1074, to: spill())
    }

    /// Adds within 128 bits, moving the unit down if need be; false when that cannot be done.
    private func fit(_ value: Int128, _ exponent: Int) -> Bool {
        let unit = Int(words[2]) - FloatSum.bias
        var sum = WideWords.load(words)
        var term = value
        var shift = exponent - unit
        if shift < 0, term.trailingZeroBitCount >= -shift {
            term >>= Int128(-shift)
            shift = 0
        }
        var lowered = unit
        if shift < 0 {
            guard sum.magnitude.leadingZeroBitCount > -shift + 2 else { return false }
            sum <<= Int128(-shift)
            lowered = exponent
        } else {
            guard term.magnitude.leadingZeroBitCount > shift + 1 else { return false }
            term <<= Int128(shift)
        }
        let (total, overflow) = sum.addingReportingOverflow(term)
        if overflow { return false }
        WideWords.store(total, words)
        words[2] = Int64(lowered + FloatSum.bias)
        return true
    }

    // MARK: wide

    /// The blob's words; the sum must be there.
    private var wide: UnsafeMutablePointer<UInt64> {
        UnsafeMutableRawPointer(place.resize(entry, blob, to: FloatSum.wideBytes))
            .assumingMemoryBound(to: UInt64.self)
    }

    /// Moves the sum to the blob, if it is not there yet.
    private func spill() -> UnsafeMutablePointer<UInt64> {
        let base = wide
        if words[2] == FloatSum.spilled { return base }
        base.update(repeating: 0, count: FloatSum.wideWords + 3)
        if words[2] > 0 {
            FloatSum.add(WideWords.load(words), at: Int(words[2]) - FloatSum.bias + 1074, to: base)
        }
        words[0] = 0
        words[1] = 0
        words[2] = FloatSum.spilled
        return base
    }

    private func addSpecial(_ value: Double, _ sign: Int64) {
        let kind = value.isNaN ? 2 : value < 0 ? 1 : 0
        let counts = spill() + FloatSum.wideWords
        counts[kind] = counts[kind] &+ UInt64(bitPattern: sign)
    }

    /// Adds `value` · 2^`bit` to a wide number.
    private static func add(_ value: Int128, at bit: Int, to base: UnsafeMutablePointer<UInt64>) {
        let shift = UInt64(bit % 64)
        let low = UInt64(truncatingIfNeeded: value)
        let high = UInt64(truncatingIfNeeded: value >> 64)
        let sign: UInt64 = value < 0 ? .max : 0
        let parts =
            shift == 0
            ? (low, high, sign)
            : (
                low << shift, high << shift | low >> (64 - shift),
                sign << shift | high >> (64 - shift)
            )
        var index = bit / 64
        var carry: UInt64 = 0
        while index < wideWords {
            let part =
                switch index - bit / 64 {
                case 0: parts.0
                case 1: parts.1
                case 2: parts.2
                default: sign
                }
            let (first, overflow) = base[index].addingReportingOverflow(part)
            let (second, again) = first.addingReportingOverflow(carry)
            base[index] = second
            carry = overflow || again ? 1 : 0
            index += 1
        }
    }

    private static func addWide(
        _ other: UnsafeMutablePointer<UInt64>, to base: UnsafeMutablePointer<UInt64>, sign: Int64
    ) {
        var carry: UInt64 = sign < 0 ? 1 : 0
        for index in 0..<wideWords {
            let part = sign < 0 ? ~other[index] : other[index]
            let (first, overflow) = base[index].addingReportingOverflow(part)
            let (second, again) = first.addingReportingOverflow(carry)
            base[index] = second
            carry = overflow || again ? 1 : 0
        }
    }

    private static func round(
        _ base: UnsafeMutablePointer<UInt64>, over divisor: UInt64
    ) -> Double {
        let specials = base + wideWords
        if specials[2] > 0 || (specials[0] > 0 && specials[1] > 0) { return .nan }
        if specials[0] > 0 { return .infinity }
        if specials[1] > 0 { return -.infinity }
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: wideWords + 2) { parts in
            parts[0] = 0
            parts[1] = 0
            let isNegative = Int64(bitPattern: base[wideWords - 1]) < 0
            var carry: UInt64 = isNegative ? 1 : 0
            for index in 0..<wideWords {
                let (word, overflow) = (isNegative ? ~base[index] : base[index])
                    .addingReportingOverflow(carry)
                parts[index + 2] = word
                carry = overflow ? 1 : 0
            }
            let rounded = ExactRounding.divide(parts, unit: -1074 - 128, by: divisor)
            return isNegative ? -rounded : rounded
        }
    }
}

/// `sum` and `avg` of doubles: exact, then rounded once.
struct FloatSumAccumulator: Accumulator {
    let isAverage: Bool
    var fixedBytes: Int { 8 + FloatSum.fixedBytes }
    var blobs: Int { 1 }

    private func sum(_ entry: StateEntry, _ place: AccumulatorPlace) -> FloatSum {
        FloatSum(words: place.words(entry) + 1, entry: entry, place: place, blob: 0)
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].float64s)
        let mask = rows.mask
        var row = range.lowerBound
        while row < range.upperBound {
            if mask == nil || mask![row] != 0 {
                let words = (rows.values[row] + place.offset).assumingMemoryBound(to: Int64.self)
                words[0] &+= 1
                FloatSum(words: words + 1, entry: rows.entries[row], place: place, blob: 0)
                    .add(numbers[row])
            }
            row &+= 1
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        place.words(target)[0] &+= place.words(source)[0]
        sum(target, place).add(sum(source, place))
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        place.words(target)[0] &-= place.words(source)[0]
        sum(target, place).add(sum(source, place), sign: -1)
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let terms = place.words(entries[slot])[0]
            if terms <= 0 {
                column.appendNull()
            } else {
                column.append(
                    sum(entries[slot], place).value(over: isAverage ? UInt64(terms) : 1))
            }
        }
    }
}
