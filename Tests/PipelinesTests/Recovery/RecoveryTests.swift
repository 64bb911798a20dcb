import FeatureServe
import Glibc
import SampleData
import StreamRuntime
import Testing

@testable import Pipelines

/// Kills real processes and compares what is left with what an undisturbed run leaves.
@Suite(.serialized) struct RecoveryTests {
    @Test
    func
        `after fifty kills at random moments, topics and features are byte for byte those of an undisturbed run`()
        throws
    {
        let seed: UInt64 = 20_261_121
        var random = Seeded(seed)
        let place = try Marketplace(scale: 0.25)
        defer { place.remove() }
        let expected = try place.undisturbed(workers: 1, batchRows: 4096)

        var kills = 0
        var rounds = 0
        var longest = 400
        while kills < 50 {
            rounds += 1
            try place.reset()
            while true {
                // Each life has another shape: state must restore at any worker count and batch size.
                let workers = [1, 2][random.next(2)]
                let batchRows = [1, 7, 4096][random.next(3)]
                let process = try ChildProcess(
                    place.command(workers: workers, batchRows: batchRows))
                let life = kills < 50 ? 20 + random.next(longest) : 120_000
                switch process.wait(millis: life) {
                case .exited(let code):
                    try #require(code == 0, "seed \(seed), kill \(kills): \(place.lastErrors)")
                    let left = try place.results()
                    #expect(left == expected, "seed \(seed), after \(kills) kills")
                    longest = max(100, longest - 50)
                case .running:
                    process.kill()
                    kills += 1
                    longest = min(1500, longest + 10)
                    continue
                }
                break
            }
            try #require(rounds < 50, "the run is too short to be killed fifty times")
        }
    }

    @Test(arguments: [1, 2], [1, 7, 4096])
    func `topics and features are the same bytes at any number of workers and any batch size`(
        workers: Int, batchRows: Int
    ) throws {
        let place = try Marketplace(scale: 0.1)
        defer { place.remove() }
        let expected = try place.undisturbed(workers: 1, batchRows: 512)
        let found = try place.undisturbed(workers: workers, batchRows: batchRows)
        #expect(found == expected)
        #expect(expected.records.count > 100)
    }

    @Test func `a run stopped by SIGTERM goes on where it was and loses and doubles nothing`()
        throws
    {
        let place = try Marketplace(scale: 0.25)
        defer { place.remove() }
        let expected = try place.undisturbed(workers: 1, batchRows: 4096)
        try place.reset()
        let process = try ChildProcess(place.command(workers: 2, batchRows: 7))
        _ = process.wait(millis: 300)
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
