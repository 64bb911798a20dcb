import StreamRuntime

/// `millrace replays`: what replays of a job there are, and how to be rid of one.
public enum ReplaysCommand {
    /// Every replay of the file's job, by name.
    public static func list(path: String, json: Bool) -> CommandOutput {
        with(path) { (plan) throws(JobFailure) in
            let state = plan.settings.stateDirectory
            var replays: [FoundReplay] = []
            for name in ReplayFiles.names(ReplayDirectory.root(state)) {
                if let found = try FoundReplay(name, of: plan) { replays.append(found) }
            }
            if json { return JSONText.array(replays.map(\.json)).text }
            guard !replays.isEmpty else { return "no replays in \(ReplayDirectory.root(state))\n" }
            var table = TextTable(["replay", "stage", "pipelines", "from", "to", "into", "records"])
            for replay in replays { table.append(replay.cells) }
            return table.rendered()
        }
    }

    /// Removes the replay `id` with its state, topics, files and features; live ones stay.
    ///
    /// - Parameter force: also when it is what a promotion is rolled back to.
    public static func remove(path: String, id: String, force: Bool) -> CommandOutput {
        with(path) { (plan) throws(JobFailure) in
            let state = plan.settings.stateDirectory
            let names = ReplayFiles.names(ReplayDirectory.root(state))
            guard names.contains(id) else {
                // Words the refusal, with the replays there are.
                _ = try ReplayDirectory(id: id, state: state).requiredSpec(known: state)
                return ""
            }
            let directory = ReplayDirectory(id: id, state: state)
            if !force,
                ReplayFiles.exists(directory.directory + ".before") || id.hasSuffix(".before")
            {
                throw JobFailure(
                    .request,
                    "the live job goes on with replay \"\(id)\", and what was there before would be "
                        + "lost", at: directory.directory,
                    remedy: "go back first with millrace promote --roll-back, or remove it with "
                        + "--force")
            }
            if directory.isRunning(job: plan.name) {
                throw JobFailure(
                    .environment, "replay \"\(id)\" is running", at: directory.directory,
                    remedy: "stop it, then remove it")
            }
            try ReplayFiles.remove(directory.directory)
            return "replay \(id) is removed\n"
        }
    }

    private static func with(
        _ path: String, _ body: (JobPlan) throws(JobFailure) -> String
    ) -> CommandOutput {
        switch PlanReader.read(path: path) {
        case .failure(let output): return output
        case .success(let plan):
            do throws(JobFailure) {
                return CommandOutput(text: try body(plan), exitCode: 0)
            } catch {
                return CommandOutput(text: "error: \(error)\n", exitCode: error.exitCode)
            }
        }
    }
}

/// A replay as `list` shows it.
private struct FoundReplay {
    let name: String
    let stage: String
    let spec: ReplaySpec
    let records: Int64

    /// nil for a directory that is no replay's, such as what a promotion keeps.
    init?(_ name: String, of plan: JobPlan) throws(JobFailure) {
        let directory = ReplayDirectory(id: name, state: plan.settings.stateDirectory)
        guard let spec = try directory.spec() else { return nil }
        self.name = name
        self.spec = spec
        if directory.isRunning(job: plan.name) {
            stage = "running"
        } else {
            stage =
                spec.stage == .running && !ReplayFiles.exists(directory.ledgerPath)
                ? "stopped" : spec.stage == .running ? "done" : spec.stage.rawValue
        }
        let newest = try? CheckpointStore(reading: directory.place.state).newestWhole().manifest
        let positions = BoundedRun.offsets(newest?.positions ?? [:])
        records = spec.ranges.reduce(0) { sum, range in
            sum + max((positions[range.key] ?? range.value.from) - range.value.from, 0)
        }
    }

    private var target: String {
        switch spec.target {
        case .shadow: "shadow"
        case .topic(_, let name): "topic:\(name)"
        case .files(let directory): "files:\(directory)"
        }
    }

    private var pipelines: String {
        spec.pipelines.isEmpty ? "all" : spec.pipelines.joined(separator: ", ")
    }

    var cells: [String] {
        [name, stage, pipelines, spec.from, spec.to, target, Grouped.text(records)]
    }

    var json: JSONText {
        .object([
            ("replay", .string(name)), ("stage", .string(stage)),
            ("pipelines", .strings(spec.pipelines)), ("from", .string(spec.from)),
            ("to", .string(spec.to)), ("into", .string(target)),
            ("records", .integer(Int(records))), ("file", .string(spec.file)),
        ])
    }
}

extension ReplayDirectory {
    /// Whether a process is at work on the replay.
    func isRunning(job: String) -> Bool {
        ReplayFiles.exists(place.state + "/identity") && LiveJob.isHeld(place.state, job: job)
    }
}
