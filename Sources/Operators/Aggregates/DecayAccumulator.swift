import Glibc
import StreamRuntime

/// `ewma(x, tau)`, `decayed_sum(x, tau)` and `decayed_count(tau)`: each row weighs e^(-age / tau), where its
/// age is its event time's distance from that of the newest row.
///
/// Weights are taken from the start of the newest row's block of 64 half-lives, so that they never have to
/// be aged; what lies before the block before it weighs less than 2^-64 and is left out.
///
/// - Shape: rows, the newest event time, the newest block; then four exact sums, each with a blob: of x and
///   of the weights, in the newest block and in the one before it.
/// - Note: exact sums make the result the same whatever the order of the rows.
struct DecayAccumulator: Accumulator {
    enum Result { case average, sum, count }

    private static let halvings: Int64 = 64
    private static let older = 0x1p-64

    private let result: Result
    /// Microseconds in which a weight halves.
    private let halfLife: Int64

    /// Weights that fall to 1/e in `micros` microseconds.
    init(_ result: Result, micros: Double) {
        self.result = result
        halfLife = max(1, Int64(exactly: (micros * 0.693_147_180_559_945_3).rounded()) ?? .max)
    }

    var fixedBytes: Int { 24 + 4 * FloatSum.fixedBytes }
    var blobs: Int { 4 }

    private func sum(_ entry: StateEntry, _ place: AccumulatorPlace, _ index: Int) -> FloatSum {
        FloatSum(
            words: place.words(entry) + 3 + index * FloatSum.fixedBytes / 8, entry: entry,
            place: place, blob: index)
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: arguments.map { WordKernels.doubles($0) })
    }

    /// The block `time` lies in, and what a row of that time weighs there.
    @inline(__always) private func weight(_ time: Int64) -> (block: Int64, weight: Double) {
        let half = TimeMath.bucket(time, halfLife)
        let block = TimeMath.bucket(half, DecayAccumulator.halvings)
        let part = Double(time &- half &* halfLife) / Double(halfLife)
        let exponent = Double(half &- block &* DecayAccumulator.halvings) + part
        return (block, Glibc.exp2(exponent))
    }

    /// Makes `block` the newest one.
    private func turn(_ entry: StateEntry, to block: Int64, _ place: AccumulatorPlace) {
        let words = place.words(entry)
        if words[0] == 0 {
            words[2] = block
            return
        }
        guard block > words[2] else { return }
        let isNext = block == words[2] + 1
        for index in 0..<2 {
            let newest = sum(entry, place, index)
            let before = sum(entry, place, index + 2)
            clear(before, entry, place)
            if isNext { before.add(newest) }
            clear(newest, entry, place)
        }
        words[2] = block
    }

    private func clear(_ sum: FloatSum, _ entry: StateEntry, _ place: AccumulatorPlace) {
        sum.words.update(repeating: 0, count: FloatSum.fixedBytes / 8)
        place.resize(entry, sum.blob, to: 0)
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let times = UnsafePointer(rows.order.eventTimes.int64s)
        let numbers = rows.arguments.columns.first.map { UnsafePointer($0.float64s) }
        for row in range where rows.counts(row) {
            let entry = rows.entries[row]
            let (block, weight) = self.weight(times[row])
            turn(entry, to: block, place)
            let words = place.words(entry)
            words[1] = words[0] == 0 ? times[row] : max(words[1], times[row])
            words[0] &+= 1
            let age = words[2] - block
            if age > 1 { continue }
            let first = age == 0 ? 0 : 2
            if let numbers { sum(entry, place, first).add(weight * numbers[row]) }
            sum(entry, place, first + 1).add(weight)
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let theirs = place.words(source)
        if theirs[0] == 0 { return }
        turn(target, to: theirs[2], place)
        let mine = place.words(target)
        mine[1] = mine[0] == 0 ? theirs[1] : max(mine[1], theirs[1])
        mine[0] &+= theirs[0]
        move(source, target, place, sign: 1)
    }

    /// Adds the sums of `source` to those of `target` for the same blocks, or takes them out.
    private func move(
        _ source: StateEntry, _ target: StateEntry, _ place: AccumulatorPlace, sign: Int64
    ) {
        let age = place.words(target)[2] - place.words(source)[2]
        if age > 1 { return }
        for index in 0..<2 {
            if age == 0 {
                sum(target, place, index).add(sum(source, place, index), sign: sign)
                sum(target, place, index + 2).add(sum(source, place, index + 2), sign: sign)
            } else {
                sum(target, place, index + 2).add(sum(source, place, index), sign: sign)
            }
        }
    }

    /// Rows leave a window oldest first, so the newest time stays until the last row has left.
    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let theirs = place.words(source)
        if theirs[0] == 0 { return true }
        let mine = place.words(target)
        let isLast = mine[0] == theirs[0]
        if !isLast, theirs[1] >= mine[1] { return false }
        mine[0] &-= theirs[0]
        if isLast {
            for index in 0..<4 { clear(sum(target, place, index), target, place) }
            mine[1] = 0
            mine[2] = 0
        } else {
            move(source, target, place, sign: -1)
        }
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let entry = entries[slot]
            let words = place.words(entry)
            if words[0] == 0 {
                if result == .count { column.append(0.0) } else { column.appendNull() }
                continue
            }
            let total = value(entry, place, 0)
            let weights = value(entry, place, 1)
            let unit = weight(words[1]).weight
            switch result {
            case .average: column.append(total / weights)
            case .sum: column.append(total / unit)
            case .count: column.append(weights / unit)
            }
        }
    }

    private func value(_ entry: StateEntry, _ place: AccumulatorPlace, _ index: Int) -> Double {
        sum(entry, place, index).value()
            + sum(entry, place, index + 2).value() * DecayAccumulator.older
    }
}
