import StreamRuntime

@testable import Pipelines

/// A part of the marketplace that is killed at random moments, again and again, in a directory of its own.
struct KillLane {
    /// What became of it.
    struct Report: Sendable {
        /// Records of an undisturbed run.
        var expected = 0
        var kills = 0
        /// Lives that began from a checkpoint.
        var restores = 0
        /// What was not as it should be.
        var problems: [String] = []
    }

    let part: String
    let seed: UInt64

    /// Runs to the end, over and over, until so many lives were ended by force and one began from a checkpoint, and
    /// compares each end. On a slow machine lives grow until one gets as far as a checkpoint.
    func run(kills: Int) throws -> Report {
        var random = Seeded(seed)
        let place = try Marketplace(scale: 0.05, only: try Marketplace.pipelines(of: part))
        defer { place.remove() }
        let expected = try place.undisturbed(workers: 1, batchRows: 4096)
        var report = Report(expected: expected.records.count)
        var longest = place.lastRunMillis
        func isEnough() -> Bool {
            report.kills >= kills && (report.restores > 0 || report.kills >= 4 * kills)
        }
        for _ in 0..<20 where !isEnough() && report.problems.isEmpty {
            try place.reset()
            while true {
                // Each life has another shape: state must restore at any worker count and batch size.
                let workers = [1, 2][random.next(2)]
                let batchRows = [1, 7, 4096][random.next(3)]
                if place.hasCheckpoint { report.restores += 1 }
                let process = try ChildProcess(
                    place.command(workers: workers, batchRows: batchRows))
                let life = isEnough() ? 120_000 : longest / 4 + random.next(longest)
                guard case .exited(let code) = process.wait(millis: life) else {
                    process.kill()
                    report.kills += 1
                    longest = min(5000, longest * 9 / 8)
                    continue
                }
                if code != 0 {
                    report.problems.append("after \(report.kills) kills: \(place.lastErrors)")
                } else if try place.results() != expected {
                    report.problems.append("after \(report.kills) kills it left other bytes")
                }
                longest = max(100, longest * 3 / 4)
                break
            }
        }
        return report
    }
}
