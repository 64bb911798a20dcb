import Testing

/// Checkpoints, transactions and rebalances in every order that a seed gives, with deaths anywhere.
///
/// The engine's `CheckpointTracker`, `BarrierAligner`, `TransactionProtocol`, `RestoreRule` and
/// `ShareProtocol` run against the test broker's coordinators; the rest of the world is a model.
@Suite(.serialized) struct ExplorerTests {
    private static let seed: UInt64 = 2026
    private static let group = Shape(
        shares: 2, processes: 2, hasGroup: true, steps: 150, faults: 5)

    @Test(arguments: [(Shape(), 90_000), (group, 12_000)])
    func `every record counts once whatever dies when`(shape: Shape, walks: Int) async {
        async let first = Explorer(shape: shape, seed: Self.seed).explore(walks: walks / 2)
        async let second = Explorer(shape: shape, seed: ~Self.seed).explore(walks: walks / 2)
        let reports = await [first, second]
        for report in reports {
            if let failure = report.failure { Issue.record("\(failure)") }
            print("explored:", report)
        }
        #expect(reports.reduce(0) { $0 + $1.distinct } == walks, "no walk is taken twice")
        // The failures that the walks meant to cause did happen.
        let seen = reports[0].seen + reports[1].seen
        #expect(seen.crashes > 0 && seen.brokerDeaths > 0 && seen.halfDone > 0)
        #expect(seen.fenced > 0 && seen.staleWrites > 0 && seen.lostReplies > 0)
        #expect(seen.expired > 0 && seen.commits > walks)
        if shape.hasGroup { #expect(seen.restarts > 0 && seen.takeovers > walks) }
    }

    @Test(arguments: Shape.Mutation.allCases)
    func `a protocol that breaks a rule is caught`(mutation: Shape.Mutation) {
        var shape = mutation.isOfGroup ? Self.group : Shape()
        shape.mutation = mutation
        let report = Explorer(shape: shape, seed: Self.seed).explore(walks: 20_000)
        #expect(report.failure != nil, "\(mutation) is not seen in \(report.walks) walks")
        // What is shown is short enough to be read.
        #expect(report.failure?.steps.count ?? 0 < 50)
    }

    @Test func `a failure is found again from its seed, and its steps lead to it`() throws {
        var shape = Shape()
        shape.mutation = .newestManifest
        let explorer = Explorer(shape: shape, seed: 7)
        let first = try #require(explorer.explore(walks: 1000).failure)
        let second = try #require(explorer.explore(walks: 1000).failure)
        #expect(first.walk == second.walk)
        #expect(first.steps == second.steps)
        #expect(explorer.violation(of: first.steps).0 == first.violation)
    }
}
