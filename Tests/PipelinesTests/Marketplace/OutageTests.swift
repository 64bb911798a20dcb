import Connectors
import Glibc
import MockCRM
import StreamRuntime
import Testing

@testable import Pipelines

/// The marketplace while its CRM is down. A second stands for 200: three of them are ten minutes, and the thirty
/// seconds that a breaker stays open are 150 ms.
@Suite(.serialized) struct OutageTests {
    private func field(_ name: String, of topic: String, _ place: Marketplace) throws -> [String] {
        try place.records(of: topic).compactMap {
            $0.value.flatMap { JSONValue($0) }?[name]?.scalarText
        }
    }

    private func sealed(_ place: Marketplace) throws -> [String] {
        try place.records(of: "crm.batches")
            .flatMap { $0.value.flatMap { JSONValue($0) }?["items"]?.items ?? [] }
            .compactMap { $0["message_id"]?.scalarText }
    }

    /// Waits until `isSo`, at most `seconds`.
    private func until(_ seconds: Int64, _ isSo: () throws -> Bool) throws -> Bool {
        let clock = SystemClock()
        let end = clock.nanos + seconds * 1_000_000_000
        while clock.nanos < end {
            if try isSo() { return true }
            usleep(100_000)
        }
        return try isSo()
    }

    @Test
    func
        `while the CRM is down for ten minutes the rest goes on, and then every message is taken once`()
        throws
    {
        let crm = MockCRM()
        defer { crm.stop() }
        let place = try Marketplace(scale: 0.05, only: ["campaign_rebatch", "inventory_current"]) {
            $0
        } included: {
            $0.replacing("${CRM_URL:-http://127.0.0.1:8089}", with: crm.url)
                .replacing(
                    "retries: 3\n",
                    with: """
                        retries: 3
                                  backoff: {first: 5ms, longest: 50ms}
                                  breaker: {open: 150ms}

                        """)
        }
        defer { place.remove() }
        crm.change { $0.isDown = true }
        let first = try ChildProcess(place.command(workers: 2, batchRows: 512, untilEnd: false))
        defer { first.kill() }
        // Stock counts come out as if nothing were.
        #expect(
            try until(60) {
                try place.records(of: "inventory.current").count > 300
                    && sealed(place).count > 100 && crm.report.errors > 0
            }, "\(place.lastErrors)")
        _ = first.wait(millis: 1500)
        first.kill()
        #expect(crm.report.accepted == 0)
        #expect(try field("message_id", of: "crm.send_results", place) == [])

        // The second half of the outage is another process's.
        let next = try ChildProcess(place.command(workers: 1, batchRows: 512, untilEnd: false))
        defer { next.kill() }
        let before = crm.report.errors
        #expect(try until(60) { crm.report.errors > before }, "\(place.lastErrors)")
        let counted = crm.report.errors
        _ = next.wait(millis: 1500)
        // Ten times the breaker's time: a tenant that asks does so once in each, and none beats on a closed door.
        let tenants = crm.report.workspaces.count
        #expect(crm.report.errors - counted <= tenants * 40, "\(tenants) tenants")
        #expect(crm.report.accepted == 0)

        crm.change { $0.isDown = false }
        #expect(
            try until(30) {
                try crm.report.accepted == sealed(place).count
                    && field("message_id", of: "crm.send_results", place).count
                        == crm.report.accepted
            }, "\(crm.report)")
        next.terminate()
        #expect(next.wait(millis: 30_000) == .exited(0), "\(place.lastErrors)")
        let messages = try sealed(place)
        #expect(Set(messages).count == messages.count)
        #expect(crm.acceptedIds == Set(messages))
        #expect(crm.report.violations == [])
        #expect(
            try field("message_id", of: "crm.send_results", place).sorted() == messages.sorted())
        #expect(try field("status", of: "crm.send_results", place).allSatisfy { $0 == "sent" })
        #expect(try place.records(of: "crm.failed").isEmpty)

        // What went on meanwhile is what a run without an outage gives.
        let stock = try place.records(of: "inventory.current").map(\.value)
        #expect(!stock.isEmpty)
        _ = try place.undisturbed(workers: 1, batchRows: 4096)
        let whole = Set(try place.records(of: "inventory.current").map(\.value))
        #expect(whole.isSuperset(of: stock))
    }
}
