import FeatureServe
import Glibc
import StreamRuntime
import Synchronization

/// Lookups under a load that does not wait for answers: alone, beside writes, and while the store stands still.
enum LoadBenchmarks {
    static var all: [Benchmark] {
        [
            Benchmark(name: "lookup-open") { try lookups(keys: 1, connections: 16) },
            Benchmark(name: "lookup-100x50") { try lookups(keys: 100, connections: 16) },
            Benchmark(name: "lookup-stalled") { try stalled() },
            Benchmark(name: "upserts-while-serving") { try upserts() },
            Benchmark(name: "online-bytes") { try bytes() },
        ]
    }

    private static let entities = 200_000
    private static let features = 50

    private static func catalog() throws(JobFailure) -> FeatureCatalog {
        try FeatureCatalog(
            entities: [Entity(name: "user", keys: [Field("user_id", .int64)])],
            views: [
                FeatureView(
                    name: "scores", entity: "user",
                    features: (0..<features).map { Field("f\($0)", .float64) }, ttlMicros: 0)
            ])
    }

    private static var schema: Schema {
        Schema([Field("user_id", .int64)] + (0..<features).map { Field("f\($0)", .float64) })
    }

    private static func batch(users: [Int64], round: Int, at micros: Int64) -> ColumnBatch {
        let batch = ColumnBatch(schema: schema, capacity: users.count)
        for (row, user) in users.enumerated() {
            batch.columns[0].append(user)
            for feature in 0..<features {
                batch.columns[feature + 1].append(value(user, feature, round))
            }
            batch.order.append(
                eventTime: micros, watermark: .min, origin: 0, offset: Int64(row))
        }
        batch.count = users.count
        return batch
    }

    /// As features are: counts, sums of money, ratios, and one in five an average with all its digits.
    private static func value(_ user: Int64, _ feature: Int, _ round: Int) -> Double {
        let mixed = Int(truncatingIfNeeded: user &* 2_654_435_761 &+ Int64(feature * 977 + round))
        let word = abs(mixed &* 0x9E37_79B9) >> 7
        switch feature % 5 {
        case 0: return Double(word % 200)
        case 1: return Double(word % 100_000) / 100
        case 2: return Double(word % 1000) / 1000
        case 3: return Double(word % 10_000)
        default: return Double(word % 100_000) / Double(word % 97 + 3)
        }
    }

    private static func fill(_ store: OnlineStore) throws(JobFailure) {
        let writer = try FeatureWriter(store: store, view: "scores", schema: schema)
        for first in stride(from: 0, to: entities, by: 4000) {
            _ = try writer.write(
                batch(users: (first..<(first + 4000)).map { Int64($0) }, round: 0, at: 1))
        }
        try store.sync()
    }

    private static func server(
        _ store: OnlineStore
    ) throws(JobFailure) -> (server: FeatureServer, port: Int) {
        var options = FeatureServer.Options()
        options.port = 0
        options.threads = 1
        let server = FeatureServer(store: store, metrics: MetricsRegistry(), options: options)
        return (server, try server.start())
    }

    /// Requests for users drawn by Zipf's law; in half of all, where asked for, one and the same.
    private static func requests(
        keys: Int, hot: Bool = false, more: String = ""
    ) -> [[UInt8]] {
        var weights: [Double] = []
        var total = 0.0
        for rank in 1...entities {
            total += 1 / Double(rank)
            weights.append(total)
        }
        var seed: UInt64 = 42
        func draw() -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            if hot, seed >> 63 == 0 { return 7 }
            let wanted = Double(seed >> 11) / Double(1 << 53) * total
            var low = 0
            var high = entities - 1
            while low < high {
                let middle = (low + high) / 2
                if weights[middle] < wanted { low = middle + 1 } else { high = middle }
            }
            // Neighbours in rank are not neighbours in the table.
            return low * 7919 % entities
        }
        let names = (0..<features).map { "\"scores:f\($0)\"" }.joined(separator: ",")
        return (0..<4000).map { _ in
            let users = (0..<keys).map { _ in "\(draw())" }.joined(separator: ",")
            let body = "{\"features\":[\(names)],\"entities\":{\"user_id\":[\(users)]}\(more)}"
            return Array(
                ("POST /get-online-features HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\ncontent-length: "
                    + "\(body.utf8.count)\r\n\r\n" + body).utf8)
        }
    }

    private static func client(
        _ port: Int, _ requests: [[UInt8]], connections: Int
    ) throws -> OpenLoop {
        guard let client = OpenLoop(port: port, requests: requests, connections: connections) else {
            throw BenchmarkProblem("cannot connect")
        }
        return client
    }

    private static func lookups(keys: Int, connections: Int) throws {
        let store = try OnlineStore(
            catalog: try catalog(), rows: MemoryRows(), budgetBytes: 2 << 30)
        try fill(store)
        let (server, port) = try server(store)
        defer { server.stop() }
        let client = try client(port, requests(keys: keys), connections: connections)
        _ = client.run(rate: 0, seconds: 2)
        let most = client.run(rate: 0, seconds: 5)
        print("lookup \(keys) × \(features), as fast as answers come: \(most.text)")
        let half = keys == 1 ? 40_000.0 : 7500
        let open = client.run(rate: min(half, Double(most.rate) / 2), seconds: 5)
        print("lookup \(keys) × \(features), open loop: \(open.text)")
        let hot = try LoadBenchmarks.client(
            port, requests(keys: keys, hot: true), connections: connections)
        let result = hot.run(rate: min(half, Double(most.rate) / 2), seconds: 5)
        print("lookup \(keys) × \(features), open loop, one key in half of all: \(result.text)")
    }

    /// Most rows at rest, and the disk standing still for 200 ms in every 400 ms.
    private static func stalled() throws {
        let rows = StallingRows()
        let store = try OnlineStore(catalog: try catalog(), rows: rows, budgetBytes: 16 << 20)
        try fill(store)
        let (server, port) = try server(store)
        defer { server.stop() }
        let client = try client(
            port, requests(keys: 1, hot: true, more: ",\"deadline_ms\":20"), connections: 64)
        client.looksForUnknown = true
        _ = client.run(rate: 1000, seconds: 1)
        rows.stallsNanos.store(200_000_000, ordering: .relaxed)
        let result = client.run(rate: 2000, seconds: 6)
        rows.stallsNanos.store(0, ordering: .relaxed)
        print(
            "lookup 1 × \(features), deadline 20 ms, store stalled half of the time: \(result.text)"
        )
        print("  answers with values marked as not known: \(result.unknown)")
    }

    /// Writes beside lookups at half of what the server takes.
    private static func upserts() throws {
        let store = try OnlineStore(
            catalog: try catalog(), rows: MemoryRows(), budgetBytes: 2 << 30)
        try fill(store)
        let (server, port) = try server(store)
        defer { server.stop() }
        let client = try client(port, requests(keys: 1), connections: 16)
        _ = client.run(rate: 0, seconds: 2)
        let idle = client.run(rate: 40_000, seconds: 5)
        print("lookup 1 × \(features), nothing written: \(idle.text)")
        let batches = (0..<20).map { round in
            batch(
                users: (0..<1000).map { Int64(($0 * 7919 + round * 104_729) % entities) },
                round: round, at: Int64(round))
        }
        for target in [200_000, 0] {
            let flags = Flags()
            let work = Writes(store: store, batches: batches, target: target)
            let thread = try BenchmarkThread { work.run(flags) }
            let result = client.run(rate: 40_000, seconds: 5)
            flags.stop.store(true, ordering: .relaxed)
            thread.join()
            let rate = flags.written.load(ordering: .relaxed) / 5
            let name = target == 0 ? "as fast as it goes" : "\(target) rows/s wanted"
            print("lookup 1 × \(features), \(name): \(rate) rows/s written; \(result.text)")
        }
    }

    private final class Flags: Sendable {
        let stop = Atomic<Bool>(false)
        let written = Atomic<Int>(0)
    }

    /// One writer's batches, over and over with later times.
    private final class Writes: @unchecked Sendable {  // handed to one thread
        private let store: OnlineStore
        private let batches: [ColumnBatch]
        private let target: Int

        init(store: OnlineStore, batches: [ColumnBatch], target: Int) {
            self.store = store
            self.batches = batches
            self.target = target
        }

        func run(_ flags: Flags) {
            guard
                let writer = try? FeatureWriter(store: store, view: "scores", schema: schema)
            else { return }
            let start = now()
            var rows = 0
            var turn: Int64 = 2
            while !flags.stop.load(ordering: .relaxed) {
                if target > 0, rows > Int(Double(now() - start) / 1e9 * Double(target)) {
                    usleep(200)
                    continue
                }
                let batch = batches[Int(turn) % batches.count]
                for row in 0..<batch.count { batch.order.eventTimes.int64s[row] = turn }
                guard let result = try? writer.write(batch, epoch: turn / 2000) else { return }
                rows += result.applied
                flags.written.store(rows, ordering: .relaxed)
                turn += 1
            }
        }

        private func now() -> Int {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return time.tv_sec * 1_000_000_000 + time.tv_nsec
        }
    }

    /// What rows of fifty numbers take on disk.
    private static func bytes() throws {
        let path = "/tmp/millrace-online-\(getpid())"
        mkdir(path, 0o755)
        defer { _ = system("rm -rf \(path)") }
        do {
            let rows = try RocksRows(path: path)
            let store = try OnlineStore(catalog: try catalog(), rows: rows, budgetBytes: 2 << 30)
            try fill(store)
            try rows.compact()
        }
        guard let pipe = popen("du -sb \(path) | cut -f1", "r") else { return }
        defer { pclose(pipe) }
        var line = [CChar](repeating: 0, count: 64)
        fgets(&line, 64, pipe)
        let total = Int(String(decoding: line.prefix { $0 > 32 }.map { UInt8($0) }, as: UTF8.self))
        let each = Double(total ?? 0) / Double(entities * features)
        print("online store at rest: \(each) bytes for each numeric value, all in (target 5)")
    }
}

/// Rows in memory that stand still, as a disk may.
private final class StallingRows: OnlineRows {
    private let rows = MemoryRows()
    /// How long a read that comes while the disk stands still may take; 0 when it never does.
    let stallsNanos = Atomic<Int>(0)

    func get(_ key: UnsafeRawBufferPointer) throws(JobFailure) -> [UInt8]? {
        let stall = stallsNanos.load(ordering: .relaxed)
        if stall > 0 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let now = time.tv_sec * 1_000_000_000 + time.tv_nsec
            if now % (2 * stall) < stall { usleep(UInt32((stall - now % (2 * stall)) / 1000)) }
        }
        return try rows.get(key)
    }

    func put(_ batch: OnlineRowBatch, durable: Bool) throws(JobFailure) {
        try rows.put(batch, durable: durable)
    }

    func scan(
        prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) { try rows.scan(prefix: prefix, body) }
}
