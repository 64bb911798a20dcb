import StreamRuntime

/// An aggregate over a count of rows and some exact sums of doubles: what can be merged and taken out again.
///
/// - Shape: the count in one word, then each sum, with a blob of its own.
protocol ExactSumsAccumulator: Accumulator {
    /// How many sums there are.
    var sums: Int { get }
}

extension ExactSumsAccumulator {
    var fixedBytes: Int { 8 + sums * FloatSum.fixedBytes }
    var blobs: Int { sums }

    /// The sum `index` of an entry.
    @inline(__always)
    func sum(_ entry: StateEntry, _ place: AccumulatorPlace, _ index: Int) -> FloatSum {
        FloatSum(
            words: place.words(entry) + 1 + index * FloatSum.fixedBytes / 8, entry: entry,
            place: place, blob: index)
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        place.words(target)[0] &+= place.words(source)[0]
        for index in 0..<sums { sum(target, place, index).add(sum(source, place, index)) }
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        place.words(target)[0] &-= place.words(source)[0]
        for index in 0..<sums {
            sum(target, place, index).add(sum(source, place, index), sign: -1)
        }
        return true
    }
}
