import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// A directory with a pipelines file and its input files, run to the end.
struct JoinPlace {
    /// The rows of every topic that was written, as JSON.
    static func run(
        _ text: String, files: [String: String], workers: Int, only: [String] = []
    ) throws -> [String: [String]] {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-joins-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for (name, rows) in files {
            try rows.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
        }
        let file = PlannedFile(
            file: directory + "/pipelines.yaml", text: text,
            variables: Variables(environment: [:], readFile: { _ in nil }), only: only)
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        let options = RunOptions(untilEnd: true, workers: workers, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: try #require(file.plan), options: options).run { false }
        if case .failed(let failure) = summary.outcome { throw failure }
        let commands = TopicCommands(EmbeddedLog(root: directory + "/topics"))
        var lines: [String: [String]] = [:]
        for sink in file.plan?.sinks ?? [] {
            guard case .topic(_, let topic, _, _) = sink.target else { continue }
            _ = try commands.consume(topic, .init()) {
                lines[topic, default: []].append(String(decoding: $0, as: UTF8.self))
            }
        }
        return lines
    }

    /// What is wrong with a file, as it is printed.
    static func problems(_ text: String) -> String {
        let file = PlannedFile(
            file: "pipelines.yaml", text: text,
            variables: Variables(environment: [:], readFile: { _ in nil }))
        return file.problems.map { $0.rendered(in: file.source) }.joined(separator: "\n")
    }

    /// The plan of a file without problems.
    static func plan(_ text: String, only: [String] = []) throws -> JobPlan {
        let file = PlannedFile(
            file: "pipelines.yaml", text: text,
            variables: Variables(environment: [:], readFile: { _ in nil }), only: only)
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        return try #require(file.plan)
    }
}
