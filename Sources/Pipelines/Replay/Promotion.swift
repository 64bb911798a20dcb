import Glibc
import StreamRuntime

/// Puts a replay's state and features in the place of the live job's, wholly or not at all.
///
/// Everything new is made beside the old first. Then a journal is written: from there on the switch is
/// decided, and whoever comes next finishes it. It consists of renames that can each be found done or
/// not, so that doing them again is harmless.
///
/// - Shape: `STATE/promotion/` holds `journal` and what is about to be moved; afterwards it is gone.
struct Promotion {
    /// What the switch is about; the journal's content.
    struct Journal: Codable, Equatable {
        /// The replay that becomes the live job.
        let id: String
        /// The name under which the state before it is kept.
        let former: String
        /// Whether there are features to switch.
        let hasFeatures: Bool
    }

    /// The live job's state directory.
    let state: String

    var directory: String { state + "/promotion" }
    private var journalPath: String { directory + "/journal" }
    /// A state directory with one checkpoint: the replay's, under the live job's number.
    private var next: String { directory + "/next" }
    private var replaced: String { directory + "/replaced" }
    /// The replay directory that the former state becomes.
    private var stash: String { directory + "/former" }

    // MARK: making

    /// Makes what is needed for the switch, and the journal last.
    ///
    /// - Parameter live: the checkpoint the live job would go on from, and its store.
    /// - Parameter replay: the replay's checkpoint at the same positions, and its store.
    func prepare(
        _ journal: Journal,
        live: (manifest: CheckpointManifest, store: CheckpointStore),
        replay: (manifest: CheckpointManifest, store: CheckpointStore), former: ReplaySpec,
        sinks: Set<String>
    ) throws(JobFailure) {
        try ReplayFiles.remove(directory)
        try Directories.make(directory)
        var promoted = replay.manifest
        promoted.checkpoint = live.manifest.checkpoint
        promoted.id = live.manifest.id
        promoted.committedBefore = live.manifest.committedBefore
        promoted.createdMillis = SystemClock().nowMicros / 1000
        // Outputs go on where the live job's stand.
        promoted.tokens = live.manifest.tokens.filter { sinks.contains($0.key) }
        try copy(
            promoted, state: replay.store.state(of: replay.manifest.checkpoint), to: next)
        var kept = live.manifest
        kept.id = ""
        kept.committedBefore = nil
        kept.tokens = [:]
        try copy(
            kept, state: live.store.state(of: live.manifest.checkpoint), to: stash + "/state")
        try ReplayFiles.write(former, to: stash + "/replay.json")
        try ReplayFiles.write(journal, to: journalPath)
    }

    private func copy(
        _ manifest: CheckpointManifest, state: String, to directory: String
    ) throws(JobFailure) {
        let store = try CheckpointStore(directory: directory, job: manifest.job)
        try StateBackend.fill(try store.begin(manifest.checkpoint), from: state)
        var draft = manifest
        draft.files = []
        _ = try store.commit(draft)
    }

    // MARK: switching

    /// Finishes a switch that was decided; does nothing when none was.
    ///
    /// - Parameter after: called after each step, for tests that stop there.
    /// - Returns: whether there was one.
    @discardableResult
    func settle(after: (Int) throws(JobFailure) -> Void = { _ in }) throws(JobFailure) -> Bool {
        guard let journal = try ReplayFiles.read(Journal.self, from: journalPath) else {
            return false
        }
        let replay = ReplayDirectory(id: journal.id, state: state)
        let former = ReplayDirectory(id: journal.former, state: state)
        try put(next + "/checkpoints", at: state + "/checkpoints", keeping: replaced)
        try after(1)
        if journal.hasFeatures {
            try put(
                replay.place.state + "/online", at: state + "/online",
                keeping: stash + "/state/online")
        }
        try after(2)
        if ReplayFiles.exists(stash) {
            try ReplayFiles.remove(former.directory)
            try rename(stash, former.directory)
        }
        try after(3)
        if var spec = try replay.spec(), spec.stage != .promoted {
            spec.stage = .promoted
            try ReplayFiles.write(spec, to: replay.specPath)
        }
        try after(4)
        try LookupShape.keepAnswers(of: replay.place.state, in: state)
        try ReplayFiles.remove(replay.place.state)
        try after(5)
        try ReplayFiles.remove(journalPath)
        try after(6)
        try ReplayFiles.remove(directory)
        return true
    }

    /// Moves `fresh` to `target` and what was there to `old`.
    private func put(
        _ fresh: String, at target: String, keeping old: String
    ) throws(JobFailure) {
        guard ReplayFiles.exists(fresh) else { return }
        if ReplayFiles.exists(old) {
            // The old was moved away already: what is there is an empty directory made since.
            try ReplayFiles.remove(target)
        } else if ReplayFiles.exists(target) {
            try rename(target, old)
        }
        try rename(fresh, target)
    }

    private func rename(_ from: String, _ target: String) throws(JobFailure) {
        let files = SystemFiles()
        try files.rename(from, to: target)
        for path in [from, target] {
            let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            try files.syncDirectory(parent.joined(separator: "/"))
        }
    }
}

extension JobPlan {
    /// Finishes a promotion that a killed process had decided and not done, before the state is opened.
    func settlePromotion() throws(JobFailure) {
        let promotion = Promotion(state: settings.stateDirectory)
        guard ReplayFiles.exists(promotion.directory) else { return }
        let held = try CheckpointStore(directory: settings.stateDirectory, job: name)
        // What was made for a switch that was not decided is of no use.
        if try !promotion.settle() { try ReplayFiles.remove(promotion.directory) }
        withExtendedLifetime(held) {}
    }
}
