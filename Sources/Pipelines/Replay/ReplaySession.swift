import StreamRuntime

/// A replay at work: its plan, its directory and what it was started with.
struct ReplaySession {
    /// The wanted pipelines as the live job would run them.
    let live: JobPlan
    let directory: ReplayDirectory
    private(set) var spec: ReplaySpec
    private let target: (plan: JobPlan, sink: String?)

    /// The replay that `spec` describes, of pipelines planned as `live`.
    init(live: JobPlan, directory: ReplayDirectory, spec: ReplaySpec) throws(JobFailure) {
        self.live = live
        self.directory = directory
        self.spec = spec
        target = try live.replaying(
            spec.pipelines.first, into: spec.target, place: directory.place)
    }

    /// Where a failure is that is the pipelines file's own.
    static let fileMark = "pipelines file"

    /// Replay `id` of the job in the file at `path`, as it was left.
    static func opened(path: String, id: String) throws(JobFailure) -> ReplaySession {
        let whole = try plan(path, only: [])
        let directory = ReplayDirectory(id: id, state: whole.settings.stateDirectory)
        let spec = try directory.requiredSpec(known: whole.settings.stateDirectory)
        let live = spec.pipelines.isEmpty ? whole : try plan(path, only: spec.pipelines)
        guard live.fingerprint == spec.fingerprint else {
            throw JobFailure(
                .environment,
                "replay \"\(id)\" was made with another version of the pipelines file", at: path,
                remedy: "put that version back, or start a new replay with this one")
        }
        return try ReplaySession(live: live, directory: directory, spec: spec)
    }

    /// The plan of a file; a file with problems is a failure with all of them.
    static func plan(_ path: String, only: [String]) throws(JobFailure) -> JobPlan {
        switch PlanReader.read(path: path, only: only) {
        case .success(let plan): return plan
        case .failure(let output):
            throw JobFailure(.environment, output.text, at: fileMark, remedy: "correct the file")
        }
    }

    /// Whether its own ranges were read; what came later, carrying it on, may have been interrupted.
    var isFinished: Bool {
        spec.stage != .running || ReplayFiles.exists(directory.ledgerPath)
    }

    /// How the job is run.
    struct Shape {
        var workers: Int?
        var batchRows: Int?
        var rowsPerSecond: Int?
    }

    /// Changes what is remembered of the replay, durably.
    mutating func remember(_ change: (inout ReplaySpec) -> Void) throws(JobFailure) {
        change(&spec)
        try ReplayFiles.write(spec, to: directory.specPath)
    }

    /// Reads what is left of the ranges.
    ///
    /// - Parameter isCarrying: whether the state must be what reading everything gives: then a gap by
    ///   retention stops it.
    /// - Returns: whether all has been read; false when it was stopped before.
    func run(
        _ shape: Shape, isCarrying: Bool = false, isStopping: () -> Bool,
        show: (RangeAccount, Bool) -> Void
    ) throws(JobFailure) -> Bool {
        var book =
            try ReplayFiles.read(ReplayBook.self, from: directory.bookPath) ?? ReplayBook()
        let account = RangeAccount(book.entries)
        let finish: RangedSource.Finish = spec.target == .shadow ? .hold : .end
        let settings = RunSettings(
            workers: shape.workers ?? live.settings.workers ?? JobRunner.cores,
            batchRows: shape.batchRows ?? Limits.batchRows,
            checkpointNanos: live.settings.checkpointEvery.micros * 1000)
        let path = directory.bookPath
        var run = BoundedRun(
            plan: target.plan, ranges: spec.ranges,
            rules: RangedSource.Rules(
                finish: finish, isStrict: spec.isStrict || isCarrying,
                throttle: shape.rowsPerSecond.map { RowThrottle(rowsPerSecond: $0) }),
            account: account, settings: settings)
        run.open = { (planned) throws(JobFailure) in
            try ReplaySources.open(planned, of: live, archive: spec.archive)
        }
        let noted = NotedLives()
        run.begun = { (positions) throws(JobFailure) in
            book.lives.append(positions)
            noted.lives = book.lives
            try ReplayFiles.write(book, to: path)
        }
        run.beforeCheckpoint = { () throws(JobFailure) in
            try ReplayFiles.write(
                ReplayBook(entries: account.entries, lives: noted.lives), to: path)
        }
        let summary = try run.run(isStopping: isStopping) { _ in show(account, false) }
        show(account, true)
        switch summary.outcome {
        case .failed(let failure): throw failure
        case .finished: return true
        case .stopped: return account.isDone(partitions: spec.ranges.count)
        }
    }

    /// A copy of the replay in which everything still open has been given out, as at the end of the input.
    ///
    /// - Returns: where it is; the caller removes it.
    func closed() throws(JobFailure) -> ScratchPlace {
        let copy = ScratchPlace(directory: directory.directory + "/closed")
        try ReplayFiles.remove(copy.directory)
        for name in ["state", "topics", "files"] {
            try ReplayFiles.copy(
                directory.directory + "/" + name, to: copy.directory + "/" + name)
        }
        let run = BoundedRun(
            plan: live.redirected(to: copy, partitions: live.livePartitions), ranges: spec.ranges,
            rules: RangedSource.Rules(finish: .end), account: RangeAccount(),
            settings: RunSettings(workers: live.settings.workers ?? JobRunner.cores))
        if case .failed(let failure) = try run.run().outcome { throw failure }
        return copy
    }

    // MARK: what came out

    /// The ledger, from the last checkpoint and what is in the outputs.
    func ledger() throws(JobFailure) -> ReplayLedger {
        let book = try ReplayFiles.read(ReplayBook.self, from: directory.bookPath) ?? ReplayBook()
        let store = try CheckpointStore(reading: directory.place.state)
        guard let manifest = try store.newestWhole().manifest else {
            throw JobFailure(
                .checkpoint, "the replay has no checkpoint", at: directory.directory,
                remedy: "run the replay again")
        }
        return ReplayLedger(
            spec, book: book, positions: BoundedRun.offsets(manifest.positions),
            outputs: try outputs(), finishedMicros: SystemClock().nowMicros)
    }

    private func outputs() throws(JobFailure) -> [OutputDigest] {
        var digests = try OutputDigest.all(of: live, in: directory.place, except: target.sink)
        switch spec.target {
        case .shadow: break
        case .topic(let connection, let name):
            guard let place = live.connection(connection) else { break }
            let source = try ReplaySources.topic(name, on: place)
            digests.insert(try OutputDigest.of(source, name: "topic \(name)"), at: 0)
        case .files(let path):
            var digest = RecordDigest()
            for line in FileLines(directory: path, format: .json) { digest.append(line) }
            digests.insert(
                OutputDigest(name: path, records: digest.count, digest: digest.text), at: 0)
        }
        return digests
    }
}

/// The lives a checkpoint's book lists: set once, before the first checkpoint.
private final class NotedLives: @unchecked Sendable {
    var lives: [[String: Int64]] = []
}
