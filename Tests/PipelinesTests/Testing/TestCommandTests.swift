import Foundation
import Testing

@testable import Pipelines

/// A pipelines file in a directory of its own, with its tests run.
struct TestedFile {
    let directory: URL
    private let entry: String

    init(_ text: String, others: [String: String] = [:]) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "millrace-tested-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        entry = directory.appendingPathComponent("pipelines.yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: entry))
        for (name, text) in others {
            try Data(text.utf8).write(to: directory.appendingPathComponent(name))
        }
    }

    /// What the command says; the directory is left out of paths, and times are 0 ms.
    func run(
        _ options: TestCommand.Options = TestCommand.Options()
    ) -> (text: String, code: Int32) {
        var options = options
        options.environment = [:]
        var said = ""
        let outcome = TestCommand.run(path: entry, options: options) { said += $0 }
        let text = (said + outcome.text).replacing(directory.path + "/", with: "")
            .replacing(#/\d+ ms/#, with: "0 ms").replacing(#/in \d+\.\d s/#, with: "in 0.0 s")
        return (text, outcome.exitCode)
    }

    func remove() { try? FileManager.default.removeItem(at: directory) }
}

@Suite struct TestCommandTests {
    static let head = """
        version: 1
        connections: {local: {embedded: ./topics}}
        streams:
          orders:
            from: {topic: orders, connection: local}
            format: json
            fields: {id: string, user: int64, amount: "decimal(8,2)", at: {path: meta.at, type: timestamp, unit: ms}}
            time: {field: at, out_of_orderness: 5s, idle: 30s}
            on_error: {dead_letter: orders.rejected}
          visits:
            from: {files: visits, connection: disk}
            format: csv
            fields: {user: int64, page: string, at: timestamp}
            time: {field: at, out_of_orderness: 0s}
            on_error: drop
          large_orders:
            from: {topic: orders.large, connection: local}
            format: json
            fields: {id: string, user: int64, amount: "decimal(8,2)", at: timestamp}
            time: {field: at, out_of_orderness: 0s}
            on_error: fail
        pipelines:
          large:
            from: orders
            steps:
              - filter: amount >= 100
            to: {topic: orders.large, key: user}
          large_counts:
            from: large_orders
            steps:
              - aggregate: {id: counts, by: user, window: {tumble: 1h}, select: {n: count(*), total: sum(amount)}, late: drop}
            to: {topic: orders.large.counts}
          minutes:
            from: orders
            steps:
              - aggregate: {id: per_minute, by: user, window: {tumble: 1m}, select: {n: count(*)}, late: {allow: 0s, then: {topic: orders.late}}}
            to: {topic: minutes}
          pages:
            from: visits
            steps:
              - route: [{when: page like '/help%', as: help}]
            to: {topic: pages}
          helped: {from: pages.help, to: {topic: helped}}
        entities:
          user: {keys: {user: int64}}
        feature_views:
          user_minute: {entity: user, from: minutes, ttl: 1h, features: [n]}
          user_limit: {entity: user, features: [{name: limit, type: double}]}
        services:
          all: [user_minute, user_limit, share]
        on_demand:
          share:
            request: {amount: double}
            select: {share: "amount / nullif(user_limit.limit, 0)"}

        """.replacing("embedded: ./topics}}", with: "embedded: ./topics}, disk: {files: ./files}}")

    private func run(
        _ tests: String, _ options: TestCommand.Options = TestCommand.Options()
    ) throws -> (text: String, code: Int32) {
        let file = try TestedFile(TestCommandTests.head + tests)
        defer { file.remove() }
        return file.run(options)
    }

    @Test func `rows go through decoders, steps and outputs of every kind`() throws {
        let outcome = try run(
            """
            tests:
              - name: streams, routes, topics, views and services
                given:
                  - at: "12:00:00"
                    orders: [{id: a, user: 1, amount: 99.5}, {id: b, user: 1, amount: 100}]
                    visits: [{user: 1, page: "/help, me"}, {user: 2, page: /}, "3,/help,2026-01-01 12:00:00"]
                  - push: {user_limit: [{user: 1, limit: 50}]}
                  - orders: {raw: "nothing"}
                expect:
                  orders: [{id: a, at: "12:00:00"}, {id: b, amount: 100.00}]
                  large: [{id: b}]
                  pages: [{user: 2, page: /}]
                  pages.help: [{user: 1, page: "/help, me"}, {user: 3}]
                  "topic:helped": {count: 2, contains: [{user: 3}]}
                  "topic:orders.rejected": {count: 1}
                  minutes: [{user: 1, n: 2}]
                  user_minute: [{user: 1, n: 2}, {user: 9, n: null}]
                  all: [{user: 1, amount: 5, n: 2, limit: 50, "share:share": 0.1}]
              - name: a value is too old after an hour
                given: [{at: "12:00:00", orders: {id: a, user: 1}}]
                expect:
                  user_minute: {at: "13:01:00", lookup: [{user: 1, statuses: {n: OUTSIDE_MAX_AGE}}]}
            """)
        #expect(
            outcome.text == """
                ok    streams, routes, topics, views and services (0 ms)
                ok    a value is too old after an hour (0 ms)
                2 passed in 0.0 s

                """)
        #expect(outcome.code == 0)
    }

    @Test func `what is not as expected is shown with its place and a table`() throws {
        let outcome = try run(
            """
            tests:
              - name: three kinds of difference
                given:
                  - {at: "12:00:00", orders: [{id: a, user: 1, amount: 1}, {id: b, user: 2}, {id: c, user: 3}]}
                expect:
                  orders:
                    - {id: a, user: 1}
                    - {id: b, user: 5, amount: null}
                  large: {count: 2}
            """)
        #expect(
            outcome.text == """
                FAIL  three kinds of difference (pipelines.yaml:56:11)
                  pipelines.yaml:62:11: orders: 1 different, 1 too many [1 worker]
                    row  is         id  user   amount
                    ───  ─────────  ──  ─────  ──────
                      1  equal      a   1      1.00
                      2  different  b   5 ≠ 2  null
                      3  extra      c   3      null
                  pipelines.yaml:63:22: large: 0 rows came out, 2 were expected [1 worker]
                0 passed, 1 failed in 0.0 s

                """)
        #expect(outcome.code == 1)
    }

    @Test func `time passes when it is told to, and all is over at the end`() throws {
        let outcome = try run(
            """
            tests:
              - name: a minute is over when time says so
                given:
                  - {at: "12:00:10", orders: [{id: a, user: 1}]}
                  - advance: 49s
                  - expect: {minutes: none}
                  - kill_and_restore: {workers: 3}
                  - advance: "12:01:00"
                  - expect: {minutes: [{user: 1, n: 1}]}
                  - {at: "12:05:00", orders: [{id: b, user: 1}]}
                  - {at: "12:00:20", orders: [{id: late, user: 1}]}
                  - expect: {minutes: {count: 1}}
                expect:
                  minutes: [{n: 1}, {n: 1}]
                  "topic:orders.late": [{id: late}]
              - name: inputs that do not end
                ends: false
                given: [{at: "12:00:00", orders: [{id: a, user: 1}]}, {advance: 10s}]
                expect: {minutes: none, orders: {count: 1}}
              - name: rows of one partition are not late by another's time
                given:
                  - {at: "12:10:00", orders: [{id: a, user: 1}]}
                  - {at: "12:00:00", orders: [{id: b, user: 1, partition: 1}]}
                expect: {minutes: [{user: 1, n: 1}, {user: 1, n: 1}], "topic:orders.late": none}
            """)
        #expect(outcome.text.hasSuffix("3 passed in 0.0 s\n"), "\(outcome.text)")
    }

    @Test func `a stream gets what the file's own pipelines write to its topic`() throws {
        let outcome = try run(
            """
            tests:
              - name: through a topic
                given:
                  - {at: "12:00:00", orders: [{id: a, user: 1, amount: 100}, {id: b, user: 1, amount: 150}]}
                  - {at: "12:30:00", orders: [{id: c, user: 1, amount: 200}]}
                expect: {large_counts: [{user: 1, n: 3, total: 450}]}
            """)
        #expect(outcome.text.contains("ok    through a topic"), "\(outcome.text)")
    }

    @Test func `rows of a table that are changed and deleted are seen as such`() throws {
        let file = try TestedFile(
            """
            version: 1
            connections: {local: {embedded: ./topics}}
            streams:
              users:
                from: {topic: users, connection: local}
                format: {debezium: {changelog: upsert}}
                fields: {id: int64, name: string, balance: "decimal(8,2)", at: {path: ts_ms, type: timestamp, unit: ms}, op: string}
                time: {field: at, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              names: {from: users, to: {topic: names, key: id}}
            tests:
              - name: a table
                given:
                  - {at: "12:00:00", users: [{id: 1, name: ann, balance: -1.5}, {id: 2, name: bob, balance: 300}]}
                  - {at: "12:00:01", users: [{id: 1, op: d}]}
                expect:
                  names: [{id: 1, name: ann, balance: -1.50}, {id: 2, name: bob, balance: 300}, {deleted: true, key: 1}]
            """)
        defer { file.remove() }
        let outcome = file.run()
        #expect(outcome.text.contains("ok    a table"), "\(outcome.text)")
    }

    @Test func `tests are chosen by name, run in one shape, and told as JSON`() throws {
        var options = TestCommand.Options()
        options.only = ["SECOND"]
        options.json = true
        options.workers = 2
        let tests = """
            tests:
              - {name: the first, given: [{at: "12:00", orders: {id: a}}], expect: {large: {count: 7}}}
              - {name: the second, given: [{at: "12:00", orders: {id: a}}], expect: {orders: [{id: b}]}}
            """
        let outcome = try run(tests, options)
        #expect(outcome.code == 1)
        #expect(outcome.text.contains("\"passed\": 0"))
        #expect(outcome.text.contains("\"run\": \"2 workers\""))
        #expect(!outcome.text.contains("the first"))
        options.only = ["third"]
        #expect(try run(tests, options).code == 2)
    }

    @Test(arguments: [
        ("orderz: [{id: a}]", "{large: none}", "E230", "there is no stream \"orderz\""),
        ("orders: [{idd: a}]", "{large: none}", "E230", "has no field \"idd\""),
        ("orders: [{id: a}]", "{lagre: none}", "E230", "nothing called \"lagre\""),
        ("orders: [{id: a}]", "{large: [{idd: a}]}", "E230", "has no \"idd\""),
        ("orders: [{id: a}]", "{\"topic:none\": none}", "E230", "nothing called \"topic:none\""),
        ("orders: [{id: a}]", "{user_minute: [{user: 1, m: 2}]}", "E230", "has no \"m\""),
        ("orders: [{user: abc}]", "{large: none}", "E330", "\"abc\" is no int64"),
        ("orders: [{id: a}]", "{large: [{amount: x}]}", "E330", "\"x\" is no decimal(8,2)"),
        ("orders: [{id: a}]", "{large: [{at: noon}]}", "E330", "\"noon\" is no timestamp"),
        ("orders: [{id: a}]", "{large: {exact: []}}", "E121", "unknown word \"exact\""),
        ("orders: [{id: a}]", "{large: [a]}", "E121", "an expected row"),
        ("advance: soon", "{large: none}", "E121", "no duration and no time"),
    ])
    func `mistakes in tests are told with their place and the fix`(
        step: String, expect: String, code: String, says: String
    ) throws {
        let outcome = try run(
            """
            tests:
              - name: a mistake
                given: [{\(step)}]
                expect: \(expect)
            """)
        #expect(outcome.code == 2)
        #expect(outcome.text.contains("error[\(code)]"), "\(outcome.text)")
        #expect(outcome.text.contains(says), "\(outcome.text)")
    }
}
