import Codecs
import Glibc
import StreamRuntime
import Synchronization
import Testing

@testable import FeatureServe

/// A sink of the shop's counters and what its snapshots should show.
private struct Run {
    let store: OnlineStore
    let sink: FeatureSink

    init(_ rows: any OnlineRows, checkpoint: Int64 = 0, budget: Int = 64 << 20) throws {
        store = try OnlineStore(
            catalog: try Shop.catalog(), rows: rows, budgetBytes: budget, checkpoint: checkpoint)
        sink = FeatureSink(
            try FeatureWriter(
                store: store, view: "user_counters", schema: Shop.counterSchema,
                now: { Shop.noon }))
        try sink.recover(token: nil)
    }

    func write(_ orders: Int64, at: Int64, user: Int64 = 7) throws {
        try sink.write(Shop.batch([.init(user: user, orders: orders, at: at)]))
    }

    /// The newest value, and that of the newest snapshot.
    func shown(user: Int64 = 7) throws -> [String] {
        try [ViewVersion.orphan, store.epochs.newest].map { epoch in
            let keys = Column(.int64, capacity: 1)
            keys.append(user)
            let key = ByteArena()
            KeyEncoder.append(keys, 0, to: key)
            let hash = Hash.xxh3(key.base, key.count)
            let table = store.tables[0]
            var read = ViewRead.absent
            let block = ByteArena()
            try table.shard(hash).read(
                hash: hash, key: key.base, keyLength: key.count, slots: [0], epoch: epoch,
                reads: &read, into: block)
            guard read.isPresent else { return "-" }
            let offsets = UnsafeRawPointer(block.base + read.rendered)
                .assumingMemoryBound(to: UInt32.self)
            let text = block.base + read.rendered + RenderedView.textStart(features: 3)
            return String(
                decoding: UnsafeBufferPointer(
                    start: text + Int(offsets[1]), count: Int(offsets[2] - offsets[1])),
                as: UTF8.self)
        }
    }
}

@Suite struct SnapshotTests {
    @Test func `a snapshot shows what the newest whole checkpoint covers, and no more`() throws {
        let run = try Run(MemoryRows())
        try run.write(1, at: 10)
        #expect(try run.shown() == ["1", "-"])
        _ = try run.sink.prepare(checkpoint: 1)
        #expect(try run.shown() == ["1", "-"], "under way")
        try run.write(2, at: 20)
        #expect(try run.shown() == ["2", "-"])
        run.store.complete(checkpoint: 1)
        #expect(try run.shown() == ["2", "1"])
        try run.write(3, at: 30)
        #expect(try run.shown() == ["3", "1"], "of the same epoch")
        _ = try run.sink.prepare(checkpoint: 2)
        try run.write(4, at: 40)
        #expect(try run.shown() == ["4", "1"])
        run.store.complete(checkpoint: 2)
        #expect(try run.shown() == ["4", "3"])
        _ = try run.sink.prepare(checkpoint: 3)
        run.store.complete(checkpoint: 3)
        #expect(try run.shown() == ["4", "4"])
    }

    @Test func `a deletion and an older row count in snapshots as they do outside`() throws {
        let run = try Run(MemoryRows())
        try run.write(1, at: 10)
        _ = try run.sink.prepare(checkpoint: 1)
        run.store.complete(checkpoint: 1)
        try run.sink.write(Shop.batch([.init(user: 7, at: 20, change: .delete)]))
        try run.write(9, at: 15)
        #expect(try run.shown() == ["-", "1"])
        _ = try run.sink.prepare(checkpoint: 2)
        run.store.complete(checkpoint: 2)
        #expect(try run.shown() == ["-", "-"])
    }

    @Test func `a push counts at once, or with the row it follows`() throws {
        let run = try Run(MemoryRows())
        try Shop.write([.init(user: 7, orders: 5, at: 5)], to: run.store)
        #expect(try run.shown() == ["5", "5"])
        try run.write(6, at: 6)
        try Shop.write([.init(user: 7, orders: 7, at: 7)], to: run.store)
        #expect(try run.shown() == ["7", "5"])
        _ = try run.sink.prepare(checkpoint: 1)
        run.store.complete(checkpoint: 1)
        #expect(try run.shown() == ["7", "7"])
    }

    @Test func `older versions are let go when nothing shows them any more`() throws {
        let run = try Run(MemoryRows())
        for user: Int64 in 0..<200 { try run.write(1, at: 10, user: user) }
        let plain = run.store.size().bytes
        _ = try run.sink.prepare(checkpoint: 1)
        run.store.complete(checkpoint: 1)
        for user: Int64 in 0..<200 { try run.write(2, at: 20, user: user) }
        #expect(run.store.size().bytes > plain + 200 * MemoryLayout<OlderVersion>.stride)
        _ = try run.sink.prepare(checkpoint: 2)
        run.store.complete(checkpoint: 2)
        #expect(run.store.size().bytes == plain)
    }

    @Test(arguments: [0, 1, 2])
    func `after a crash snapshots show the restored checkpoint until the log is read again`(
        restored: Int64
    ) throws {
        let rows = MemoryRows()
        do {
            let run = try Run(rows)
            try run.write(1, at: 10)
            _ = try run.sink.prepare(checkpoint: 1)
            if restored > 0 { run.store.complete(checkpoint: 1) }
            try run.write(2, at: 20)
            _ = try run.sink.prepare(checkpoint: 2)
            if restored > 1 { run.store.complete(checkpoint: 2) }
            try run.write(3, at: 30)
            try run.store.sync()
        }
        let run = try Run(rows, checkpoint: restored)
        let known = ["-", "1", "2"][Int(restored)]
        #expect(try run.shown() == ["3", known])
        // The same log, cut into epochs elsewhere.
        if restored < 1 { try run.write(1, at: 10) }
        if restored < 2 {
            _ = try run.sink.prepare(checkpoint: restored + 1)
            run.store.complete(checkpoint: restored + 1)
            #expect(try run.shown() == ["3", "1"])
            try run.write(2, at: 20)
            _ = try run.sink.prepare(checkpoint: restored + 2)
            run.store.complete(checkpoint: restored + 2)
            #expect(try run.shown() == ["3", "2"])
        }
        try run.write(3, at: 30)
        #expect(try run.shown() == ["3", "2"])
        let last = run.store.completedEpoch + 1
        _ = try run.sink.prepare(checkpoint: last)
        run.store.complete(checkpoint: last)
        #expect(try run.shown() == ["3", "3"])
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `any cut, crash and eviction leaves snapshots what the log says`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let users: Int64 = 60
        // Newer events may come first; each row's value is its place in the log.
        let log = (0..<600).map { _ in
            (
                user: Int64.random(in: 0..<users, using: &random),
                at: Int64.random(in: 0..<300, using: &random)
            )
        }
        func truth(_ end: Int) -> [Int64: (orders: Int, at: Int64)] {
            var newest: [Int64: (orders: Int, at: Int64)] = [:]
            for (place, row) in log[..<end].enumerated()
            where (newest[row.user]?.at ?? .min) <= row.at { newest[row.user] = (place, row.at) }
            return newest
        }
        let rows = MemoryRows()
        var run = try Run(rows, budget: 1 << 14)
        var place = 0
        var prepared: (number: Int64, end: Int)?
        var done: (number: Int64, end: Int) = (0, 0)
        func check(_ step: String) throws {
            let expected = truth(done.end)
            for user in 0..<users {
                let snapshot = expected[user].map { "\($0.orders)" } ?? "-"
                let shown = try run.shown(user: user)[1]
                #expect(shown == snapshot, "user \(user), \(step) at \(place), seed \(seed)")
            }
        }
        while place < log.count {
            let row = log[place]
            try run.write(Int64(place), at: row.at, user: row.user)
            place += 1
            switch Int.random(in: 0..<40, using: &random) {
            case 0, 1:
                if let waiting = prepared {
                    try run.store.sync()
                    run.store.complete(checkpoint: waiting.number)
                    done = waiting
                    prepared = nil
                    try check("completed")
                } else {
                    prepared = (done.number + 1, place)
                    _ = try run.sink.prepare(checkpoint: done.number + 1)
                }
            case 2: try run.store.sync()
            case 3:
                if Bool.random(using: &random) { try run.store.sync() }
                run = try Run(rows, checkpoint: done.number, budget: 1 << 14)
                place = done.end
                prepared = nil
                try check("crashed")
            case 4: try check("between")
            default: break
            }
        }
    }

    @Test func `writers on several threads never tear a snapshot`() throws {
        // In each epoch both writers write its number into both views of both entities.
        let store = try Shop.store()
        let money = Schema([
            Field("user_id", .int64), Field("balance", .decimal(precision: 12, scale: 2)),
            Field("since", .timestamp), Field("born", .date), Field("vip", .bool),
            Field("token", .bytes), Field("last", .list(.int64)),
        ])
        let last: Int64 = 60
        let turns = Turns()
        func run(_ body: @escaping @Sendable () throws -> Void) -> Thread {
            Thread { do { try body() } catch { turns.fail("\(error)") } }
        }
        let counters = run {
            let sink = FeatureSink(
                try FeatureWriter(
                    store: store, view: "user_counters", schema: Shop.counterSchema))
            try sink.recover(token: nil)
            for epoch in 1...last {
                for user: Int64 in [7, 8] {
                    try sink.write(Shop.batch([.init(user: user, orders: epoch, at: epoch)]))
                }
                _ = try sink.prepare(checkpoint: epoch)
                turns.arrive(epoch)
            }
        }
        let accounts = run {
            let sink = FeatureSink(
                try FeatureWriter(store: store, view: "user_money", schema: money))
            try sink.recover(token: nil)
            for epoch in 1...last {
                for user: Int64 in [8, 7] {
                    let batch = ColumnBatch(schema: money, capacity: 1)
                    batch.columns[0].append(user)
                    batch.columns[1].appendNull()
                    batch.columns[2].append(epoch * Shop.second)
                    for column in 3...6 { batch.columns[column].appendNull() }
                    batch.order.append(eventTime: epoch, watermark: .min, origin: 0, offset: 0)
                    batch.count = 1
                    try sink.write(batch)
                }
                _ = try sink.prepare(checkpoint: epoch)
                turns.arrive(epoch)
            }
        }
        let completer = run {
            for epoch in 1...last {
                // At most one checkpoint is under way, while the writers are in the epoch after it.
                guard turns.wait(for: epoch) else { return }
                store.complete(checkpoint: epoch)
                turns.open(epoch)
            }
        }
        let engine = LookupEngine(store: store, metrics: MetricsRegistry(), now: { 100 })
        let body = """
            {"features":["user_counters:orders_1h","user_money:since"],\
            "entities":{"user_id":[7,8]},"consistency":"snapshot"}
            """
        var seen: Set<String> = []
        while store.completedEpoch < last, turns.failure == nil {
            let answer = Shop.ask(engine, body).body
            let values = answer.split(separator: "{\"values\":[").dropFirst(2)
                .flatMap { $0.prefix { $0 != "]" }.split(separator: ",") }
            let epoch = answer.split(separator: "\"snapshot_epoch\":").last?.prefix { $0.isNumber }
            let wanted: Substring = epoch == "0" ? "null" : epoch ?? "?"
            guard values == [Substring](repeating: wanted, count: 4) else {
                Issue.record("torn: \(answer)")
                break
            }
            seen.insert(String(wanted))
        }
        turns.stop()
        for thread in [counters, accounts, completer] { thread.join() }
        #expect(turns.failure == nil)
        #expect(!seen.isEmpty)
    }
}

/// Lets two writers run at most one epoch ahead of the checkpoint that completes.
private final class Turns: Sendable {
    private struct State {
        var arrived: [Int64: Int] = [:]
        var completed: Int64 = 0
        var isStopped = false
        var failure: String?
    }
    private let state = Mutex(State())

    var failure: String? { state.withLock { $0.failure } }
    func fail(_ text: String) { state.withLock { $0.failure = text } }
    func stop() { state.withLock { $0.isStopped = true } }
    func open(_ epoch: Int64) { state.withLock { $0.completed = epoch } }

    /// A writer has cut `epoch` off; it goes on once the one before has completed.
    func arrive(_ epoch: Int64) {
        state.withLock { $0.arrived[epoch, default: 0] += 1 }
        while state.withLock({ $0.completed < epoch - 1 && !$0.isStopped && $0.failure == nil }) {
            sched_yield()
        }
    }

    /// Waits until both writers have cut `epoch` off; false when it is all over.
    func wait(for epoch: Int64) -> Bool {
        while true {
            let (isThere, isOver) = state.withLock {
                ($0.arrived[epoch] == 2, $0.isStopped || $0.failure != nil)
            }
            if isThere { return true }
            if isOver { return false }
            sched_yield()
        }
    }
}
