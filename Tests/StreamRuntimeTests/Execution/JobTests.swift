import Synchronization
import Testing

@testable import StreamRuntime

/// A bounded source of "time key" lines, for tests: one partition for each list.
final class LineSource: RecordSource {
    private let lines: [[String]]
    init(_ lines: [[String]]) { self.lines = lines }
    func partitions() throws(JobFailure) -> [Int32] { lines.indices.map { Int32($0) } }
    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        LineReader(partition, lines[Int(partition)])
    }
}

private final class LineReader: PartitionReader {
    let partition: Int32
    private let lines: [String]
    private(set) var position: Int64 = 0
    var name: String { "lines/\(partition)" }

    init(_ partition: Int32, _ lines: [String]) {
        self.partition = partition
        self.lines = lines
    }

    func seek(to offset: Int64) throws(JobFailure) { position = offset }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        guard position < lines.count else { return .ended }
        let batch = RecordBatch(partition: partition, capacity: maxRecords)
        while position < lines.count, batch.count < maxRecords {
            batch.keys.appendNull()
            batch.values.append(lines[Int(position)])
            batch.timestamps.append(Int64(0))
            batch.offsets.append(position)
            position += 1
        }
        return .records(batch)
    }
}

/// Reads "time key"; anything else is rejected.
final class LineDecoder: RecordDecoder {
    let schema = Schema([Field("ts", .timestamp), Field("key", .string)])

    func decode(_ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows) {
        for row in 0..<records.count {
            let parts = records.values.string(row).split(separator: " ")
            guard parts.count == 2, let time = Int64(parts[0]) else {
                rejects.append(row: row, column: "", reason: "not a line of time and key")
                continue
            }
            rows.columns[0].append(time)
            rows.columns[1].append(String(parts[1]))
            rows.records.append(Int64(row))
        }
    }
}

/// Counts the rows of each key, in order, and adds the count to every row.
final class RunningCount: Operator {
    static let schema = Schema([Field("key", .string), Field("count", .int64)])
    private var state: KeyedState?
    var needsOrderedInput: Bool { true }

    func open(_ context: OperatorContext) throws(JobFailure) {
        state = try context.state.state(
            "counts", of: context.stepId, layout: StateLayout(fixedBytes: 8))
    }

    func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: batch.count)
        defer { entries.deallocate() }
        try state!.table(0).resolve(batch.keys!, rows: nil, count: batch.count, into: entries)
        let counts = Column(.int64, capacity: batch.count)
        for row in 0..<batch.count {
            let cell = entries[row].value.assumingMemoryBound(to: Int64.self)
            cell.pointee += 1
            counts.append(cell.pointee)
        }
        output.emit(
            batch.replacingColumns([batch.columns[1], counts], schema: RunningCount.schema))
    }
}

/// Collects "key count" lines; what is committed can be read from any thread.
private final class LineSink: Sink {
    final class Committed: Sendable {
        let lines = Mutex<[String]>([])
    }
    private let committed: Committed
    private var written: [String] = []
    private let text: (ColumnBatch, Int) -> String

    init(_ committed: Committed, text: @escaping (ColumnBatch, Int) -> String) {
        self.committed = committed
        self.text = text
    }
    func recover(token: [UInt8]?) throws(JobFailure) {}
    func write(_ batch: ColumnBatch) throws(JobFailure) {
        for row in 0..<batch.count { written.append(text(batch, row)) }
    }
    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] { [] }
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        committed.lines.withLock { $0 += written }
        written = []
    }
}

private func run(
    _ lines: [[String]], workers: Int, batchRows: Int, checkpointNanos: Int64 = 1_000_000,
    policy: FailurePolicy = .deadLetter(port: 1)
) throws -> (outcome: Job.Outcome, counts: [String], letters: [String]) {
    let counts = LineSink.Committed()
    let letters = LineSink.Committed()
    let graph = JobGraph(
        sources: [
            .init(
                name: "lines", ordinal: 1,
                time: TimeRule(column: 0, outOfOrdernessMicros: 5, idleNanos: .max),
                policy: policy, open: { () throws(JobFailure) in LineSource(lines) },
                decoder: { LineDecoder() })
        ],
        steps: [
            .init(
                id: "count", ordinal: 1, isStateful: true, inputSchema: LineDecoder().schema,
                make: { () throws(JobFailure) in RunningCount() })
        ],
        sinks: [
            .init(
                id: "counts", ordinal: 0, isOrdered: true, schema: RunningCount.schema,
                make: { () throws(JobFailure) in
                    LineSink(counts) {
                        "\($0.columns[0].string($1)) \($0.columns[1].int64s[$1])"
                    }
                }),
            .init(
                id: "letters", ordinal: 1, isOrdered: true, schema: DeadLetters.schema,
                make: { () throws(JobFailure) in
                    LineSink(letters) {
                        "\($0.columns[1].string($1))/\($0.columns[2].int64s[$1])"
                            + "@\($0.columns[3].int64s[$1]) \($0.columns[0].string($1)): "
                            + $0.columns[6].string($1)
                    }
                }),
        ],
        edges: [
            .init(from: .source(0), port: 0, to: .step(0), exchange: .keyed([1])),
            .init(from: .step(0), port: 0, to: .sink(0), exchange: .gather),
            .init(from: .source(0), port: 1, to: .sink(1), exchange: .gather),
        ])
    let job = try Job(
        graph: graph,
        settings: RunSettings(
            workers: workers, batchRows: batchRows, checkpointNanos: checkpointNanos),
        storage: MemoryStorage())
    try job.start()
    let outcome = job.wait()
    return (outcome, counts.lines.withLock { $0 }, letters.lines.withLock { $0 })
}

@Test func `rows of several partitions are processed in order of time, partition and offset`()
    throws
{
    let result = try run(
        [["1 a", "4 a", "9 b"], ["2 b", "3 a", "8 c"]], workers: 1, batchRows: 2)
    #expect(result.outcome == .finished)
    #expect(result.counts == ["a 1", "b 1", "a 2", "a 3", "c 1", "b 2"])
}

@Test(arguments: [1, 2, 3], [1, 7, 4096])
func `the output is the same at any number of workers and any batch size`(
    workers: Int, batchRows: Int
) throws {
    let seed: UInt64 = 20_240_229
    var random = seed
    func next(_ bound: UInt64) -> UInt64 {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (random >> 33) % bound
    }
    let lines = (0..<3).map { _ in
        (0..<400).map { line in
            next(50) == 0 ? "broken" : "\(UInt64(line * 3) + next(12)) k\(next(9))"
        }
    }
    let expected = try run(lines, workers: 1, batchRows: 64)
    let result = try run(lines, workers: workers, batchRows: batchRows)
    #expect(result.outcome == .finished)
    #expect(result.counts == expected.counts, "seed \(seed)")
    #expect(result.letters == expected.letters, "seed \(seed)")
    #expect(result.counts.count + result.letters.count == 1200)
}

@Test func `a record that cannot be read goes to the dead letters with its bytes and place`() throws
{
    let result = try run([["1 a", "rubbish", "2 a"]], workers: 1, batchRows: 10)
    #expect(result.counts == ["a 1", "a 2"])
    #expect(result.letters == ["lines/0@1 rubbish: not a line of time and key"])
}

@Test func `an event time outside the years 1 to 9999 is a bad record, not a new watermark`() throws
{
    let result = try run([["1 a", "9223372036854775807 a", "2 a"]], workers: 1, batchRows: 10)
    #expect(result.counts == ["a 1", "a 2"])
    #expect(
        result.letters == [
            "lines/0@1 9223372036854775807 a: the event time is outside the years 1 to 9999"
        ])
}

@Test func `with on_error fail the first bad record stops the job and is named`() throws {
    let result = try run([["1 a", "rubbish"]], workers: 1, batchRows: 10, policy: .fail)
    guard case .failed(let failure) = result.outcome else {
        Issue.record("expected a failure, got \(result.outcome)")
        return
    }
    #expect(failure.place.contains("lines partition 0 offset 1"))
}
