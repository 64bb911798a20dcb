import Foundation
import StreamRuntime
import Synchronization
import TestHTTP
import Testing

@testable import Pipelines

/// Kills processes between answers and checkpoints, and replays with the service gone.
@Suite(.serialized) struct LookupKillTests {
    private static let rows = 2000

    private func file(_ url: String, keep: Int = 3, more: [String] = []) -> String {
        LookupPlace.live(
            url, keep: keep,
            lookup: ["cache: {ttl: 2s, missing_ttl: 1s, size: 50}", "retries: 10"] + more)
    }

    private static var program: String {
        let binary =
            Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
            .map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return binary.appendingPathComponent("millrace").path
    }

    /// Writes `rows` orders of 10 ms each, in two partitions.
    private func write(_ place: LookupPlace, _ random: inout Seeded) throws {
        let log = EmbeddedLog(root: place.directory + "/topics")
        try log.createTopic("orders", TopicSettings(partitions: 2))
        let writer = try log.writer("orders")
        for index in 0..<Self.rows {
            let micros = Int64(1_767_225_600_000_000) + Int64(index) * 10_000
            let text =
                #"{"id":"o\#(index)","sku":"p\#(random.next(40))","ts":"\#(TestTime.iso(micros))"}"#
            try writer.append(
                key: nil, value: Array(text.utf8), timestamp: 0, partition: index % 2, fallback: 0)
        }
        try writer.commit()
        writer.close()
    }

    /// Runs the file in processes that are killed, the last one to its end.
    ///
    /// - Returns: what they said.
    private func run(
        _ place: LookupPlace, kills: Int, life: Int, _ random: inout Seeded, seed: UInt64
    ) throws -> [String] {
        var said: [String] = []
        while true {
            let process = try ChildProcess(
                (
                    [
                        Self.program, "run", place.directory + "/p.yaml", "--until-end",
                        "--no-serve", "--workers", "\(1 + random.next(3))",
                    ], place.directory + "/errors"
                ))
            let end = process.wait(millis: said.count < kills ? life + random.next(250) : 60_000)
            if case .exited = end {} else { process.kill() }
            let path = place.directory + "/errors"
            said.append((try? String(contentsOfFile: path, encoding: .utf8)) ?? "")
            guard case .exited(let code) = end else {
                try #require(said.count <= kills, "seed \(seed): the last run does not end")
                continue
            }
            try #require(code == 0, "seed \(seed), after \(said.count - 1) kills: \(said.last!)")
            return said
        }
    }

    @Test
    func `kills lose and double nothing, and replays say what was said though nobody answers`()
        throws
    {
        let seed: UInt64 = 20_261_121
        var random = Seeded(seed)
        let count = Mutex(0)
        // No two answers are equal, so that a question asked twice shows.
        let server = TestHTTPServer { request in
            let ask = count.withLock { count in
                count += 1
                return count
            }
            if request.target.hasSuffix("7") { return .whole(status: 404) }
            if ask % 50 == 0 { return .whole(status: 500) }
            return .whole(status: 200, body: Array(#"{"price": \#(ask)}"#.utf8))
        }
        let place = try LookupPlace()
        let path = place.directory + "/p.yaml"
        try file(server.url).write(toFile: path, atomically: true, encoding: .utf8)
        try write(place, &random)
        _ = try run(place, kills: 6, life: 60, &random, seed: seed)
        let rows = try place.rows(of: "priced")
        #expect(rows.count == Self.rows, "seed \(seed)")
        #expect(Set(rows).count == Self.rows, "seed \(seed)")
        #expect(rows.contains { $0.contains("null") } && rows.contains { !$0.contains("null") })

        server.stop()
        try place.forgetAllButAnswers(topics: ["priced"])
        let again = try place.run(file(server.url), workers: 2, topic: "priced")
        #expect(again == rows, "seed \(seed)")

        var options = VerifyReplay.Options()
        options.runs = 3
        options.kills = 1
        options.seed = seed
        options.directory = place.directory
        options.program = Self.program
        var comparison = VerifyReplay(path: path, options: options)
        let outcome = comparison.run()
        #expect(outcome.exitCode == 0, "\(outcome.text)")
        #expect(outcome.text.contains("equal: 3 runs"), "\(outcome.text)")
    }

    @Test
    func `a journal is trimmed, and no kill makes a job ask for what it has trimmed`() throws {
        let seed: UInt64 = 20_261_122
        var random = Seeded(seed)
        let count = Mutex(0)
        let server = TestHTTPServer { _ in
            let ask = count.withLock { count in
                count += 1
                return count
            }
            return .whole(status: 200, body: Array(#"{"price": \#(ask)}"#.utf8))
        }
        defer { server.stop() }
        let place = try LookupPlace()
        // One checkpoint is kept, so that each that counts is the oldest.
        let text = file(
            server.url, keep: 1, more: ["keep: 1s", "rate_limit: {per_second: 300, burst: 1}"])
        try text.write(
            toFile: place.directory + "/p.yaml", atomically: true, encoding: .utf8)
        try write(place, &random)
        let said = try run(place, kills: 3, life: 400, &random, seed: seed)
        #expect(said.allSatisfy { !$0.contains("no longer kept") }, "seed \(seed): \(said)")
        let rows = try place.rows(of: "priced")
        #expect(rows.count == Self.rows && Set(rows).count == Self.rows, "seed \(seed)")
        // 20 seconds in cells of two, which begin where they like.
        let prices = Set(rows.map { $0.drop { $0 != "s" } })
        #expect(prices.count <= 40 * 11, "seed \(seed): \(prices.count)")

        // From the start of the log it says what it cannot repeat, and goes on.
        try place.forgetAllButAnswers(topics: ["priced"])
        let again = try run(place, kills: 0, life: 0, &random, seed: seed)
        #expect(
            again[0].contains("warning: what step \"enrich\" was answered for rows before 2026-"),
            "seed \(seed): \(again)")
        #expect(again[0].contains("is no longer kept"), "\(again)")
        let repeated = try place.rows(of: "priced")
        #expect(repeated.count == Self.rows)
        // What is kept is said again: the last rows have the answers they had.
        #expect(Set(repeated).intersection(rows).count >= 100, "seed \(seed)")
        #expect(repeated != rows)
    }
}
