import Glibc
import StreamRuntime

/// `top_k(x, k)` and `approx_top_k(x, k)`: the values that came most often, most often first; of equally
/// frequent ones the smaller first.
///
/// - Shape: a `BytesSet` of the values' bytes.
/// - Note: the counts are exact: every different value is kept, as `count(distinct x)` does.
struct FrequencyAccumulator: Accumulator {
    /// Values of one result.
    static let countMax: Int64 = 1024

    private let count: Int
    private let value: ColumnType
    private let isCounted: Bool

    init(count: Int, value: ColumnType, isCounted: Bool) {
        self.count = count
        self.value = value
        self.isCounted = isCounted
    }

    var fixedBytes: Int { BytesSet.fixedBytes }
    var blobs: Int { 2 }

    /// The type of the elements of `top_k`.
    static func counted(_ value: ColumnType) -> ColumnType {
        .structure([Field("value", value), Field("count", .int64)])
    }

    private func set(_ entry: StateEntry, _ place: AccumulatorPlace) -> BytesSet {
        BytesSet(words: place.words(entry), entry: entry, place: place)
    }

    func prepare(_ arguments: [Column], count: Int) -> PreparedArguments {
        var prepared = PreparedArguments(columns: arguments)
        let bytes = Column(.bytes, capacity: count)
        let arena = ByteArena()
        for row in 0..<count {
            arena.count = 0
            ValueBytes.append(arguments[0], row, to: arena)
            bytes.append(UnsafeBufferPointer(start: arena.base, count: arena.count))
        }
        prepared.keys = KeyColumn(
            bytes: bytes, hashes: KeyEncoder(columns: []).encode([bytes], count: count).hashes)
        return prepared
    }

    func update(_ rows: AggregateRows, _ range: Range<Int>, at place: AccumulatorPlace) {
        let keys = rows.arguments.keys!
        for row in range where rows.counts(row) {
            set(rows.entries[row], place)
                .insert(keys.bytes.bytes(row), hash: keys.hashes.int64s[row])
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
        _ entries: UnsafePointer<StateEntry>, count slots: Int, into column: Column,
        at place: AccumulatorPlace, errors: inout RejectedRows, text: String
    ) {
        for slot in 0..<slots {
            var members: [(bytes: UnsafeBufferPointer<UInt8>, times: Int64)] = []
            set(entries[slot], place).forEach { bytes, _, times in members.append((bytes, times)) }
            if members.isEmpty {
                column.appendNull()
                continue
            }
            members.sort { left, right in
                left.times != right.times
                    ? left.times > right.times : isSmaller(left.bytes, right.bytes)
            }
            let list = column.children[0]
            let start = list.count
            for member in members.prefix(count) {
                var at = member.bytes.baseAddress!
                if isCounted {
                    ValueBytes.read(&at, into: list.children[0])
                    list.children[1].append(member.times)
                    list.appendStructure()
                } else {
                    ValueBytes.read(&at, into: list)
                }
            }
            column.appendList(from: start)
        }
    }

    /// An order of values: that of their type for numbers, times and texts, else that of their bytes.
    private func isSmaller(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let mine = UnsafeRawPointer(left.baseAddress!) + 1
        let theirs = UnsafeRawPointer(right.baseAddress!) + 1
        switch value {
        case .int64, .timestamp, .date:
            return mine.loadUnaligned(as: Int64.self) < theirs.loadUnaligned(as: Int64.self)
        case .float64:
            return WordKernels.word(mine.loadUnaligned(as: Double.self))
                < WordKernels.word(theirs.loadUnaligned(as: Double.self))
        case .decimal:
            return mine.loadUnaligned(as: Int128.self) < theirs.loadUnaligned(as: Int128.self)
        case .string, .bytes:
            return ValueBytes.compare(
                UnsafeBufferPointer(rebasing: left.dropFirst(5)),
                UnsafeBufferPointer(rebasing: right.dropFirst(5))) < 0
        default: return ValueBytes.compare(left, right) < 0
        }
    }
}
