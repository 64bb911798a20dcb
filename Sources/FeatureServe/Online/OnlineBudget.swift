import Synchronization

/// The memory that the rows of all entities share.
///
/// Each shard may always hold its share; as long as the whole is not spent it may hold more, since some entities have
/// many rows and others next to none.
final class OnlineBudget: Sendable {
    /// What a shard may hold in any case.
    let share: Int
    private let total: Int
    private let used = Atomic<Int>(0)

    /// A budget of `total` bytes for so many shards.
    init(total: Int, shards: Int) {
        self.total = total
        share = max(total / max(shards, 1), 4096)
    }

    /// A shard holds `bytes` more, or less.
    @inline(__always)
    func note(_ bytes: Int) { used.wrappingAdd(bytes, ordering: .relaxed) }

    /// Whether nobody may hold more than its share any more.
    @inline(__always)
    var isSpent: Bool { used.load(ordering: .relaxed) > total }

    /// Whether more rows may be taken into memory when a store is opened.
    var hasRoomToLoad: Bool { used.load(ordering: .relaxed) < total / 10 * 7 }
}
