import Glibc
import StreamRuntime

/// `min` and `max` of values that fit a word. The largest is the smallest of the complements.
///
/// - Shape: 1 once there is a value, the word.
struct ExtremeWordAccumulator: Accumulator {
    private let flip: Int64
    private let type: ColumnType

    init(isLargest: Bool, type: ColumnType) {
        flip = isLargest ? -1 : 0
        self.type = type
    }

    var fixedBytes: Int { 16 }
    var initial: [UInt8] {
        [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 0xFF, count: 7) + [0x7F]
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: [WordKernels.words(arguments[0])])
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].int64s)
        let values = rows.values
        let offset = place.offset
        let flip = flip
        let end = range.upperBound
        var row = range.lowerBound
        if let mask = rows.mask {
            while row < end {
                if mask[row] != 0 {
                    let words = (values[row] + offset).assumingMemoryBound(to: Int64.self)
                    words[0] = 1
                    words[1] = min(words[1], numbers[row] ^ flip)
                }
                row &+= 1
            }
        } else {
            while row < end {
                let words = (values[row] + offset).assumingMemoryBound(to: Int64.self)
                words[0] = 1
                words[1] = min(words[1], numbers[row] ^ flip)
                row &+= 1
            }
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let mine = place.words(target)
        let theirs = place.words(source)
        mine[0] |= theirs[0]
        mine[1] = min(mine[1], theirs[1])
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let mine = place.words(target)
        let theirs = place.words(source)
        return theirs[0] == 0 || theirs[1] > mine[1]
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let words = place.words(entries[slot])
            if words[0] == 0 {
                column.appendNull()
            } else {
                WordKernels.append(words[1] ^ flip, to: column)
            }
        }
    }
}

/// `min` and `max` of decimals.
///
/// - Shape: 1 once there is a value, low word, high word.
struct ExtremeDecimalAccumulator: Accumulator {
    let isLargest: Bool
    var fixedBytes: Int { 24 }

    private func offer(_ number: Int128, to words: UnsafeMutablePointer<Int64>) {
        let best = WideWords.load(words + 1)
        if words[0] == 0 || (isLargest ? number > best : number < best) {
            words[0] = 1
            WideWords.store(number, words + 1)
        }
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let numbers = UnsafePointer(rows.arguments.columns[0].decimals)
        let mask = rows.mask
        var row = range.lowerBound
        while row < range.upperBound {
            if mask == nil || mask![row] != 0 {
                offer(
                    numbers[row],
                    to: (rows.values[row] + place.offset).assumingMemoryBound(to: Int64.self))
            }
            row &+= 1
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        let theirs = place.words(source)
        if theirs[0] != 0 { offer(WideWords.load(theirs + 1), to: place.words(target)) }
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        let theirs = place.words(source)
        return theirs[0] == 0
            || WideWords.load(theirs + 1) != WideWords.load(place.words(target) + 1)
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            let words = place.words(entries[slot])
            if words[0] == 0 {
                column.appendNull()
            } else {
                column.append(WideWords.load(words + 1))
            }
        }
    }
}

/// `min` and `max` of strings and bytes, in the order of their bytes.
///
/// - Shape: 1 once there is a value; the value in the blob.
struct ExtremeBytesAccumulator: Accumulator {
    let isLargest: Bool
    var fixedBytes: Int { 8 }
    var blobs: Int { 1 }

    private func offer(
        _ bytes: UnsafeBufferPointer<UInt8>, to entry: StateEntry, _ place: AccumulatorPlace
    ) {
        let words = place.words(entry)
        if words[0] != 0 {
            let order = ValueBytes.compare(bytes, place.bytes(entry))
            if isLargest ? order <= 0 : order >= 0 { return }
        }
        words[0] = 1
        place.copy(bytes, to: entry)
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        for row in range where rows.counts(row) {
            offer(rows.arguments.columns[0].bytes(row), to: rows.entries[row], place)
        }
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        if place.words(source)[0] != 0 { offer(place.bytes(source), to: target, place) }
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        place.words(source)[0] == 0
            || ValueBytes.compare(place.bytes(source), place.bytes(target)) != 0
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            if place.words(entries[slot])[0] == 0 {
                column.appendNull()
            } else {
                column.append(place.bytes(entries[slot]))
            }
        }
    }
}
