import StreamRuntime

/// `millrace promote`: lets the live job go on with the state of a replay, or back with its own.
public struct PromoteCommand {
    private let path: String
    private let id: String
    private let rollsBack: Bool
    private let json: Bool
    private let isQuiet: Bool

    /// A promotion of replay `id` of the file at `path`; with `rollsBack` of the state that the promotion
    /// of `id` replaced.
    public init(
        path: String, id: String, rollsBack: Bool = false, json: Bool = false,
        isQuiet: Bool = false
    ) {
        self.path = path
        self.id = id
        self.rollsBack = rollsBack
        self.json = json
        self.isQuiet = isQuiet
    }

    /// The name under which the state that `id` replaces is kept.
    static func former(_ id: String) -> String { id + ".before" }

    /// Promotes and returns what to print.
    public func run() -> CommandOutput {
        StopSignal.install()
        do throws(JobFailure) {
            let positions = try promote()
            return CommandOutput(text: text(positions), exitCode: 0)
        } catch {
            let isFile = error.place == ReplaySession.fileMark
            return CommandOutput(
                text: isFile ? error.problem : json ? error.json + "\n" : "error: \(error)\n",
                exitCode: isFile ? 2 : error.exitCode)
        }
    }

    /// Promotes.
    ///
    /// - Parameter after: called after each step of the switch, for tests that stop there.
    /// - Returns: the offsets from which the live job goes on, by "stream/partition".
    func promote(
        after: (Int) throws(JobFailure) -> Void = { _ in }
    ) throws(JobFailure) -> [String: Int64] {
        let plan = try ReplaySession.plan(path, only: [])
        let state = plan.settings.stateDirectory
        guard plan.settings.shares == nil else {
            throw JobFailure(
                .environment, "a job cut into shares has a state for each of them",
                at: "job: shares", remedy: "promote jobs that run whole in one process")
        }
        guard plan.settings.checkpointStore == nil else {
            throw JobFailure(
                .environment,
                "the job's checkpoints are also in a store, which would go on with the former state",
                at: "job: checkpoints: store",
                remedy: "take the store out of the file, promote, run the job until it has made a "
                    + "checkpoint, then put it back")
        }
        let store: CheckpointStore
        do throws(JobFailure) {
            store = try CheckpointStore(
                directory: state, job: plan.name, retained: plan.settings.checkpointKeep)
        } catch {
            throw JobFailure(
                error.kind, "the live job must be stopped: \(error.problem)", at: error.place,
                remedy: "stop it (SIGTERM), promote, then run it again")
        }
        let promotion = Promotion(state: state)
        // One that was decided before comes first.
        if try promotion.settle(), try isDone(state) {
            return BoundedRun.offsets(try LiveJob.settled(plan, store)?.positions ?? [:])
        }
        var session = try open(plan)
        guard let live = try LiveJob.settled(plan, store) else {
            throw JobFailure(
                .environment, "the live job has no checkpoint, so there is nothing to go on from",
                at: state, remedy: "run it until its first checkpoint, stop it, then promote")
        }
        let positions = BoundedRun.offsets(live.positions)
        var progress: ReplayProgress?
        try session.carry(to: positions, .init(), isStopping: { StopSignal.isRaised }) {
            account, isLast in
            guard !isQuiet else { return }
            if progress == nil { progress = ReplayProgress(ranges: [:], json: json) }
            progress?.show(account, isLast: isLast)
        }
        let replay = try session.checkpoint()
        try promotion.prepare(
            Promotion.Journal(
                id: session.spec.id, former: formerName, hasFeatures: !plan.featureViews.isEmpty),
            live: (live, store), replay: (replay.manifest!, replay.store),
            former: formerSpec(live, positions), sinks: Set(plan.sinks.map(\.id)))
        try after(0)
        try promotion.settle(after: after)
        withExtendedLifetime(store) {}
        return positions
    }

    private var promoted: String { rollsBack ? PromoteCommand.former(id) : id }

    private var formerName: String { rollsBack ? id + ".after" : PromoteCommand.former(id) }

    /// Whether the replay that is asked for is the live job by now.
    private func isDone(_ state: String) throws(JobFailure) -> Bool {
        try ReplayDirectory(id: promoted, state: state).spec()?.stage == .promoted
    }

    private func open(_ plan: JobPlan) throws(JobFailure) -> ReplaySession {
        let state = plan.settings.stateDirectory
        let directory = ReplayDirectory(id: promoted, state: state)
        if rollsBack, try directory.spec() == nil {
            throw JobFailure(
                .environment, "nothing is kept from before replay \"\(id)\"",
                at: ReplayDirectory.root(state),
                remedy: "only a promoted replay can be rolled back, once")
        }
        let spec = try directory.requiredSpec(known: state)
        let reason: (problem: String, remedy: String)?
        if spec.target != .shadow {
            reason = ("has no state to go on with", "promote a replay --into shadow")
        } else if spec.stage == .promoted {
            reason = ("was promoted already", "run the job; it goes on with it")
        } else if spec.stage == .running, !rollsBack, !ReplayFiles.exists(directory.ledgerPath) {
            reason = ("is not finished", "give its command again and let it come to the end")
        } else if spec.fingerprint != plan.fingerprint, !spec.pipelines.isEmpty {
            reason = (
                "covers only \(spec.pipelines.joined(separator: ", "))",
                "the state of all pipelines is switched at once: replay without --pipeline"
            )
        } else if spec.fingerprint != plan.fingerprint {
            reason = (
                "was made with another version of the pipelines file",
                "put that version back, or start a new replay with this one"
            )
        } else {
            reason = nil
        }
        if let reason {
            throw JobFailure(
                .environment, "replay \"\(promoted)\" \(reason.problem)", at: directory.directory,
                remedy: reason.remedy)
        }
        return try ReplaySession(live: plan, directory: directory, spec: spec)
    }

    /// The live state as a replay that ends where it stands.
    private func formerSpec(
        _ live: CheckpointManifest, _ positions: [String: Int64]
    ) -> ReplaySpec {
        ReplaySpec(
            id: formerName, file: path, fingerprint: live.fingerprint, pipelines: [],
            from: "earliest", to: "now", target: .shadow,
            ranges: positions.mapValues { OffsetRange(from: $0, to: $0) }, seams: [:],
            archive: nil, isStrict: true, createdMillis: SystemClock().nowMicros / 1000,
            stage: .done)
    }

    private func text(_ positions: [String: Int64]) -> String {
        if json {
            return JSONText.object([
                ("promoted", .string(promoted)),
                (
                    "positions",
                    .object(
                        positions.sorted { ReplayLedger.precedes($0.key, $1.key) }
                            .map { ($0.key, .integer(Int($0.value))) })
                ), ("former", .string(formerName)),
            ]).text
        }
        var table = TextTable(["partition", "goes on at"])
        for (address, offset) in positions.sorted(by: { ReplayLedger.precedes($0.key, $1.key) }) {
            table.append([address, Grouped.text(offset)])
        }
        return table.rendered()
            + (rollsBack
                ? "\nrolled back: run the job with the pipelines file it had before \(id)\n"
                : "\npromoted: run the job to go on with \(id); back with: "
                    + "millrace promote \(id) --roll-back\n")
    }
}
