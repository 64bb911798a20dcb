import StreamRuntime

/// `bit_and`, `bit_or` and `bit_xor` of whole numbers, null over nothing.
///
/// - Shape: count, the bits.
struct BitAccumulator: Accumulator {
    enum Operation {
        case and
        case or
        case xor
    }

    private let operation: Operation

    init(_ operation: Operation) { self.operation = operation }

    var fixedBytes: Int { 16 }
    var initial: [UInt8] {
        [UInt8](repeating: 0, count: 8)
            + [UInt8](repeating: operation == .and ? 0xFF : 0, count: 8)
    }

    @inline(__always)
    private func combined(_ left: Int64, _ right: Int64) -> Int64 {
        switch operation {
        case .and: left & right
        case .or: left | right
        case .xor: left ^ right
        }
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].int64s)
        let values = rows.values
        let mask = rows.mask
        var row = range.lowerBound
        while row < range.upperBound {
            if mask == nil || mask![row] != 0 {
                let words = (values[row] + place.offset).assumingMemoryBound(to: Int64.self)
                words[0] &+= 1
                words[1] = combined(words[1], numbers[row])
            }
            row &+= 1
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        place.words(target)[0] &+= place.words(source)[0]
        place.words(target)[1] = combined(place.words(target)[1], place.words(source)[1])
    }

    // Bits that several rows set cannot be taken out again; a row's bits turned twice are as before.
    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        guard place.words(source)[0] != 0 else { return true }
        guard operation == .xor else { return false }
        place.words(target)[0] &-= place.words(source)[0]
        place.words(target)[1] ^= place.words(source)[1]
        return true
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let words = place.words(entries[slot])
            if words[0] == 0 { column.appendNull() } else { column.append(words[1]) }
        }
    }
}
