import Testing

@testable import StreamRuntime

@Suite struct RestartPolicyTests {
    private static let second: Int64 = 1_000_000_000

    @Test(arguments: [0, 1, 20_261_121] as [UInt64])
    func `each wait is about twice as long as the one before, up to a minute`(seed: UInt64) throws {
        var policy = RestartPolicy(
            RestartPolicy.Settings(attempts: 100, withinNanos: .max), seed: seed)
        for due in [1, 2, 4, 8, 16, 32, 60, 60, 60] as [Int64] {
            let failed = policy.failed(now: 0)
            let wait = try #require(failed)
            let range =
                (due * RestartPolicyTests.second * 3 / 4)...(due * RestartPolicyTests.second)
            #expect(range.contains(wait), "seed \(seed), due \(due) s: \(wait)")
        }
        policy.noteProgress()
        let soon = policy.failed(now: 0)
        #expect(try #require(soon) <= RestartPolicyTests.second)
    }

    @Test func `processes that fail together come back apart, and each the same again`() {
        func waits(_ seed: UInt64) -> [Int64?] {
            var policy = RestartPolicy(RestartPolicy.Settings(), seed: seed)
            return (0..<5).map { policy.failed(now: $0) }
        }
        #expect(waits(1) == waits(1))
        #expect(waits(1) != waits(2))
    }

    @Test func `too many failures within the time end it, old ones do not count`() {
        func expect(_ wait: Int64?, _ isRestarted: Bool, _ place: SourceLocation = #_sourceLocation)
        {
            #expect((wait != nil) == isRestarted, sourceLocation: place)
        }
        let minute = 60 * RestartPolicyTests.second
        var policy = RestartPolicy(
            RestartPolicy.Settings(attempts: 2, withinNanos: 10 * minute), seed: 7)
        expect(policy.failed(now: 0), true)
        expect(policy.failed(now: 9 * minute), true)
        // A checkpoint in between makes waits short, and excuses nothing.
        policy.noteProgress()
        expect(policy.failed(now: 10 * minute - 1), false)
        expect(policy.failed(now: 10 * minute), true)
        expect(policy.failed(now: 11 * minute), false)
        var never = RestartPolicy(.never, seed: 7)
        expect(never.failed(now: 0), false)
    }

    @Test func `what is for the user, and what is damaged, is not started again`() {
        let cases: [(JobFailure.Kind, JobFailure.Recovery, Bool)] = [
            (.sink, .restart, true), (.source, .retry(afterMillis: 5000), true),
            (.sink, .stopAndAsk, false), (.corruption, .restart, false),
        ]
        for (kind, recovery, isRestartable) in cases {
            let failure = JobFailure(kind, "p", at: "here", remedy: "r", recovery: recovery)
            #expect(failure.isRestartable == isRestartable, "\(kind) \(recovery)")
        }
    }
}
