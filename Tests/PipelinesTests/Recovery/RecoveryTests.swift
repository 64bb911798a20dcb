import FeatureServe
import Glibc
import SampleData
import StreamRuntime
import Testing

@testable import Pipelines

/// Kills real processes and compares what is left with what an undisturbed run leaves.
@Suite(.serialized) struct RecoveryTests {
    /// Fifty in all: a process that runs a part of the marketplace is up in a fraction of the time.
    @Test(arguments: Marketplace.parts)
    func
        `after ten kills at random moments, topics and features are byte for byte those of an undisturbed run`(
            part: String
        ) throws
    {
        let seed: UInt64 = 20_261_121
        var random = Seeded(seed)
        let place = try Marketplace(scale: 0.1, only: try Marketplace.pipelines(of: part))
        defer { place.remove() }
        let expected = try place.undisturbed(workers: 1, batchRows: 4096)
        #expect(expected.records.count > 10)

        var kills = 0
        var restores = 0
        var rounds = 0
        var longest = place.lastRunMillis
        while kills < 10 {
            rounds += 1
            try place.reset()
            while true {
                // Each life has another shape: state must restore at any worker count and batch size.
                let workers = [1, 2][random.next(2)]
                let batchRows = [1, 7, 4096][random.next(3)]
                if place.hasCheckpoint { restores += 1 }
                let process = try ChildProcess(
                    place.command(workers: workers, batchRows: batchRows))
                let life = kills < 10 ? longest / 4 + random.next(longest) : 120_000
                switch process.wait(millis: life) {
                case .exited(let code):
                    try #require(code == 0, "seed \(seed), kill \(kills): \(place.lastErrors)")
                    let left = try place.results()
                    #expect(left == expected, "seed \(seed), after \(kills) kills")
                    longest = max(100, longest * 3 / 4)
                case .running:
                    process.kill()
                    kills += 1
                    longest = min(5000, longest * 9 / 8)
                    continue
                }
                break
            }
            try #require(rounds < 20, "the run is too short to be killed ten times")
        }
        #expect(restores > 1, "no life began from a checkpoint")
    }

    @Test
    func `topics and features are the same bytes at any number of workers and any batch size`()
        throws
    {
        let place = try Marketplace(scale: 0.05)
        defer { place.remove() }
        let expected = try place.undisturbed(workers: 1, batchRows: 512)
        #expect(expected.records.count > 100)
        for (workers, batchRows) in [(1, 1), (1, 7), (1, 4096), (2, 1), (2, 7), (3, 4096)] {
            let found = try place.undisturbed(workers: workers, batchRows: batchRows)
            #expect(found == expected, "\(workers) workers, batches of \(batchRows)")
        }
    }

    @Test func `a run stopped by SIGTERM goes on where it was and loses and doubles nothing`()
        throws
    {
        let place = try Marketplace(scale: 0.1)
        defer { place.remove() }
        let expected = try place.undisturbed(workers: 1, batchRows: 4096)
        try place.reset()
        let process = try ChildProcess(place.command(workers: 2, batchRows: 7))
        _ = process.wait(millis: place.lastRunMillis * 2 / 3)
        process.terminate()
        guard case .exited(let code) = process.wait(millis: 60_000) else {
            process.kill()
            Issue.record("the process did not stop")
            return
        }
        #expect(code == 0)
        let next = try ChildProcess(place.command(workers: 1, batchRows: 4096))
        guard case .exited(0) = next.wait(millis: 120_000) else {
            next.kill()
            Issue.record("the second run failed: \(place.lastErrors)")
            return
        }
        #expect(try place.results() == expected)
    }
}

/// A seeded generator whose numbers are the same everywhere (SplitMix64).
struct Seeded {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}
