import StreamRuntime

/// What a replay was started with: kept in its directory, so that the same command goes on.
struct ReplaySpec: Codable, Equatable {
    /// Where results go.
    enum Target: Codable, Equatable {
        /// Topics, files and features of the replay's own.
        case shadow
        /// A topic beside the live ones.
        case topic(connection: String, name: String)
        /// A directory of JSON lines.
        case files(directory: String)
    }

    /// How far it has come.
    enum Stage: String, Codable {
        /// Its ranges are being read.
        case running
        /// All of them have been read.
        case done
        /// The live job goes on with its state.
        case promoted
    }

    static let version = 1

    var version = ReplaySpec.version
    let id: String
    let file: String
    let fingerprint: String
    let pipelines: [String]
    let from: String
    let to: String
    let target: Target
    var ranges: SourceRanges
    /// For each partition read from an archive first: the offset at which the topic takes over.
    var seams: [String: Int64]
    let archive: String?
    let isStrict: Bool
    let createdMillis: Int64
    var stage = Stage.running
}

/// The directory of one replay.
struct ReplayDirectory: Equatable {
    let id: String
    let directory: String

    /// Replay `id` of the job whose state is at `state`.
    init(id: String, state: String) {
        self.id = id
        directory = ReplayDirectory.root(state) + "/" + id
    }

    static func root(_ state: String) -> String { state + "/replays" }

    var place: ScratchPlace { ScratchPlace(directory: directory) }
    var specPath: String { directory + "/replay.json" }
    var bookPath: String { directory + "/account.json" }
    var ledgerPath: String { directory + "/ledger.json" }

    /// What the replay was started with; nil when there is none of this name.
    func spec() throws(JobFailure) -> ReplaySpec? {
        try ReplayFiles.read(ReplaySpec.self, from: specPath)
    }

    /// The replay, which must be there.
    func requiredSpec(known state: String) throws(JobFailure) -> ReplaySpec {
        if let spec = try spec() { return spec }
        let known = ReplayFiles.names(ReplayDirectory.root(state))
        throw JobFailure(
            .environment, "there is no replay \"\(id)\"", at: ReplayDirectory.root(state),
            remedy: known.isEmpty
                ? "start one with: millrace replay FILE --into shadow --name \(id)"
                : "use one of: \(known.joined(separator: ", "))")
    }
}

/// What has been read so far, kept beside the checkpoints so that a replay that was killed can say in its
/// ledger what all its lives have read.
struct ReplayBook: Codable, Equatable {
    /// By "stream/partition".
    var entries: [String: RangeAccount.Entry] = [:]
    /// Where each life of the replay began, by "stream/partition"; the last checkpoint's positions.
    var lives: [[String: Int64]] = []
}
