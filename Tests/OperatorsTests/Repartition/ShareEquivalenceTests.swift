import Foundation
import StreamRuntime
import Synchronization
import Testing

/// A job cut into shares gives what the whole job gives: the same rows, in the same order for each key.
@Suite struct ShareEquivalenceTests {
    private static let seed: UInt64 = 20_261_121

    private func directory() -> String {
        FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-shares-\(UUID().uuidString)").path
    }

    private func whole(_ orders: Orders) throws -> ShareRun {
        let run = try ShareRun(orders, shares: 1, directory: nil)
        let job = try run.job(
            share: 0, workers: 1, batchRows: 64, storage: MemoryStorage())
        try job.start()
        #expect(job.wait() == .finished)
        return run
    }

    private func expectEqual(_ run: ShareRun, _ expected: ShareRun, _ comment: String) {
        for (sink, (found, wanted)) in zip(run.results, expected.results).enumerated() {
            #expect(!wanted.isEmpty, "\(ShareRun.sinks[sink]) has rows")
            #expect(
                found.keys.sorted() == wanted.keys.sorted(), "\(ShareRun.sinks[sink]), \(comment)")
            for (key, rows) in wanted {
                #expect(
                    found[key] == rows, "\(ShareRun.sinks[sink]) of key \(key), \(comment)")
            }
        }
    }

    @Test(arguments: [1, 7, 4096], [1, 2, 3])
    func `shares that pass rows on by topic give what one job gives`(
        batchRows: Int, shares: Int
    ) throws {
        var random = Seeded(ShareEquivalenceTests.seed)
        let orders = Orders(partitions: 3, rows: batchRows == 1 ? 80 : 300, random: &random)
        let expected = try whole(orders)
        let directory = directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let run = try ShareRun(orders, shares: shares, directory: directory)
        let jobs = try (0..<shares).map {
            try run.job(
                share: $0, workers: 1 + $0 % 2, batchRows: batchRows, storage: MemoryStorage())
        }
        for job in jobs { try job.start() }
        for job in jobs { #expect(job.wait() == .finished) }
        expectEqual(
            run, expected, "seed \(ShareEquivalenceTests.seed), \(shares) shares of \(batchRows)")
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `shares that are killed and restored on their own still give what one job gives`(
        round: UInt64
    ) throws {
        let seed = ShareEquivalenceTests.seed + round
        var random = Seeded(seed)
        let orders = Orders(partitions: 4, rows: 250, random: &random)
        let expected = try whole(orders)
        let directory = directory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let shares = 2
        let run = try ShareRun(orders, shares: shares, directory: directory)
        func start(_ share: Int) throws -> Job {
            let storage = try DurableStorage(
                DurableStorage.Settings(
                    directory: "\(directory)/state\(share)", job: "orders", memoryBytes: 64 << 20),
                files: QuickFiles())
            let job = try run.job(
                share: share, workers: 2, batchRows: 16, storage: storage)
            try job.start()
            return job
        }
        for share in 0..<shares {
            run.trouble[share].rows.store(
                Int.random(in: 0..<150, using: &random), ordering: .relaxed)
        }
        var jobs: [Job?] = try (0..<shares).map { try start($0) }
        var isOver = Array(repeating: false, count: shares)
        while isOver.contains(false) {
            for share in 0..<shares where !isOver[share] {
                switch jobs[share]!.wait(nanos: 2_000_000) {
                case nil: continue
                case .finished?: isOver[share] = true
                case .failed(let failure)?:
                    try #require(failure.problem == "killed", "seed \(seed): \(failure)")
                    if run.trouble[share].failures.load(ordering: .relaxed) < 3 {
                        run.trouble[share].rows.store(
                            Int.random(in: 0..<150, using: &random), ordering: .relaxed)
                    }
                    jobs[share] = nil
                    jobs[share] = try start(share)
                case .stopped?: Issue.record("nobody asked share \(share) to stop")
                }
            }
        }
        let kills = run.trouble.map { $0.failures.load(ordering: .relaxed) }
        #expect(kills.reduce(0, +) >= 2, "the failures that were meant did happen: \(kills)")
        expectEqual(run, expected, "seed \(seed)")
    }
}

/// Files that survive a killed job, not a power cut.
private struct QuickFiles: CheckpointFiles {
    func write(_ bytes: [UInt8], to path: String) throws(JobFailure) {
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
            throw JobFailure(.checkpoint, "not written", at: path, remedy: "look at the disk")
        }
    }
    func rename(_ path: String, to target: String) throws(JobFailure) {
        try SystemFiles().rename(path, to: target)
    }
    func syncDirectory(_ path: String) throws(JobFailure) {}
}
