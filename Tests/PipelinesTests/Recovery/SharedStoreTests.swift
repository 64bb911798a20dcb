import Foundation
import HTTP
import TestHTTP
import Testing

@testable import Pipelines

/// Kills processes and takes their state away: what they left in the shared store must do.
@Suite(.serialized) struct SharedStoreTests {
    /// A job of the marketplace's first pipelines, without features, which stay on their machine, and with a store.
    private static func job(store: String) throws -> String {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: tests.appendingPathComponent("Data/moving-job.yaml"), encoding: .utf8
        )
        .replacingOccurrences(of: "keep: 3}", with: "keep: 3, store: \(store)}")
        .replacingOccurrences(of: "every: 10s", with: "every: 50ms")
    }

    private func check(store: String, kills wanted: Int, seed: UInt64) throws {
        var random = Seeded(seed)
        let job = try SharedStoreTests.job(store: store)
        let place = try Marketplace(scale: 0.1) { _ in job }
        defer { place.remove() }
        let other = try SharedStoreTests.job(store: "data/none")
        let plain = try Marketplace(scale: 0.1) { _ in other }
        defer { plain.remove() }
        let expected = try plain.undisturbed(workers: 1, batchRows: 4096)
        #expect(expected.records.count > 100)
        var kills = 0
        while true {
            let process = try ChildProcess(
                place.command(
                    workers: [1, 2][random.next(2)], batchRows: [7, 4096][random.next(2)])
            )
            let life = kills < wanted ? 200 + random.next(400) : 120_000
            if case .exited(let code) = process.wait(millis: life) {
                try #require(code == 0, "seed \(seed), kill \(kills): \(place.lastErrors)")
                break
            }
            process.kill()
            kills += 1
            // Most lives are on a machine that never had any state.
            if random.next(3) > 0 { try place.forgetState() }
        }
        #expect(try place.results() == expected, "seed \(seed), after \(kills) kills")
    }

    @Test func `a job killed and moved from machine to machine writes the same bytes`() throws {
        try check(store: "data/shared", kills: 6, seed: 20_261_122)
    }

    @Test(.enabled(if: MotoServer.python != nil, "\(MotoServer.comment)"))
    func `a job whose store is a bucket does so too`() throws {
        let server = try #require(MotoServer.shared)
        _ = try HTTPClient().send(HTTPRequest(.put, "\(server.url)/jobs", body: .bytes([])))
        setenv("MILLRACE_TEST_KEY", "AKID", 1)
        setenv("MILLRACE_TEST_SECRET", "secret", 1)
        try check(
            store: "{s3: s3://jobs/live, endpoint: \"\(server.url)\", "
                + "access_key: \"${MILLRACE_TEST_KEY}\", secret_key: \"${MILLRACE_TEST_SECRET}\"}",
            kills: 3, seed: 20_261_123)
    }

    @Test func `state without its features is refused on another machine`() throws {
        let place = try Marketplace(scale: 0.02) {
            $0.replacingOccurrences(of: "keep: 3}", with: "keep: 3, store: data/shared}")
        }
        defer { place.remove() }
        let first = try ChildProcess(place.command(workers: 1, batchRows: 4096))
        try #require(first.wait(millis: 60_000) == .exited(0), "\(place.lastErrors)")
        try place.forgetState()
        let second = try ChildProcess(place.command(workers: 1, batchRows: 4096))
        #expect(second.wait(millis: 60_000) == .exited(1))
        #expect(place.lastErrors.contains("which does not hold the features"))
    }
}
