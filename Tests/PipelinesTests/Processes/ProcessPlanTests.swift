import Foundation
import StreamRuntime
import Testing

@testable import Pipelines

@Suite struct ProcessPlanTests {
    private func text(_ body: String, to target: String = "{topic: out}") -> String {
        let lines = body.split(separator: "\n", omittingEmptySubsequences: false)
        return """
            version: 1
            job: {name: machine, state: ./state}
            connections: {local: {embedded: ./topics}}
            streams:
              events:
                from: {files: in.json}
                format: json
                fields: {order_id: string, type: string, n: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 5s}
                on_error: {dead_letter: rejected}
            pipelines:
              machine:
                from: events
                steps:
            \(lines.map { "      \($0)" }.joined(separator: "\n"))
                to: \(target)
            """
    }

    /// A step, and what is said of it: code, line within the step, column, message.
    private static let mistakes: [(step: String, says: [String])] = [
        (
            """
            - process:
                id: p
                by: order_id
                state: {a: int64, n: string}
                on:
                  - {when: a + 1, set: {b: 1}, emit: {x: a}}
            """,
            [
                "E350 4:23 the rows have a column \"n\" already",
                "E301 6:16 this is int64, but bool is wanted",
                "E350 6:29 there is no state \"b\"",
            ]
        ),
        (
            """
            - process:
                id: p
                by: order_id
                state: {a: {type: int64, initial: x}}
                on:
                  - {when: n > 0, set: {a: n / 2}, timer: {soon: n}, emit: {x: a}}
                  - {emit: {x: type, y: 1}}
                  - {timer: late, emit: {x: n}}
                  - {when: n > 1, clear: true}
            """,
            [
                "E301 4:39 unknown column \"x\"",
                "E301 6:32 this is double, but int64 is wanted",
                "E350 6:48 no entry says what timer \"soon\" does",
                "E301 6:54 this is int64, but timestamp is wanted",
                "E350 7:16 all rows out have the same columns; this one has y too",
                "E350 8:17 no entry sets a timer \"late\"",
                "E301 8:33 unknown column \"n\"",
                "E350 9:9 this entry is never reached: one before it has no condition",
            ]
        ),
        (
            """
            - process:
                id: p
                by: order_id
                on:
                  - {timer: {tick: ts}}
                  - {timer: tick, timers: {tick: now()}}
            """,
            [
                "E350 1:3 no entry gives rows out",
                "E350 6:32 a timer that sets timers could go on for ever",
            ]
        ),
        (
            """
            - process:
                id: p
                by: order_id
                on:
                  - {when: n > 0, emit: {x: n}}
                  - {emit: {x: type}}
            """,
            ["E301 6:20 \"x\" is string here and int64 in another emit"]
        ),
    ]

    @Test(arguments: 0..<4)
    func `every mistake is told at its place`(index: Int) {
        let (step, says) = ProcessPlanTests.mistakes[index]
        let found = planned(text(step)).problems.map { problem in
            "\(problem.code.rawValue) \(problem.position.line - 14):\(problem.position.column - 6) "
                + problem.message
        }
        #expect(found == says)
    }

    private static let step = """
        - process:
            id: attempts
            by: order_id
            state: {attempts: {type: int64, initial: 0}}
            on:
              - when: type = 'placed'
                timer: {give_up: ts + interval 30 minutes}
              - when: type = 'declined' and attempts >= 2
                set: {attempts: attempts + 1}
                emit:
                  - {order_id: order_id, event: "'dead_letter'", attempts: attempts, at: ts, note: null}
                  - {order_id: order_id, event: "'retry'", attempts: attempts, at: ts, note: type}
              - when: type = 'declined'
                set: {attempts: attempts + 1}
              - when: type = 'accepted'
                timer: {give_up: null}
              - when: type = 'broken'
                emit: {order_id: order_id, event: "'never'", attempts: 1 // n, at: ts, note: null}
              - timer: give_up
                emit: {order_id: order_id, event: "'match_failed'", attempts: attempts, at: now(), note: null}
                clear: true
            ttl: 1d
        - deduplicate: {id: once, by: [order_id, event], within: 1h}
        """

    @Test func `the key of the rows out needs no other place`() throws {
        let file = planned(text(ProcessPlanTests.step))
        #expect(file.problems.map { $0.rendered(in: file.source) } == [])
        let plan = try #require(file.plan)
        #expect(
            plan.steps[0].schema.fields.map(\.name) == [
                "order_id", "event", "attempts", "at", "note",
            ])
        #expect(plan.steps[0].schema.fields.map { "\($0.type)" }[4] == "string")
        let local = text(
            ProcessPlanTests.step.replacing("by: [order_id, event]", with: "by: order_id"))
        #expect(planned(local).plan?.steps[1].inputs.map(\.isLocal) == [true])
        #expect(plan.steps[1].inputs.map(\.isLocal) == [false])
    }

    @Test(arguments: [1, 2])
    func `a file's machine runs from its records to its topic`(workers: Int) throws {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-process-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var records = ""
        for (second, order, type) in [
            (1, "a", "placed"), (2, "b", "placed"), (3, "a", "declined"), (4, "a", "declined"),
            (5, "a", "declined"), (6, "b", "accepted"), (7, "c", "broken"), (8, "d", "placed"),
        ] {
            records +=
                #"{"order_id":"\#(order)","type":"\#(type)","n":0,"ts":"2026-01-01T00:00:0\#(second)Z"}"#
                + "\n"
        }
        try records.write(toFile: directory + "/in.json", atomically: true, encoding: .utf8)
        let file = PlannedFile(
            file: directory + "/pipelines.yaml", text: text(ProcessPlanTests.step),
            variables: Variables(environment: [:], readFile: { _ in nil }))
        try #require(file.problems.map { $0.rendered(in: file.source) } == [])
        let options = RunOptions(untilEnd: true, workers: workers, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: try #require(file.plan), options: options).run { false }
        if case .failed(let failure) = summary.outcome { throw failure }
        let commands = TopicCommands(EmbeddedLog(root: directory + "/topics"))
        var lines: [String] = []
        _ = try commands.consume("out", .init()) {
            lines.append(String(decoding: $0, as: UTF8.self))
        }
        #expect(
            lines == [
                #"{"order_id":"a","event":"dead_letter","attempts":3,"at":"2026-01-01T00:00:05Z","note":null}"#,
                #"{"order_id":"a","event":"retry","attempts":3,"at":"2026-01-01T00:00:05Z","note":"declined"}"#,
                #"{"order_id":"a","event":"match_failed","attempts":3,"at":"2026-01-01T00:30:01Z","note":null}"#,
                #"{"order_id":"d","event":"match_failed","attempts":0,"at":"2026-01-01T00:30:08Z","note":null}"#,
            ])
        var rejected: [String] = []
        _ = try commands.consume("rejected", .init()) {
            rejected.append(String(decoding: $0, as: UTF8.self))
        }
        #expect(rejected.count == 1)
        #expect(rejected.first?.contains("\"step\":\"attempts\"") == true)
        #expect(rejected.first?.contains("division by zero") == true)
    }
}
