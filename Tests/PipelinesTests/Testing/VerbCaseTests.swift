import Foundation
import Testing

@testable import Pipelines

/// Every verb, run whole: planned, on 1, 2 and 3 workers, at batches of 1, 7 and 4,096 rows, and killed and restored on
/// another number of workers after each step that gives rows. The cases are the files of `Tests/Data/verbs`.
@Suite struct VerbCaseTests {
    private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "Data/verbs")

    private static let files: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? [])
        .filter { $0.hasSuffix(".yaml") }.sorted()

    private static let shapes = [
        TestRun.Shape(workers: 1, batchRows: 4096, kills: false),
        TestRun.Shape(workers: 1, batchRows: 1, kills: true),
        TestRun.Shape(workers: 2, batchRows: 7, kills: true),
        TestRun.Shape(workers: 2, batchRows: 1, kills: false),
        TestRun.Shape(workers: 3, batchRows: 4096, kills: true),
        TestRun.Shape(workers: 3, batchRows: 1, kills: false),
    ]

    @Test(arguments: files)
    func `a verb's case gives the same in every shape of the job`(name: String) {
        var options = TestCommand.Options()
        options.environment = [:]
        options.shapes = VerbCaseTests.shapes
        var said = ""
        let path = VerbCaseTests.directory.appendingPathComponent(name).path
        let outcome = TestCommand.run(path: path, options: options) { said += $0 }
        #expect(outcome.exitCode == 0 && !said.isEmpty, "\(said)\(outcome.text)")
    }

    @Test func `every verb, each of its keys and each of its words has a case`() throws {
        var written: Set<String> = []
        for name in VerbCaseTests.files {
            let path = VerbCaseTests.directory.appendingPathComponent(name).path
            let file = PlannedFile(path: path, environment: [:])
            let root = try #require(file.root, "\(name) cannot be read")
            #expect(file.problems.isEmpty, "\(name)")
            #expect(file.spec?.tests.isEmpty == false, "\(name) has no tests")
            for pipeline in root["pipelines"]?.entries ?? [] {
                for step in pipeline.value["steps"]?.items ?? [] {
                    for entry in step.entries { note(entry.key, entry.value, &written) }
                }
            }
        }
        for verb in Verb.all where !verb.isLater {
            var wanted: Set<String> = [verb.name]
            collect(verb.name, verb.shape, &wanted)
            // Side inputs are files, which a declared test cannot give: JoinRunTests has their cases.
            let missing = wanted.subtracting(written).filter { !$0.hasPrefix("join.side") }.sorted()
            #expect(
                missing.isEmpty,
                "no file of Tests/Data/verbs has \(missing.joined(separator: ", ")): add a case")
        }
    }

    /// What a case writes: "join", "join.type", "join.type=left".
    private func note(_ path: String, _ node: SpecNode, _ written: inout Set<String>) {
        written.insert(path)
        if let scalar = node.scalar { written.insert("\(path)=\(scalar.text)") }
        for entry in node.entries { note("\(path).\(entry.key)", entry.value, &written) }
        for item in node.items { note(path, item, &written) }
    }

    /// What a verb lets be written: its keys, with the words that stand for something. Outputs and settings of names
    /// are the same for all verbs.
    private func collect(_ path: String, _ shape: Shape, _ wanted: inout Set<String>) {
        switch shape {
        case .text(.words(let words)):
            // Longer words for the same thing need no case of their own.
            for word in words where !word.hasSuffix("_row") { wanted.insert("\(path)=\(word)") }
        case .list(let item, _): collect(path, item, &wanted)
        case .either(let shapes): for shape in shapes { collect(path, shape, &wanted) }
        case .mapping(let mapping):
            for key in mapping.keys where !key.isLater && key.name != "was" {
                wanted.insert("\(path).\(key.name)")
                if key.name != "to", key.name != "then" {
                    collect("\(path).\(key.name)", key.shape, &wanted)
                }
            }
        case .text, .table, .step, .anything: return
        }
    }
}
