import Glibc
import StreamRuntime

/// `approx_count_distinct`: a HyperLogLog sketch over the stable key hash, exact up to 128 values.
///
/// - Shape: the words of a `WordSet` of hashes; word 2 is 1 once the blob holds 4,096 registers instead.
/// - Note: the standard error is 1.6 %. The same values give the same result in any order. A result above
///   128 is an estimate, one up to 128 is exact.
/// - Source: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6.
struct SketchAccumulator: Accumulator {
    private static let precision: Int64 = 12
    private static let registers = 1 << 12
    static let exactLimit: Int64 = 128
    /// The standard error of a sketch, of its estimate: 1.04 / sqrt(4,096).
    static let relativeError = 1.04 / 64

    /// Whether the hashes are kept however many there are, so that each can be taken out again.
    private let staysExact: Bool

    init(staysExact: Bool = false) { self.staysExact = staysExact }

    var fixedBytes: Int { WordSet.fixedBytes + 8 }
    var blobs: Int { 1 }

    private func set(_ entry: StateEntry, _ place: AccumulatorPlace) -> WordSet {
        WordSet(words: place.words(entry), entry: entry, place: place)
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        PreparedArguments(columns: [
            DistinctBytesAccumulator.keys(arguments[0], count: count).hashes
        ])
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let hashes = UnsafePointer(rows.arguments.columns[0].int64s)
        for row in range where rows.counts(row) { insert(hashes[row], rows.entries[row], place) }
    }

    private func insert(
        _ hash: Int64, times: Int64 = 1, _ entry: StateEntry, _ place: AccumulatorPlace
    ) {
        let words = place.words(entry)
        if words[2] == 0 {
            let set = set(entry, place)
            set.insert(hash, times: times)
            if staysExact || set.count <= SketchAccumulator.exactLimit { return }
            return thicken(entry, place)
        }
        SketchAccumulator.raise(place.mutableBytes(entry), hash)
    }

    /// Turns the set of hashes into registers.
    private func thicken(_ entry: StateEntry, _ place: AccumulatorPlace) {
        var hashes: [Int64] = []
        set(entry, place).forEach { hash, _ in hashes.append(hash) }
        let registers = place.resize(entry, to: SketchAccumulator.registers)
        registers.update(repeating: 0, count: SketchAccumulator.registers)
        for hash in hashes { SketchAccumulator.raise(registers, hash) }
        let words = place.words(entry)
        words[0] = 0
        words[1] = 0
        words[2] = 1
    }

    @inline(__always)
    private static func raise(_ registers: UnsafeMutablePointer<UInt8>, _ hash: Int64) {
        // The top bits choose the key group, so all keys of a worker share them: mix them first.
        let mixed = UInt64(bitPattern: hash) &* 0x9E37_79B9_7F4A_7C15
        let word = mixed ^ mixed &>> 29
        let index = Int(word & UInt64(SketchAccumulator.registers - 1))
        let rest = word >> UInt64(precision) | 1 << UInt64(64 - precision)
        registers[index] = max(registers[index], UInt8(rest.trailingZeroBitCount + 1))
    }

    func merge(_ source: StateEntry, into target: StateEntry, at place: AccumulatorPlace) {
        if place.words(source)[2] == 0 {
            set(source, place).forEach { hash, times in
                insert(hash, times: times, target, place)
            }
            return
        }
        if place.words(target)[2] == 0 { thicken(target, place) }
        let mine = place.mutableBytes(target)
        let theirs = place.bytes(source)
        for index in 0..<SketchAccumulator.registers {
            mine[index] = max(mine[index], theirs[index])
        }
    }

    func subtract(
        _ source: StateEntry, from target: StateEntry, at place: AccumulatorPlace
    ) -> Bool {
        if place.words(source)[2] == 0, place.words(target)[2] == 0 {
            set(target, place).subtract(set(source, place))
            return true
        }
        let words = place.words(source)
        return words[0] == 0 && words[1] == 0 && words[2] == 0
    }

    func finish(
        _ entries: UnsafePointer<StateEntry>, count: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<count {
            if place.words(entries[slot])[2] == 0 {
                column.append(set(entries[slot], place).count)
            } else {
                // There are registers only when more values than that have come.
                column.append(
                    max(
                        SketchAccumulator.estimate(place.bytes(entries[slot])),
                        SketchAccumulator.exactLimit + 1))
            }
        }
    }

    private static func estimate(_ registers: UnsafeBufferPointer<UInt8>) -> Int64 {
        let highest = Int(64 - precision)
        var counts = [Int](repeating: 0, count: highest + 2)
        for register in registers { counts[Int(register)] += 1 }
        let size = Double(Self.registers)
        var sum = size * tau(1 - Double(counts[highest + 1]) / size)
        for rank in stride(from: highest, through: 1, by: -1) {
            sum = 0.5 * (sum + Double(counts[rank]))
        }
        sum += size * sigma(Double(counts[0]) / size)
        return Int64((size * size / (2 * 0.693_147_180_559_945_3 * sum)).rounded())
    }

    private static func sigma(_ start: Double) -> Double {
        if start == 1 { return .infinity }
        var (x, y, z) = (start, 1.0, start)
        while true {
            x *= x
            let before = z
            z += x * y
            y += y
            if z == before { return z }
        }
    }

    private static func tau(_ start: Double) -> Double {
        if start == 0 || start == 1 { return 0 }
        var (x, y, z) = (start, 1.0, 1 - start)
        while true {
            x = x.squareRoot()
            let before = z
            y *= 0.5
            z -= (1 - x) * (1 - x) * y
            if z == before { return z / 3 }
        }
    }
}
