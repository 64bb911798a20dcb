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
        let reports = try both { lane in
            try KillLane(part: part, seed: seed + UInt64(lane)).run(kills: 5)
        }
        for (lane, report) in reports.enumerated() {
            let name = "seed \(seed + UInt64(lane))"
            #expect(report.expected > 10, "\(name)")
            #expect(report.problems == [], "\(name)")
            #expect(report.kills >= 5, "\(name): the run is too short to be killed so often")
            #expect(report.restores > 0, "\(name): no life began from a checkpoint")
        }
    }

    @Test
    func `topics and features are the same bytes at any number of workers and any batch size`()
        throws
    {
        let shapes = [[(1, 512), (1, 1), (2, 7), (3, 4096)], [(2, 1), (1, 7), (1, 4096)]]
        let results = try both { lane in
            let place = try Marketplace(scale: 0.03)
            defer { place.remove() }
            return try shapes[lane].map { workers, batchRows in
                (
                    "\(workers) workers, batches of \(batchRows)",
                    try place.undisturbed(workers: workers, batchRows: batchRows)
                )
            }
        }
        let all = results.flatMap { $0 }
        #expect(all[0].1.records.count > 100)
        for (shape, found) in all { #expect(found == all[0].1, "\(shape)") }
    }

    @Test func `a run stopped by SIGTERM goes on where it was and loses and doubles nothing`()
        throws
    {
        let place = try Marketplace(scale: 0.05)
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
