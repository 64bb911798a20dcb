/// What the rows of a stream say about the table they are changes of, where they are more than inserts.
public enum Changelog: String, Sendable, CaseIterable {
    /// A row replaces the one of its key, and a delete takes it away: enough for what keeps rows by key.
    case upsert
    /// Besides, each replaced row comes itself, as `updateBefore`: enough for sums and counts.
    case full

    /// What rows of both kinds together are; nil stands for inserts only.
    public static func union(_ left: Changelog?, _ right: Changelog?) -> Changelog? {
        if left == .upsert || right == .upsert { return .upsert }
        return left ?? right
    }
}
