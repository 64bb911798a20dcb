import StreamRuntime
import Testing

@Suite struct RowSorterTests {
    private static let schema = Schema([Field("n", .int64), Field("text", .string)])

    /// A row as the model sees it.
    fileprivate struct Row: Equatable {
        var time: Int64
        var origin: Int64
        var offset: Int64
        var element: Int64
        var n: Int64

        func precedes(_ other: Row) -> Bool {
            if time != other.time { return time < other.time }
            if origin != other.origin { return origin < other.origin }
            if offset != other.offset {
                return UInt64(bitPattern: offset) < UInt64(bitPattern: other.offset)
            }
            return element != other.element ? element < other.element : n < other.n
        }
    }

    private final class Collector: Output {
        var rows: [Row] = []
        var batches = 0

        func emit(_ batch: ColumnBatch, port: Int) {
            batches += 1
            for row in 0..<batch.count {
                let n = batch.columns[0].int64s[row]
                #expect(batch.columns[1].string(row) == "row \(n)")
                rows.append(
                    Row(
                        time: batch.order.time(row), origin: batch.order.origins.int64s[row],
                        offset: batch.order.offsets.int64s[row],
                        element: batch.order.elements?.int64s[row] ?? 0, n: n))
            }
        }
    }

    private func batch(_ rows: [Row], keyed: Bool) -> ColumnBatch {
        let batch = ColumnBatch(schema: RowSorterTests.schema, capacity: rows.count)
        for row in rows {
            batch.columns[0].append(row.n)
            batch.columns[1].append("row \(row.n)")
            batch.order.append(
                eventTime: row.time, watermark: .min, origin: row.origin, offset: row.offset)
        }
        if rows.contains(where: { $0.element > 0 }) {
            let elements = Column(.int64, capacity: rows.count)
            for row in rows { elements.append(row.element) }
            batch.order.elements = elements
        }
        batch.count = rows.count
        if keyed { batch.keys = KeyEncoder(columns: [0]).encode(batch) }
        return batch
    }

    private func sorter(_ store: StateStore) throws -> RowSorter {
        let sorter = RowSorter(schema: RowSorterTests.schema, releaseRows: 16)
        try sorter.open(
            OperatorContext(
                stepId: "s", ordinal: 1, worker: 0, workers: 1, state: store,
                counters: StepCounters()))
        return sorter
    }

    @Test func `rows of one time leave up to the place that was promised`() throws {
        let sorter = try sorter(StateStore())
        let output = Collector()
        // As unsigned numbers the negative offsets are the largest.
        let offsets: [Int64] = [0, 5, 9, .max, .min, -1]
        let rows = offsets.enumerated().map { slot, offset in
            Row(time: 50, origin: 7, offset: offset, element: 0, n: Int64(slot))
        }
        sorter.push(batch(rows, keyed: false))
        let cases: [(place: OrderPlace, left: Int)] = [
            (OrderPlace(EventTime(micros: 50)), 6),
            (OrderPlace(time: 50, origin: 6, offset: -1), 6),
            (OrderPlace(time: 50, origin: 7, offset: 5), 5),
            (OrderPlace(time: 50, origin: 7, offset: 6), 4),
            (OrderPlace(time: 50, origin: 7, offset: .min), 2),
            (OrderPlace(time: 50, origin: 8, offset: 0), 0),
        ]
        for (place, left) in cases {
            while sorter.release(before: place, into: output) == .more {}
            #expect(sorter.count == left, "\(place)")
        }
        #expect(output.rows == rows)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func `rows leave in total order, once the watermark passed them, through restores`(
        seed: UInt64
    ) throws {
        var random = Splitmix(seed)
        let keyed = seed % 2 == 0
        let store = StateStore()
        var sorter = try sorter(store)
        let output = Collector()
        var all: [Row] = []
        var promised: Int64 = 0
        for _ in 0..<60 {
            var rows: [Row] = []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                rows.append(
                    Row(
                        time: promised + Int64.random(in: 0..<50, using: &random),
                        origin: Int64.random(in: 0..<3, using: &random),
                        offset: Int64.random(in: -2..<5, using: &random),
                        element: seed % 3 == 0 ? Int64.random(in: 0..<3, using: &random) : 0,
                        n: Int64(all.count + rows.count)))
            }
            if Bool.random(using: &random) {
                rows.sort { $0.precedes($1) }
            }
            all += rows
            sorter.push(batch(rows, keyed: keyed))
            if Int.random(in: 0..<3, using: &random) == 0 {
                promised += Int64.random(in: 0..<60, using: &random)
                while sorter.release(before: EventTime(micros: promised), into: output) == .more {}
                #expect(output.rows.count == all.count { $0.time < promised })
            }
            if Int.random(in: 0..<5, using: &random) == 0 {
                let held = sorter.count
                try sorter.flush()
                sorter = try self.sorter(store)
                #expect(sorter.count == held)
            }
        }
        while sorter.release(before: .endOfTime, into: output) == .more {}
        let places = all.map { [$0.time, $0.origin, $0.offset, $0.element] }
        let unique = Set(places).count == places.count
        let expected = all.sorted { $0.precedes($1) }
        if unique || !keyed {
            #expect(
                output.rows.map { [$0.time, $0.origin, $0.offset, $0.element] }
                    == expected.map { [$0.time, $0.origin, $0.offset, $0.element] })
        }
        #expect(output.rows.map(\.n).sorted() == expected.map(\.n).sorted())
        #expect(zip(output.rows, output.rows.dropFirst()).allSatisfy { !$1.isBefore($0) })
    }

    @Test(arguments: [(1, 3000), (1, Int64.max / 2), (2, 3000)] as [(Int, Int64)])
    func `thousands of rows leave in total order, near in time or far, of one origin or two`(
        origins: Int, spread: Int64
    ) throws {
        var random = Splitmix(11)
        let sorter = try sorter(StateStore())
        let output = Collector()
        var all: [Row] = []
        var promised: Int64 = 0
        for _ in 0..<6 {
            let rows = (0..<700).map { at in
                Row(
                    time: promised / 2 + Int64.random(in: 0..<spread, using: &random),
                    origin: Int64(at % origins), offset: Int64(all.count + at), element: 0,
                    n: Int64(all.count + at))
            }
            let allowed = rows.filter { $0.time >= promised }
            guard !allowed.isEmpty else { continue }
            all += allowed
            sorter.push(batch(allowed, keyed: false))
            promised += spread / 5
            while sorter.release(before: EventTime(micros: promised), into: output) == .more {}
            #expect(output.rows.count == all.count { $0.time < promised })
        }
        while sorter.release(before: .endOfTime, into: output) == .more {}
        #expect(output.rows == all.sorted { $0.precedes($1) }, "seed 11")
    }

    @Test func `rows of one place leave in the order they came`() throws {
        let sorter = try sorter(StateStore())
        let output = Collector()
        let same = { (n: Int64) in Row(time: 5, origin: 0, offset: 0, element: 0, n: n) }
        let early = Row(time: 1, origin: 0, offset: 0, element: 0, n: 9)
        sorter.push(batch([same(4), same(2)], keyed: false))
        sorter.push(batch([same(3), early, same(1)], keyed: false))
        while sorter.release(before: .endOfTime, into: output) == .more {}
        #expect(output.rows.map(\.n) == [9, 4, 2, 3, 1])
    }

    @Test func `a batch in order passes through as it is`() throws {
        let sorter = try sorter(StateStore())
        final class Last: Output {
            var batch: ColumnBatch?
            func emit(_ batch: ColumnBatch, port: Int) { self.batch = batch }
        }
        let output = Last()
        let sent = batch(
            (0..<100).map { Row(time: $0, origin: 0, offset: $0, element: 0, n: $0) }, keyed: true)
        sorter.push(sent)
        #expect(sorter.release(before: EventTime(micros: 100), into: output) == .done)
        #expect(output.batch === sent)
    }

    @Test func `split rows go to the worker that owns their key group, in their order`() {
        for workers in [1, 2, 3, 7] {
            let batch = batch(
                (0..<500).map { Row(time: $0, origin: 0, offset: $0, element: 0, n: $0) },
                keyed: true)
            let parts = KeySplitter(workers: workers).split(batch)
            #expect(parts.compactMap { $0?.count }.reduce(0, +) == 500)
            for (worker, part) in parts.enumerated() {
                guard let part, let keys = part.keys else { continue }
                let numbers = (0..<part.count).map { part.columns[0].int64s[$0] }
                #expect(numbers == numbers.sorted())
                for row in 0..<part.count {
                    let group = KeyGroup.of(hash: keys.hashes.int64s[row])
                    #expect(KeyGroup.worker(of: group, workers: workers) == worker)
                }
            }
        }
    }
}

extension RowSorterTests.Row {
    fileprivate func isBefore(_ other: RowSorterTests.Row) -> Bool {
        if time != other.time { return time < other.time }
        if origin != other.origin { return origin < other.origin }
        if offset != other.offset {
            return UInt64(bitPattern: offset) < UInt64(bitPattern: other.offset)
        }
        return element < other.element
    }
}

/// A random generator that repeats itself: SplitMix64.
private struct Splitmix: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
