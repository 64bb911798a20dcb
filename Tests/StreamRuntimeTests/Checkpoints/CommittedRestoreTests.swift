import Foundation
import Synchronization
import Testing

@testable import StreamRuntime

/// A broker's memory of what was committed, and commits that fail when they are told to.
private final class FakeTransaction: CheckpointTransaction {
    struct State {
        var committed: CommittedCheckpoint?
        var log: [String] = []
        /// What the next commits do: nil succeeds.
        var failures: [Failure?] = []
        /// The next question is answered as if nothing had been committed.
        var forgetsOnce = false
    }
    enum Failure { case before, after }
    let state = Mutex(State())

    func lastCommitted() throws(JobFailure) -> CommittedCheckpoint? {
        state.withLock { state in
            defer { state.forgetsOnce = false }
            return state.forgetsOnce ? nil : state.committed
        }
    }

    func lastCommittedAgain() throws(JobFailure) -> CommittedCheckpoint? {
        state.withLock { state in
            state.log.append("again")
            return state.committed
        }
    }

    func commit(
        checkpoint: Int64, manifest: String, positions: [String: [UInt8]]
    ) throws(JobFailure) {
        let failed = state.withLock { state in
            let failure = state.failures.isEmpty ? nil : state.failures.removeFirst()
            state.log.append("commit \(checkpoint)")
            if failure != .before {
                state.committed = CommittedCheckpoint(checkpoint: checkpoint, manifest: manifest)
            }
            return failure != nil
        }
        if failed {
            throw JobFailure(.sink, "no answer", at: "broker", remedy: "start again")
        }
    }
}

/// Numbers 0..<100 in one partition.
private final class Numbers: RecordSource, PartitionReader {
    let partition: Int32 = 0
    let name = "numbers/0"
    private(set) var position: Int64 = 0
    func partitions() throws(JobFailure) -> [Int32] { [0] }
    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader { self }
    func seek(to offset: Int64) throws(JobFailure) { position = offset }
    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        guard position < 100 else { return .ended }
        let batch = RecordBatch(partition: 0, capacity: 1)
        batch.keys.appendNull()
        batch.values.append("\(position)")
        batch.timestamps.append(position)
        batch.offsets.append(position)
        position += 1
        return .records(batch)
    }
}

private final class NumberDecoder: RecordDecoder {
    let schema = Schema([Field("ts", .timestamp)])
    func decode(_ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows) {
        for row in 0..<records.count {
            rows.columns[0].append(records.offsets.int64s[row])
            rows.records.append(Int64(row))
        }
    }
}

/// Shows rows when they are committed, and says so in the transaction's log.
private final class NumberSink: Sink {
    private let transaction: FakeTransaction
    init(_ transaction: FakeTransaction) { self.transaction = transaction }
    func recover(token: [UInt8]?) throws(JobFailure) {}
    func write(_ batch: ColumnBatch) throws(JobFailure) {}
    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] { [] }
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        transaction.state.withLock { $0.log.append("sink \(checkpoint)") }
    }
}

@Suite struct CommittedRestoreTests {
    private let scratch = ScratchDirectory()
    private let transaction = FakeTransaction()

    private func storage(retained: Int = 3, with transaction: FakeTransaction?) throws
        -> DurableStorage
    {
        try DurableStorage(
            DurableStorage.Settings(
                directory: scratch.path + "/numbers", job: "numbers", memoryBytes: 16 << 20,
                retained: retained), transaction: transaction)
    }

    /// One run over the input; it ends after its last checkpoint.
    private func run(retained: Int = 3) throws -> (outcome: Job.Outcome, restored: Int64?) {
        let storage = try storage(retained: retained, with: transaction)
        let transaction = transaction
        let job = try Job(
            graph: JobGraph(
                sources: [
                    .init(
                        name: "numbers", ordinal: 0,
                        time: TimeRule(column: 0, outOfOrdernessMicros: 0, idleNanos: .max),
                        policy: .fail, open: { () throws(JobFailure) in Numbers() },
                        decoder: { NumberDecoder() })
                ], steps: [],
                sinks: [
                    .init(
                        id: "out", ordinal: 1, isOrdered: false, schema: NumberDecoder().schema,
                        make: { () throws(JobFailure) in NumberSink(transaction) })
                ],
                edges: [.init(from: .source(0), port: 0, to: .sink(0), exchange: .gather)]),
            settings: RunSettings(workers: 1, checkpointNanos: 0), storage: storage,
            transaction: transaction)
        try job.start()
        return (job.wait(), storage.restored?.checkpoint)
    }

    private func failed(_ outcome: Job.Outcome) -> Bool {
        if case .failed = outcome { true } else { false }
    }

    @Test func `a checkpoint is committed after its manifest and before any sink`() throws {
        #expect(try run().outcome == .finished)
        #expect(transaction.state.withLock { $0.log } == ["commit 1", "sink 1"])
        #expect(try run().restored == 1)
        #expect(transaction.state.withLock { $0.log.suffix(2) } == ["commit 2", "sink 2"])
    }

    @Test func `a checkpoint whose commit failed is forgotten, and no sink shows it`() throws {
        #expect(try run().outcome == .finished)
        transaction.state.withLock { $0.failures = [.before] }
        #expect(failed(try run().outcome))
        #expect(transaction.state.withLock { $0.log.last } == "commit 2")
        let again = try run()
        #expect(again.restored == 1)
        #expect(again.outcome == .finished)
        // The number is used again, for another manifest.
        #expect(try run().restored == 2)
    }

    @Test func `a commit that succeeded without an answer counts`() throws {
        transaction.state.withLock { $0.failures = [.after] }
        #expect(failed(try run().outcome))
        #expect(try run().restored == 1)
    }

    @Test func `a first checkpoint that was never committed is as if it had not been`() throws {
        transaction.state.withLock { $0.failures = [.before] }
        #expect(failed(try run().outcome))
        #expect(try run().restored == nil)
    }

    @Test func `when the transaction's side has forgotten, the job does not start afresh`() throws {
        #expect(try run().outcome == .finished)
        transaction.state.withLock { $0.committed = nil }
        var error = #expect(throws: JobFailure.self) { _ = try run() }
        #expect(error?.problem.contains("no longer knows which checkpoint") == true)
        #expect(error?.remedy.contains("accept 1") == true)
        // Also when only the note is there to tell, and when only the manifests are.
        try FileManager.default.removeItem(atPath: scratch.path + "/numbers/checkpoints/1")
        error = #expect(throws: JobFailure.self) { _ = try run() }
        #expect(error?.problem.contains("no longer knows which checkpoint") == true)
    }

    @Test func `an answer that cannot be right is asked for once more`() throws {
        #expect(try run().outcome == .finished)
        transaction.state.withLock { $0.forgetsOnce = true }
        let again = try run()
        #expect(again.restored == 1 && again.outcome == .finished)
        #expect(transaction.state.withLock { $0.log.count { $0 == "again" } } == 1)
        // Who knows better is not asked twice.
        #expect(try run().restored == 2)
        #expect(transaction.state.withLock { $0.log.count { $0 == "again" } } == 1)
    }

    @Test(arguments: ["gone", "damaged", "another"])
    func `a committed checkpoint that cannot be used stops the job`(how: String) throws {
        #expect(try run().outcome == .finished)
        #expect(try run().outcome == .finished)
        let path = scratch.path + "/numbers/checkpoints/2"
        switch how {
        case "gone": try FileManager.default.removeItem(atPath: path)
        case "damaged": try Data([1]).write(to: URL(fileURLWithPath: path + "/manifest"))
        default:
            transaction.state.withLock {
                $0.committed = CommittedCheckpoint(checkpoint: 2, manifest: "2-other")
            }
        }
        let error = #expect(throws: JobFailure.self) { _ = try run() }
        #expect(error?.problem.hasPrefix("checkpoint 2 is the one that was committed") == true)
        #expect(error?.recovery == .stopAndAsk)
    }

    @Test func `the checkpoint before stays until the next is committed`() throws {
        #expect(try run(retained: 1).outcome == .finished)
        transaction.state.withLock { $0.failures = [.before] }
        #expect(failed(try run(retained: 1).outcome))
        #expect(try run(retained: 1).restored == 1)
    }

    @Test func `a job that gives its transaction up continues from what was committed`() throws {
        #expect(try run().outcome == .finished)
        transaction.state.withLock { $0.failures = [.before] }
        #expect(failed(try run().outcome))
        #expect(try storage(with: nil).restored?.checkpoint == 1)
    }
}
