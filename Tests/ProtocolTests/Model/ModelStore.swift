@testable import StreamRuntime

/// A share's checkpoints in the store that outlives processes.
struct ModelStore: Equatable, Sendable {
    struct Manifest: Equatable, Sendable {
        var record: RestoreRule.Record
        /// The next offset to read, by input partition.
        var positions: [Int]
        /// The state: how many records of each partition it has seen.
        var counts: [Int]

        var committed: CommittedCheckpoint {
            CommittedCheckpoint(checkpoint: record.checkpoint, manifest: record.manifest)
        }
    }

    private(set) var manifests: [Manifest] = []
    /// The newest checkpoint that was seen committed.
    private(set) var seen: Int64 = 0
    private var unique = 0

    mutating func freshName(_ checkpoint: Int64) -> String {
        unique += 1
        return "\(checkpoint)-\(unique)"
    }

    mutating func write(_ manifest: Manifest) { manifests.append(manifest) }

    /// Remembers what was committed and drops what nobody can need any more.
    mutating func settle(_ checkpoint: Int64) {
        seen = max(seen, checkpoint)
        manifests.removeAll { $0.record.checkpoint < checkpoint - 1 }
    }

    /// What the job restores from, as the engine's rule has it.
    func found(_ committed: CommittedCheckpoint?) -> Result<Manifest?, ModelViolation> {
        let rule = RestoreRule(records: manifests.map(\.record), seen: seen)
        switch rule.choice(committed: committed) {
        case .afresh: return .success(nil)
        case .exactly(let wanted):
            guard let manifest = manifests.first(where: { $0.committed == wanted }) else {
                return .failure(
                    ModelViolation("checkpoint \(wanted.checkpoint) was committed and is not there")
                )
            }
            return .success(manifest)
        case .forgotten(let checkpoint):
            return .failure(ModelViolation("the commit of checkpoint \(checkpoint) is forgotten"))
        case .firstWhole:
            return .failure(ModelViolation("a checkpoint that needs no commit"))
        }
    }
}

/// What is wrong with a world.
struct ModelViolation: Error, Equatable, CustomStringConvertible, Sendable {
    let description: String

    init(_ description: String) { self.description = description }
}
