import StreamRuntime

/// `sum` and `avg` of integers: a 128-bit sum, which no number of rows can overflow.
///
/// - Shape: count, low word, high word. The average is the double nearest to the exact quotient.
struct IntegerSumAccumulator: Accumulator {
    /// The type of the sum; nil for an average.
    let result: ColumnType?
    var fixedBytes: Int { 24 }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].int64s)
        let values = rows.values
        let offset = place.offset
        let end = range.upperBound
        var row = range.lowerBound
        if let mask = rows.mask {
            while row < end {
                if mask[row] != 0 {
                    IntegerSumAccumulator.add(values[row] + offset, numbers[row])
                }
                row &+= 1
            }
        } else {
            while row < end {
                IntegerSumAccumulator.add(values[row] + offset, numbers[row])
                row &+= 1
            }
        }
    }

    @inline(__always)
    private static func add(_ at: UnsafeMutableRawPointer, _ number: Int64) {
        let words = at.assumingMemoryBound(to: Int64.self)
        words[0] &+= 1
        let (low, carry) = UInt64(bitPattern: words[1]).addingReportingOverflow(
            UInt64(bitPattern: number))
        words[1] = Int64(bitPattern: low)
        words[2] &+= (number &>> 63) &+ (carry ? 1 : 0)
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let mine = place.words(target)
        let theirs = place.words(source)
        mine[0] &+= theirs[0]
        WideWords.store(WideWords.load(mine + 1) &+ WideWords.load(theirs + 1), mine + 1)
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let mine = place.words(target)
        let theirs = place.words(source)
        mine[0] &-= theirs[0]
        WideWords.store(WideWords.load(mine + 1) &- WideWords.load(theirs + 1), mine + 1)
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let words = place.words(entries[slot])
            let total = WideWords.load(words + 1)
            if words[0] <= 0 {
                column.appendNull()
            } else if result == nil {
                column.append(ExactRounding.quotient(total, UInt64(words[0])))
            } else if result == .int64 {
                if let narrow = Int64(exactly: total) {
                    column.append(narrow)
                } else {
                    column.appendNull()
                    errors.append(row: slot, column: text, reason: "the sum overflows int64")
                }
            } else {
                column.append(total)
            }
        }
    }
}

/// `sum` and `avg` of decimals: a 128-bit sum and the number of times it wrapped, so that a sum that
/// leaves the range and returns is right, and one that stays outside is an error.
///
/// - Shape: count, low word, high word, wraps.
struct DecimalSumAccumulator: Accumulator {
    /// The scale of the argument of an average; nil for a sum.
    var averageScale: Int?
    var fixedBytes: Int { 32 }

    init(averageScale: Int? = nil) { self.averageScale = averageScale }

    /// The first number that has 39 digits.
    private static let limit: Int128 = (0..<38).reduce(1) { power, _ in power * 10 }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].decimals)
        let values = rows.values
        let mask = rows.mask
        var row = range.lowerBound
        while row < range.upperBound {
            if mask == nil || mask![row] != 0 {
                let words = (values[row] + place.offset).assumingMemoryBound(to: Int64.self)
                words[0] &+= 1
                DecimalSumAccumulator.add(words, numbers[row])
            }
            row &+= 1
        }
    }

    @inline(__always)
    private static func add(_ words: UnsafeMutablePointer<Int64>, _ number: Int128) {
        let (total, wrapped) = WideWords.load(words + 1).addingReportingOverflow(number)
        WideWords.store(total, words + 1)
        if wrapped { words[3] &+= number < 0 ? -1 : 1 }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let mine = place.words(target)
        let theirs = place.words(source)
        mine[0] &+= theirs[0]
        mine[3] &+= theirs[3]
        DecimalSumAccumulator.add(mine, WideWords.load(theirs + 1))
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let mine = place.words(target)
        let theirs = place.words(source)
        mine[0] &-= theirs[0]
        mine[3] &-= theirs[3]
        let number = WideWords.load(theirs + 1)
        let (total, wrapped) = WideWords.load(mine + 1).subtractingReportingOverflow(number)
        WideWords.store(total, mine + 1)
        if wrapped { mine[3] &+= number < 0 ? 1 : -1 }
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let words = place.words(entries[slot])
            let total = WideWords.load(words + 1)
            if words[0] <= 0 {
                column.appendNull()
            } else if words[3] != 0 || total.magnitude >= DecimalSumAccumulator.limit.magnitude {
                column.appendNull()
                errors.append(row: slot, column: text, reason: "the sum has more than 38 digits")
            } else if let averageScale {
                column.append(
                    ExactRounding.quotient(total, UInt64(words[0]), scale: averageScale))
            } else {
                column.append(total)
            }
        }
    }
}

/// 128-bit numbers in two words that are only eight-byte aligned.
enum WideWords {
    @inline(__always) static func load(_ words: UnsafePointer<Int64>) -> Int128 {
        Int128(words[1]) &<< 64 | Int128(UInt64(bitPattern: words[0]))
    }

    @inline(__always) static func load(_ words: UnsafeMutablePointer<Int64>) -> Int128 {
        load(UnsafePointer(words))
    }

    @inline(__always)
    static func store(_ value: Int128, _ words: UnsafeMutablePointer<Int64>) {
        words[0] = Int64(truncatingIfNeeded: value)
        words[1] = Int64(truncatingIfNeeded: value &>> 64)
    }
}
