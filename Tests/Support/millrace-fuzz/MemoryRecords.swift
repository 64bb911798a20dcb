import StreamRuntime
import Synchronization

/// A stream's records in memory, by partition.
final class MemoryRecords: RecordSource {
    private let lines: [[String]]
    private let name: String

    init(_ name: String, _ lines: [[String]]) {
        self.name = name
        self.lines = lines
    }

    func partitions() throws(JobFailure) -> [Int32] { lines.indices.map { Int32($0) } }

    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        MemoryReader("\(name)/\(partition)", partition, lines[Int(partition)])
    }
}

private final class MemoryReader: PartitionReader {
    let name: String
    let partition: Int32
    private let lines: [String]
    private(set) var position: Int64 = 0

    init(_ name: String, _ partition: Int32, _ lines: [String]) {
        self.name = name
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

/// What a sink was given, as lines of cells; outlives the lives of its job.
final class SinkLines: Sendable {
    let lines = Mutex<[[String]]>([])
}

/// Ends a job's life at one of its writes.
final class Trouble: Sendable {
    /// Rows written until the next failure; none when negative.
    let rows = Atomic<Int>(-1)

    func write(_ count: Int) throws(JobFailure) {
        guard rows.load(ordering: .relaxed) >= 0 else { return }
        if rows.wrappingSubtract(count, ordering: .relaxed).newValue < 0 {
            throw JobFailure(.environment, "killed", at: "fuzzer", remedy: "none is needed")
        }
    }
}

/// Keeps rows as text: what happened, event time, then the columns; `\N` is null.
final class LineSink: Sink {
    private let kept: SinkLines
    private let trouble: Trouble

    init(_ kept: SinkLines, _ trouble: Trouble) {
        self.kept = kept
        self.trouble = trouble
    }

    func recover(token: [UInt8]?) throws(JobFailure) {
        let count = token.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        kept.lines.withLock { $0.removeSubrange(count...) }
    }

    func write(_ batch: ColumnBatch) throws(JobFailure) {
        try trouble.write(batch.count)
        var made: [[String]] = []
        for row in 0..<batch.count {
            let change = batch.changes?.bools[row] ?? 0
            made.append(
                ["\(change)", "\(batch.order.eventTimes.int64s[row])"]
                    + batch.columns.map { $0.isValid(row) ? "=" + $0.valueText(row) : "~" })
        }
        kept.lines.withLock { $0 += made }
    }

    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        Array("\(kept.lines.withLock { $0.count })".utf8)
    }

    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}
}
