import StreamRuntime

/// A count, or an exact sum of integers or decimals, in four words: the number of values, and the sum as
/// 192 bits, which no number of rows can overflow.
struct RollingSum {
    static let words = 4

    let isCount: Bool
    let isWide: Bool
    let argument: Int?
    let filter: Int?
    let text: String
    let resultType: ColumnType

    /// The sum that computes `call`, or nil when it is another kind of aggregate.
    init?(_ call: AggregateCall, _ argument: Int?, _ filter: Int?) {
        guard !call.isDistinct else { return nil }
        self.argument = argument
        self.filter = filter
        text = call.text
        resultType = call.resultType
        switch (call.function, call.arguments.first?.type) {
        case (.count, _):
            isCount = true
            isWide = false
        case (.sum, .int64?):
            isCount = false
            isWide = false
        case (.sum, .decimal?):
            isCount = false
            isWide = true
        default: return nil
        }
    }

    /// The first number of 39 digits.
    static let limit: Int128 = (0..<38).reduce(1) { power, _ in power * 10 }

    /// Writes the result at `row` of `column` where it is null or does not fit.
    func finishSlowly(
        _ words: UnsafePointer<Int64>, _ column: Column, _ row: Int, errors: inout RejectedRows
    ) {
        column.ensureValidity()[row] = 0
        if resultType == .int64 { column.int64s[row] = 0 } else { column.decimals[row] = 0 }
        if words[0] != 0 {
            errors.append(row: row, column: text, reason: "the sum does not fit \(resultType)")
        }
    }
}

/// The same in plain words, for the loop over rows.
struct SumShape: BitwiseCopyable {
    /// Where the argument and the filter are in a record, -1 without them, and their validity bits.
    var argumentWord = -1
    var argumentBit: Int64 = 0
    var filterWord = -1
    var filterBit: Int64 = 0
    var isCount: Bool
    var isWide: Bool
    var isNarrowResult: Bool

    init(_ sum: RollingSum, _ form: RollingRecord) {
        isCount = sum.isCount
        isWide = sum.isWide
        isNarrowResult = sum.resultType == .int64
        if let argument = sum.argument {
            argumentWord = form.word(argument)
            argumentBit = 1 << Int64(argument)
        }
        if let filter = sum.filter {
            filterWord = form.word(filter)
            filterBit = 1 << Int64(filter)
        }
    }

    /// Adds what the record `record` contributes to `words`, or takes it out again.
    @inline(__always)
    func apply(
        _ record: UnsafePointer<Int64>, to words: UnsafeMutablePointer<Int64>, removes: Bool
    ) {
        if filterWord >= 0, record[1] & filterBit == 0 || record[filterWord] & 1 == 0 { return }
        if argumentWord >= 0, record[1] & argumentBit == 0 { return }
        words[0] &+= removes ? -1 : 1
        if isCount { return }
        let low = record[argumentWord]
        let sign = record[isWide ? argumentWord &+ 1 : argumentWord] &>> 63
        let middle = isWide ? record[argumentWord &+ 1] : sign
        if removes {
            SumWords.subtract(low, middle, sign, from: words)
        } else {
            SumWords.add(low, middle, sign, to: words)
        }
    }

    /// Writes the result at `row` of `values`; false when it is null or does not fit.
    @inline(__always)
    func finish(
        _ words: UnsafePointer<Int64>, _ values: UnsafeMutableRawPointer, _ row: Int
    ) -> Bool {
        if isCount {
            values.assumingMemoryBound(to: Int64.self)[row] = words[0]
            return true
        }
        return SumWords.finish(words, isNarrow: isNarrowResult, values, row)
    }
}

/// A window width in plain words, for the loop over rows.
struct WidthShape: BitwiseCopyable {
    let micros: Int64
    /// Where its sums begin in the running words of a key.
    let firstWord: Int
    /// Its sums' place among those of all widths.
    let firstSum: Int
    let sumCount: Int
    let hasGroups: Bool
    let sums: UnsafeMutablePointer<SumShape>

    @inline(__always)
    func apply(
        _ record: UnsafePointer<Int64>, to words: UnsafeMutablePointer<Int64>, removes: Bool
    ) {
        var sum = 0
        while sum < sumCount {
            sums[sum].apply(record, to: words + sum &* RollingSum.words, removes: removes)
            sum &+= 1
        }
    }
}
