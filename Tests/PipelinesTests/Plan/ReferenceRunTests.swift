import Foundation
import Testing

@testable import Pipelines

/// The examples of docs/PIPELINES.md are run, and give what `Tests/Data/reference.yaml` says.
@Suite struct ReferenceRunTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        let url = ReferenceRunTests.root.appendingPathComponent(path)
        return String(decoding: try Data(contentsOf: url), as: UTF8.self)
    }

    /// The steps that the page shows: all examples but the whole file it begins with.
    private func examples() throws -> [String] {
        try text("docs/PIPELINES.md").components(separatedBy: "```yaml\n").dropFirst()
            .map { $0.components(separatedBy: "```")[0] }.filter { $0.hasPrefix("- ") }
    }

    @Test func `every example of the reference runs and gives what it says`() throws {
        let examples = try examples()
        var used: Set<Int> = []
        var lines: [String] = []
        for line in try text("Tests/Data/reference.yaml").components(separatedBy: "\n") {
            guard let mark = line.range(of: ", REFERENCE: \""),
                let end = line.range(of: "\", to:"), let name = line.firstIndex(of: ":")
            else {
                lines.append(line)
                continue
            }
            let start = line[mark.upperBound..<end.lowerBound].replacing("\\\"", with: "\"")
            let found = examples.indices.filter {
                examples[$0].split(whereSeparator: \.isWhitespace).joined(separator: " ")
                    .hasPrefix(start)
            }
            #expect(found.count == 1, "\(start) begins \(found.count) examples")
            used.formUnion(found)
            lines.append(String(line[...name]))
            lines.append(
                "    from: " + line[name...].dropFirst(": {from: ".count).prefix { $0 != "," })
            lines.append("    steps:")
            for index in found {
                lines += examples[index].split(separator: "\n").map { "      " + $0 }
            }
            lines.append("    " + line[end.lowerBound...].dropFirst(3).dropLast())
        }
        // A side input is a file: JoinRunTests runs that example.
        let left = examples.indices.filter { !used.contains($0) && !examples[$0].contains("side:") }
        #expect(left.isEmpty, "no case for \(left.map { examples[$0] })")
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("reference-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("pipelines.yaml")
        try Data(lines.joined(separator: "\n").utf8).write(to: path)
        var options = TestCommand.Options()
        options.environment = [:]
        options.shapes = [
            TestRun.Shape(workers: 1, batchRows: 4096, kills: false),
            TestRun.Shape(workers: 2, batchRows: 7, kills: true),
        ]
        var said = ""
        let outcome = TestCommand.run(path: path.path, options: options) { said += $0 }
        #expect(outcome.exitCode == 0 && !said.isEmpty, "\(said)\(outcome.text)")
    }
}
