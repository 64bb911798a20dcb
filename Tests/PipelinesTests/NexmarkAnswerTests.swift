import Foundation
import StreamRuntime
import Testing

@testable import Pipelines
@testable import SampleData

/// Every query of Benchmarks/nexmark on a few events: what comes out is what DuckDB answers, as kept in
/// Tests/Data/nexmark-answers.tsv (made by scripts/oracle/nexmark.py keep).
@Suite(.serialized) struct NexmarkAnswerTests {
    private struct Answer: Sendable, CustomTestStringConvertible {
        let query: String
        let rows: Int64
        let checksum: UInt64
        var testDescription: String { query }
    }

    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    private static let answers: [Answer] = {
        let path = root + "/Tests/Data/nexmark-answers.tsv"
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "\t")
            guard parts.count == 3, let rows = Int64(parts[1]),
                let checksum = UInt64(parts[2], radix: 16)
            else { return nil }
            return Answer(query: String(parts[0]), rows: rows, checksum: checksum)
        }
    }()

    /// The events, made once: 40 seconds of them, up to two seconds out of order.
    private static let place: String = {
        let place = NSTemporaryDirectory() + "nexmark-\(getpid())"
        try? FileManager.default.createDirectory(
            atPath: place, withIntermediateDirectories: true)
        var options = Nexmark.Options(events: 4000)
        options.rate = 100
        options.disorderMicros = 2_000_000
        let nexmark = Nexmark(options)
        try? nexmark.write(to: place + "/events.json")
        try? nexmark.writeSideInput(to: place + "/side.csv")
        setenv("NEXMARK_EVENTS", place + "/events.json", 1)
        setenv("NEXMARK_SIDE_INPUT", place + "/side.csv", 1)
        return place
    }()

    @Test func `there is an answer for each of the twenty-eight queries`() {
        let names = (0..<24).map { "q\($0)" } + (0..<4).map { "cep\($0)" }
        #expect(NexmarkAnswerTests.answers.map(\.query) == names)
    }

    @Test(arguments: answers)
    private func `the query's answer is the oracle's`(_ answer: Answer) throws {
        let state = NexmarkAnswerTests.place + "/" + answer.query
        setenv("NEXMARK_STATE", state, 1)
        defer { try? FileManager.default.removeItem(atPath: state) }
        let report = try BenchmarkRun.run(
            path: NexmarkAnswerTests.root + "/Benchmarks/nexmark/\(answer.query).yaml", workers: 2,
            batchRows: 997)
        let count = try #require(report.counts.first { $0.checksum != nil })
        #expect(count.rows == answer.rows)
        #expect(count.checksum == answer.checksum)
    }
}
