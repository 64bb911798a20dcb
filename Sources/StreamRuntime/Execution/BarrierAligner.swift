/// Decides, from the barriers that arrive on a task's inputs, when the task is between two epochs.
///
/// A pure value: inputs are numbered from 0; the caller pauses, resumes and snapshots as told.
///
/// - Source: Carbone et al., "Lightweight Asynchronous Snapshots for Distributed Dataflows" (2015);
///   the aligned variant.
public struct BarrierAligner: Equatable, Sendable {
    /// What to do now.
    public enum Action: Equatable, Sendable {
        /// Read no more from this input until the snapshot is taken.
        case pause(input: Int)
        /// Every input has shown the barrier: snapshot, forward it, then read from all inputs again.
        case snapshot(checkpoint: Int64)
    }

    private var waiting: [Bool]
    private var current: Int64?

    /// An aligner of `inputs` inputs.
    public init(inputs: Int) {
        precondition(inputs > 0, "a task without inputs needs no alignment")
        waiting = [Bool](repeating: false, count: inputs)
    }

    /// Whether `input` has shown the barrier that others still owe.
    public func isPaused(_ input: Int) -> Bool { waiting[input] }

    /// Takes note of the barrier of `checkpoint` on `input`.
    ///
    /// - Precondition: an input is not read while it is paused, and barriers carry ascending numbers,
    ///   so at most one checkpoint is ever under way.
    public mutating func receive(checkpoint: Int64, on input: Int) -> Action {
        precondition(!waiting[input], "a paused input must not be read")
        precondition(current == nil || current == checkpoint, "one checkpoint at a time")
        current = checkpoint
        waiting[input] = true
        guard waiting.allSatisfy({ $0 }) else { return .pause(input: input) }
        for index in waiting.indices { waiting[index] = false }
        current = nil
        return .snapshot(checkpoint: checkpoint)
    }
}
