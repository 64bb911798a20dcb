import StreamRuntime

/// What a committed offset says about the checkpoint it belongs to, in its metadata.
///
/// - Shape: `checkpoint=12 manifest=12-0f3c…`, with ` share=3` behind it when the job is cut into shares.
struct CommittedText {
    static func text(_ committed: CommittedCheckpoint, share: Int?) -> String {
        let text = "checkpoint=\(committed.checkpoint) manifest=\(committed.manifest)"
        return share.map { "\(text) share=\($0)" } ?? text
    }

    /// The checkpoint that `text` tells of; nil when it is not a job's of this share.
    static func read(_ text: String, share: Int?) -> CommittedCheckpoint? {
        var fields: [Substring: Substring] = [:]
        for part in text.split(separator: " ") {
            guard let sign = part.firstIndex(of: "=") else { continue }
            fields[part[..<sign]] = part[part.index(after: sign)...]
        }
        guard let number = fields["checkpoint"].flatMap({ Int64($0) }), number > 0,
            let manifest = fields["manifest"],
            fields["share"].map({ String($0) }) == share.map({ String($0) })
        else { return nil }
        return CommittedCheckpoint(checkpoint: number, manifest: String(manifest))
    }
}
