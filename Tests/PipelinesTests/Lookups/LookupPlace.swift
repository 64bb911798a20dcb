import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// A directory with a pipelines file whose lookups are asked, run several times.
final class LookupPlace {
    let directory: String

    init() throws {
        directory =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-lookups-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// A job that asks over HTTP about orders of a topic, with a checkpoint every 30 ms, of which `keep` are kept.
    ///
    /// - Parameter lookup: the lines of the lookup besides its connection and its answer.
    static func live(
        _ url: String, path: String = "", keep: Int = 3, price: String = "p.price",
        lookup: [String]
    ) -> String {
        let lines = lookup.map { "\n" + String(repeating: " ", count: 12) + $0 }.joined()
        return """
            version: 1
            job: {name: lookups, state: ./state, checkpoints: {every: 30ms, keep: \(keep)}}
            connections:
              local: {embedded: ./topics}
              prices: {http: {url: "\(url)"}}
            streams:
              orders:
                from: {topic: orders, connection: local}
                format: json
                fields: {id: string, sku: string, ts: timestamp}
                time: {field: ts, out_of_orderness: 1s}
                on_error: fail
            pipelines:
              priced:
                from: orders
                steps:
                  - join:
                      id: enrich
                      on: sku
                      as: p
                      type: left
                      lookup:
                        http: {connection: prices, path: "\(path)/{sku}"}
                        answer: {price: int64}\(lines)
                  - select: {id: id, sku: sku, price: \(price)}
                to: {topic: priced, connection: local}
            """
    }

    /// Orders of five seconds; o4 has a product that nobody knows, o5 none.
    static let orders = """
        {"id":"o1","sku":"p1","store":1,"ts":"2026-01-01T00:00:01Z"}
        {"id":"o2","sku":"p2","store":1,"ts":"2026-01-01T00:00:02Z"}
        {"id":"o3","sku":"p1","store":2,"ts":"2026-01-01T00:00:03Z"}
        {"id":"o4","sku":"gone","store":1,"ts":"2026-01-01T00:00:04Z"}
        {"id":"o5","store":1,"ts":"2026-01-01T00:00:05Z"}
        {"id":"o6","sku":"p1","store":2,"ts":"2026-01-01T00:00:30Z"}

        """

    /// A file with one lookup, the steps of which begin with `join`.
    static func file(
        _ join: String, url: String = "http://127.0.0.1:1", select: String = "price: p.price",
        more: String = ""
    ) -> String {
        """
        version: 1
        job: {name: lookups, state: ./state}
        connections:
          local: {embedded: ./topics}
          prices: {http: {url: "\(url)", headers: {X-Key: "${KEY}"}}}
          cache: {redis: "redis://127.0.0.1:1"}
        streams:
          orders:
            from: {files: orders.json}
            format: json
            fields: {id: string, sku: string, store: int64, ts: timestamp}
            time: {field: ts, out_of_orderness: 0s}
            on_error: fail
        \(more)
        pipelines:
          priced:
            from: orders
            steps:
              - join: \(join)
              - select: {id: id, \(select)}
            to: {topic: priced, connection: local}
        """
    }

    /// What `text` is as a file.
    func planned(_ text: String) -> PlannedFile {
        PlannedFile(
            file: directory + "/pipelines.yaml", text: text,
            variables: Variables(environment: ["KEY": "k"], readFile: { _ in nil }))
    }

    /// Runs the file to its end and gives the rows of `topic`.
    func run(
        _ text: String, workers: Int = 1, orders: String = LookupPlace.orders,
        batchRows: Int? = nil, topic: String = "priced"
    ) throws -> [String] {
        try orders.write(toFile: directory + "/orders.json", atomically: true, encoding: .utf8)
        let file = planned(text)
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        var options = RunOptions(
            untilEnd: true, workers: workers, serves: false, isQuiet: true)
        options.batchRows = batchRows
        let summary = try JobRunner(plan: try #require(file.plan), options: options).run { false }
        if case .failed(let failure) = summary.outcome { throw failure }
        return try rows(of: topic)
    }

    func rows(of topic: String) throws -> [String] {
        let log = EmbeddedLog(root: directory + "/topics")
        guard log.hasTopic(topic) else { return [] }
        var lines: [String] = []
        _ = try TopicCommands(log).consume(topic, .init()) {
            lines.append(String(decoding: $0, as: UTF8.self))
        }
        return lines
    }

    /// Forgets all but what was answered, as if the job had never been.
    ///
    /// - Parameter topics: those that are forgotten; nil for all.
    func forgetAllButAnswers(topics: [String]? = nil) throws {
        let state = directory + "/state"
        for name in try FileManager.default.contentsOfDirectory(atPath: state)
        where name != "lookups" {
            try FileManager.default.removeItem(atPath: state + "/" + name)
        }
        for topic in topics ?? [""] {
            try? FileManager.default.removeItem(atPath: directory + "/topics/" + topic)
        }
    }

    func forgetAll() throws {
        for name in ["state", "topics"] {
            try? FileManager.default.removeItem(atPath: directory + "/" + name)
        }
    }

    /// What is wrong with a file, by code and message.
    static func problems(_ text: String) -> [String] {
        PlannedFile(
            file: "p.yaml", text: text,
            variables: Variables(environment: ["KEY": "k"], readFile: { _ in nil })
        ).problems.map { "\($0.code.rawValue) \($0.message)" }
    }
}
