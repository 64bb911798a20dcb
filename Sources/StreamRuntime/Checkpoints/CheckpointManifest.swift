/// What a checkpoint is made of: the one file that makes it whole.
public struct CheckpointManifest: Equatable, Sendable {
    /// A file of the checkpoint's state.
    public struct File: Equatable, Sendable {
        /// The name inside the checkpoint's state directory.
        public let name: String
        /// Its size in bytes.
        public let bytes: Int64
        /// CRC-32C of its contents.
        public let checksum: UInt32
    }

    /// The format this program writes, and the newest it reads.
    public static let formatVersion = 2

    /// The checkpoint's number; later ones are higher.
    public var checkpoint: Int64
    /// The name of the job.
    public var job: String
    /// What tells this manifest from any other of the same number; empty in manifests of format 1.
    public var id: String
    /// The checkpoint that the job's transaction had committed before this one, 0 for none; nil when
    /// the job has no transaction, so that this checkpoint counts as soon as it is whole.
    public var committedBefore: Int64?
    /// What identifies the plan the job ran: source, steps and their settings.
    public var fingerprint: String
    /// Milliseconds since 1970 at which it was made.
    public var createdMillis: Int64
    /// The job's states and their layouts.
    public var states: StateRegistry
    /// Source positions, by "source/partition".
    public var positions: [String: [UInt8]]
    /// What each sink needs to commit the checkpoint, by its id.
    public var tokens: [String: [UInt8]]
    /// What tasks keep besides keyed state, by task.
    public var tasks: [String: [UInt8]]
    /// What was decided in the epoch that is not a function of the log: idleness, linger, answers.
    public var decisions: [UInt8]
    /// The state's files.
    public var files: [File] = []

    /// A manifest without files; the checkpoint store lists those.
    public init(
        checkpoint: Int64, job: String, id: String = "", committedBefore: Int64? = nil,
        fingerprint: String = "", createdMillis: Int64,
        states: StateRegistry = StateRegistry(), positions: [String: [UInt8]] = [:],
        tokens: [String: [UInt8]] = [:], tasks: [String: [UInt8]] = [:], decisions: [UInt8] = []
    ) {
        self.checkpoint = checkpoint
        self.job = job
        self.id = id
        self.committedBefore = committedBefore
        self.fingerprint = fingerprint
        self.createdMillis = createdMillis
        self.states = states
        self.positions = positions
        self.tokens = tokens
        self.tasks = tasks
        self.decisions = decisions
    }

    /// A new identity for a manifest of checkpoint `checkpoint`: "NUMBER-" and 16 random digits.
    static func identity(_ checkpoint: Int64) -> String {
        let text = String(UInt64.random(in: 0 ... .max), radix: 16)
        return "\(checkpoint)-" + String(repeating: "0", count: 16 - text.count) + text
    }

    /// Bytes of all state files; those shared with other checkpoints count in each.
    public var stateBytes: Int64 { files.reduce(0) { $0 + $1.bytes } }
}
