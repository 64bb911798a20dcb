import Glibc
import Synchronization

/// The checkpoints of one job in an archive that many machines reach.
///
/// - Shape: under `SCOPE`: `checkpoints/N-ID` (a manifest, made once), `files/CHECKSUM-BYTES-NAME` (a
///   sorted file, shared by all checkpoints that have it), and, of jobs without a transaction,
///   `claims/N` (which manifest of number N counts: whoever makes it first).
/// - Note: one thread at a time, the coordinator's.
public final class SharedCheckpoints: Sendable {
    /// A checkpoint in the archive.
    public struct Listing: Sendable {
        /// Its number.
        public let checkpoint: Int64
        /// What tells it from others of its number.
        public let id: String
        /// What it holds, or why it cannot be used.
        public let manifest: Result<CheckpointManifest, JobFailure>
    }

    /// A manifest that counts or may come to count, and the objects it names.
    struct Known {
        let checkpoint: Int64
        let id: String
        let files: Set<String>
    }

    struct State {
        /// Objects that are in the archive for sure, because a manifest that counts names them.
        var present: Set<String> = []
        /// Objects put there for a checkpoint that did not come to be yet, and when, in nanoseconds.
        var sent: [String: Int64] = [:]
        /// The manifests of this run that count, oldest first.
        var kept: [Known] = []
        /// Objects that nothing names any more.
        var obsolete: [String] = []
        var sweptNanos: Int64?
        /// Whether a checkpoint was brought here.
        var hasFetched = false
    }

    let archive: any CheckpointArchive
    let scope: String
    let job: String
    let retained: Int
    /// Whether a checkpoint counts by a claim, and not by a transaction.
    let usesClaims: Bool
    /// Objects that no manifest names are left alone until they are this old.
    let graceMillis: Int64
    let state = Mutex(State())

    /// The checkpoints of `job` under `scope`, a name that is empty or ends in a slash.
    ///
    /// - Parameter usesClaims: false for jobs whose checkpoints count by a transaction.
    public init(
        _ archive: any CheckpointArchive, scope: String, job: String, retained: Int = 3,
        usesClaims: Bool = true, graceMillis: Int64 = 3_600_000
    ) {
        precondition(scope.isEmpty || scope.hasSuffix("/"), "a scope is a folder")
        self.archive = archive
        self.scope = scope
        self.job = job
        self.retained = retained
        self.usesClaims = usesClaims
        self.graceMillis = graceMillis
    }

    /// What the user calls the place.
    public var place: String { archive.place.hasSuffix("/") ? archive.place : archive.place + "/" }

    static func nanos() -> Int64 {
        var now = timespec()
        // Time in which the machine sleeps or the process is stopped counts too.
        clock_gettime(CLOCK_BOOTTIME, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }

    // MARK: names

    func manifestName(_ id: String) -> String { "\(scope)checkpoints/\(id)" }

    func fileName(_ file: CheckpointManifest.File) -> String {
        let sum = String(file.checksum, radix: 16)
        let digits = String(repeating: "0", count: 8 - sum.count) + sum
        return "\(scope)files/\(digits)-\(file.bytes)-\(file.name)"
    }

    func claimName(_ checkpoint: Int64) -> String {
        let digits = String(checkpoint)
        return "\(scope)claims/" + String(repeating: "0", count: 19 - digits.count) + digits
    }

    /// The objects of a checkpoint besides its manifest.
    func objects(_ manifest: CheckpointManifest) -> Set<String> {
        Set(manifest.files.filter { !ArchivedManifest.isSmall($0) }.map(fileName))
    }

    // MARK: publishing

    /// Puts a whole checkpoint into the archive: what is new of its files, then its manifest.
    ///
    /// It may be called again after it has thrown, and goes on where it stopped.
    /// - Parameter directory: where the checkpoint's files are.
    func publish(_ manifest: CheckpointManifest, from directory: String) throws(JobFailure) {
        var small: [String: [UInt8]] = [:]
        let now = SharedCheckpoints.nanos()
        for file in manifest.files {
            if ArchivedManifest.isSmall(file) {
                small[file.name] = try FileTree.read(directory + "/" + file.name)
                continue
            }
            let name = fileName(file)
            // What was sent for a checkpoint that failed is kept for the grace period, no longer.
            let isThere = state.withLock { state in
                state.present.contains(name)
                    || state.sent[name].map { now - $0 < self.graceMillis * 250_000 } == true
            }
            if isThere { continue }
            try archive.upload(directory + "/" + file.name, as: name)
            state.withLock { $0.sent[name] = now }
        }
        let bytes = ArchivedManifest(manifest: manifest, small: small).bytes
        let name = manifestName(manifest.id)
        if try !archive.create(name, bytes), try archive.read(name) != bytes {
            throw JobFailure(
                .environment, "there is another manifest of the same identity", at: place + name,
                remedy: "give each job its own name or store")
        }
    }

    /// Makes a published checkpoint of a job without a transaction count.
    ///
    /// - Throws: when another process has made one of its number count.
    func claim(_ manifest: CheckpointManifest) throws(JobFailure) {
        let name = claimName(manifest.checkpoint)
        if try !archive.create(name, Array(manifest.id.utf8)) {
            let there = try claimed(manifest.checkpoint)
            guard there == manifest.id else {
                throw SharedCheckpoints.overtaken(manifest, by: there, at: place + name)
            }
        }
        // A claim that could be made only because the other's was forgotten since.
        guard let newest = try claims().first, newest == manifest.checkpoint else {
            throw SharedCheckpoints.overtaken(
                manifest, by: "and later ones", at: place + name)
        }
    }

    private static func overtaken(
        _ manifest: CheckpointManifest, by other: String?, at place: String
    ) -> JobFailure {
        JobFailure(
            .environment,
            "another process runs job \"\(manifest.job)\": it has written checkpoint "
                + "\(manifest.checkpoint) already (\(other ?? "?"))", at: place,
            remedy: "let one process run the job; or give this one another name or store")
    }

    /// Remembers that a published checkpoint counts, then forgets what is older than the last ones.
    func counts(_ manifest: CheckpointManifest) {
        let files = objects(manifest)
        state.withLock { state in
            state.present = files
            for name in files { state.sent[name] = nil }
            state.kept.append(
                Known(checkpoint: manifest.checkpoint, id: manifest.id, files: files))
        }
        prune()
    }

    // MARK: reading

    /// The manifests in the archive, the newest number first.
    func manifests() throws(JobFailure) -> [(checkpoint: Int64, id: String)] {
        let prefix = manifestName("")
        return try archive.list(prefix).objects.compactMap { object in
            let id = String(object.name.dropFirst(prefix.count))
            return Int64(id.prefix { $0 != "-" }).map { ($0, id) }
        }.sorted { $0.0 == $1.0 ? $0.1 < $1.1 : $0.0 > $1.0 }
    }

    /// The numbers of the checkpoints that count by a claim, the newest first.
    func claims() throws(JobFailure) -> [Int64] {
        let prefix = "\(scope)claims/"
        return try archive.list(prefix).objects.compactMap {
            Int64($0.name.dropFirst(prefix.count))
        }.sorted(by: >)
    }

    /// The identity of the manifest that a claim is for; nil when the claim is gone.
    func claimed(_ checkpoint: Int64) throws(JobFailure) -> String? {
        try archive.read(claimName(checkpoint)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The manifest of identity `id`.
    ///
    /// - Throws: of kind corruption when it is missing or damaged.
    func manifest(_ id: String) throws(JobFailure) -> ArchivedManifest {
        let name = manifestName(id)
        guard let bytes = try archive.read(name) else {
            throw damaged(id, "its manifest is missing")
        }
        let archived: ArchivedManifest
        do throws(ManifestFormat.Fault) { archived = try ArchivedManifest(bytes) } catch {
            switch error {
            case .torn: throw damaged(id, "its manifest is cut short")
            case .notManifest: throw damaged(id, "its manifest is no manifest")
            case .checksum: throw damaged(id, "its manifest has changed (checksum)")
            case .newer(let version):
                throw JobFailure(
                    .checkpoint,
                    "checkpoint \(id) was written by a newer version (format \(version))",
                    at: place + name, remedy: "run the newer program")
            }
        }
        guard archived.manifest.id == id else {
            throw damaged(id, "its manifest is that of \(archived.manifest.id)")
        }
        guard archived.manifest.job == job else {
            throw JobFailure(
                .state,
                "the checkpoints belong to job \"\(archived.manifest.job)\", this is job \"\(job)\"",
                at: place + scope, remedy: "give this job a store of its own")
        }
        return archived
    }

    func damaged(_ id: String, _ what: String) -> JobFailure {
        JobFailure(
            .corruption, "checkpoint \(id) cannot be used: \(what)", at: place + manifestName(id),
            remedy: "an older checkpoint is used if it may be; restore this one's objects from a "
                + "copy to use it", recovery: .restart)
    }

    /// Every checkpoint in the archive, the newest first; only manifests are read, not the files.
    public func list() throws(JobFailure) -> [Listing] {
        var listings: [Listing] = []
        for (checkpoint, id) in try manifests() {
            let manifest: Result<CheckpointManifest, JobFailure>
            do throws(JobFailure) { manifest = .success(try self.manifest(id).manifest) } catch {
                guard error.kind == .corruption else { throw error }
                manifest = .failure(error)
            }
            listings.append(Listing(checkpoint: checkpoint, id: id, manifest: manifest))
        }
        return listings
    }

    /// The manifest of identity `id`, all of whose files are in the archive in their sizes.
    ///
    /// - Throws: of kind corruption when one is not.
    public func inspect(_ id: String) throws(JobFailure) -> CheckpointManifest {
        let manifest = try manifest(id).manifest
        let there = Dictionary(
            try archive.list("\(scope)files/").objects.map { ($0.name, $0.bytes) },
            uniquingKeysWith: { $1 })
        for file in manifest.files where !ArchivedManifest.isSmall(file) {
            guard there[fileName(file)] == file.bytes else {
                throw damaged(id, "its file \(file.name) is missing or cut short")
            }
        }
        return manifest
    }
}
