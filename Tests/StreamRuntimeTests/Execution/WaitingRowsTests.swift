import Synchronization
import Testing

@testable import StreamRuntime

/// A partition of `rows` records whose times are `stepMicros` apart, `batch` of them in a read.
private final class PacedSource: RecordSource, PartitionReader {
    private let rows: Int64
    private let stepMicros: Int64
    private let batch: Int64
    let partition: Int32 = 0
    private(set) var position: Int64 = 0
    let name = "paced/0"

    init(rows: Int64, stepMicros: Int64, batch: Int64) {
        self.rows = rows
        self.stepMicros = stepMicros
        self.batch = batch
    }

    func partitions() throws(JobFailure) -> [Int32] { [0] }
    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader { self }
    func seek(to offset: Int64) throws(JobFailure) { position = offset }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        guard position < rows else { return .ended }
        let records = RecordBatch(partition: 0, capacity: Int(batch))
        for _ in 0..<min(batch, rows - position) {
            records.keys.appendNull()
            records.values.appendNull()
            records.timestamps.append(position * stepMicros)
            records.offsets.append(position)
            position += 1
        }
        return .records(records)
    }
}

private final class TimeOnly: RecordDecoder {
    let schema = Schema([])
    func decode(_ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows) {
        for row in 0..<records.count { rows.records.append(Int64(row)) }
    }
}

/// Counts rows and those that came before an earlier one.
private final class OrderSink: Sink {
    struct Seen: Equatable {
        var rows = 0
        var misplaced = 0
    }
    let seen: SeenBox
    private var newest = Int64.min

    final class SeenBox: Sendable {
        let value = Mutex(Seen())
    }

    init(_ seen: SeenBox) { self.seen = seen }
    func recover(token: [UInt8]?) throws(JobFailure) {}
    func write(_ batch: ColumnBatch) throws(JobFailure) {
        seen.value.withLock { seen in
            for row in 0..<batch.count {
                let time = batch.order.time(row)
                if time < newest { seen.misplaced += 1 }
                newest = time
                seen.rows += 1
            }
        }
    }
    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] { [] }
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}
}

/// Memory with a bound, which the test looks into when the job has ended.
private final class BoundedStorage: JobStorage, @unchecked Sendable {
    let store: StateStore
    init(budgetBytes: Int) {
        store = StateStore(holding: [], worker: 0, of: 1, budgetBytes: budgetBytes)
    }
    var restored: RestoredCheckpoint? { nil }
    func openStore(worker: Int, of workers: Int) throws(JobFailure) -> StateStore { store }
    func complete(_ parts: CheckpointParts) throws(JobFailure) -> CheckpointSummary {
        CheckpointSummary(bytes: 0)
    }
}

/// Two sources that meet in an ordered sink: one reads 2 ms and 128 rows at a time, the other 100 ms and
/// a row, so that the first could be a minute ahead.
private func heldBytes(budgetBytes: Int) throws -> Int {
    func node(
        _ name: String, _ ordinal: Int64, rows: Int64, step: Int64, batch: Int64
    ) -> JobGraph.SourceNode {
        JobGraph.SourceNode(
            name: name, ordinal: ordinal,
            time: TimeRule(column: nil, outOfOrdernessMicros: 0, idleNanos: .max), policy: .fail,
            open: { () throws(JobFailure) in
                PacedSource(rows: rows, stepMicros: step, batch: batch)
            }, decoder: { TimeOnly() })
    }
    let seen = OrderSink.SeenBox()
    let graph = JobGraph(
        sources: [
            node("dense", 0, rows: 30_000, step: 2000, batch: 128),
            node("sparse", 1, rows: 600, step: 100_000, batch: 1),
        ], steps: [],
        sinks: [
            .init(
                id: "out", ordinal: 0, isOrdered: true, schema: Schema([]),
                make: { () throws(JobFailure) in OrderSink(seen) })
        ],
        edges: [
            .init(from: .source(0), port: 0, to: .sink(0), exchange: .gather),
            .init(from: .source(1), port: 0, to: .sink(0), exchange: .gather),
        ])
    let storage = BoundedStorage(budgetBytes: budgetBytes)
    let job = try Job(
        graph: graph, settings: RunSettings(workers: 1, checkpointNanos: 0), storage: storage)
    try job.start()
    #expect(job.wait() == .finished)
    #expect(seen.value.withLock { $0 } == OrderSink.Seen(rows: 30_600, misplaced: 0))
    #expect(storage.store.heldBytes == 0, "what has left counts no more")
    return storage.store.waitingBytesMax
}

@Test func `rows that wait for a slower source stay within their share of memory`() throws {
    let free = try heldBytes(budgetBytes: .max)
    #expect(free > 300_000, "a skewed job holds much: \(free)")
    let bounded = try heldBytes(budgetBytes: 256 << 10)
    #expect(bounded < 128 << 10, "and little when it may not: \(bounded)")
}

@Test func `what is held beside the states counts as memory of the store`() {
    let store = StateStore(holding: [], worker: 0, of: 1, budgetBytes: 1000)
    store.hold(400)
    store.wait(200)
    #expect(store.bytes == 600)
    store.wait(-150)
    store.hold(-400)
    #expect(store.bytes == 50)
    #expect(store.waitingBytesMax == 200)
}
