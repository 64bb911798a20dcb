/// How large a modelled world is, and which rule of the protocol it breaks, if any.
struct Shape: Sendable {
    /// A way to break the protocol, to show that the explorer sees it.
    enum Mutation: String, Sendable, CaseIterable {
        /// The transaction is committed before its checkpoint's manifest is durable.
        case commitBeforeManifest
        /// Source offsets are committed beside the transaction instead of inside it.
        case offsetsOutsideTransaction
        /// A restart takes the newest manifest instead of the one that the broker has committed.
        case newestManifest
        /// A restart asks what was committed before it has fenced the older instance.
        case askBeforeFencing
        /// A static member is content with the seat of its older life.
        case olderSeat

        /// Whether it needs a group to show.
        var isOfGroup: Bool { self == .olderSeat }
    }

    /// Shares of the job; each reads two partitions of its own.
    var shares = 1
    /// Processes; with a group they divide the shares, without one each runs share 0.
    var processes = 2
    /// Whether processes are a consumer group.
    var hasGroup = false
    /// Records in each input partition.
    var rows = 2
    /// Steps of a walk before it is let come to rest.
    var steps = 60
    /// Crashes, pauses and expiries in a walk, at most.
    var faults = 4
    /// The rule that is broken.
    var mutation: Mutation?
}
