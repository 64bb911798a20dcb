import Connectors
import Foundation
import Glibc
import HTTP
import MockCRM
import StreamRuntime
import Testing

/// Whole calls against the mock provider, on the loopback.
@Suite(.serialized) struct CallSinkTests {
    private static let schema = Schema([
        Field("retailer_id", .string), Field("batch_id", .string),
        Field(
            "items",
            .list(.structure([Field("message_id", .string), Field("retailer_id", .string)]))),
    ])

    /// A call and the directories it uses.
    private final class Place {
        let root = NSTemporaryDirectory() + "millrace-call-\(UUID().uuidString)"
        let crm: MockCRM
        var settings: CallSettings
        var workspaces = CallWorkspaces()

        init(_ faults: MockCRM.Settings = .init()) throws {
            crm = MockCRM(faults)
            var provider = CallProvider(
                name: "crm", url: crm.url,
                path: try CallTemplate(path: "/workspaces/{retailer_id}/send"))
            provider.recipients = CallRecipients(list: "items", id: "message_id")
            provider.recipients?.failed = ["errors", "id"]
            provider.recipients?.reason = ["errors", "reason"]
            provider.answerId = ["dispatch_id"]
            settings = CallSettings(name: "send", provider: provider)
            settings.tenant = "retailer_id"
            settings.idempotencyKey = "batch_id"
            settings.retry = RetryPolicy(tries: 4, firstMillis: 2, longestMillis: 10)
            settings.breaker.openMicros = 20_000
        }

        func sink(_ senders: CallSenders) throws -> CallSink {
            let log = EmbeddedLog(root: root + "/topics")
            return try CallSink(
                settings, schema: CallSinkTests.schema, directory: root + "/state",
                workspaces: workspaces, results: .embedded(log, topic: "results"),
                deadLetters: .embedded(log, topic: "failed"),
                transport: CallSender.network(settings), senders: senders)
        }

        /// The records of a topic as documents.
        func records(_ topic: String) throws -> [JSONValue] {
            let log = EmbeddedLog(root: root + "/topics")
            guard log.hasTopic(topic) else { return [] }
            let reader = try log.source(topic, bounded: true).reader(partition: 0)
            var found: [JSONValue] = []
            while case .records(let batch) = try reader.read(maxRecords: 1000, maxBytes: 1 << 20) {
                for row in 0..<batch.count {
                    found.append(try #require(JSONValue(Array(batch.values.bytes(row)))))
                }
            }
            return found
        }

        func statuses() throws -> [String: String] {
            var statuses: [String: String] = [:]
            for record in try records("results") {
                let id = record["message_id"]?.scalarText ?? ""
                #expect(statuses[id] == nil, "message \(id) has two results")
                statuses[id] = record["status"]?.scalarText
            }
            return statuses
        }

        deinit {
            crm.stop()
            try? FileManager.default.removeItem(atPath: root)
        }
    }

    /// Batches of `size` messages, the messages named after batch and place.
    private func batch(_ rows: [(retailer: String, id: String)], size: Int = 2) -> ColumnBatch {
        let retailers = Column(.string, capacity: rows.count)
        let ids = Column(.string, capacity: rows.count)
        let items = Column(Self.schema.fields[2].type, capacity: rows.count)
        let order = RowOrder(capacity: rows.count)
        for (index, row) in rows.enumerated() {
            retailers.append(row.retailer)
            ids.append(row.id)
            let start = items.children[0].count
            for place in 0..<size {
                items.children[0].children[0].append("\(row.id)-\(place)")
                items.children[0].children[1].append(row.retailer)
                items.children[0].appendStructure()
            }
            items.appendList(from: start)
            order.append(eventTime: Int64(index), watermark: .min, origin: 0, offset: Int64(index))
        }
        return ColumnBatch(
            schema: Self.schema, columns: [retailers, ids, items], order: order, count: rows.count)
    }

    /// Writes rows and makes their checkpoint whole.
    private func seal(_ sink: CallSink, _ checkpoint: Int64, _ rows: [(String, String)]) throws
        -> [UInt8]
    {
        try sink.write(batch(rows.map { (retailer: $0.0, id: $0.1) }))
        return try sink.prepare(checkpoint: checkpoint)
    }

    private func rows(_ count: Int, _ retailer: String = "r1", from first: Int = 0) -> [(
        String, String
    )] {
        (first..<(first + count)).map { (retailer, "\(retailer)-b\($0)") }
    }

    /// Waits for something that other threads bring about, five seconds at most.
    private func wait(_ isThere: () -> Bool) -> Bool {
        let clock = SystemClock()
        let until = clock.nanos + 5_000_000_000
        while clock.nanos < until {
            if isThere() { return true }
            _ = poll(nil, 0, 1)
        }
        return false
    }

    @Test func `nothing is sent before its checkpoint is whole, and all of it after`() throws {
        let place = try Place()
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        let token = try seal(sink, 1, rows(20))
        #expect(senders.drain { false })
        #expect(place.crm.report.batches == 0)
        try sink.commit(checkpoint: 1, token: token)
        #expect(senders.drain { false })
        sink.close()
        senders.stop()
        #expect(place.crm.report.batches == 20)
        #expect(place.crm.report.accepted == 40)
        #expect(place.crm.report.violations == [])
        #expect(try place.statuses().values.filter { $0 == "sent" }.count == 40)
        let first = try #require(try place.records("results").first)
        #expect(first["retailer_id"] == .string("r1"))
        #expect(first["provider"] == .string("crm"))
        #expect(first["http_status"] == .number("200"))
        #expect(first["attempts"] == .number("1"))
        #expect(first["provider_id"]?.scalarText?.hasPrefix("d-") == true)
    }

    @Test func `faults of every kind leave each message accepted once and told once`() throws {
        var faults = MockCRM.Settings()
        faults.errors = 150
        faults.torn = 150
        faults.refusedOnce = 200
        faults.refused = 50
        let place = try Place(faults)
        place.settings.retry = RetryPolicy(tries: 12, firstMillis: 2, longestMillis: 4)
        place.settings.provider.recipients?.retriesFailed = true
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        let token = try seal(sink, 1, rows(100))
        try sink.commit(checkpoint: 1, token: token)
        #expect(senders.drain { false })
        sink.close()
        senders.stop()
        let report = place.crm.report
        #expect(report.violations == [])
        #expect(report.errors > 0)
        #expect(report.torn > 0)
        #expect(report.repeated > 0)
        let statuses = try place.statuses()
        let refused = statuses.keys.filter { MockCRM.chance(of: $0) < 50 }
        #expect(statuses.count == 200)
        #expect(!refused.isEmpty)
        #expect(report.accepted == 200 - refused.count)
        for (id, status) in statuses {
            #expect(status == (MockCRM.chance(of: id) < 50 ? "rejected" : "sent"), "\(id)")
        }
        let letters = try place.records("failed")
        #expect(letters.flatMap { $0["failed"]?.items ?? [] }.count == refused.count)
        #expect(letters.allSatisfy { $0["reason"] == .string("unsubscribed") })
        #expect(letters.allSatisfy { $0["row"]?["batch_id"] != nil })
    }

    @Test func `a slow tenant and one that is limited delay nobody else`() throws {
        var faults = MockCRM.Settings()
        faults.slowMillis = ["slow": 300]
        let place = try Place(faults)
        place.settings.inFlight = 8
        place.settings.inFlightPerTenant = 8
        place.workspaces = CallWorkspaces(known: [
            "slow": CallWorkspace(), "quick": CallWorkspace(),
            "limited": {
                var workspace = CallWorkspace()
                workspace.rate = RequestRate(perSecond: 0.001, burst: 1)
                return workspace
            }(),
        ])
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        let token = try seal(
            sink, 1, rows(40, "slow") + rows(40, "limited") + rows(60, "quick"))
        try sink.commit(checkpoint: 1, token: token)
        #expect(wait { place.crm.report.workspaces["quick", default: 0] == 60 })
        let report = place.crm.report
        #expect(report.workspaces["quick"] == 60)
        #expect(report.workspaces["slow", default: 0] < 20)
        #expect(report.workspaces["limited"] == 1)
        sink.close()
        senders.stop()
    }

    @Test func `a tenant without a workspace becomes a dead letter that says so`() throws {
        let place = try Place()
        place.workspaces = CallWorkspaces(known: ["r1": CallWorkspace()])
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        try sink.commit(
            checkpoint: 1, token: try seal(sink, 1, rows(1) + rows(1, "unknown")))
        #expect(senders.drain { false })
        sink.close()
        senders.stop()
        let letters = try place.records("failed")
        #expect(letters.map { $0["reason"] } == [.string("there is no workspace for \"unknown\"")])
        #expect(place.crm.report.accepted == 2)
        #expect(try place.statuses().values.sorted() == ["rejected", "rejected", "sent", "sent"])
    }

    @Test func `a restart sends what is unsure again with its key, and nothing that is known`()
        throws
    {
        let place = try Place()
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        let first = try seal(sink, 1, rows(10))
        try sink.commit(checkpoint: 1, token: first)
        #expect(senders.drain { false })
        place.crm.change { $0.isDown = true }
        let second = try seal(sink, 2, rows(10, from: 10))
        try sink.commit(checkpoint: 2, token: second)
        // Written after the checkpoint: it is cut off by the next life.
        try sink.write(batch([(retailer: "r1", id: "lost")]))
        sink.close()
        senders.stop()
        #expect(place.crm.report.batches == 10)
        let failed = place.crm.report.errors

        place.crm.change { $0.isDown = false }
        let later = CallSenders()
        let again = try place.sink(later)
        try again.recover(token: second)
        #expect(later.drain { false })
        again.close()
        later.stop()
        let report = place.crm.report
        #expect(report.batches == 20)
        #expect(report.repeated == 0)
        #expect(report.violations == [])
        #expect(report.errors == failed)
        #expect(try place.statuses().count == 40)
    }

    @Test func `tries are counted on after a restart`() throws {
        var faults = MockCRM.Settings()
        faults.errors = 1000
        let place = try Place(faults)
        place.settings.retry = RetryPolicy(tries: 4, firstMillis: 200, longestMillis: 200)
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        let token = try seal(sink, 1, rows(1))
        try sink.commit(checkpoint: 1, token: token)
        #expect(wait { place.crm.report.errors > 0 })
        sink.close()
        senders.stop()
        let later = CallSenders()
        let again = try place.sink(later)
        try again.recover(token: token)
        #expect(later.drain { false })
        again.close()
        later.stop()
        #expect(place.crm.report.errors == 4)
        let letter = try #require(try place.records("failed").first)
        #expect(letter["attempts"] == .number("4"))
        #expect(try place.statuses().values.allSatisfy { $0 == "failed" })
    }

    @Test func `an outage keeps requests and loses none`() throws {
        var faults = MockCRM.Settings()
        faults.isDown = true
        let place = try Place(faults)
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        try sink.commit(checkpoint: 1, token: try seal(sink, 1, rows(50) + rows(50, "r2")))
        // Each tenant is asked some times and then now and then.
        #expect(wait { place.crm.report.errors >= 30 })
        place.crm.change { $0.isDown = false }
        #expect(senders.drain { false })
        sink.close()
        senders.stop()
        #expect(place.crm.report.accepted == 200)
        #expect(try place.records("failed") == [])
        #expect(try place.statuses().values.allSatisfy { $0 == "sent" })
    }

    @Test func `rows are refused while too much waits`() throws {
        var faults = MockCRM.Settings()
        faults.isDown = true
        let place = try Place(faults)
        place.settings.backlogBytes = 2000
        let senders = CallSenders()
        let sink = try place.sink(senders)
        try sink.recover(token: nil)
        #expect(sink.isReady)
        try sink.commit(checkpoint: 1, token: try seal(sink, 1, rows(100)))
        #expect(wait { !sink.isReady })
        place.crm.change { $0.isDown = false }
        #expect(senders.drain { false })
        #expect(sink.isReady)
        sink.close()
        senders.stop()
    }
}
