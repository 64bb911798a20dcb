import StreamRuntime
import Synchronization

/// What a test's sources may do and have done: how far event time has come while nothing arrives, which
/// streams have ended, and which partitions have been read to the end of what was given.
final class TestGate: Sendable {
    private struct State {
        var pace = Int64.min
        /// The records given to each partition, by "stream/partition".
        var given: [String: Int64] = [:]
        /// How often each was found read to its end since the last step.
        var looks: [String: Int] = [:]
        var ended: Set<String> = []
        var hasEnded: Set<String> = []
    }

    private let state = Mutex(State())

    /// To which moment event time has come while nothing arrives.
    var pace: Int64 { state.withLock { $0.pace } }

    /// Lets event time come to `micros` in all streams.
    func advance(to micros: Int64) {
        state.withLock { state in
            state.pace = micros
            state.looks = [:]
        }
    }

    /// `partitions` of a stream are there, with nothing in them.
    func add(_ stream: String, partitions: Int) {
        state.withLock { state in
            for number in 0..<partitions { state.given["\(stream)/\(number)"] = 0 }
        }
    }

    /// A record more is in a partition.
    func give(_ stream: String, partition: Int) {
        state.withLock { $0.given["\(stream)/\(partition)", default: 0] += 1 }
    }

    /// Forgets which partitions have been read to the end: a step begins, or another life of the job.
    func look() { state.withLock { $0.looks = [:] } }

    /// Nothing more comes in these streams.
    func end(_ streams: [String]) { state.withLock { $0.ended.formUnion(streams) } }

    /// Whether every partition of the streams that go on has been read to its end since the last step, and
    /// the others have ended.
    var isQuiet: Bool {
        state.withLock { state in
            state.given.keys.allSatisfy { address in
                let stream = String(address.prefix { $0 != "/" })
                return state.ended.contains(stream)
                    ? state.hasEnded.contains(address) : state.looks[address] ?? 0 >= 2
            }
        }
    }

    /// A partition was read up to `position`, where there is nothing for now.
    ///
    /// - Returns: whether that is its end for good.
    func rest(_ stream: String, _ partition: Int32, at position: Int64) -> Bool {
        state.withLock { state in
            let address = "\(stream)/\(partition)"
            guard position >= state.given[address] ?? 0 else { return false }
            state.looks[address, default: 0] += 1
            guard state.ended.contains(stream) else { return false }
            state.hasEnded.insert(address)
            return true
        }
    }
}

/// A stream's topic as a test has it read.
final class GatedSource: RecordSource {
    private let inner: any RecordSource
    private let stream: String
    private let gate: TestGate

    init(_ inner: any RecordSource, stream: String, gate: TestGate) {
        self.inner = inner
        self.stream = stream
        self.gate = gate
    }

    func partitions() throws(JobFailure) -> [Int32] { try inner.partitions() }

    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        GatedReader(try inner.reader(partition: partition), stream: stream, gate: gate)
    }
}

/// Reads a partition and tells when it is at its end.
final class GatedReader: PartitionReader {
    private let inner: any PartitionReader
    private let stream: String
    private let gate: TestGate

    init(_ inner: any PartitionReader, stream: String, gate: TestGate) {
        self.inner = inner
        self.stream = stream
        self.gate = gate
    }

    var partition: Int32 { inner.partition }
    var name: String { inner.name }
    var position: Int64 { inner.position }

    func seek(to offset: Int64) throws(JobFailure) { try inner.seek(to: offset) }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        let outcome = try inner.read(maxRecords: maxRecords, maxBytes: maxBytes)
        guard case .caughtUp = outcome else { return outcome }
        return gate.rest(stream, partition, at: inner.position) ? .ended : .caughtUp
    }
}
