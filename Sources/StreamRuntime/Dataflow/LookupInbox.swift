import Synchronization

/// Where the answers for one instance of a step arrive.
public final class LookupInbox: Sendable {
    private struct Content {
        var answers: [LookupAnswer] = []
        var failure: JobFailure?
    }

    private let content = Mutex(Content())
    private let isFilled = Atomic<Bool>(false)
    private let wake: @Sendable () -> Void

    /// An empty inbox; `wake` is called when something arrives.
    public init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    /// Adds answers.
    public func put(_ answers: [LookupAnswer]) {
        content.withLock { $0.answers += answers }
        isFilled.store(true, ordering: .sequentiallyConsistent)
        wake()
    }

    /// Says that there will be no more answers, and why.
    public func fail(_ failure: JobFailure) {
        content.withLock { $0.failure = failure }
        isFilled.store(true, ordering: .sequentiallyConsistent)
        wake()
    }

    /// The answers that have arrived since.
    public func take() throws(JobFailure) -> [LookupAnswer] {
        guard isFilled.load(ordering: .sequentiallyConsistent) else { return [] }
        isFilled.store(false, ordering: .sequentiallyConsistent)
        let (answers, failure) = content.withLock { content in
            defer { content.answers = [] }
            return (content.answers, content.failure)
        }
        if let failure { throw failure }
        return answers
    }
}
