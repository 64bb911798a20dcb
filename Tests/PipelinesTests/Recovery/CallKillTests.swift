import Connectors
import Foundation
import Glibc
import MockCRM
import StreamRuntime
import Testing

@testable import Pipelines

/// Kills processes that call a service with faults, and looks at what the service has seen.
@Suite(.serialized) struct CallKillTests {
    private static let messages = 3000

    private func pipelines(_ url: String) -> String {
        """
        version: 1
        job: {name: calls, state: ./state, checkpoints: {every: 50ms}}
        connections:
          topics: {embedded: ./topics}
          crm: {http: {url: "\(url)", timeout: 5s}}
        streams:
          events:
            from: {topic: events, connection: topics}
            format: json
            fields: {message_id: string, retailer_id: string, campaign_id: string, created_at: timestamp}
            time: {field: created_at, out_of_orderness: 1s}
            on_error: fail
        pipelines:
          send:
            from: events
            steps:
              - rebatch: {id: batches, by: [retailer_id, campaign_id], size: 50, linger: 5s}
            to:
              call:
                connection: crm
                path: /workspaces/{retailer_id}/send
                tenant: retailer_id
                idempotency_key: batch_id
                body: {campaign: campaign_id, messages: items}
                recipients: {list: messages, id: message_id, failed: "$.errors[].id", reason: "$.errors[].reason", retry: true}
                retries: 20
                backoff: {first: 2ms, longest: 10ms}
                breaker: {open: 50ms}
                results: results
                dead_letter: failed
                topics: topics
        """
    }

    /// The value of `name` in every record of a topic.
    private func values(_ name: String, of topic: String, _ directory: String) throws -> [String] {
        let log = EmbeddedLog(root: directory + "/topics")
        guard log.hasTopic(topic) else { return [] }
        let reader = try log.source(topic, bounded: true).reader(partition: 0)
        var found: [String] = []
        while case .records(let batch) = try reader.read(maxRecords: 1000, maxBytes: 1 << 20) {
            for row in 0..<batch.count {
                found.append(
                    JSONValue(Array(batch.values.bytes(row)))?[name]?.scalarText ?? "")
            }
        }
        return found
    }

    @Test
    func `after kills in the middle every message was accepted exactly once and has one result`()
        throws
    {
        let seed: UInt64 = 20_261_121
        var random = Seeded(seed)
        var faults = MockCRM.Settings()
        faults.errors = 100
        faults.torn = 100
        faults.refusedOnce = 100
        faults.limit = 40
        faults.windowMillis = 100
        faults.seed = seed
        let crm = MockCRM(faults)
        defer { crm.stop() }
        let directory = NSTemporaryDirectory() + "millrace-calls-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        try pipelines(crm.url).write(
            toFile: directory + "/p.yaml", atomically: true, encoding: .utf8)
        let log = EmbeddedLog(root: directory + "/topics")
        try log.createTopic("events", TopicSettings(partitions: 1))
        let writer = try log.writer("events")
        for index in 0..<Self.messages {
            let second = index / 100
            let text = """
                {"message_id":"m\(index)","retailer_id":"r\(random.next(5))",\
                "campaign_id":"c\(random.next(2))",\
                "created_at":"2026-01-01T00:00:\(second < 10 ? "0" : "")\(second)Z"}
                """
            try writer.append(key: nil, value: Array(text.utf8), timestamp: 0)
        }
        try writer.commit()
        writer.close()

        let binary =
            Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
            .map { URL(fileURLWithPath: $0).deletingLastPathComponent() }
            ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        var kills = 0
        while true {
            let process = try ChildProcess(
                (
                    [
                        binary.appendingPathComponent("millrace").path, "run",
                        directory + "/p.yaml", "--until-end", "--no-serve",
                    ], directory + "/errors"
                ))
            let life = kills < 12 ? 60 + random.next(300) : 60_000
            guard case .exited(let code) = process.wait(millis: life) else {
                process.kill()
                kills += 1
                try #require(kills <= 12, "seed \(seed): the last run does not end")
                continue
            }
            let said = try? String(contentsOfFile: directory + "/errors", encoding: .utf8)
            try #require(code == 0, "seed \(seed), after \(kills) kills: \(said ?? "")")
            break
        }
        let report = crm.report
        #expect(report.violations == [], "seed \(seed)")
        #expect(crm.acceptedIds == Set((0..<Self.messages).map { "m\($0)" }), "seed \(seed)")
        #expect(report.errors > 0)
        #expect(report.torn > 0)
        #expect(kills > 3, "the run is too short to be killed")
        let results = try values("message_id", of: "results", directory)
        #expect(results.count == Self.messages, "seed \(seed)")
        #expect(Set(results).count == Self.messages, "seed \(seed)")
        #expect(try values("status", of: "results", directory).allSatisfy { $0 == "sent" })
        #expect(try values("reason", of: "failed", directory) == [])
    }
}
