import Foundation
import StreamRuntime
import Synchronization
import TestHTTP
import Testing

@testable import Pipelines

/// A changed file with a lookup is replayed beside the job and promoted: answers come along.
@Suite(.serialized) struct LookupPromotionTests {
    private static func file(_ url: String, path: String, price: String) -> String {
        LookupPlace.live(url, path: path, price: price, lookup: ["cache: {ttl: 2s}"])
    }

    /// A service that gives each answer once, other ones under `/v2`; it counts what it is asked.
    private final class Service {
        let server: TestHTTPServer

        init() {
            let count = Mutex(0)
            server = TestHTTPServer { request in
                let ask = count.withLock { count in
                    count += 1
                    return count
                }
                let price = request.target.hasPrefix("/v2") ? 1_000_000 + ask : ask
                return .whole(status: 200, body: Array(#"{"price": \#(price)}"#.utf8))
            }
        }

        func asked(_ path: String) -> Int {
            server.requests.count { $0.target.hasPrefix(path) }
        }
    }

    private func append(_ place: LookupPlace, _ range: Range<Int>) throws {
        let log = EmbeddedLog(root: place.directory + "/topics")
        if !log.hasTopic("orders") { try log.createTopic("orders", TopicSettings(partitions: 2)) }
        let writer = try log.writer("orders")
        for index in range {
            let micros = Int64(1_767_225_600_000_000) + Int64(index) * 50_000
            let text =
                #"{"id":"o\#(index)","sku":"p\#(index % 7)","ts":"\#(TestTime.iso(micros))"}"#
            try writer.append(
                key: nil, value: Array(text.utf8), timestamp: 0, partition: index % 2, fallback: 0)
        }
        try writer.commit()
        writer.close()
    }

    private func plan(_ place: LookupPlace, _ text: String) throws -> JobPlan {
        let path = place.directory + "/p.yaml"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return try ReplaySession.plan(path, only: [])
    }

    /// Runs the job up to what its input holds; to the end, or so that it can go on.
    private func live(_ plan: JobPlan, toEnd: Bool = false) throws {
        let ends = try plan.currentRanges().mapValues { $0.to! }
        let options = RunOptions(untilEnd: toEnd, workers: 2, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: plan, options: options).run {
            guard !toEnd, let newest = try? LiveJob.newest(plan) else { return false }
            return BoundedRun.offsets(newest.positions) == ends
        }
        if case .failed(let failure) = summary.outcome { throw failure }
    }

    private func replay(_ place: LookupPlace, _ plan: JobPlan, to: String) throws {
        var options = ReplayCommand.Options()
        options.isQuiet = true
        options.name = "new"
        options.to = to
        let path = place.directory + "/p.yaml"
        let ledger = try ReplayCommand(path: path, options: options).replay(plan) { false }
        #expect(ledger?.complete == true)
    }

    private func promote(_ place: LookupPlace) throws {
        _ = try PromoteCommand(
            path: place.directory + "/p.yaml", id: "new", rollsBack: false, isQuiet: true
        ).promote()
    }

    /// The price of each order.
    private func prices(_ rows: [String]) -> [String: String] {
        Dictionary(
            rows.map { row in
                let parts = row.split(separator: "\"")
                return (String(parts[3]), String(parts.last!.dropFirst().dropLast()))
            }, uniquingKeysWith: { "\($0) and \($1)" })
    }

    @Test
    func `a promoted replay was told what the job was told, and the job then what it was told`()
        throws
    {
        let service = Service()
        defer { service.server.stop() }
        let place = try LookupPlace()
        let old = Self.file(service.server.url, path: "", price: "p.price")
        let new = Self.file(service.server.url, path: "", price: "p.price * 2")
        try append(place, 0..<200)
        try live(try plan(place, old))
        // The same question: the replay takes the answers of the job.
        try replay(place, try plan(place, new), to: "now")
        try append(place, 200..<300)
        try live(try plan(place, old))
        _ = try plan(place, new)
        try promote(place)
        try append(place, 300..<400)
        try live(try plan(place, new), toEnd: true)
        let rows = prices(try place.rows(of: "priced"))
        #expect(rows.count == 400)
        #expect(!rows.values.contains { $0.contains("and") })
        // Read again from the start with nobody to ask, all rows have twice what was answered once.
        service.server.stop()
        try place.forgetAllButAnswers(topics: ["priced"])
        let again = prices(try place.run(new, topic: "priced"))
        #expect(again.count == 400)
        for (id, price) in again {
            let before = try #require(rows[id])
            let number = try #require(Int(price))
            #expect([number, number / 2].map { "\($0)" }.contains(before), "\(id)")
        }
    }

    @Test
    func
        `a replay that asks something else keeps its answers, and they are the job's once promoted`()
        throws
    {
        let service = Service()
        defer { service.server.stop() }
        let place = try LookupPlace()
        let old = Self.file(service.server.url, path: "", price: "p.price")
        let new = Self.file(service.server.url, path: "/v2", price: "p.price")
        try append(place, 0..<200)
        try live(try plan(place, old))
        try replay(place, try plan(place, new), to: "now")
        #expect(service.asked("/v2") > 0)
        try promote(place)
        try live(try plan(place, new), toEnd: true)
        service.server.stop()
        try place.forgetAllButAnswers(topics: ["priced"])
        let rows = prices(try place.run(new, topic: "priced"))
        #expect(rows.count == 200)
        #expect(rows.values.allSatisfy { Int($0).map { $0 > 1_000_000 } ?? false })
    }
}
