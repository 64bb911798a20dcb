import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

/// Runs a file of every verb through the engine: what is planned is what is done.
@Suite struct PlannedRunTests {
    private static let rows = """
        {"id":"a","user":"ann","amount":10,"items":[1,2],"ts":"2026-01-01T00:00:01Z"}
        {"id":"b","user":"bob","amount":20,"items":[],"ts":"2026-01-01T00:00:02Z"}
        {"id":"a","user":"ann","amount":10,"items":[1,2],"ts":"2026-01-01T00:00:03Z"}
        {"id":"c","user":"ann","amount":0,"items":[3],"ts":"2026-01-01T00:00:30Z"}
        {"id":"d","user":"ann","amount":5,"items":[4],"ts":"2026-01-01T00:01:10Z"}
        {"id":"e","user":"ann","amount":"x","items":[4],"ts":"2026-01-01T00:01:11Z"}

        """

    private static let text = """
        version: 1
        job: {name: verbs, state: ./state}
        connections: {local: {embedded: ./topics}}
        streams:
          orders:
            from: {files: in.json}
            format: json
            fields: {id: string, user: string, amount: int64, items: "list<int64>", ts: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: {dead_letter: rejected}
        pipelines:
          unnested:
            from: orders
            steps: [{unnest: items as item}, {select: {id: id, item: item}}]
            to: {topic: unnested}
          small:
            from: orders
            steps:
              - route: [{when: amount > 15, as: large}, {when: amount < 5, to: {topic: tiny}}]
              - select: {id: id, amount: amount}
            to: {topic: small}
          large: {from: small.large, steps: [{select: {id: id}}], to: {topic: large}}
          firsts:
            from: orders
            steps: [{deduplicate: {id: firsts, by: id, within: 1h}}, {select: {name: user, id: id}}]
          seconds: {from: orders, steps: [{filter: amount = 5}, {select: {id: id, name: user}}]}
          both: {from: [firsts, seconds], to: {topic: both, key: name}}
          newest:
            from: orders
            steps:
              - latest: {id: newest, by: user, order: amount, stale: {to: {topic: stale}}}
              - select: {id: id}
            to: {topic: newest}
          minutes:
            from: orders
            steps:
              - aggregate: {id: minutes, by: user, window: {tumble: 1m}, select: {n: count(*), s: sum(amount)}, late: drop}
            to: {topic: minutes}
          everybody:
            from: orders
            steps:
              - aggregate: {id: everybody, by: [], window: {session: 1m}, select: {n: count(distinct user)}, late: drop}
            to: {topic: everybody}
          running:
            from: orders
            steps: [{aggregate: {id: running, by: user, window: none, select: {n: count(*)}}}]
            to: {topic: running}
          rolling:
            from: orders
            steps:
              - rolling: {id: rolling, by: user, over: [30s, 2m], select: {"n_{over}": count(*)}}
              - select: {id: id, short: n_30s, long: n_2m}
            to: {topic: rolling}
          batches:
            from: orders
            steps: [{rebatch: {id: batches, by: user, size: 3}}, {select: {user: user, size: size}}]
            to: {topic: batches}
          failing: {from: orders, steps: [{select: {id: id, part: 100 // amount}}], to: {topic: failing}}
        """

    private func run(workers: Int) throws -> [String: [String]] {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-verbs-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try PlannedRunTests.rows.write(
            toFile: directory + "/in.json", atomically: true, encoding: .utf8)
        let file = PlannedFile(
            file: directory + "/pipelines.yaml", text: PlannedRunTests.text,
            variables: Variables(environment: [:], readFile: { _ in nil }))
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

    @Test(arguments: [1, 2])
    func `every verb does what its step says, on any number of workers`(workers: Int) throws {
        var shown = ""
        for (topic, rows) in try run(workers: workers).sorted(by: { $0.key < $1.key }) {
            shown += ([topic] + rows.map { "  " + $0 }).joined(separator: "\n") + "\n"
        }
        #expect(shown == PlannedRunTests.results)
    }

    private static let results = """
        batches
          {"user":"ann","size":3}
          {"user":"bob","size":1}
          {"user":"ann","size":1}
        both
          {"name":"ann","id":"a"}
          {"name":"bob","id":"b"}
          {"name":"ann","id":"c"}
          {"name":"ann","id":"d"}
          {"name":"ann","id":"d"}
        everybody
          {"window_start":"2026-01-01T00:00:01Z","window_end":"2026-01-01T00:02:10Z","n":2}
        failing
          {"id":"a","part":10}
          {"id":"b","part":5}
          {"id":"a","part":10}
          {"id":"d","part":20}
        large
          {"id":"b"}
        minutes
          {"user":"bob","window_start":"2026-01-01T00:00:00Z","window_end":"2026-01-01T00:01:00Z","n":1,"s":20}
          {"user":"ann","window_start":"2026-01-01T00:00:00Z","window_end":"2026-01-01T00:01:00Z","n":3,"s":20}
          {"user":"ann","window_start":"2026-01-01T00:01:00Z","window_end":"2026-01-01T00:02:00Z","n":1,"s":5}
        newest
          {"id":"a"}
          {"id":"b"}
          {"id":"a"}
        rejected
          {"raw":"eyJpZCI6ImMiLCJ1c2VyIjoiYW5uIiwiYW1vdW50IjowLCJpdGVtcyI6WzNdLCJ0cyI6IjIwMjYtMDEtMDFUMDA6MDA6MzBaIn0=",\
        "topic":"orders","partition":0,"offset":3,"step":"failing.1","column":"100 // amount",\
        "reason":"division by zero","attempt":1}
          {"raw":"eyJpZCI6ImUiLCJ1c2VyIjoiYW5uIiwiYW1vdW50IjoieCIsIml0ZW1zIjpbNF0sInRzIjoiMjAyNi0wMS0wMVQwMDowMToxMVoifQ==",\
        "topic":"orders","partition":0,"offset":5,"step":"orders","column":"amount",\
        "reason":"\\"x\\" is not an int64","attempt":1}
        rolling
          {"id":"a","short":1,"long":1}
          {"id":"b","short":1,"long":1}
          {"id":"a","short":2,"long":2}
          {"id":"c","short":3,"long":3}
          {"id":"d","short":1,"long":4}
        running
          {"user":"ann","n":1}
          {"user":"bob","n":1}
          {"user":"ann","n":2}
          {"user":"ann","n":3}
          {"user":"ann","n":4}
        small
          {"id":"a","amount":10}
          {"id":"a","amount":10}
          {"id":"d","amount":5}
        stale
          {"id":"c","user":"ann","amount":0,"items":[3],"ts":"2026-01-01T00:00:30Z"}
          {"id":"d","user":"ann","amount":5,"items":[4],"ts":"2026-01-01T00:01:10Z"}
        tiny
          {"id":"c","user":"ann","amount":0,"items":[3],"ts":"2026-01-01T00:00:30Z"}
        unnested
          {"id":"a","item":1}
          {"id":"a","item":2}
          {"id":"a","item":1}
          {"id":"a","item":2}
          {"id":"c","item":3}
          {"id":"d","item":4}

        """
}
