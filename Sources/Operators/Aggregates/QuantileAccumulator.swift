import Glibc
import StreamRuntime

/// `approx_quantile`: counts of values by bucket, where a bucket is the sign, exponent and first seven
/// bits of a double's fraction. Parts merge in any order to the same counts.
///
/// - Note: the result is within 0.4 % of a value at the rank asked for (rank = ⌊q·(n−1)⌋); whole numbers
///   up to 255 and all timestamps and dates are exact.
/// - Source: the bucket idea of DDSketch (Masson, Rim and Lee, 2019), with bits instead of logarithms so
///   that every machine agrees.
struct QuantileAccumulator: Accumulator {
    private let input: ColumnType
    private let result: ColumnType
    private let quantile: Double
    private static let bucketShift: Int64 = 45

    init(input: ColumnType, result: ColumnType, quantile: Double) {
        self.input = input
        self.result = result
        self.quantile = quantile
    }

    var fixedBytes: Int { WordSet.fixedBytes }
    var blobs: Int { 1 }

    private var isExact: Bool { input == .timestamp || input == .date }

    private func set(_ entry: StateEntry, _ place: AccumulatorPlace) -> WordSet {
        WordSet(words: place.words(entry), entry: entry, place: place)
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        if isExact { return PreparedArguments(columns: [arguments[0]]) }
        let buckets = Column(.int64, capacity: count)
        let ordered = WordKernels.words(WordKernels.doubles(arguments[0]))
        withExtendedLifetime(ordered) {
            let words = ordered.int64s
            let target = buckets.int64s
            var row = 0
            while row < count {
                target[row] = words[row] &>> QuantileAccumulator.bucketShift
                row &+= 1
            }
        }
        buckets.setCount(count)
        return PreparedArguments(columns: [buckets])
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].int64s)
        for row in range where rows.counts(row) {
            set(rows.entries[row], place).insert(numbers[row])
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        set(target, place).add(set(source, place))
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        set(target, place).subtract(set(source, place))
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            var members: [(word: Int64, times: Int64)] = []
            set(entries[slot], place).forEach { members.append(($0, $1)) }
            members.sort { $0.word < $1.word }
            let total = members.reduce(Int64(0)) { $0 + $1.times }
            if total == 0 {
                column.appendNull()
                continue
            }
            var left = Int64(quantile * Double(total - 1))
            var word = members[0].word
            for member in members {
                word = member.word
                if left < member.times { break }
                left -= member.times
            }
            append(word, to: column)
        }
    }

    private func append(_ word: Int64, to column: Column) {
        if isExact { return column.append(word) }
        var value = QuantileAccumulator.middle(word)
        // The values themselves are whole, so rounding brings the result nearer.
        if input == .int64, value.isFinite { value.round() }
        switch result {
        case .float64: column.append(value)
        case .decimal(_, let scale):
            column.append(Int128((value * pow(10, Double(scale))).rounded()))
        default: column.append(Int64(exactly: value.rounded()) ?? (value < 0 ? .min : .max))
        }
    }

    /// The middle of bucket `word`; infinities and NaN as they are.
    private static func middle(_ word: Int64) -> Double {
        let low = word &<< bucketShift
        let high = low | (1 << bucketShift - 1)
        func number(_ word: Int64) -> Double {
            Double(bitPattern: UInt64(bitPattern: word ^ (word &>> 63 & .max)))
        }
        if low == 0 { return 0 }
        if high == .max { return .nan }
        let ends = (number(low), number(high))
        if !ends.0.isFinite || !ends.1.isFinite { return ends.0.isNaN ? ends.1 : ends.0 }
        return ends.0 / 2 + ends.1 / 2
    }
}
