import Foundation
import Testing

@testable import Pipelines

/// The tests that the repository's own pipelines files declare.
@Suite struct RepositoryTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let files: [String] = {
        let examples = root.appendingPathComponent("examples")
        let found = (try? FileManager.default.contentsOfDirectory(atPath: examples.path)) ?? []
        return ["pipelines.yaml"]
            + found.filter { $0.hasSuffix(".yaml") }.sorted().map { "examples/\($0)" }
    }()

    @Test(arguments: files)
    func `the tests of a file pass`(name: String) {
        let path = RepositoryTests.root.appendingPathComponent(name).path
        var options = TestCommand.Options()
        options.environment = [:]
        var said = ""
        let outcome = TestCommand.run(path: path, options: options) { said += $0 }
        #expect(outcome.exitCode == 0, "\(said)\(outcome.text)")
    }

    @Test
    func
        `one unknown verb in the marketplace is one problem, not one for each test that names what it made`()
    {
        let path = RepositoryTests.root.appendingPathComponent("pipelines.yaml").path
        let file = PlannedFile(
            file: path,
            text: String(
                decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self),
            variables: Variables(environment: [:], readFile: { _ in nil })
        ) { name in
            guard case .text(let text) = FileText.read(name) else { return .failed("not there") }
            return .text(
                text.replacing(
                    "- rolling:", with: "- roling:",
                    maxReplacements: name.hasSuffix("availability.yaml") ? 1 : 0))
        }
        #expect(
            file.problems.map(\.message) == ["unknown verb \"roling\" in pipeline \"item_scans\""])
    }

    @Test func `the example of the page on tests passes`() throws {
        let page = RepositoryTests.root.appendingPathComponent("docs/TESTING.md")
        let text = String(decoding: try Data(contentsOf: page), as: UTF8.self)
        let begin = try #require(text.range(of: "```yaml\n")).upperBound
        let end = try #require(text.range(of: "```", range: begin..<text.endIndex)).lowerBound
        let file = try TestedFile(String(text[begin..<end]))
        defer { file.remove() }
        let outcome = file.run()
        #expect(outcome.text.hasSuffix("2 passed in 0.0 s\n"), "\(outcome.text)")
    }
}
