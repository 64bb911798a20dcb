import Connectors
import Foundation
import MockCRM
import SampleData
import StreamRuntime
import Testing

@testable import Pipelines

/// The marketplace's campaigns from launch to audit, against a provider with faults.
@Suite(.serialized) struct CampaignRunTests {
    @Test func `a campaign goes from its launch to the audit of each message`() throws {
        var faults = MockCRM.Settings()
        faults.errors = 50
        faults.torn = 30
        faults.refused = 20
        let crm = MockCRM(faults)
        defer { crm.stop() }
        let directory = NSTemporaryDirectory() + "millrace-campaigns-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        var options = SampleData.Options(root: directory + "/data")
        options.scale = 0.1
        _ = try SampleData.generate(options)
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        for name in ["pipelines.yaml", "marketplace"] {
            try FileManager.default.copyItem(
                atPath: root.appendingPathComponent(name).path, toPath: directory + "/" + name)
        }
        let path = directory + "/pipelines.yaml"
        let wanted = ["campaign_rebatch", "campaign_delivery", "message_results"]
        func run() throws {
            let file = PlannedFile(
                path: path, environment: ["CRM_URL": crm.url], only: wanted)
            try #require(file.problems.map { $0.rendered(in: file.source) } == [])
            let options = RunOptions(untilEnd: true, serves: false, isQuiet: true)
            let summary = try JobRunner(plan: try #require(file.plan), options: options)
                .run { false }
            if case .failed(let failure) = summary.outcome { throw failure }
        }
        try run()
        let report = crm.report
        #expect(report.violations == [])
        #expect(report.errors + report.torn > 0)

        let log = EmbeddedLog(root: directory + "/data/topics")
        func values(_ topic: String) throws -> [JSONValue] {
            var found: [JSONValue] = []
            let source = try log.source(topic, bounded: true)
            for partition in try source.partitions() {
                let reader = try source.reader(partition: partition)
                while case .records(let batch) = try reader.read(
                    maxRecords: 1000, maxBytes: 1 << 20)
                {
                    for row in 0..<batch.count {
                        if let value = JSONValue(Array(batch.values.bytes(row))) {
                            found.append(value)
                        }
                    }
                }
            }
            return found
        }
        // Every message of every batch has one result, and the provider took those that say so.
        let sealed = try values("crm.batches").flatMap { $0["items"]?.items ?? [] }
            .compactMap { $0["message_id"]?.scalarText }
        let results = try values("crm.send_results")
        #expect(Set(sealed).count == sealed.count)
        #expect(results.compactMap { $0["message_id"]?.scalarText }.sorted() == sealed.sorted())
        let sent = results.filter { $0["status"] == .string("sent") }
        #expect(Set(sent.compactMap { $0["message_id"]?.scalarText }) == crm.acceptedIds)
        #expect(sent.count < results.count)
        // Audiences are among them, with the profile's retailer.
        let audience = try values("campaign.audience")
        #expect(audience.count > 20)
        for event in audience {
            let id = event["message_id"]?.scalarText ?? ""
            #expect(sealed.contains(id), "\(id)")
            #expect(["A", "B"].contains(event["variant"]?.scalarText), "\(id)")
        }

        // The run has read the results too, and leaves nothing to the next.
        let one = try #require(results.first { $0["status"] == .string("rejected") })
        let id = try #require(one["message_id"]?.scalarText)
        let audit = LookupCommand.run(path: path, view: "message_audit", key: [id], json: true)
        #expect(audit.text.contains("unsubscribed"), "\(audit.text)")
        let retailer = try #require(one["retailer_id"]?.scalarText)
        let campaign = try #require(one["campaign_id"]?.scalarText)
        let same = results.filter {
            $0["retailer_id"] == .string(retailer) && $0["campaign_id"] == .string(campaign)
        }
        let stats = LookupCommand.run(
            path: path, view: "campaign_delivery_stats", key: [retailer, campaign], json: false)
        #expect(stats.text.contains("\(same.count)"), "\(stats.text)")
        try run()
        #expect(crm.report.batches == report.batches)
        #expect(try values("crm.send_results").count == results.count)
    }
}
