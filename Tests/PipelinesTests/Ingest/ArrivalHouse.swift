import Foundation
import HTTP
import StreamRuntime
import Testing

@testable import Pipelines

/// A job that takes records from a place outside, in a directory of its own.
final class ArrivalHouse {
    let directory: String
    let plan: JobPlan
    var topics: EmbeddedLog { EmbeddedLog(root: directory + "/state/arrivals/topics") }

    init(from: String, format: String = "json", fields: String = "", connections: String = "")
        throws
    {
        directory = NSTemporaryDirectory() + "millrace-arrivals-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory + "/drop", withIntermediateDirectories: true)
        let text = """
            version: 1
            job: {state: ./state}
            connections:
              local: {embedded: ./topics}
            \(connections)
            streams:
              stock:
                from: \(from)
                format: \(format)
                fields:
                  item: string
                  quantity: int64
            \(fields)
                  seen: {type: timestamp, from: timestamp}
                time: {field: seen, out_of_orderness: 5s}
                on_error: {dead_letter: stock.rejected}
            pipelines:
              counts:
                from: stock
                to: {topic: counts}

            """
        let file = PlannedFile(
            file: directory + "/pipelines.yaml", text: text,
            variables: Variables(environment: ["KEY": "hush"], readFile: { _ in nil }))
        plan = try #require(
            file.plan, "\(file.problems.map { $0.rendered(in: file.source) }.joined())")
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Puts a file into the watched directory, changed at that second.
    func drop(_ name: String, _ bytes: [UInt8], at second: Int) throws {
        let path = directory + "/drop/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let time = timespec(tv_sec: second, tv_nsec: 0)
        #expect(utimensat(AT_FDCWD, path, [time, time], 0) == 0)
    }

    /// Runs the job to the end of its input, and gives the lines of its output.
    func run(workers: Int = 1) throws -> [String] {
        let options = RunOptions(untilEnd: true, workers: workers, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: plan, options: options).run { false }
        if case .failed(let failure) = summary.outcome { throw failure }
        return try lines("counts", of: EmbeddedLog(root: directory + "/topics"))
    }

    /// The values of a topic's records.
    func lines(_ topic: String, of log: EmbeddedLog) throws -> [String] {
        guard log.hasTopic(topic) else { return [] }
        var lines: [String] = []
        _ = try TopicCommands(log).consume(topic, .init()) {
            lines.append(String(decoding: $0, as: UTF8.self))
        }
        return lines
    }
}
