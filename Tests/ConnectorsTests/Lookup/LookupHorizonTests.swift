import Testing

@testable import Connectors

/// Which answers no kept checkpoint can ask for again.
@Suite struct LookupHorizonTests {
    /// Tells of a checkpoint at which two instances had come as far.
    private func checkpoint(
        _ horizon: inout LookupHorizon, _ number: Int64, _ reached: [Int64]
    ) -> Int64? {
        for one in reached { horizon.pass(number, reached: one) }
        return horizon.commit(number)
    }

    private func horizon(keep: Int64, retained: Int) -> LookupHorizon {
        var horizon = LookupHorizon(keepMicros: keep, retained: retained)
        horizon.instances = 2
        return horizon
    }

    @Test func `it lies behind the slowest instance at the oldest checkpoint that is kept`() {
        var horizon = horizon(keep: 100, retained: 3)
        // Checkpoints of the run before are there until three new ones are.
        #expect(checkpoint(&horizon, 7, [1000, 900]) == nil)
        #expect(checkpoint(&horizon, 8, [2000, 2000]) == nil)
        #expect(checkpoint(&horizon, 9, [3000, 3100]) == 800)
        #expect(checkpoint(&horizon, 10, [4000, 4000]) == 1900)
    }

    @Test func `a checkpoint that an instance has not told of holds it back`() {
        var horizon = horizon(keep: 100, retained: 2)
        #expect(checkpoint(&horizon, 1, [1000]) == nil)
        #expect(checkpoint(&horizon, 2, [2000, 2000]) == nil)
        #expect(checkpoint(&horizon, 3, [3000, 3000]) == 1900)
        // A barrier whose checkpoint did not come to be.
        horizon.pass(4, reached: 9000)
        #expect(checkpoint(&horizon, 5, [5000, 5000]) == 2900)
    }

    @Test func `it is told when it is worth while, and never without a bound`() {
        var bounded = horizon(keep: 1600, retained: 1)
        #expect(checkpoint(&bounded, 1, [2000, 2000]) == 400)
        #expect(checkpoint(&bounded, 2, [2100, 2100]) == nil)
        #expect(checkpoint(&bounded, 3, [2101, 2101]) == 501)
        // Nothing has gone on yet.
        #expect(checkpoint(&bounded, 4, [.min, .min]) == nil)
        var unbounded = horizon(keep: .max, retained: 1)
        #expect(checkpoint(&unbounded, 1, [2000, 2000]) == nil)
    }
}
