import Foundation
import StreamRuntime
import Testing

@testable import Connectors

/// Kills real processes, and the broker with them, and recomputes what must have come out.
@Suite(.serialized) struct KillTests {
    /// A seeded generator whose numbers are the same everywhere (SplitMix64).
    private struct Dice {
        var state: UInt64
        mutating func next(_ bound: UInt64) -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return (mixed ^ (mixed >> 31)) % bound
        }
    }

    /// `millrace run`, beside the test's own binary.
    private func start(_ file: String, workers: UInt64, batchRows: Int, errors: String) throws
        -> Process
    {
        let tests = Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
        let place = URL(fileURLWithPath: tests ?? CommandLine.arguments[0])
            .deletingLastPathComponent()
        let process = Process()
        process.executableURL = place.appendingPathComponent("millrace")
        process.arguments = [
            "run", file, "--until-end", "--no-serve", "--workers", "\(workers)", "--batch-rows",
            "\(batchRows)",
        ]
        _ = FileManager.default.createFile(atPath: errors, contents: nil)
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
    }

    @Test func `kills of the job and the broker at random moments lose and double nothing`() throws
    {
        let seed: UInt64 = 20_261_121
        var dice = Dice(state: seed)
        var kills = 0
        var brokerKills = 0
        for _ in 0..<8 where kills < 8 {
            let cluster = try Cluster()
            let job = try CopyJob(cluster, rows: 30_000, every: "50ms")
            let errors = cluster.directory + "/errors"
            var ended = false
            while !ended {
                let process = try start(
                    job.file, workers: 1 + dice.next(2),
                    batchRows: [7, 64, 4096][Int(dice.next(3))],
                    errors: errors)
                let life = kills < 8 ? 60 + dice.next(400) : 60_000
                let deadline = SystemClock().nanos + Int64(life) * 1_000_000
                // At least once, whatever the dice say.
                let breaksBroker = kills < 8 && (dice.next(3) == 0 || brokerKills == 0)
                var isBroken = false
                while process.isRunning, SystemClock().nanos < deadline {
                    if breaksBroker, !isBroken,
                        SystemClock().nanos > deadline - Int64(life) * 500_000
                    {
                        try cluster.restart()
                        brokerKills += 1
                        isBroken = true
                    }
                    usleep(1000)
                }
                if process.isRunning {
                    kill(process.processIdentifier, SIGKILL)
                    process.waitUntilExit()
                    kills += 1
                    try #require(kills < 60, "the run never ends, seed \(seed)")
                    continue
                }
                process.waitUntilExit()
                let text = (try? String(contentsOfFile: errors, encoding: .utf8)) ?? ""
                if process.terminationStatus == 0 {
                    ended = true
                } else {
                    // A broker that was killed may have cost a transaction: the next run goes on.
                    try #require(text.contains("restart") || isBroken, "seed \(seed): \(text)")
                    kills += 1
                }
            }
            try job.verify()
        }
        #expect(kills >= 8, "the run is too short to be killed, seed \(seed)")
        #expect(brokerKills > 0, "seed \(seed)")
    }
}
