import Connectors
import Foundation
import MockCRM
import StreamRuntime
import TestBroker
import Testing

@testable import Pipelines

/// Calls whose results and dead letters go to Kafka.
@Suite(.serialized) struct CallKafkaTests {
    private static let messages = 400

    private func pipelines(_ crm: String, _ bootstrap: String) -> String {
        """
        version: 1
        job: {name: calls, state: ./state, checkpoints: {every: 50ms}}
        connections:
          local: {embedded: ./topics}
          broker: {kafka: {bootstrap: "\(bootstrap)"}}
          crm: {http: {url: "\(crm)", timeout: 5s}}
        streams:
          events:
            from: {topic: events, connection: local}
            format: json
            fields: {message_id: string, retailer_id: string, created_at: timestamp}
            time: {field: created_at, out_of_orderness: 1s}
            on_error: fail
        pipelines:
          send:
            from: events
            steps:
              - rebatch: {id: batches, by: retailer_id, size: 20, linger: 5s}
            to:
              call:
                connection: crm
                path: /workspaces/{retailer_id}/send
                tenant: retailer_id
                idempotency_key: batch_id
                body: {messages: items}
                recipients: {list: messages, id: message_id, failed: "$.errors[].id", reason: "$.errors[].reason"}
                backoff: {first: 2ms, longest: 10ms}
                results: results
                dead_letter: failed
                topics: broker
        """
    }

    private func records(_ topic: String, _ topics: KafkaTopics) throws -> [JSONValue] {
        var found: [JSONValue] = []
        try ReplaySources.forEachBatch(of: try topics.source(of: topic, bounded: true)) { batch in
            for row in 0..<batch.count {
                if let value = JSONValue(Array(batch.values.bytes(row))) { found.append(value) }
            }
        }
        return found
    }

    @Test func `every message has one result on Kafka, and what was refused a dead letter there`()
        throws
    {
        var faults = MockCRM.Settings()
        faults.errors = 100
        faults.refused = 100
        let crm = MockCRM(faults)
        defer { crm.stop() }
        let directory = NSTemporaryDirectory() + "millrace-call-kafka-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let broker = try TestBroker(directory: directory + "/broker")
        defer { broker.stop() }
        for topic in ["results", "failed"] {
            try broker.create(topic, partitions: 2, ["retention.ms": "-1"])
        }
        let topics = try KafkaTopics(
            KafkaConnection(
                bootstrap: broker.bootstrap, properties: ["compression.type": "none"]))
        try pipelines(crm.url, broker.bootstrap).write(
            toFile: directory + "/p.yaml", atomically: true, encoding: .utf8)
        let log = EmbeddedLog(root: directory + "/topics")
        try log.createTopic("events", TopicSettings(partitions: 1))
        let writer = try log.writer("events")
        for index in 0..<Self.messages {
            let text = """
                {"message_id":"m\(index)","retailer_id":"r\(index % 3)",\
                "created_at":"2026-01-01T00:00:0\(index / 100)Z"}
                """
            try writer.append(key: nil, value: Array(text.utf8), timestamp: 0)
        }
        try writer.commit()
        writer.close()

        let file = PlannedFile(path: directory + "/p.yaml", environment: [:])
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        for _ in 0..<2 {
            let options = RunOptions(untilEnd: true, serves: false, isQuiet: true)
            let summary = try JobRunner(plan: try #require(file.plan), options: options)
                .run { false }
            if case .failed(let failure) = summary.outcome { throw failure }
        }
        #expect(crm.report.violations == [])
        #expect(crm.report.errors > 0)
        let results = try records("results", topics)
        let ids = results.compactMap { $0["message_id"]?.scalarText }
        #expect(ids.count == Self.messages)
        #expect(Set(ids).count == Self.messages)
        let refused = results.filter { $0["status"] == .string("rejected") }
            .compactMap { $0["message_id"]?.scalarText }
        #expect(!refused.isEmpty)
        #expect(crm.acceptedIds == Set(ids).subtracting(refused))
        let letters = try records("failed", topics)
        let lost = letters.flatMap { $0["failed"]?.items ?? [] }.compactMap(\.scalarText)
        #expect(lost.sorted() == refused.sorted())
        #expect(letters.allSatisfy { $0["reason"] == .string("unsubscribed") })
        #expect(letters.allSatisfy { ($0["row"]?["items"]?.items.count ?? 0) > 0 })
    }
}
