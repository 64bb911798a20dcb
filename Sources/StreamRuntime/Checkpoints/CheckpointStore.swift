import Glibc
import Synchronization

/// The checkpoints of one job: makes them whole, finds the newest whole one, forgets old ones.
///
/// - Note: any thread may call it; one checkpoint is made at a time.
public final class CheckpointStore: Sendable {
    /// One checkpoint in the directory.
    public struct Listing: Sendable {
        /// Its number.
        public let checkpoint: Int64
        /// What it holds, or why it cannot be used.
        public let manifest: Result<CheckpointManifest, JobFailure>
    }

    /// The state directory.
    public let directory: String
    private let held: StateDirectory?
    private let retained: Int
    let files: any CheckpointFiles
    /// Checksums of sorted files, which never change under a name, so that each is read once.
    let known = Mutex<[String: CheckpointManifest.File]>([:])

    /// Takes the state directory for `job`; other processes are refused until this is gone.
    ///
    /// - Parameter retained: how many checkpoints are kept.
    public init(
        directory: String, job: String, retained: Int = 3,
        files: any CheckpointFiles = SystemFiles()
    ) throws(JobFailure) {
        precondition(retained >= 1, "the newest checkpoint is always kept")
        self.directory = directory
        self.retained = retained
        self.files = files
        held = try StateDirectory(directory, job: job)
        for name in FileTree.names(directory + "/checkpoints") where name.hasSuffix(".tmp") {
            _ = FileTree.remove(directory + "/checkpoints/" + name)
        }
    }

    /// Looks into a state directory without taking it, for `list` and `inspect`.
    public init(reading directory: String) throws(JobFailure) {
        self.directory = directory
        retained = 1
        files = SystemFiles()
        held = nil
        guard FileTree.isDirectory(directory) else {
            throw JobFailure(
                .state, "there is no state directory", at: directory,
                remedy: "give the directory that the job's state is set to")
        }
        try StateDirectory.checkIdentity(directory, job: nil)
    }

    /// Where the working state is.
    public var live: String { directory + "/live" }

    /// The directory of a whole checkpoint's state.
    public func state(of checkpoint: Int64) -> String { path(checkpoint) + "/state" }

    private func path(_ checkpoint: Int64) -> String { "\(directory)/checkpoints/\(checkpoint)" }

    // MARK: making

    /// Begins a checkpoint.
    ///
    /// - Returns: where its state is to be put: a directory that does not exist yet, in one that does.
    public func begin(_ checkpoint: Int64) throws(JobFailure) -> String {
        let draft = path(checkpoint) + ".tmp"
        guard FileTree.remove(draft) else { throw FileTree.failure("cannot be removed", draft) }
        guard mkdir(draft, 0o755) == 0 else { throw FileTree.failure("cannot be made", draft) }
        return draft + "/state"
    }

    /// Makes the checkpoint that was begun whole and durable, then forgets the oldest.
    ///
    /// - Returns: the manifest as written, and the bytes of files that no earlier checkpoint of this
    ///   run had.
    public func commit(
        _ draft: CheckpointManifest
    ) throws(JobFailure) -> (manifest: CheckpointManifest, newBytes: Int64) {
        var manifest = draft
        let target = path(draft.checkpoint)
        let place = target + ".tmp"
        var newBytes: Int64 = 0
        for name in FileTree.names(place + "/state") {
            let (file, isNew) = try describe(name, in: place + "/state")
            manifest.files.append(file)
            if isNew { newBytes += file.bytes }
        }
        try files.write(ManifestFormat.encode(manifest), to: place + "/manifest")
        try files.syncDirectory(place)
        // A checkpoint of this number that was passed over at recovery gives way.
        guard FileTree.remove(target) else { throw FileTree.failure("cannot be removed", target) }
        try files.rename(place, to: target)
        try files.syncDirectory(directory + "/checkpoints")
        prune()
        return (manifest, newBytes)
    }

    private func describe(
        _ name: String, in place: String
    ) throws(JobFailure) -> (CheckpointManifest.File, isNew: Bool) {
        let path = place + "/" + name
        let isSorted = name.hasSuffix(".sst")
        if isSorted, let file = known.withLock({ $0[name] }),
            FileTree.size(path).map(Int64.init) == file.bytes
        {
            return (file, false)
        }
        let (checksum, bytes) = try FileTree.checksum(path, sync: true)
        let file = CheckpointManifest.File(name: name, bytes: bytes, checksum: checksum)
        if isSorted { known.withLock { $0[name] = file } }
        return (file, true)
    }

    /// Forgets all but the newest checkpoints. What cannot be removed now is tried again next time.
    private func prune() {
        let numbers = numbers()
        for number in numbers.dropLast(retained) { _ = FileTree.remove(path(number)) }
        let kept = Set(
            numbers.suffix(retained).flatMap { FileTree.names(state(of: $0)) })
        known.withLock { known in known = known.filter { kept.contains($0.key) } }
    }

    // MARK: finding

    /// Every checkpoint, oldest first; only manifests are checked, not the state's files.
    public func list() -> [Listing] {
        numbers().map { number in
            Listing(
                checkpoint: number, manifest: Result { () throws(JobFailure) in try read(number) })
        }
    }

    /// The manifest of one checkpoint, all of whose files are checked.
    ///
    /// - Throws: of kind corruption when the checkpoint is not whole.
    public func inspect(_ checkpoint: Int64) throws(JobFailure) -> CheckpointManifest {
        let manifest = try read(checkpoint)
        for file in manifest.files {
            let path = state(of: checkpoint) + "/" + file.name
            guard FileTree.size(path) != nil else {
                throw damaged(checkpoint, "its file \(file.name) is missing")
            }
            let (checksum, bytes) = try FileTree.checksum(path, sync: false)
            guard bytes == file.bytes else {
                throw damaged(
                    checkpoint, "its file \(file.name) has \(bytes) bytes instead of \(file.bytes)")
            }
            guard checksum == file.checksum else {
                throw damaged(checkpoint, "its file \(file.name) has changed (checksum)")
            }
        }
        return manifest
    }

    func read(_ checkpoint: Int64) throws(JobFailure) -> CheckpointManifest {
        let path = path(checkpoint) + "/manifest"
        guard FileTree.exists(path) else { throw damaged(checkpoint, "it has no manifest") }
        let bytes = try FileTree.read(path)
        let manifest: CheckpointManifest
        do throws(ManifestFormat.Fault) { manifest = try ManifestFormat.decode(bytes) } catch {
            switch error {
            case .torn: throw damaged(checkpoint, "its manifest is cut short")
            case .notManifest: throw damaged(checkpoint, "its manifest is no manifest")
            case .checksum: throw damaged(checkpoint, "its manifest has changed (checksum)")
            case .newer(let version):
                throw JobFailure(
                    .checkpoint,
                    "checkpoint \(checkpoint) was written by a newer version (format \(version), "
                        + "this program reads up to \(CheckpointManifest.formatVersion))",
                    at: path, remedy: "run the newer program, or start afresh in an empty directory"
                )
            }
        }
        guard manifest.checkpoint == checkpoint else {
            throw damaged(checkpoint, "its manifest is that of \(manifest.checkpoint)")
        }
        return manifest
    }

    func damaged(_ checkpoint: Int64, _ what: String) -> JobFailure {
        JobFailure(
            .corruption, "checkpoint \(checkpoint) cannot be used: \(what)", at: path(checkpoint),
            remedy: "an older checkpoint is used if there is one; restore this one from a copy to "
                + "use it", recovery: .restart)
    }

    func numbers() -> [Int64] {
        FileTree.names(directory + "/checkpoints").compactMap { Int64($0) }.sorted()
    }
}
