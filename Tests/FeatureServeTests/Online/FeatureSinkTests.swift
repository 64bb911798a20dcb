import StreamRuntime
import Synchronization
import Testing

@testable import FeatureServe

/// Rows in memory that count how often they were made durable.
private final class CountedRows: OnlineRows {
    private let rows = MemoryRows()
    let durable = Atomic<Int>(0)

    func get(_ key: UnsafeRawBufferPointer) throws(JobFailure) -> [UInt8]? { try rows.get(key) }

    func put(_ batch: OnlineRowBatch, durable isDurable: Bool) throws(JobFailure) {
        if isDurable { durable.wrappingAdd(1, ordering: .relaxed) }
        try rows.put(batch, durable: isDurable)
    }

    func scan(
        prefix: [UInt8],
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(JobFailure) -> Bool
    ) throws(JobFailure) { try rows.scan(prefix: prefix, body) }
}

@Suite struct FeatureSinkTests {
    @Test func `a crashed run repeated from its checkpoint ends in the rows of an undisturbed one`()
        throws
    {
        var log: [Shop.CounterRow] = []
        for index: Int64 in 0..<300 {
            log.append(.init(user: index * 7 % 13, orders: index, at: index * 31 % 101))
        }
        func run(from start: Int, to end: Int, store: OnlineStore, checkpointAt: Int?) throws {
            let sink = FeatureSink(
                try FeatureWriter(store: store, view: "user_counters", schema: Shop.counterSchema))
            try sink.recover(token: start == 0 ? nil : [])
            for index in start..<end {
                if index == checkpointAt {
                    let token = try sink.prepare(checkpoint: 1)
                    try sink.commit(checkpoint: 1, token: token)
                }
                try sink.write(Shop.batch([log[index]]))
            }
            _ = try sink.prepare(checkpoint: 2)
        }
        let undisturbed = try Shop.store()
        try run(from: 0, to: 300, store: undisturbed, checkpointAt: nil)
        let expected = try undisturbed.dump()
        for crash in stride(from: 120, through: 300, by: 20) {
            let store = try Shop.store()
            try run(from: 0, to: crash, store: store, checkpointAt: 100)
            try run(from: 100, to: 300, store: store, checkpointAt: nil)
            #expect(try store.dump() == expected, "crash at \(crash)")
        }
    }

    @Test func `the rows of a checkpoint are durable once its work is done, not before`() throws {
        let rows = CountedRows()
        let store = try Shop.store(rows)
        let sink = FeatureSink(
            try FeatureWriter(store: store, view: "user_counters", schema: Shop.counterSchema))
        try sink.write(Shop.batch([.init(user: 1, orders: 1, at: 5)]))
        let before = rows.durable.load(ordering: .relaxed)
        #expect(try sink.prepare(checkpoint: 1) == [])
        #expect(rows.durable.load(ordering: .relaxed) == before, "a sink waits for no disk")
        try sink.durableWork?()
        #expect(rows.durable.load(ordering: .relaxed) == before + 1)
    }

    @Test func `rows without a key count as rejected, older ones as stale`() throws {
        let counters = StepCounters()
        let store = try Shop.store()
        let sink = FeatureSink(
            try FeatureWriter(store: store, view: "user_counters", schema: Shop.counterSchema),
            counters: counters)
        try sink.write(
            Shop.batch([
                .init(user: nil, orders: 1, at: 5), .init(user: 1, orders: 1, at: 5),
                .init(user: 1, orders: 2, at: 4),
            ]))
        #expect(counters.read(.rejected) == 1)
        #expect(counters.read(.stale) == 1)
    }
}
