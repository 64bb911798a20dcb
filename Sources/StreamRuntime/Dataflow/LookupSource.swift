/// A table elsewhere that a step asks by key, on other threads than the workers'.
///
/// - Note: shared by the step's instances on all workers.
public protocol LookupSource: AnyObject, Sendable {
    /// How long answers hold.
    var terms: LookupTerms { get }
    /// Gets ready; called by each instance before it asks.
    func open() throws(JobFailure)
    /// Takes the questions; each is answered into `inbox` once, at once or later.
    func ask(_ questions: [LookupQuestion], for inbox: LookupInbox)
    /// Notes that so many rows had their answer in memory.
    func noteHits(_ count: Int)
    /// An instance is at the barrier of `checkpoint`: rows before `reached` have gone on.
    func pass(checkpoint: Int64, reached: EventTime)
    /// An instance asks no more.
    func close()
}

extension LookupSource {
    /// What keeps every answer need not know.
    public func pass(checkpoint: Int64, reached: EventTime) {}
}
