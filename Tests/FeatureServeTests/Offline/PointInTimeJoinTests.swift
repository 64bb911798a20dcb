import StreamRuntime
import Testing

@testable import FeatureServe

/// Records in memory as a source of partitions.
final class ListedRecords: RecordSource {
    private let lists: [[RecordBatch]]

    init(_ lists: [[RecordBatch]]) { self.lists = lists }

    func partitions() throws(JobFailure) -> [Int32] { lists.indices.map { Int32($0) } }

    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        Reader(partition: partition, batches: lists[Int(partition)])
    }

    private final class Reader: PartitionReader {
        let partition: Int32
        let name: String
        private var batches: [RecordBatch]
        var position: Int64 = 0

        init(partition: Int32, batches: [RecordBatch]) {
            self.partition = partition
            name = "list/\(partition)"
            self.batches = batches
        }

        func seek(to offset: Int64) throws(JobFailure) {}

        func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
            batches.isEmpty ? .ended : .records(batches.removeFirst())
        }
    }
}

@Suite struct PointInTimeJoinTests {
    /// A version as the test knows it.
    struct Known {
        var user: Int64
        var event: Int64
        var visible: Int64
        var isDeleted: Bool
        var orders: Int64?
    }

    static let hour = 3600 * Shop.second

    static func key(_ user: Int64) -> ByteArena {
        let column = Column(.int64, capacity: 1)
        column.append(user)
        let arena = ByteArena()
        KeyEncoder.append(column, 0, to: arena)
        return arena
    }

    /// The versions as the log's records, each key in one of two partitions.
    static func source(_ versions: [Known], batchRows: Int = 7) -> ListedRecords {
        var lists: [[RecordBatch]] = [[], []]
        for partition in 0..<2 {
            let mine = versions.filter { Int($0.user) % 2 == partition }
            for start in stride(from: 0, to: mine.count, by: batchRows) {
                let part = mine[start..<min(start + batchRows, mine.count)]
                let log = FeatureVersionBatch(of: Shop.counters)
                for version in part {
                    let rows = Shop.batch([
                        .init(user: version.user, orders: version.orders, at: version.event)
                    ])
                    let payload = ByteArena()
                    if !version.isDeleted {
                        let columns = rows.columns.dropFirst().map { Unmanaged.passUnretained($0) }
                        var hints = [UInt8](repeating: 0, count: columns.count)
                        columns.withUnsafeBufferPointer { columns in
                            ViewPayload.append(row: 0, of: columns, hints: &hints, to: payload)
                        }
                    }
                    let key = key(version.user)
                    log.append(
                        key: UnsafeBufferPointer(start: key.base, count: key.count),
                        isDeleted: version.isDeleted, visibleTime: version.visible,
                        order: rows.order, row: 0, payload: payload.base, length: payload.count)
                    withExtendedLifetime(rows) {}
                }
                let batch = RecordBatch(partition: Int32(partition), capacity: part.count)
                for row in 0..<log.batch.count {
                    batch.keys.append(log.batch.columns[0].bytes(row))
                    batch.values.append(log.batch.columns[1].bytes(row))
                    batch.timestamps.append(Int64(0))
                    batch.offsets.append(Int64(start + row))
                }
                lists[partition].append(batch)
            }
        }
        return ListedRecords(lists)
    }

    static func index(_ labels: [(user: Int64, time: Int64)]) -> LabelIndex {
        let users = Column(.int64, capacity: labels.count)
        let times = Column(.timestamp, capacity: labels.count)
        for label in labels {
            users.append(label.user)
            times.append(label.time)
        }
        let keys = KeyEncoder(columns: []).encode([users], count: labels.count)
        return LabelIndex(keys: keys, times: times.int64s)
    }

    /// What the join answers for each label: "orders STATUS".
    static func answers(
        _ sources: [[Known]], _ labels: [(user: Int64, time: Int64)],
        _ visibility: PointInTimeJoin.Visibility = .required, threads: Int = 2
    ) throws -> [String] {
        let join = PointInTimeJoin(
            of: Shop.counters, to: index(labels), visibility: visibility)
        let scan = try VersionScan(
            sources.map { source($0) }, into: [join], threads: threads)
        try scan.run()
        let columns = VersionColumns(of: Shop.counters, wanted: [0])
        return labels.indices.map { label in
            let values = Column(.int64, capacity: 1)
            let statuses = Column(.string, capacity: 1)
            _ = columns.append(
                join.record(of: label), at: labels[label].time, to: [values], statuses: [statuses])
            return "\(values.valueText(0)) \(statuses.string(0))"
        }
    }

    /// The same by looking at every version for every label.
    static func oracle(
        _ versions: [Known], _ labels: [(user: Int64, time: Int64)],
        _ visibility: PointInTimeJoin.Visibility
    ) -> [String] {
        labels.map { label in
            var best: Known?
            for version in versions where version.user == label.user {
                let sees =
                    switch visibility {
                    case .required: version.event <= label.time && version.visible <= label.time
                    case .ignored: version.event <= label.time
                    case .only: version.visible <= label.time
                    }
                if sees, version.event >= best?.event ?? .min { best = version }
            }
            guard let best, !best.isDeleted else { return "NULL NOT_FOUND" }
            guard let orders = best.orders else { return "NULL NULL_VALUE" }
            let isOld = label.time - best.event > Shop.counters.ttlMicros
            return "\(orders) \(isOld ? "OUTSIDE_MAX_AGE" : "PRESENT")"
        }
    }

    static func random(seed: UInt64) -> (versions: [Known], labels: [(user: Int64, time: Int64)]) {
        var numbers = SplitMix(state: seed)
        func next(_ bound: Int64) -> Int64 { Int64(numbers.next() % UInt64(bound)) }
        var visible: Int64 = 0
        let versions = (0..<300).map { index in
            visible += next(20) * 60 * Shop.second
            // Some are late, some about the future, some tie.
            let event = (visible / hour * hour) + (next(5) - 3) * hour / 2
            return Known(
                user: next(9), event: event, visible: visible, isDeleted: next(12) == 0,
                orders: next(10) == 0 ? nil : Int64(index))
        }
        let labels = (0..<200).map { _ in
            let exact = versions[Int(next(300))]
            let time =
                switch next(4) {
                case 0: exact.visible
                case 1: exact.event
                case 2: exact.event + Shop.counters.ttlMicros
                default: next(visible + 2 * hour)
                }
            return (user: next(10), time: time)
        }
        return (versions, labels)
    }

    @Test(arguments: [
        PointInTimeJoin.Visibility.required, PointInTimeJoin.Visibility.ignored,
        PointInTimeJoin.Visibility.only,
    ])
    func `the join of random data is what looking at everything finds`(
        visibility: PointInTimeJoin.Visibility
    ) throws {
        for seed: UInt64 in 1...12 {
            let (versions, labels) = Self.random(seed: seed)
            let found = try Self.answers([versions], labels, visibility)
            #expect(found == Self.oracle(versions, labels, visibility), "seed \(seed)")
        }
    }

    @Test func `the edges of both times and of the ttl`() throws {
        let noon = Shop.noon
        let ttl = Shop.counters.ttlMicros
        func version(_ event: Int64, _ visible: Int64, _ orders: Int64?, deleted: Bool = false)
            -> Known
        {
            Known(user: 1, event: event, visible: visible, isDeleted: deleted, orders: orders)
        }
        let table: [(versions: [Known], at: Int64, answer: String)] = [
            ([version(noon, noon, 1)], noon, "1 PRESENT"),
            ([version(noon, noon, 1)], noon - 1, "NULL NOT_FOUND"),
            ([version(noon, noon + 5, 1)], noon + 4, "NULL NOT_FOUND"),
            ([version(noon, noon + 5, 1)], noon + 5, "1 PRESENT"),
            ([version(noon, noon, 1)], noon + ttl, "1 PRESENT"),
            ([version(noon, noon, 1)], noon + ttl + 1, "1 OUTSIDE_MAX_AGE"),
            ([version(noon, noon, nil)], noon + ttl + 1, "NULL NULL_VALUE"),
            ([version(noon, noon, 1), version(noon, noon, 2)], noon, "2 PRESENT"),
            ([version(noon, noon, 1), version(noon - 1, noon + 1, 2)], noon + 2, "1 PRESENT"),
            (
                [version(noon, noon, 1), version(noon, noon + 1, nil, deleted: true)], noon + 1,
                "NULL NOT_FOUND"
            ),
            ([version(noon + 9, noon, 1)], noon + 8, "NULL NOT_FOUND"),
        ]
        for (number, row) in table.enumerated() {
            #expect(
                try Self.answers([row.versions], [(1, row.at)]) == [row.answer], "row \(number)")
        }
    }

    @Test func `between a pipeline and pushes of one event time the later readable one wins`()
        throws
    {
        func version(_ visible: Int64, _ orders: Int64) -> Known {
            Known(user: 1, event: 100, visible: visible, isDeleted: false, orders: orders)
        }
        let labels: [(user: Int64, time: Int64)] = [(1, 250), (1, 350)]
        #expect(
            try Self.answers([[version(200, 1)], [version(300, 2)]], labels) == [
                "1 PRESENT", "2 PRESENT",
            ])
        #expect(
            try Self.answers([[version(300, 1)], [version(200, 2)]], labels) == [
                "2 PRESENT", "1 PRESENT",
            ])
    }

    @Test func `a label is answered as a lookup at its moment was`() throws {
        for seed: UInt64 in 20...26 {
            var (versions, labels) = Self.random(seed: seed)
            // Serving gives values about the future too; a training set does not.
            versions.removeAll { $0.event > $0.visible }
            labels.sort { $0.time < $1.time }
            let store = try Shop.store()
            var clock: Int64 = 0
            let writer = try FeatureWriter(
                store: store, view: "user_counters", schema: Shop.counterSchema, now: { clock })
            var next = 0
            var served: [String] = []
            for label in labels {
                while next < versions.count, versions[next].visible <= label.time {
                    let version = versions[next]
                    clock = version.visible
                    _ = try writer.write(
                        Shop.batch([
                            .init(
                                user: version.user, orders: version.orders, at: version.event,
                                change: version.isDeleted ? .delete : .insert)
                        ]))
                    next += 1
                }
                let lookup = try Lookup.inStore(
                    store, view: "user_counters", keys: ["\(label.user)"], nowMicros: label.time)
                let value = lookup.values[0]
                served.append(
                    "\(value.value == "null" ? "NULL" : value.value) \(value.status)")
            }
            #expect(try Self.answers([versions], labels) == served, "seed \(seed)")
        }
    }

    @Test func `versions of other features are left out and counted`() throws {
        let labels: [(user: Int64, time: Int64)] = [(1, 500)]
        let other = FeatureView(
            name: "user_counters", entity: "user", features: [Field("orders_1h", .float64)])
        let join = PointInTimeJoin(of: other, to: Self.index(labels))
        let versions = [Known(user: 1, event: 1, visible: 2, isDeleted: false, orders: 3)]
        let scan = try VersionScan([Self.source(versions)], into: [join], threads: 1)
        try scan.run()
        #expect(join.record(of: 0) == nil)
        #expect(join.otherLayoutCount == 1)
        #expect(scan.newestVisible == 2)
    }

    @Test func `a record that is no version is refused by its offset`() throws {
        let batch = RecordBatch(partition: 0, capacity: 1)
        let text = Array("{\"a\":1}".utf8)
        text.withUnsafeBufferPointer {
            batch.keys.append($0)
            batch.values.append($0)
        }
        batch.timestamps.append(Int64(0))
        batch.offsets.append(Int64(41))
        let join = PointInTimeJoin(of: Shop.counters, to: Self.index([(1, 1)]))
        let scan = try VersionScan([ListedRecords([[batch]])], into: [join], threads: 1)
        let failure = #expect(throws: JobFailure.self) { try scan.run() }
        #expect(failure?.problem.contains("offset 41") == true)
    }
}
