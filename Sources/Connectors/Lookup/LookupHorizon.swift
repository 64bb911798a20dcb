/// Follows how far rows had gone on at the checkpoints that are kept, and says which answers nobody can ask for
/// again. A pure value.
///
/// A row is asked for at most `keepMicros` behind the event time of its partition (`LookupTerms.moment`). So a job that
/// goes on from a checkpoint asks for nothing that lies further behind the event time of the step there.
///
/// - Units: all times in microseconds.
struct LookupHorizon: Equatable, Sendable {
    private let keepMicros: Int64
    private let retained: Int
    /// Instances of the step.
    var instances = 0
    private var barriers: [Int64: Barrier] = [:]
    /// Event time at the checkpoints of this run that are kept, oldest first.
    private var kept: [Int64] = []
    private var told = Int64.min

    private struct Barrier: Equatable, Sendable {
        var instances = 0
        var reached = Int64.max
    }

    /// Of answers that are kept for `keepMicros` behind the oldest of `retained` checkpoints.
    init(keepMicros: Int64, retained: Int) {
        self.keepMicros = keepMicros
        self.retained = max(retained, 1)
    }

    /// An instance has passed the barrier of `checkpoint`; its later rows come at `reached` or after.
    mutating func pass(_ checkpoint: Int64, reached: Int64) {
        barriers[checkpoint, default: Barrier()].instances += 1
        barriers[checkpoint]!.reached = min(barriers[checkpoint]!.reached, reached)
    }

    /// `checkpoint` counts; those before the newest `retained` ones are gone.
    ///
    /// - Returns: the event time before which answers may be forgotten, when it is worth while.
    mutating func commit(_ checkpoint: Int64) -> Int64? {
        let barrier = barriers[checkpoint] ?? Barrier()
        barriers = barriers.filter { $0.key > checkpoint }
        // Of a checkpoint that not all instances have told of nothing is known.
        kept.append(barrier.instances == instances ? barrier.reached : .min)
        if kept.count > retained { kept.removeFirst() }
        // Until then checkpoints of the run before are there.
        guard kept.count == retained, let reached = kept.min(), keepMicros < .max,
            reached > .min + keepMicros
        else { return nil }
        let horizon = reached - keepMicros
        guard told == .min || horizon - told > keepMicros / 16 else { return nil }
        told = horizon
        return horizon
    }
}
