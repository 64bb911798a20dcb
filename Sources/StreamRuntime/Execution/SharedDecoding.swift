import Synchronization

/// Lets workers that read no partition of a source decode for those that do.
///
/// Decoding a record depends on nothing but the record, so any worker may do it; what depends on the
/// order of records, their watermarks, is done by the reader when the decoded batches come back in
/// order. Each reader has a few batches out at most; it decodes those itself that nobody took.
final class SharedDecoding: Sendable {
    private let jobs: [[DecodeJob]]
    private let signals: [WorkerSignal]

    /// Batches one reader may have out: one being decoded here, one there, and one waiting for each.
    static let jobsMax = 4

    /// For workers that these signals wake.
    init(signals: [WorkerSignal]) {
        self.signals = signals
        jobs = signals.map { _ in (0..<SharedDecoding.jobsMax).map { _ in DecodeJob() } }
    }

    /// The jobs of `worker`, which only it fills and empties.
    func jobs(of worker: Int) -> [DecodeJob] { jobs[worker] }

    /// Tells the others that `worker` has filled a job.
    func offer(by worker: Int) {
        for other in signals.indices where other != worker { signals[other].notify() }
    }

    /// Decodes one batch of another worker's, if there is one that nobody took.
    func help(_ worker: Int, with decoder: any RecordDecoder) -> Bool {
        for other in jobs.indices where other != worker {
            for job in jobs[other] where job.take() {
                job.decode(with: decoder)
                signals[other].notify()
                return true
            }
        }
        return false
    }
}

/// One batch of records on its way to rows.
///
/// - Note: shared by threads, but used by one at a time: `state` says by which, and is written with
///   release and read with acquire.
final class DecodeJob: @unchecked Sendable {
    private enum State {
        static let empty = 0
        static let waiting = 1
        static let taken = 2
        static let done = 3
    }

    private let state = Atomic<Int>(State.empty)
    private var records: RecordBatch?
    private var rows: DecodedRows?
    private var rejected = RejectedRows()

    var isEmpty: Bool { state.load(ordering: .acquiring) == State.empty }
    var isDone: Bool { state.load(ordering: .acquiring) == State.done }

    /// Puts records into an empty job.
    func fill(_ records: RecordBatch) {
        precondition(isEmpty, "a job is emptied before it is filled again")
        self.records = records
        state.store(State.waiting, ordering: .releasing)
    }

    /// Whether the job waited and is the caller's now.
    func take() -> Bool {
        guard state.load(ordering: .relaxed) == State.waiting else { return false }
        return state.compareExchange(
            expected: State.waiting, desired: State.taken, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Decodes the records of a job that was taken.
    func decode(with decoder: any RecordDecoder) {
        guard let records else { preconditionFailure("a job that was taken has records") }
        let rows = DecodedRows(schema: decoder.schema, capacity: records.count)
        rejected = RejectedRows()
        decoder.decode(records, into: rows, rejects: &rejected)
        self.rows = rows
        state.store(State.done, ordering: .releasing)
    }

    /// What came of a job that is done; it is empty then.
    func empty() -> (records: RecordBatch, rows: DecodedRows, rejected: RejectedRows) {
        precondition(isDone, "only a job that is done is emptied")
        guard let records, let rows else { preconditionFailure("a job that is done has rows") }
        defer {
            self.records = nil
            self.rows = nil
            rejected = RejectedRows()
            state.store(State.empty, ordering: .releasing)
        }
        return (records, rows, rejected)
    }
}
