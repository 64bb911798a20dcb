import FeatureServe
import StreamRuntime
import Synchronization

/// The senders of a running job.
public final class CallSenders: Sendable {
    /// Where their figures are registered.
    public let metrics: MetricsRegistry?
    private let senders = Mutex<[CallSender]>([])

    /// None yet.
    public init(metrics: MetricsRegistry? = nil) { self.metrics = metrics }

    func add(_ sender: CallSender) { senders.withLock { $0.append(sender) } }

    /// Waits until all that is sealed is over; false when `isStopping` says so before, or one has failed.
    public func drain(_ isStopping: () -> Bool) -> Bool {
        for sender in senders.withLock({ $0 }) where !sender.drain(isStopping) { return false }
        return true
    }

    /// What ended one of them, if anything did.
    public var failure: JobFailure? {
        for sender in senders.withLock({ $0 }) {
            if let failure = sender.failure { return failure }
        }
        return nil
    }

    /// Requests that wait or are under way, over all of them.
    public var open: Int {
        senders.withLock { $0 }.reduce(0) { $0 + $1.figures.waiting + $1.figures.inFlight }
    }

    /// Stops them all.
    public func stop() {
        let all = senders.withLock { senders in
            defer { senders = [] }
            return senders
        }
        for sender in all { sender.stop() }
    }
}
