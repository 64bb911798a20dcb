import Foundation
import Testing

@testable import Pipelines

@Suite struct ErrorReferenceTests {
    @Test func `the example of every code gives that code and no other`() {
        #expect(planned(ErrorExample.base).problems.map(\.message) == [])
        for example in ErrorExample.all {
            let file = planned(example)
            let found = Set((file.problems + file.warnings).map(\.code))
            #expect(found == [example.code], "\(example.code.rawValue): \(example.wrong)")
        }
    }

    @Test func `every code has an example`() {
        let shown = Set(ErrorExample.all.map(\.code)).union([.unreadable])
        #expect(Set(DiagnosticCode.allCases).subtracting(shown) == [])
    }

    @Test func `a file that is not there is told of with what the system says`() {
        let file = PlannedFile(path: "/nowhere/pipelines.yaml", environment: [:])
        #expect(file.problems.map(\.code) == [.unreadable])
        #expect(Validate.output(file, json: false).text.contains("No such file"))
        #expect(Validate.output(file, json: false).exitCode == 2)
    }

    @Test func `the error reference shows what the program prints`() throws {
        let text = ErrorExample.reference { example in
            let file = planned(example)
            return (file.problems + file.warnings).filter { $0.code == example.code }.prefix(1)
                .map { $0.rendered(in: file.source) }.joined()
        }
        try expectDocument("docs/ERRORS.md", is: text)
    }
}

/// Compares a document of the repository with what the code makes of it; with UPDATE_DOCS set, writes it.
func expectDocument(_ path: String, is text: String) throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(path)
    if ProcessInfo.processInfo.environment["UPDATE_DOCS"] != nil {
        try Data(text.utf8).write(to: url)
    }
    let there = String(decoding: try Data(contentsOf: url), as: UTF8.self)
    #expect(there == text, "\(path) lags behind; run the tests with UPDATE_DOCS=1")
}
