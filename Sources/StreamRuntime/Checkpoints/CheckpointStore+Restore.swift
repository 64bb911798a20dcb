import Synchronization

extension CheckpointStore {
    /// What a search for the checkpoint to restart from found.
    public struct Found: Sendable {
        /// The checkpoint to restart from, or nil when the job starts afresh.
        public let manifest: CheckpointManifest?
        /// The newer ones that were passed over, and why.
        public let skipped: [JobFailure]
    }

    /// The newest checkpoint that is whole and, if a transaction had to commit it, known to be
    /// committed; damaged ones are passed over and reported.
    ///
    /// - Throws: when a newer program wrote one of them, or all there are are damaged: starting from
    ///   nothing then would silently lose state.
    public func newestWhole() throws(JobFailure) -> Found {
        let (rule, unreadable) = try survey()
        return try found(rule.withoutTransaction, unreadable)
    }

    /// The checkpoint that counts after a transaction has committed `committed`.
    ///
    /// - Throws: when that checkpoint is damaged or gone, or when `committed` is nil and yet one is
    ///   known to have been committed: to restart from any other would lose or repeat output.
    public func found(committed: CommittedCheckpoint?) throws(JobFailure) -> Found {
        let (rule, unreadable) = try survey()
        return try found(rule.choice(committed: committed), unreadable)
    }

    /// Remembers that `checkpoint` was committed: a note for people and for the day on which the
    /// transaction's side forgets. The transaction alone decides.
    func noteCommitted(_ checkpoint: Int64) throws(JobFailure) {
        let draft = notePath + ".tmp"
        try SystemFiles().note("\(checkpoint)\n", at: draft)
        try SystemFiles().rename(draft, to: notePath)
    }

    private var notePath: String { directory + "/committed" }

    /// The newest checkpoint that was noted as committed; 0 for none.
    var notedCommitted: Int64 {
        guard FileTree.exists(notePath), let bytes = try? FileTree.read(notePath) else { return 0 }
        return Int64(String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)) ?? 0
    }

    private func survey() throws(JobFailure) -> (RestoreRule, unreadable: [JobFailure]) {
        var records: [RestoreRule.Record] = []
        var unreadable: [JobFailure] = []
        for number in numbers().reversed() {
            do throws(JobFailure) {
                let manifest = try read(number)
                records.append(
                    RestoreRule.Record(
                        checkpoint: number, manifest: manifest.id,
                        committedBefore: manifest.committedBefore))
            } catch {
                guard error.kind == .corruption else { throw error }
                unreadable.append(error)
            }
        }
        return (RestoreRule(records: records, seen: notedCommitted), unreadable)
    }

    private func found(
        _ choice: RestoreRule.Choice, _ unreadable: [JobFailure]
    ) throws(JobFailure) -> Found {
        var skipped = unreadable
        switch choice {
        case .exactly(let committed): return Found(manifest: try exactly(committed), skipped: [])
        case .forgotten(let checkpoint):
            throw CheckpointStore.forgotten(checkpoint, at: directory + "/checkpoints")
        case .afresh: break
        case .firstWhole(let numbers):
            for number in numbers {
                do throws(JobFailure) {
                    return Found(manifest: try whole(number), skipped: skipped)
                } catch {
                    guard error.kind == .corruption else { throw error }
                    skipped.append(error)
                }
            }
        }
        guard let last = skipped.first else { return Found(manifest: nil, skipped: []) }
        throw JobFailure(
            .corruption,
            "none of the \(skipped.count) checkpoints is whole; the newest: \(last.problem)",
            at: directory + "/checkpoints",
            remedy: "restore the directory from a copy; or remove it to start afresh, which reads "
                + "all input again")
    }

    /// What was committed last is known no more, only that something was.
    static func forgotten(_ checkpoint: Int64, at place: String) -> JobFailure {
        JobFailure(
            .checkpoint,
            "Kafka no longer knows which checkpoint was committed last; it was \(checkpoint) or "
                + "a newer one", at: place,
            remedy:
                "the offsets of the job's group have expired or were deleted: put them back "
                + "with \"millrace checkpoints accept \(checkpoint)\" if the outputs hold "
                + "what it covers, or remove the directory and empty the output topics to start "
                + "afresh")
    }

    private func exactly(_ committed: CommittedCheckpoint) throws(JobFailure) -> CheckpointManifest
    {
        let problem: String
        do throws(JobFailure) {
            let manifest = try whole(committed.checkpoint)
            if manifest.id == committed.manifest { return manifest }
            problem =
                "checkpoint \(committed.checkpoint) here is \(manifest.id), and "
                + "\(committed.manifest) was committed"
        } catch {
            guard error.kind == .corruption else { throw error }
            problem = error.problem
        }
        throw JobFailure(
            .corruption,
            "checkpoint \(committed.checkpoint) is the one that was committed, and it cannot be "
                + "used: \(problem)", at: directory + "/checkpoints",
            remedy: "restore the directory from a copy that has it; or start afresh: remove the "
                + "directory, empty the output topics and run \"millrace checkpoints forget FILE\"")
    }

    /// The manifest of a checkpoint all of whose files are there and unchanged.
    private func whole(_ checkpoint: Int64) throws(JobFailure) -> CheckpointManifest {
        let manifest = try inspect(checkpoint)
        known.withLock { known in
            for file in manifest.files where file.name.hasSuffix(".sst") {
                known[file.name] = file
            }
        }
        return manifest
    }
}
