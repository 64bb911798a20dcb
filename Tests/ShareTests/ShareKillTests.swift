import Foundation
import Glibc
import StreamRuntime
import TestBroker
import Testing

@testable import Connectors

/// Three processes of one job on one consumer group, and everything that can happen to them.
///
/// `scripts/kafka-kill-test ROUNDS` runs it, on the broker that KAFKA_BOOTSTRAP names or else on the test
/// broker; the ordinary test command does not, since the sessions it lets run out take their time.
@Suite(.serialized) struct ShareKillTests {
    private let environment = ProcessInfo.processInfo.environment

    @Test(.enabled(if: ProcessInfo.processInfo.environment["MILLRACE_KILL_ROUNDS"] != nil))
    func
        `three processes that are killed, paused past their session and restarted lose, double and reorder nothing`()
        throws
    {
        let rounds = environment["MILLRACE_KILL_ROUNDS"].flatMap { Int($0) } ?? 1
        let seed =
            environment["MILLRACE_KILL_SEED"].flatMap { UInt64($0) }
            ?? (rounds == 1 ? 20_261_121 : UInt64.random(in: 0..<1_000_000))
        var random = KillRandom(seed)
        let directory = NSTemporaryDirectory() + "millrace-kill-\(UUID().uuidString)"
        defer {
            // Kept for a look when the variable is set.
            if environment["MILLRACE_KILL_KEEP"] == nil {
                try? FileManager.default.removeItem(atPath: directory)
            }
        }
        var broker: TestBroker?
        defer { broker?.stop() }
        let bootstrap: String
        if let real = environment["KAFKA_BOOTSTRAP"] {
            bootstrap = real
        } else {
            broker = try TestBroker(directory: directory + "/broker")
            bootstrap = broker!.bootstrap
        }
        if rounds > 1 {
            print(
                "\(rounds) rounds, seed \(seed), \(broker == nil ? bootstrap : "the test broker")")
        }
        let job = try NumberJob(
            "kill\(UInt32.random(in: 0 ... .max))", on: KafkaConnection(bootstrap: bootstrap),
            directory: directory, shares: 4)
        let processes = try ["a", "b", "c"].map {
            try ShareProcess(
                $0, file: try job.file(of: $0, every: "200ms", store: "./store"))
        }
        var done = Deeds()
        for round in 1...rounds {
            let before = done
            while !done.hasAll(since: before) {
                try job.produce(200 + random.next(400), random: &random)
                try done.one(to: processes, random: &random, seed: seed)
            }
            if rounds > 1 { print("round \(round): \(done)") }
        }
        try job.close()
        try waitForAll(of: job, processes, seed: seed)
        for process in processes { process.terminate() }
        for process in processes {
            let code = process.wait(millis: 20_000)
            #expect(code == 0, "seed \(seed), \(process.instance): \(process.told.suffix(2000))")
        }
        try job.verify("seed \(seed), \(done)")
        let lost = processes.reduce(0) { $0 + $1.times("has lost share") }
        #expect(lost > 0, "a paused process found its shares lost, seed \(seed)")
        let taken = processes.reduce(0) { $0 + $1.times("takes share") }
        #expect(taken >= 3 + done.pauses, "shares moved, seed \(seed)")
    }

    private func waitForAll(
        of job: NumberJob, _ processes: [ShareProcess], seed: UInt64
    ) throws {
        let until = SystemClock().nanos + 60_000_000_000
        let wanted = job.expectedSizes
        while true {
            let found = try job.sizes()
            if found.copy >= wanted.copy, found.counts >= wanted.counts { return }
            for process in processes {
                if let code = process.ended() {
                    Issue.record(
                        "\(process.instance) has ended with \(code), seed \(seed): \(process.told.suffix(3000))"
                    )
                    try process.start()
                }
            }
            guard SystemClock().nanos < until else {
                Issue.record(
                    """
                    after a minute \(found) of \(wanted) rows are there, seed \(seed)
                    \(processes.map { "\($0.instance): \($0.told.suffix(1500))" }.joined(separator: "\n"))
                    """)
                return
            }
            _ = poll(nil, 0, 100)
        }
    }
}

/// What was done to the processes.
private struct Deeds: CustomStringConvertible {
    var kills = 0
    var absences = 0
    var pauses = 0
    var restarts = 0

    func hasAll(since before: Deeds) -> Bool {
        kills > before.kills && absences > before.absences && pauses > before.pauses
            && restarts > before.restarts
    }

    var description: String {
        "\(kills) kills, \(absences) of them longer than a session, \(pauses) pauses, \(restarts) restarts"
    }

    /// Does one thing to one of them, at a random moment.
    mutating func one(
        to processes: [ShareProcess], random: inout KillRandom, seed: UInt64
    ) throws {
        sleep(millis: 200 + random.next(800))
        let process = processes[random.next(processes.count)]
        if let code = process.ended() {
            Issue.record(
                "\(process.instance) has ended with \(code), seed \(seed): \(process.told.suffix(3000))"
            )
            try process.start()
            return
        }
        switch random.next(4) {
        case 0:
            process.kill()
            kills += 1
            try process.start()
        case 1:
            process.kill()
            kills += 1
            absences += 1
            // Longer than the session: its shares go to the others meanwhile.
            sleep(millis: 2500 + random.next(1000))
            try process.start()
        case 2:
            process.pause()
            pauses += 1
            sleep(millis: 3000 + random.next(1500))
            process.wake()
        default:
            process.terminate()
            restarts += 1
            guard process.wait(millis: 20_000) == 0 else {
                Issue.record(
                    "\(process.instance) did not stop, seed \(seed): \(process.told.suffix(3000))")
                process.kill()
                try process.start()
                return
            }
            try process.start()
        }
    }

    private func sleep(millis: Int) { _ = poll(nil, 0, Int32(millis)) }
}
