/// What one step's state on one worker held at a barrier, as far as it had changed.
public struct StateSnapshot: Sendable {
    /// The step whose state it is.
    public let step: String
}

extension StateStore {
    /// The changed entries of step `step`'s states, taken at a barrier.
    public func snapshot(step: String) throws(JobFailure) -> StateSnapshot {
        StateSnapshot(step: step)
    }

    /// Keeps the store within its budget; called between two pieces of work.
    public func relieve() throws(JobFailure) {}
}
