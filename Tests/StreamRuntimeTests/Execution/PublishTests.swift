import Synchronization
import Testing

@testable import StreamRuntime

/// Storage whose checkpoints reach their shared store only after some tries.
private final class SlowStorage: JobStorage {
    private let inner = MemoryStorage()
    private let failure: JobFailure
    let log = Mutex<[String]>([])
    private let failures: Mutex<Int>

    init(failures: Int, recovery: JobFailure.Recovery) {
        self.failures = Mutex(failures)
        failure = JobFailure(
            .checkpoint, "the store does not answer", at: "s3://b/", remedy: "wait",
            recovery: recovery)
    }

    var restored: RestoredCheckpoint? { nil }
    func openStore(worker: Int, of workers: Int) throws(JobFailure) -> StateStore {
        try inner.openStore(worker: worker, of: workers)
    }
    func complete(_ parts: CheckpointParts) throws(JobFailure) -> CheckpointSummary {
        log.withLock { $0.append("complete \(parts.checkpoint)") }
        return try inner.complete(parts)
    }
    func publish(_ checkpoint: Int64) throws(JobFailure) {
        log.withLock { $0.append("publish \(checkpoint)") }
        let left = failures.withLock { left in
            left -= 1
            return left
        }
        if left >= 0 { throw failure }
    }
}

/// A source that is over at once.
private final class NoSource: RecordSource {
    func partitions() throws(JobFailure) -> [Int32] { [] }
    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        preconditionFailure("there is no partition")
    }
}

private final class NoDecoder: RecordDecoder {
    let schema = Schema([Field("ts", .timestamp)])
    func decode(_ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows) {}
}

private final class NotingSink: Sink {
    let storage: SlowStorage
    init(_ storage: SlowStorage) { self.storage = storage }
    func recover(token: [UInt8]?) throws(JobFailure) {}
    func write(_ batch: ColumnBatch) throws(JobFailure) {}
    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] { [] }
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        storage.log.withLock { $0.append("commit \(checkpoint)") }
    }
}

private func run(
    _ storage: SlowStorage, limitNanos: Int64
) throws -> (outcome: Job.Outcome, report: CheckpointReport) {
    let schema = Schema([Field("ts", .timestamp)])
    let graph = JobGraph(
        sources: [
            .init(
                name: "none", ordinal: 1,
                time: TimeRule(column: 0, outOfOrdernessMicros: 0, idleNanos: .max), policy: .fail,
                open: { () throws(JobFailure) in NoSource() }, decoder: { NoDecoder() })
        ], steps: [],
        sinks: [
            .init(
                id: "out", ordinal: 0, isOrdered: true, schema: schema,
                make: { () throws(JobFailure) in NotingSink(storage) })
        ],
        edges: [.init(from: .source(0), port: 0, to: .sink(0), exchange: .gather)])
    var settings = RunSettings(workers: 1, checkpointNanos: 0)
    settings.publishNanos = limitNanos
    let job = try Job(graph: graph, settings: settings, storage: storage)
    try job.start()
    return (job.wait(), job.checkpoints)
}

@Suite struct PublishTests {
    @Test func `a checkpoint waits for its store, and sinks commit after that`() throws {
        let storage = SlowStorage(failures: 3, recovery: .retry(afterMillis: 1))
        let (outcome, report) = try run(storage, limitNanos: 60_000_000_000)
        #expect(outcome == .finished)
        #expect(
            storage.log.withLock { $0 }
                == ["complete 1"] + [String](repeating: "publish 1", count: 4) + ["commit 1"])
        #expect(report.failures == 3)
        #expect(report.lastFailure?.problem == "the store does not answer")
        #expect(report.failingSinceNanos == nil)
    }

    @Test
    func `a store that fails for too long, or for good, stops the job before any sink commits`()
        throws
    {
        for (recovery, limit, tries) in [
            (JobFailure.Recovery.stopAndAsk, Int64.max, 1), (.retry(afterMillis: 1), 0, 1),
        ] {
            let storage = SlowStorage(failures: 9, recovery: recovery)
            guard case .failed(let failure) = try run(storage, limitNanos: limit).outcome else {
                Issue.record("the job must fail")
                continue
            }
            #expect(failure.problem == "the store does not answer")
            #expect(
                storage.log.withLock { $0 }
                    == ["complete 1"] + [String](repeating: "publish 1", count: tries))
        }
    }
}
