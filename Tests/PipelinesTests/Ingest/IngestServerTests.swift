import FeatureServe
import Foundation
import HTTP
import StreamRuntime
import Testing

@testable import Pipelines

/// Requests over HTTP to a job that reads what they bring.
@Suite struct IngestServerTests {
    /// Runs the job; `visit` is called once it serves, and the job goes on until the topic `counts` has
    /// `rows` rows.
    private func run(_ house: IngestHouse, rows: Int, _ visit: (Int) throws -> Void) throws {
        let runner = JobRunner(
            plan: house.plan, options: RunOptions(workers: 1, isQuiet: true))
        defer { runner.stopServing() }
        let deadline = ContinuousClock.now + .seconds(20)
        var hasVisited = false
        var failure: (any Error)?
        let summary = try runner.run {
            guard let port = runner.figuresPort, failure == nil else { return failure != nil }
            if !hasVisited {
                hasVisited = true
                do { try visit(port) } catch { failure = error }
            }
            let read = try? EmbeddedLog(root: house.directory + "/topics").extents("stock")
            return (read ?? []).reduce(0) { $0 + Int($1.records) } >= rows
                && runner.metrics.contains("step=\"stock\"} \(rows)")
                || ContinuousClock.now > deadline
        }
        if let failure { throw failure }
        if case .failed(let failure) = summary.outcome { throw failure }
    }

    private func post(
        _ port: Int, _ target: String, _ body: String, _ headers: [HTTPHeader] = []
    ) throws -> HTTPResponse {
        try HTTPClient().send(
            HTTPRequest(
                .post, "http://127.0.0.1:\(port)\(target)", headers: headers,
                body: .bytes(Array(body.utf8))))
    }

    @Test(.timeLimit(.minutes(1)))
    func `requests become records, and the same process runs the pipelines that read them`() throws
    {
        let house = try IngestHouse(
            "{id: header:X-Event, headers: X-Shop, max_body: 64B, partitions: 2}")
        try run(house, rows: 3) { port in
            for (event, quantity) in [("e1", 1), ("e2", 2), ("e1", 1), ("e3", 3)] {
                let answer = try post(
                    port, "/ingest/stock?from=test", #"{"item":"a","quantity":\#(quantity)}"#,
                    [HTTPHeader("X-Event", event), HTTPHeader("X-Shop", "north")])
                #expect(answer.status == 200)
                #expect(answer.header("content-type") == "application/json")
                #expect(String(decoding: answer.body, as: UTF8.self).contains(#""accepted": 1"#))
            }
            #expect(try post(port, "/ingest/nothing", "{}").status == 404)
            let large = String(repeating: " ", count: 65)
            #expect(
                try post(port, "/ingest/stock", large, [HTTPHeader("X-Event", "e")]).status == 413)
            #expect(
                try HTTPClient().send(HTTPRequest(.get, "http://127.0.0.1:\(port)/ingest/stock"))
                    .status == 405)
            let figures = try HTTPClient().send(
                HTTPRequest(.get, "http://127.0.0.1:\(port)/metrics"))
            #expect(
                String(decoding: figures.body, as: UTF8.self)
                    .contains(#"millrace_ingest_repeats_total{stream="stock"} 1"#))
        }
        #expect(try house.records().count == 3)
        // What the quiet stream held back comes at the end of what is there.
        let rest = try JobRunner(
            plan: house.plan,
            options: RunOptions(untilEnd: true, workers: 2, serves: false, isQuiet: true)
        ).run { false }
        #expect(rest.outcome == .finished)
        let counts = try house.records("counts").map { $0.prefix { $0 != "}" } + "}" }
        #expect(
            counts.sorted()
                == (1...3).map {
                    #"{"item":"a","quantity":\#($0),"shop":"north"}"#
                })
    }
}
