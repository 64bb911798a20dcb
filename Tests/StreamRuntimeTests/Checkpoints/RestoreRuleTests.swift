import Testing

@testable import StreamRuntime

@Suite struct RestoreRuleTests {
    private typealias Record = RestoreRule.Record

    /// A checkpoint of a job with a transaction, which had committed `before` when it was made.
    private func decided(_ checkpoint: Int64, before: Int64, _ id: String = "a")
        -> RestoreRule.Record
    {
        Record(
            checkpoint: checkpoint, manifest: "\(checkpoint)-\(id)", committedBefore: before)
    }

    /// A checkpoint of a job without one.
    private func lone(_ checkpoint: Int64) -> RestoreRule.Record {
        Record(checkpoint: checkpoint, manifest: "\(checkpoint)-a", committedBefore: nil)
    }

    private func committed(_ checkpoint: Int64, _ id: String = "a") -> CommittedCheckpoint {
        CommittedCheckpoint(checkpoint: checkpoint, manifest: "\(checkpoint)-\(id)")
    }

    private func choice(
        _ records: [RestoreRule.Record], _ committed: CommittedCheckpoint?, seen: Int64 = 0
    ) -> RestoreRule.Choice {
        RestoreRule(records: records, seen: seen).choice(committed: committed)
    }

    @Test func `the committed checkpoint is restored, and no other`() {
        let records = [decided(3, before: 2), decided(4, before: 3)]
        #expect(choice(records, committed(4)) == .exactly(committed(4)))
        // 4 was durable, but its commit never came.
        #expect(choice(records, committed(3)) == .exactly(committed(3)))
        // Also when it is not there: the caller finds that out and says so.
        #expect(choice(records, committed(7)) == .exactly(committed(7)))
        #expect(choice([], committed(1)) == .exactly(committed(1)))
    }

    @Test func `a first checkpoint that was never committed is none`() {
        #expect(choice([decided(1, before: 0)], nil) == .afresh)
        #expect(choice([], nil) == .afresh)
    }

    @Test func `what is known to have been committed is not forgotten in silence`() {
        #expect(choice([decided(8, before: 7)], nil) == .forgotten(7))
        #expect(choice([decided(1, before: 0)], nil, seen: 1) == .forgotten(1))
        #expect(choice([], nil, seen: 3) == .forgotten(3))
    }

    @Test func `checkpoints made without a transaction count by themselves`() {
        #expect(choice([lone(5), lone(6)], nil) == .firstWhole(of: [6, 5]))
        // The job became transactional after 6, and 7 was not committed.
        #expect(choice([lone(6), decided(7, before: 0)], nil) == .firstWhole(of: [6]))
        #expect(choice([lone(6), decided(7, before: 0)], committed(7)) == .exactly(committed(7)))
        #expect(
            choice([lone(6), decided(7, before: 0), decided(8, before: 7)], nil) == .forgotten(7))
        // It was transactional until 4, then not.
        #expect(
            choice([decided(4, before: 3), lone(5), lone(6)], committed(4))
                == .firstWhole(of: [6, 5, 4]))
        #expect(
            choice([decided(4, before: 3), lone(5)], nil, seen: 4) == .firstWhole(of: [5]))
    }

    @Test func `a job that gives its transaction up goes on from what was surely committed`() {
        let records = [decided(3, before: 2), decided(4, before: 3), decided(5, before: 4)]
        #expect(
            RestoreRule(records: records, seen: 0).withoutTransaction == .firstWhole(of: [4, 3]))
        #expect(
            RestoreRule(records: records, seen: 5).withoutTransaction
                == .firstWhole(of: [5, 4, 3]))
        #expect(RestoreRule(records: [lone(2)], seen: 0).withoutTransaction == .firstWhole(of: [2]))
        #expect(
            RestoreRule(records: [decided(1, before: 0)], seen: 0).withoutTransaction == .afresh)
    }
}
