/// How a job's checkpoints and the transactions of a broker become one decision. A pure value: an event
/// in, the next action out; no clock and no network.
///
/// Two transactional producers take turns, by parity of the checkpoint: what sinks write before barrier
/// n belongs to producer n % 2, what they write after it to the other one, so that epoch n can wait for
/// its manifest while n + 1 is being written. A checkpoint counts once the broker has committed its
/// transaction, which carries the source offsets and the identity of the manifest.
///
/// - Source: KIP-98 and KIP-447. A transaction of Kafka cannot be taken up by another process, so
///   what is open at a crash is lost and its manifest with it: the broker's answer decides.
public struct TransactionProtocol: Hashable, Sendable {
    /// One of the two producers.
    public enum Producer: Int, Hashable, Sendable, CaseIterable {
        case even = 0
        case odd = 1

        /// The producer of the rows between barrier `epoch` - 1 and barrier `epoch`.
        public init(epoch: Int64) { self = epoch & 1 == 0 ? .even : .odd }
    }

    /// What has happened.
    public enum Event: Hashable, Sendable {
        /// A new instance of the job begins.
        case started
        /// The producer is initialized: older instances of it are fenced, what they had open is
        /// aborted, what they had been told to commit is committed.
        case initialized(Producer)
        /// The broker's answer: the checkpoint whose transaction was committed last.
        case told(CommittedCheckpoint?)
        /// The answer cannot be right: more is known to have been committed.
        case doubted
        /// State was restored as of this checkpoint, 0 for none.
        case resumed(after: Int64)
        /// A sink has rows of this epoch.
        case writing(epoch: Int64)
        /// The producer has begun a transaction.
        case begun(Producer)
        /// The manifest of this checkpoint is durable.
        case manifestWhole(CommittedCheckpoint)
        /// The source offsets and the manifest's identity are in the transaction.
        case offsetsAdded(Producer)
        /// The broker has committed the transaction.
        case committed(Producer)
        /// The broker has aborted the transaction.
        case aborted(Producer)
        /// What was last asked for has failed.
        case failed(Failure)
    }

    /// How a request failed, which decides what comes next.
    public enum Failure: Hashable, Sendable {
        /// It may or may not have been done, and doing it again is the same as doing it once.
        case again
        /// Again, and for longer than the connection allows.
        case outage
        /// The transaction cannot be committed any more.
        case abort
        /// A newer instance has taken over.
        case fenced
        /// The producer is of no more use.
        case fatal
    }

    /// What is to be done next.
    public enum Action: Hashable, Sendable {
        case none
        case initialize(Producer)
        /// Ask the broker for the checkpoint that it has committed last.
        case ask
        /// Restore this checkpoint, or none.
        case restore(CommittedCheckpoint?)
        case begin(Producer)
        /// The sink may write its rows.
        case write(Producer)
        case addOffsets(Producer, CommittedCheckpoint)
        case commit(Producer)
        case abort(Producer)
        /// Tell the job that the checkpoint counts: other sinks may now show what it covers.
        case publish(CommittedCheckpoint)
        /// End this instance.
        case stop(Stop)
    }

    /// Why an instance ends.
    public enum Stop: Hashable, Sendable {
        /// The checkpoint will not be committed: a new instance goes on from the one before.
        case restart
        /// Whether it was committed is not known: a new instance asks the broker.
        case unknown
        /// A newer instance has taken over.
        case fenced
        /// The producer is broken.
        case fatal
    }

    private enum Phase: Hashable, Sendable {
        case new
        case initializing(Producer)
        case asking
        case restoring
        case running
        case stopped
    }

    /// A checkpoint on its way to be committed.
    private struct Pending: Hashable, Sendable {
        enum Step: Hashable, Sendable { case begin, offsets, commit, abort }
        let checkpoint: CommittedCheckpoint
        var step: Step
    }

    private var phase = Phase.new
    /// The newest checkpoint that counts here: restored or committed; 0 for none.
    public private(set) var last: Int64 = 0
    /// The epoch of each producer's open transaction.
    private var open: [Int64?] = [nil, nil]
    private var pending: Pending?

    /// An instance of a job before it has begun.
    public init() {}

    /// The epoch that rows written now at the earliest belong to.
    public var firstEpoch: Int64 { last + 1 }

    /// Takes what has happened and says what to do next.
    public mutating func receive(_ event: Event) -> Action {
        switch (phase, event) {
        case (.stopped, _): return .none
        case (.new, .started):
            phase = .initializing(.even)
            return .initialize(.even)
        case (.initializing(.even), .initialized(.even)):
            phase = .initializing(.odd)
            return .initialize(.odd)
        case (.initializing(.odd), .initialized(.odd)):
            // Only now: before, an older instance could still have committed.
            phase = .asking
            return .ask
        case (.asking, .told(let committed)):
            phase = .restoring
            return .restore(committed)
        case (.restoring, .doubted):
            phase = .asking
            return .ask
        case (.restoring, .resumed(let checkpoint)):
            phase = .running
            last = checkpoint
            return .none
        case (.running, .writing(let epoch)): return write(epoch)
        case (.running, .begun(let producer)): return begun(producer)
        case (.running, .manifestWhole(let checkpoint)): return decide(checkpoint)
        case (.running, .offsetsAdded(let producer)):
            precondition(pending?.step == .offsets && producer == pendingProducer)
            pending?.step = .commit
            return .commit(producer)
        case (.running, .committed(let producer)): return committed(producer)
        case (.running, .aborted(let producer)):
            open[producer.rawValue] = nil
            return stop(.restart)
        case (_, .failed(let failure)): return failed(failure)
        default: preconditionFailure("\(event) cannot happen now")
        }
    }

    private var pendingProducer: Producer? {
        pending.map { Producer(epoch: $0.checkpoint.checkpoint) }
    }

    private mutating func write(_ epoch: Int64) -> Action {
        precondition(
            epoch == last + 1 || epoch == last + 2, "one checkpoint is under way at a time")
        let producer = Producer(epoch: epoch)
        guard let already = open[producer.rawValue] else {
            open[producer.rawValue] = epoch
            return .begin(producer)
        }
        precondition(already == epoch, "the transaction before is committed by then")
        return .write(producer)
    }

    private mutating func begun(_ producer: Producer) -> Action {
        guard var pending, pending.step == .begin, producer == pendingProducer else {
            return .write(producer)
        }
        pending.step = .offsets
        self.pending = pending
        return .addOffsets(producer, pending.checkpoint)
    }

    private mutating func decide(_ checkpoint: CommittedCheckpoint) -> Action {
        precondition(pending == nil && checkpoint.checkpoint == last + 1)
        let producer = Producer(epoch: checkpoint.checkpoint)
        guard open[producer.rawValue] != nil else {
            // No sink has written anything, but the offsets go on.
            open[producer.rawValue] = checkpoint.checkpoint
            pending = Pending(checkpoint: checkpoint, step: .begin)
            return .begin(producer)
        }
        pending = Pending(checkpoint: checkpoint, step: .offsets)
        return .addOffsets(producer, checkpoint)
    }

    private mutating func committed(_ producer: Producer) -> Action {
        guard let pending, pending.step == .commit, producer == pendingProducer else {
            preconditionFailure("a commit that nobody asked for")
        }
        last = pending.checkpoint.checkpoint
        open[producer.rawValue] = nil
        self.pending = nil
        return .publish(pending.checkpoint)
    }

    private mutating func failed(_ failure: Failure) -> Action {
        switch failure {
        case .again: return repeated
        case .fenced: return stop(.fenced)
        case .fatal: return stop(.fatal)
        case .outage: return stop(pending?.step == .commit ? .unknown : .restart)
        case .abort:
            guard let producer = pendingProducer, pending?.step != .abort else {
                return stop(.restart)
            }
            pending?.step = .abort
            return .abort(producer)
        }
    }

    /// What was last asked for, once more.
    private var repeated: Action {
        switch phase {
        case .initializing(let producer): return .initialize(producer)
        case .asking: return .ask
        default: break
        }
        guard let pending, let producer = pendingProducer else { return .none }
        switch pending.step {
        case .begin: return .begin(producer)
        case .offsets: return .addOffsets(producer, pending.checkpoint)
        case .commit: return .commit(producer)
        case .abort: return .abort(producer)
        }
    }

    private mutating func stop(_ reason: Stop) -> Action {
        phase = .stopped
        return .stop(reason)
    }
}
