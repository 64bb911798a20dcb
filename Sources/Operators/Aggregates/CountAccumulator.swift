import StreamRuntime

/// `count(*)` and `count(x)`: the rows, or those where x is not null.
struct CountAccumulator: Accumulator {
    var fixedBytes: Int { 8 }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        CountKernels.add(rows.values, place.offset, mask: rows.mask, range)
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        place.words(target)[0] &+= place.words(source)[0]
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        place.words(target)[0] &-= place.words(source)[0]
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        let before = column.count
        column.reserve(count)
        let numbers = column.int64s + before
        for slot in 0..<count { numbers[slot] = place.words(entries[slot])[0] }
        column.setCount(before + count)
    }
}

/// `bool_and` and `bool_or`: counts of what is true and what is false, null over nothing.
struct TruthAccumulator: Accumulator {
    let isAll: Bool
    var fixedBytes: Int { 16 }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let truths = rows.arguments.columns[0].bools
        let values = rows.values
        let mask = rows.mask
        var row = range.lowerBound
        while row < range.upperBound {
            if mask == nil || mask![row] != 0 {
                let words = (values[row] + place.offset).assumingMemoryBound(to: Int64.self)
                words[Int(truths[row] & 1)] &+= 1
            }
            row &+= 1
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        place.words(target)[0] &+= place.words(source)[0]
        place.words(target)[1] &+= place.words(source)[1]
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        place.words(target)[0] &-= place.words(source)[0]
        place.words(target)[1] &-= place.words(source)[1]
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let words = place.words(entries[slot])
            if words[0] == 0 && words[1] == 0 {
                column.appendNull()
            } else {
                column.append(isAll ? words[0] == 0 : words[1] > 0)
            }
        }
    }
}

/// Loops that count.
enum CountKernels {
    /// Adds one for each row of `range` that `mask` lets through.
    static func add(
        _ values: UnsafePointer<UnsafeMutableRawPointer>, _ offset: Int,
        mask: UnsafePointer<UInt8>?, _ range: Range<Int>
    ) {
        var row = range.lowerBound
        let end = range.upperBound
        if let mask {
            while row < end {
                (values[row] + offset).assumingMemoryBound(to: Int64.self).pointee &+=
                    Int64(mask[row])
                row &+= 1
            }
        } else {
            while row < end {
                (values[row] + offset).assumingMemoryBound(to: Int64.self).pointee &+= 1
                row &+= 1
            }
        }
    }
}
