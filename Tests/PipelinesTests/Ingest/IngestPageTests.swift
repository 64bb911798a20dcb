import Foundation
import Testing

@testable import Pipelines

/// The examples of docs/INGEST.md are files that can run.
@Suite struct IngestPageTests {
    @Test func `every example of the page is without problems`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appendingPathComponent("docs/INGEST.md"), encoding: .utf8)
        let blocks = page.components(separatedBy: "```yaml\n").dropFirst().map {
            $0.components(separatedBy: "```")[0]
        }
        #expect(blocks.count == 3)
        for block in blocks {
            let lines = block.split(separator: "\n").map(String.init)
            let start = try #require(lines.firstIndex(of: "streams:"))
            let name = lines[start + 1].trimmingCharacters(in: [" ", ":"])
            let connections = "connections:\n  events: {embedded: ./topics}\n"
            let text =
                "version: 1\n"
                + (block.contains("connections:\n")
                    ? block.replacing("connections:\n", with: connections) : connections + block)
                + "\npipelines:\n  all: {from: \(name), to: {topic: all, connection: events}}\n"
            let file = PlannedFile(
                file: "pipelines.yaml", text: text,
                variables: Variables(
                    environment: ["SQUARE_SIGNATURE_KEY": "a", "SQUARE_TOKEN": "b"],
                    readFile: { _ in nil }))
            #expect(file.plan != nil, "\(file.problems.map { $0.rendered(in: file.source) })")
        }
    }
}
