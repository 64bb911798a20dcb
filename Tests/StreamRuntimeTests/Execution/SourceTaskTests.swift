import Synchronization
import Testing

@testable import StreamRuntime

/// A clock that a test sets.
private final class SetClock: Clock {
    private let time = Atomic<Int64>(0)
    var nanos: Int64 { time.load(ordering: .relaxed) }
    var nowMicros: Int64 { nanos / 1000 }
    func set(millis: Int64) { time.store(millis * 1_000_000, ordering: .relaxed) }
}

/// A live log of event times that a test appends to.
private final class LiveLog: RecordSource {
    fileprivate var rows: [[Int64]]
    init(partitions: Int) { rows = Array(repeating: [], count: partitions) }
    func partitions() throws(JobFailure) -> [Int32] { rows.indices.map { Int32($0) } }
    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        LiveReader(self, partition)
    }
}

private final class LiveReader: PartitionReader {
    private let log: LiveLog
    let partition: Int32
    private(set) var position: Int64 = 0
    var name: String { "live/\(partition)" }

    init(_ log: LiveLog, _ partition: Int32) {
        self.log = log
        self.partition = partition
    }

    func seek(to offset: Int64) throws(JobFailure) { position = offset }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        let rows = log.rows[Int(partition)]
        guard position < rows.count else { return .caughtUp }
        let batch = RecordBatch(partition: partition, capacity: 16)
        while position < rows.count, batch.count < maxRecords {
            batch.keys.appendNull()
            batch.values.appendNull()
            batch.timestamps.append(rows[Int(position)])
            batch.offsets.append(position)
            position += 1
        }
        return .records(batch)
    }
}

/// A row of no columns for every record: its time is the record's.
private final class NoColumns: RecordDecoder {
    let schema = Schema([])
    func decode(_ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows) {
        for row in 0..<records.count { rows.records.append(Int64(row)) }
    }
}

/// A source task on its own, stepped by the test; what it sends is kept as words.
private final class Bench {
    let log: LiveLog
    let clock = SetClock()
    let control = JobControl()
    private let task: SourceTask
    private let channel: Channel

    /// With `log` and `checkpoint`, a bench that goes on where another one stood.
    init(
        partitions: Int, disorder: Int64 = 10, idleMillis: Int64 = 1000, log: LiveLog? = nil,
        checkpoint: TaskAcknowledgement? = nil, atMillis: Int64 = 0
    ) throws {
        let log = log ?? LiveLog(partitions: partitions)
        self.log = log
        clock.set(millis: atMillis)
        channel = Channel(consumer: WorkerSignal())
        let failure = FailureSlot()
        let counters = StepCounters()
        let output = Fanout(failure: failure, counters: counters)
        output.add(.exchange(Exchange(columns: nil, channels: [channel])), port: 0)
        let node = JobGraph.SourceNode(
            name: "live", ordinal: 0,
            time: TimeRule(
                column: nil, outOfOrdernessMicros: disorder, idleNanos: idleMillis * 1_000_000),
            policy: .fail, open: { () throws(JobFailure) in log }, decoder: { NoColumns() })
        task = SourceTask(
            name: "live@0", node: node,
            context: OperatorContext(
                stepId: "live", ordinal: 0, worker: 0, workers: 1, state: StateStore(),
                counters: counters),
            restored: checkpoint?.positions ?? [:],
            decisions: EpochDecisions(
                bytes: EpochDecisions(idleness: checkpoint?.idleness ?? []).bytes)!,
            settings: RunSettings(workers: 1), output: output, failure: failure, control: control,
            alignment: .init(alignment: SourceAlignment(members: 1), index: 0), clock: clock)
        try task.open()
    }

    /// The task's part of a checkpoint taken at `millis`.
    func checkpoint(_ number: Int, atMillis millis: Int64) throws -> TaskAcknowledgement {
        control.requestedCheckpoint.store(number, ordering: .releasing)
        #expect(try sent(atMillis: millis).contains("barrier \(number)"))
        return try #require(control.takeAcknowledgements().last)
    }

    /// Steps often enough to read everything, at `millis`, and tells what was sent.
    func sent(atMillis millis: Int64) throws -> [String] {
        clock.set(millis: millis)
        var words: [String] = []
        for _ in 0..<8 {
            _ = try task.step()
            while let element = channel.ring.take() {
                switch element {
                case .batch(let batch): words.append("rows \(batch.count)")
                case .watermark(let time): words.append("watermark \(time.micros)")
                case .place(let place): words.append("place \(place.time)")
                case .mark(let mark): words.append("mark \(mark.origin)+\(mark.offset)")
                case .idle: words.append("idle")
                case .barrier(let checkpoint): words.append("barrier \(checkpoint)")
                case .end: words.append("end")
                }
            }
            _ = channel.drain()
        }
        return words
    }
}

@Test func `a partition that is read to its end holds event time back until it is idle`() throws {
    let bench = try Bench(partitions: 2)
    bench.log.rows[0] = [1_000_000, 5_000_000]
    #expect(try bench.sent(atMillis: 0) == ["rows 2"])
    #expect(try bench.sent(atMillis: 900) == [])
    bench.log.rows[0] += [9_000_000]
    // Partition 1 was at its end all the time, partition 0 was not.
    let sent = try bench.sent(atMillis: 1100)
    #expect(sent == ["watermark 4999990", "rows 1", "watermark 8999990"])
}

@Test func `a row after idleness brings the partition back and event time does not turn back`()
    throws
{
    let bench = try Bench(partitions: 2)
    bench.log.rows[0] = [5_000_000]
    _ = try bench.sent(atMillis: 0)
    bench.log.rows[0] += [9_000_000]
    let sent = try bench.sent(atMillis: 1100)
    #expect(sent == ["watermark 4999990", "rows 1", "watermark 8999990"])
    bench.log.rows[1] = [6_000_000]
    #expect(try bench.sent(atMillis: 1200) == ["rows 1"])
    bench.log.rows[1] += [20_000_000]
    bench.log.rows[0] += [12_000_000]
    let words = try bench.sent(atMillis: 1300)
    #expect(words.last == "watermark 11999990")
}

@Test func `when all partitions are idle event time goes on at the pace of the clock`() throws {
    let bench = try Bench(partitions: 1)
    bench.log.rows[0] = [5_000_000]
    #expect(try bench.sent(atMillis: 0) == ["rows 1", "watermark 4999990"])
    #expect(try bench.sent(atMillis: 999) == [])
    #expect(try bench.sent(atMillis: 1001).contains("idle"))
    let later = try bench.sent(atMillis: 3001)
    #expect(later.contains("watermark 7001001"), "\(later)")
    bench.log.rows[0] += [6_000_000]
    #expect(try bench.sent(atMillis: 3100).first == "rows 1")
}

@Test func `a barrier is sent once, between rows, as soon as it is asked for`() throws {
    let bench = try Bench(partitions: 1)
    bench.log.rows[0] = [1_000_000]
    _ = try bench.sent(atMillis: 0)
    bench.control.requestedCheckpoint.store(1, ordering: .releasing)
    bench.log.rows[0] += [2_000_000]
    #expect(try bench.sent(atMillis: 10) == ["barrier 1", "rows 1", "watermark 1999990"])
    let parts = bench.control.takeAcknowledgements()
    #expect(parts.map { SourcePosition($0.positions["live/0"]!)!.offset } == [1])
}

/// Runs a bench of two partitions into an idle phase; restarts it there if asked to, on a clock that
/// begins anew; then lets rows come. Tells what was sent from the idle phase on.
private func idlePhase(restarting: Bool) throws -> [String] {
    var bench = try Bench(partitions: 2)
    bench.log.rows = [[1_000_000, 5_000_000], [2_000_000]]
    _ = try bench.sent(atMillis: 0)
    _ = try bench.sent(atMillis: 1000)
    #expect(try bench.sent(atMillis: 4000).contains("watermark 8000001"))
    let checkpoint = try bench.checkpoint(1, atMillis: 4000)
    #expect(checkpoint.idleness.map(\.isIdle) == [true, true])
    #expect(checkpoint.idleness.map(\.offset) == [2, 1])
    #expect(checkpoint.idleness.map(\.newest) == [5_000_000, 2_000_000])
    #expect(checkpoint.idleness.map(\.announced) == [8_000_001, 8_000_001])
    var offset: Int64 = 4000
    if restarting {
        bench = try Bench(
            partitions: 2, log: bench.log, checkpoint: checkpoint, atMillis: 50_000)
        offset = 50_000
        let words = try bench.sent(atMillis: offset)
        #expect(words.first == "watermark 8000001", "before any row: \(words)")
        #expect(words.contains("idle"))
    }
    var words: [String] = []
    for (later, row) in [(500, nil), (700, 6_000_000), (800, 7_500_000), (900, 30_000_000)]
        as [(Int64, Int64?)]
    {
        if let row {
            bench.log.rows[0].append(row)
            bench.log.rows[1].append(row)
        }
        words += try bench.sent(atMillis: offset + later).filter { $0 != "idle" }
    }
    return words
}

@Test func `a restart while all partitions are idle goes on as if there had been none`() throws {
    let plain = try idlePhase(restarting: false)
    #expect(plain.last == "watermark 29999990")
    #expect(try idlePhase(restarting: true) == plain)
}

@Test func `event time that the clock has reached is kept when the stream is live again`() throws {
    let bench = try Bench(partitions: 1)
    bench.log.rows[0] = [5_000_000]
    _ = try bench.sent(atMillis: 0)
    _ = try bench.sent(atMillis: 1000)
    _ = try bench.sent(atMillis: 4000)
    bench.log.rows[0].append(6_000_000)
    _ = try bench.sent(atMillis: 4010)
    let checkpoint = try bench.checkpoint(1, atMillis: 4020)
    #expect(checkpoint.idleness.map(\.isIdle).allSatisfy { !$0 })
    #expect(checkpoint.idleness.last?.announced == 8_000_001)
    let again = try Bench(partitions: 1, log: bench.log, checkpoint: checkpoint, atMillis: 9)
    #expect(try again.sent(atMillis: 9).first == "watermark 8000001")
    // Rows have overtaken the clock: nothing is left to remember.
    again.log.rows[0].append(9_000_000)
    _ = try again.sent(atMillis: 10)
    #expect(try again.checkpoint(2, atMillis: 11).idleness.isEmpty)
}

@Test func `a partition that was idle beside others does not hold them back after a restart`()
    throws
{
    let bench = try Bench(partitions: 2)
    bench.log.rows[0] = [1_000_000]
    _ = try bench.sent(atMillis: 0)
    bench.log.rows[0].append(5_000_000)
    #expect(try bench.sent(atMillis: 1100).last == "watermark 4999990")
    let checkpoint = try bench.checkpoint(1, atMillis: 1100)
    #expect(checkpoint.idleness.map(\.partition) == ["live/1"])
    let again = try Bench(partitions: 2, log: bench.log, checkpoint: checkpoint, atMillis: 7)
    #expect(try again.sent(atMillis: 7) == ["watermark 4999990"])
    again.log.rows[0].append(9_000_000)
    #expect(try again.sent(atMillis: 8) == ["rows 1", "watermark 8999990"])
}

/// Two tasks of one source, of which the first reads its only partition.
private final class SharingBench {
    let log = LiveLog(partitions: 1)
    let control = JobControl()
    let channel = Channel(consumer: WorkerSignal())
    private(set) var tasks: [SourceTask] = []

    init() throws {
        let sharing = SharedDecoding(signals: [WorkerSignal(), WorkerSignal()])
        let alignment = SourceAlignment(members: 2)
        let log = log
        let node = JobGraph.SourceNode(
            name: "live", ordinal: 0,
            time: TimeRule(column: nil, outOfOrdernessMicros: 10, idleNanos: 1_000_000_000),
            policy: .fail, open: { () throws(JobFailure) in log }, decoder: { NoColumns() })
        for worker in 0..<2 {
            let failure = FailureSlot()
            let counters = StepCounters()
            let output = Fanout(failure: failure, counters: counters)
            let channel = worker == 0 ? channel : Channel(consumer: WorkerSignal())
            output.add(.exchange(Exchange(columns: nil, channels: [channel])), port: 0)
            let task = SourceTask(
                name: "live@\(worker)", node: node,
                context: OperatorContext(
                    stepId: "live", ordinal: 0, worker: worker, workers: 2, state: StateStore(),
                    counters: counters),
                restored: [:], settings: RunSettings(workers: 2, batchRows: 2), output: output,
                failure: failure, control: control,
                alignment: .init(alignment: alignment, index: worker), sharing: sharing,
                clock: SetClock())
            try task.open()
            tasks.append(task)
        }
    }

    func taken() -> [String] {
        var words: [String] = []
        while let element = channel.ring.take() {
            switch element {
            case .batch(let batch):
                words.append("rows \(batch.order.offsets.int64s[0])+\(batch.count)")
            case .watermark(let time): words.append("watermark \(time.micros)")
            case .barrier(let checkpoint): words.append("barrier \(checkpoint)")
            case .place, .mark, .idle, .end: words.append("no row")
            }
        }
        return words
    }
}

@Test func `what another worker decodes is sent in the order it was read, and before a barrier`()
    throws
{
    let bench = try SharingBench()
    bench.log.rows[0] = [1_000_000, 2_000_000, 4_000_000, 3_000_000, 5_000_000, 6_000_000]
    for _ in 0..<3 { #expect(try bench.tasks[0].step()) }
    #expect(bench.taken() == [])
    // The second worker takes the first batch, then the reader may go on.
    #expect(try bench.tasks[1].step())
    bench.control.requestedCheckpoint.store(1, ordering: .releasing)
    for _ in 0..<6 { #expect(try bench.tasks[0].step()) }
    #expect(
        bench.taken() == [
            "rows 0+2", "watermark 1999990", "rows 2+2", "watermark 3999990", "rows 4+2",
            "watermark 5999990", "barrier 1",
        ])
    let positions = bench.control.takeAcknowledgements().compactMap { $0.positions["live/0"] }
    #expect(positions.map { SourcePosition($0)?.offset } == [6])
}

@Test func `a reader waits for a batch that another worker has taken, and sends nothing behind it`()
    throws
{
    let sharing = SharedDecoding(signals: [WorkerSignal(), WorkerSignal()])
    let records = RecordBatch(partition: 0, capacity: 1)
    let job = sharing.jobs(of: 0)[0]
    job.fill(records)
    #expect(!sharing.help(0, with: NoColumns()), "a worker does not help itself")
    #expect(job.take())
    #expect(!job.take(), "a batch is taken once")
    #expect(!sharing.help(1, with: NoColumns()))
    #expect(!job.isDone)
    job.decode(with: NoColumns())
    #expect(job.isDone)
    #expect(job.empty().records === records)
    #expect(job.isEmpty)
}
