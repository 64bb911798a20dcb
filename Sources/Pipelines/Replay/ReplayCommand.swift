import StreamRuntime

/// `millrace replay`: reads bounded ranges of a job's inputs again, in a state of their own.
public struct ReplayCommand {
    /// What to replay, and how.
    public struct Options: Sendable {
        /// Pipelines, with those whose rows they read; empty for all.
        public var pipelines: [String] = []
        /// Where it begins: what `ReplayBound` reads.
        public var from = "earliest"
        /// Where it ends.
        public var to = "now"
        /// Where results go: `shadow`, `topic:NAME` or `files:DIRECTORY`.
        public var into = "shadow"
        /// The replay's name; nil for one made of the above.
        public var name: String?
        /// The most rows read in a second.
        public var rowsPerSecond: Int?
        /// A directory that `millrace archive` wrote, read before the topics.
        public var archive: String?
        /// Whether records that retention has deleted stop the replay.
        public var isStrict = false
        /// Whether an earlier replay of that name is thrown away.
        public var startsAgain = false
        /// Worker threads; nil for what the file says.
        public var workers: Int?
        /// Rows a source reads at once; nil for the usual number.
        public var batchRows: Int?
        /// Whether progress and outcome are JSON.
        public var json = false
        /// Whether no progress is shown.
        public var isQuiet = false

        /// Everything from the oldest record to the newest, into a shadow.
        public init() {}

        /// The name such a replay gets when none is given.
        var defaultName: String {
            let what = pipelines.isEmpty ? "all" : pipelines.sorted().joined(separator: "+")
            let text = "\(what)-\(from)-\(to)" + (into == "shadow" ? "" : "-\(into)")
            return String(
                text.map {
                    $0.isASCII && ($0.isLetter || $0.isNumber) || "._-+".contains($0) ? $0 : "_"
                }.prefix(120))
        }
    }

    private let path: String
    private let options: Options

    /// A replay of the file at `path`.
    public init(path: String, options: Options) {
        self.path = path
        self.options = options
    }

    /// Starts the replay or goes on with it, and returns the exit code.
    public func run() -> Int32 {
        let plan: JobPlan
        switch PlanReader.read(path: path, only: options.pipelines) {
        case .success(let read): plan = read
        case .failure(let outcome):
            Terminal.error(outcome.text)
            return outcome.exitCode
        }
        StopSignal.install()
        do throws(JobFailure) {
            let ledger = try replay(plan) { StopSignal.isRaised }
            guard let ledger else {
                Terminal.error("stopped; the same command goes on from the last checkpoint\n")
                return 1
            }
            Terminal.print(
                options.json ? try ReplayFiles.text(ledger) : ledger.text)
            return ledger.complete ? 0 : 1
        } catch {
            Terminal.error(options.json ? error.json + "\n" : "error: \(error)\n")
            return error.exitCode
        }
    }

    /// Runs to the end of the ranges; nil when it was stopped before.
    func replay(
        _ plan: JobPlan, isStopping: () -> Bool
    ) throws(JobFailure) -> ReplayLedger? {
        let id = options.name ?? options.defaultName
        if let problem = TopicName.problem(id.filter { $0 != "+" }) {
            throw JobFailure(
                .environment, "\"\(id)\" cannot be a replay's name: \(problem)", at: "--name",
                remedy: "use letters, digits, '.', '_' and '-'")
        }
        let directory = ReplayDirectory(id: id, state: plan.settings.stateDirectory)
        if options.startsAgain { try ReplayFiles.remove(directory.directory) }
        var session: ReplaySession
        if let spec = try directory.spec() {
            try check(spec, plan)
            session = try ReplaySession(live: plan, directory: directory, spec: spec)
        } else {
            session = try start(plan, directory)
        }
        if session.spec.stage == .running {
            var progress = ReplayProgress(ranges: session.spec.ranges, json: options.json)
            let isDone = try session.run(
                .init(
                    workers: options.workers, batchRows: options.batchRows,
                    rowsPerSecond: options.rowsPerSecond), isStopping: isStopping
            ) { account, isLast in
                if !options.isQuiet { progress.show(account, isLast: isLast) }
            }
            guard isDone else { return nil }
            try session.remember { $0.stage = .done }
        }
        let ledger = try session.ledger()
        try ReplayFiles.write(ledger, to: directory.ledgerPath)
        return ledger
    }

    private func start(
        _ plan: JobPlan, _ directory: ReplayDirectory
    ) throws(JobFailure) -> ReplaySession {
        let resolver = RangeResolver(
            from: try bound(options.from, "--from"), to: try bound(options.to, "--to"))
        let target = try plan.replayTarget(options.into, pipeline: options.pipelines.first)
        if target != .shadow, options.pipelines.count != 1 {
            throw JobFailure(
                .environment, "only the results of one pipeline can go to \(options.into)",
                at: "--into", remedy: "name one with --pipeline, or replay --into shadow")
        }
        var seams: [String: Int64] = [:]
        let archive = options.archive
        if let archive, try EmbeddedLog(root: archive).topics().isEmpty {
            throw JobFailure(
                .environment, "there is no archived topic", at: archive,
                remedy: "make one with: millrace archive FILE --topic TOPIC --to \(archive)")
        }
        let ranges = try resolver.ranges(of: plan) { (planned) throws(JobFailure) in
            let source = try ReplaySources.open(planned, of: plan, archive: archive)
            if let seamed = source as? SeamedSource {
                for partition in try seamed.partitions() {
                    seams["\(planned.name)/\(partition)"] = try seamed.seam(partition: partition)
                }
            }
            return source
        }
        let spec = ReplaySpec(
            id: directory.id, file: path, fingerprint: plan.fingerprint,
            pipelines: options.pipelines, from: options.from, to: options.to, target: target,
            ranges: ranges, seams: seams, archive: archive, isStrict: options.isStrict,
            createdMillis: SystemClock().nowMicros / 1000)
        let session = try ReplaySession(live: plan, directory: directory, spec: spec)
        for line in RetentionNotice.lines(of: plan, target: target) { Terminal.error(line) }
        try Directories.make(directory.directory)
        try ReplayFiles.write(spec, to: directory.specPath)
        return session
    }

    private func bound(_ text: String, _ option: String) throws(JobFailure) -> ReplayBound {
        if let bound = ReplayBound(text) { return bound }
        throw JobFailure(
            .environment, "\"\(text)\" is neither an offset nor a time", at: option,
            remedy: "write earliest, now, an offset, stream/partition=offset, or a time as "
                + "2026-01-31T12:00:00Z")
    }

    /// Whether the replay that is there is the one that was asked for.
    private func check(_ spec: ReplaySpec, _ plan: JobPlan) throws(JobFailure) {
        var different: String?
        if spec.fingerprint != plan.fingerprint {
            different = "another version of the pipelines file, or other pipelines"
        } else if spec.from != options.from || spec.to != options.to {
            different = "the range \(spec.from) to \(spec.to)"
        } else if spec.target
            != (try plan.replayTarget(options.into, pipeline: options.pipelines.first))
        {
            different = "another place for its results"
        } else if spec.archive != options.archive {
            different = "another archive"
        }
        guard let different else { return }
        throw JobFailure(
            .environment, "replay \"\(spec.id)\" was started with \(different)",
            at: "--name \(spec.id)",
            remedy: "give this one another --name, or --again to throw the earlier one away")
    }
}
