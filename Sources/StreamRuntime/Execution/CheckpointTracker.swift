/// Decides when a checkpoint is due, whole, or failed, from what the tasks say. A pure value.
struct CheckpointTracker: Equatable, Sendable {
    private let tasks: Set<String>
    private let everyNanos: Int64
    private var underWay: Int64?
    private var owing: Set<String> = []
    private var lastBegan: Int64
    private var next: Int64

    /// A tracker of a job of these tasks, whose last checkpoint was `restored` (0 for none).
    init(tasks: Set<String>, everyNanos: Int64, restored: Int64, now: Int64) {
        self.tasks = tasks
        self.everyNanos = everyNanos
        lastBegan = now
        next = restored + 1
    }

    /// The number of the checkpoint that begins now, if one is due (or `isForced`) and none is under
    /// way.
    mutating func begin(now: Int64, isForced: Bool) -> Int64? {
        guard underWay == nil else { return nil }
        guard isForced || (everyNanos > 0 && now - lastBegan >= everyNanos) else { return nil }
        lastBegan = now
        underWay = next
        owing = tasks
        next += 1
        return underWay
    }

    /// Task `task` has handed over its part of `checkpoint`.
    ///
    /// - Returns: whether the checkpoint is whole.
    mutating func acknowledge(_ task: String, checkpoint: Int64) -> Bool {
        guard checkpoint == underWay else { return false }
        owing.remove(task)
        return owing.isEmpty
    }

    /// The checkpoint under way is durable, or was given up.
    mutating func finish() { underWay = nil }

    /// Nanoseconds until the next one is due; nil when none is.
    func wait(now: Int64) -> Int64? {
        guard underWay == nil, everyNanos > 0 else { return nil }
        return max(0, lastBegan + everyNanos - now)
    }
}
