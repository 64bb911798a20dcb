import Glibc
import Synchronization

/// A job's storage on local disk: state in RocksDB, checkpoints in directories beside it.
public final class DurableStorage: JobStorage {
    /// What a job's storage is told.
    public struct Settings: Sendable {
        /// The state directory, of this job only.
        public var directory: String
        /// The job's name, which the directory remembers.
        public var job: String
        /// What identifies the plan; kept in every manifest.
        public var fingerprint: String
        /// The job's memory for state: tables, snapshots and database together.
        public var memoryBytes: Int
        /// How many checkpoints are kept.
        public var retained: Int
        /// Steps that take over the state of another id, by their new id: declared renames.
        public var renames: [String: String]
        /// The store that other machines reach too, where checkpoints are to be kept as well.
        public var archive: (any CheckpointArchive)?
        /// What the names of the job's objects begin with in the archive; empty or ending in a slash.
        public var archiveScope = ""

        /// Settings with three checkpoints kept.
        public init(
            directory: String, job: String, fingerprint: String = "", memoryBytes: Int,
            retained: Int = 3, renames: [String: String] = [:]
        ) {
            self.directory = directory
            self.job = job
            self.fingerprint = fingerprint
            self.memoryBytes = memoryBytes
            self.retained = retained
            self.renames = renames
        }
    }

    /// The settings it was opened with.
    public let settings: Settings
    /// The manifest the job continues from, or nil when it starts afresh.
    public let manifest: CheckpointManifest?
    /// Damaged checkpoints that were passed over; tell the user.
    public let skipped: [JobFailure]
    /// The checkpoints on disk.
    public let checkpoints: CheckpointStore
    private let backend: StateBackend
    private let hasTransaction: Bool
    private let decisions: EpochDecisions
    /// The newest checkpoint that the transaction has committed; 0 for none.
    private let committed: Mutex<Int64>
    private let shared: SharedCheckpoints?
    /// The checkpoint completed last, on its way to the shared store.
    private let proposed = Mutex<CheckpointManifest?>(nil)

    /// Takes the directory and makes the checkpoint that counts the working state: the newest whole one,
    /// or the one that `transaction` says was committed.
    public init(
        _ settings: Settings, transaction: (any CheckpointTransaction)? = nil,
        files: any CheckpointFiles = SystemFiles()
    ) throws(JobFailure) {
        self.settings = settings
        hasTransaction = transaction != nil
        checkpoints = try CheckpointStore(
            directory: settings.directory, job: settings.job,
            // The one before must stay until the newest is committed.
            retained: max(
                settings.retained, transaction == nil && settings.archive == nil ? 1 : 2),
            files: files)
        shared = settings.archive.map {
            SharedCheckpoints(
                $0, scope: settings.archiveScope, job: settings.job, retained: settings.retained,
                usesClaims: transaction == nil)
        }
        var last = try transaction?.lastCommitted()
        let found: CheckpointStore.Found
        do throws(JobFailure) {
            found = try DurableStorage.find(
                checkpoints, shared, hasTransaction: transaction != nil, committed: last)
        } catch {
            // What the broker has forgotten it may only not have known yet.
            guard last == nil, error.kind == .checkpoint,
                let later = try transaction?.lastCommittedAgain()
            else { throw error }
            last = later
            found = try DurableStorage.find(
                checkpoints, shared, hasTransaction: true, committed: later)
        }
        committed = Mutex(last?.checkpoint ?? 0)
        if let manifest = found.manifest { try shared?.remember(manifest) }
        guard let decisions = EpochDecisions(bytes: found.manifest?.decisions ?? []) else {
            throw JobFailure(
                .corruption, "the checkpoint's decisions cannot be read",
                at: checkpoints.state(of: found.manifest?.checkpoint ?? 0),
                remedy: "restore an older checkpoint")
        }
        self.decisions = decisions
        manifest = found.manifest
        skipped = found.skipped
        try StateBackend.fill(
            checkpoints.live,
            from: found.manifest.map { [checkpoints] in checkpoints.state(of: $0.checkpoint) })
        var registry = found.manifest?.states ?? StateRegistry()
        for (step, former) in settings.renames.sorted(by: { $0.key < $1.key }) {
            registry.rename(step, from: former)
        }
        backend = try StateBackend(
            directory: checkpoints.live, memoryBytes: settings.memoryBytes, registry: registry)
    }

    /// The checkpoint that counts: here if it is whole, and else from the shared store.
    private static func find(
        _ store: CheckpointStore, _ shared: SharedCheckpoints?, hasTransaction: Bool,
        committed: CommittedCheckpoint?
    ) throws(JobFailure) -> CheckpointStore.Found {
        var skipped: [JobFailure] = []
        if let shared, committed == nil {
            skipped =
                try hasTransaction ? shared.reconcileUncommitted(store) : shared.reconcile(store)
        }
        let found: CheckpointStore.Found
        do throws(JobFailure) {
            found =
                try hasTransaction ? store.found(committed: committed) : store.newestWhole()
        } catch {
            guard let shared, let committed, error.kind == .corruption else { throw error }
            try shared.fetch(committed.manifest, into: store)
            found = try store.found(committed: committed)
        }
        return CheckpointStore.Found(manifest: found.manifest, skipped: skipped + found.skipped)
    }

    /// What the manifest says about sources and sinks.
    public var restored: RestoredCheckpoint? {
        manifest.map {
            RestoredCheckpoint(
                checkpoint: $0.checkpoint, positions: $0.positions, tokens: $0.tokens,
                decisions: decisions)
        }
    }

    /// Whether the checkpoint came from the shared store, because this machine did not have it.
    public var isFetched: Bool { shared?.state.withLock { $0.hasFetched } ?? false }

    /// The state of one worker: what the checkpoint holds of its key groups.
    public func openStore(worker: Int, of workers: Int) throws(JobFailure) -> StateStore {
        StateStore(
            backend: backend, worker: worker, of: workers,
            budgetBytes: StateBackend.tableBytes(memoryBytes: settings.memoryBytes) / workers)
    }

    /// Brings to disk what tables have gained since their last snapshots, where that is much.
    public func writeAhead() throws(JobFailure) { try backend.writeAhead() }

    /// Brings the snapshots to disk and makes the checkpoint whole.
    public func complete(_ parts: CheckpointParts) throws(JobFailure) -> CheckpointSummary {
        let target = try checkpoints.begin(parts.checkpoint)
        try backend.complete(snapshots: parts.snapshots, linkingTo: target)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let id = CheckpointManifest.identity(parts.checkpoint)
        let made = try checkpoints.commit(
            CheckpointManifest(
                checkpoint: parts.checkpoint, job: settings.job, id: id,
                committedBefore: hasTransaction ? committed.withLock { $0 } : nil,
                fingerprint: settings.fingerprint,
                createdMillis: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000,
                states: backend.states, positions: parts.positions, tokens: parts.tokens,
                decisions: parts.decisions.bytes))
        if shared != nil { proposed.withLock { $0 = made.manifest } }
        return CheckpointSummary(bytes: made.newBytes, manifest: id)
    }

    /// Puts the checkpoint that was completed last into the shared store, where there is one, and makes
    /// it count there if no transaction has to.
    public func publish(_ checkpoint: Int64) throws(JobFailure) {
        guard let shared, let manifest = proposed.withLock({ $0 }) else { return }
        precondition(
            manifest.checkpoint == checkpoint, "the checkpoint completed last is published")
        let state = checkpoints.state(of: checkpoint)
        do throws(JobFailure) {
            try shared.publish(manifest, from: state)
            if !hasTransaction { try shared.claim(manifest) }
        } catch {
            // What another process or a missing local file has decided no patience can change.
            guard error.kind == .checkpoint, FileTree.isDirectory(state) else { throw error }
            throw JobFailure(
                .checkpoint, error.problem, at: error.place, remedy: error.remedy,
                recovery: .retry(afterMillis: 5000))
        }
        if !hasTransaction { shared.counts(manifest) }
    }

    /// Remembers that the transaction has committed `checkpoint`.
    public func settled(_ checkpoint: Int64) throws(JobFailure) {
        committed.withLock { $0 = checkpoint }
        try checkpoints.noteCommitted(checkpoint)
        if let shared, let manifest = proposed.withLock({ $0 }), manifest.checkpoint == checkpoint {
            shared.counts(manifest)
        }
    }
}
