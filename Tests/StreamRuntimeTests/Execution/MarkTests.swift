import Synchronization
import Testing

@testable import StreamRuntime

/// Drops every third row.
private final class TwoOfThree: Operator {
    func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let kept = (0..<batch.count).filter { TwoOfThree.keeps(batch.order.offsets.int64s[$0]) }
        let rows = kept.map { Int32($0) }
        guard !rows.isEmpty else { return }
        output.emit(
            rows.withUnsafeBufferPointer { batch.gathered($0.baseAddress!, count: $0.count) })
    }

    static func keeps(_ offset: Int64) -> Bool { offset % 3 != 2 }
}

/// Checks at each mark that the rows before it have been written.
private final class MarkSink: Sink {
    struct Seen {
        var rows: Set<[Int64]> = []
        var marks: [Int64: Int64] = [:]
        var missing: [String] = []
    }
    final class Account: Sendable { let seen = Mutex(Seen()) }
    private let account: Account
    private let ways: Int64

    /// - Parameter ways: how often each row comes.
    init(_ account: Account, ways: Int64) {
        self.account = account
        self.ways = ways
    }

    func recover(token: [UInt8]?) throws(JobFailure) {}
    func write(_ batch: ColumnBatch) throws(JobFailure) {
        account.seen.withLock { seen in
            for row in 0..<batch.count {
                let place = [batch.order.origins.int64s[row], batch.order.offsets.int64s[row]]
                let way = (0..<ways).first { !seen.rows.contains(place + [$0]) }
                seen.rows.insert(place + [way ?? 0])
            }
        }
    }
    func reach(_ mark: SourceMark) {
        account.seen.withLock { seen in
            if let before = seen.marks[mark.origin], before >= mark.offset {
                seen.missing.append("\(mark.offset) told after \(before)")
            }
            seen.marks[mark.origin] = mark.offset
            for offset in 0...mark.offset where TwoOfThree.keeps(offset) {
                for way in 0..<ways where !seen.rows.contains([mark.origin, offset, way]) {
                    seen.missing.append("row \(offset) of \(mark.partition) at \(mark.offset)")
                }
            }
        }
    }
    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] { [] }
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}
}

@Suite struct MarkTests {
    @Test(arguments: [(1, 1), (1, 7), (2, 3), (3, 5)])
    func `a mark comes to the sink behind all rows of its records, by every way`(
        workers: Int, batchRows: Int
    ) throws {
        let account = MarkSink.Account()
        let lines = (0..<3).map { partition in
            (0..<60).map { "\($0 * 7 % 90 + partition) key\($0 % 7)" }
        }
        var source = JobGraph.SourceNode(
            name: "lines", ordinal: 1,
            time: TimeRule(column: 0, outOfOrdernessMicros: 5, idleNanos: .max), policy: .drop,
            open: { () throws(JobFailure) in LineSource(lines) }, decoder: { LineDecoder() })
        source.tellsProgress = true
        let schema = LineDecoder().schema
        let graph = JobGraph(
            sources: [source],
            steps: [
                .init(
                    id: "thin", ordinal: 1, isStateful: false, inputSchema: schema,
                    make: { () throws(JobFailure) in TwoOfThree() }),
                .init(
                    id: "count", ordinal: 2, isStateful: true, inputSchema: schema,
                    make: { () throws(JobFailure) in RunningCount() }),
                .init(
                    id: "again", ordinal: 3, isStateful: true, inputSchema: schema,
                    make: { () throws(JobFailure) in RunningCount() }),
            ],
            sinks: [
                .init(
                    id: "sink", ordinal: 0, isOrdered: true, schema: RunningCount.schema,
                    make: { () throws(JobFailure) in MarkSink(account, ways: 2) })
            ],
            edges: [
                .init(from: .source(0), port: 0, to: .step(0), exchange: .forward),
                .init(from: .step(0), port: 0, to: .step(1), exchange: .keyed([1])),
                .init(from: .step(0), port: 0, to: .step(2), exchange: .keyed([1])),
                .init(from: .step(1), port: 0, to: .sink(0), exchange: .gather),
                .init(from: .step(2), port: 0, to: .sink(0), exchange: .gather),
            ])
        let job = try Job(
            graph: graph,
            settings: RunSettings(
                workers: workers, batchRows: batchRows, checkpointNanos: 1_000_000),
            storage: MemoryStorage())
        try job.start()
        #expect(job.wait() == .finished)
        account.seen.withLock { seen in
            #expect(seen.missing.isEmpty)
            #expect(seen.marks == [1 << 32: 59, 1 << 32 + 1: 59, 1 << 32 + 2: 59])
        }
    }

    @Test func `the marks of a record count when all inputs they come by have had it`() {
        var aligner = MarkAligner(ways: [0: 2, 1: 1])
        func mark(_ source: Int64, _ offset: Int64) -> SourceMark {
            SourceMark(origin: source << 32, offset: offset, time: offset * 10)
        }
        #expect(aligner.receive(mark(0, 3), on: 0) == nil)
        #expect(aligner.receive(mark(0, 5), on: 0) == nil)
        #expect(aligner.receive(mark(1, 9), on: 1) == mark(1, 9))
        #expect(aligner.receive(mark(0, 3), on: 2) == mark(0, 3))
        #expect(aligner.receive(mark(0, 3), on: 2) == nil)
        #expect(aligner.receive(mark(0, 7), on: 2) == mark(0, 5))
    }

    @Test func `marks wait until event time has passed their rows`() {
        var held = HeldMarks()
        held.hold(SourceMark(origin: 1, offset: 4, time: 10))
        held.hold(SourceMark(origin: 1, offset: 5, time: 10))
        held.hold(SourceMark(origin: 2, offset: 1, time: 20))
        #expect(held.release(before: EventTime(micros: 10)) == [])
        #expect(
            held.release(before: EventTime(micros: 11))
                == [SourceMark(origin: 1, offset: 5, time: 10)])
        #expect(!held.isEmpty)
        #expect(held.release(before: .endOfTime).count == 1)
        #expect(held.isEmpty)
    }
}
