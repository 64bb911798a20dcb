import Connectors
import Foundation
import HTTP
import StreamRuntime
import Synchronization
import TestBroker
import TestHTTP
import Testing

@testable import Pipelines

@Suite final class AvroRunTests {
    private let directory = NSTemporaryDirectory() + "millrace-avro-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func write(_ text: String, _ name: String) throws {
        try text.write(toFile: directory + "/" + name, atomically: true, encoding: .utf8)
    }

    private func plan(_ text: String, environment: [String: String] = [:]) throws -> PlannedFile {
        PlannedFile(
            file: directory + "/p.yaml", text: text,
            variables: Variables(environment: environment, readFile: { _ in nil }))
    }

    private func run(_ text: String, environment: [String: String] = [:]) throws {
        let file = try plan(text, environment: environment)
        let plan = try #require(file.plan, "\(file.problems)")
        let options = RunOptions(untilEnd: true, workers: 1, serves: false, isQuiet: true)
        let summary = try JobRunner(plan: plan, options: options).run { false }
        #expect(summary.outcome == .finished)
    }

    private static let fields = """
        fields: {id: int64, name: string, price: "decimal(12,2)", tags: list<string>,
                     place: "struct<x: double, y: double>", ts: timestamp}
        """

    @Test func `what one job writes as Avro another reads by the schema's file`() throws {
        let lines = [
            #"{"id":1,"name":"tea","price":2.50,"tags":["a",null],"place":{"x":0.5,"y":null},"ts":"2024-02-29T12:00:00Z"}"#,
            #"{"id":2,"name":null,"price":-0.01,"tags":[],"place":null,"ts":"2024-02-29T12:00:01.000001Z"}"#,
        ]
        try write(lines.joined(separator: "\n") + "\n", "in.jsonl")
        try run(
            """
            version: 1
            job: {state: ./one}
            connections: {local: {embedded: ./topics}}
            streams:
              src:
                from: {files: ./in.jsonl}
                format: json
                \(AvroRunTests.fields)
                time: {field: ts, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              copy: {from: src, to: {topic: items, format: avro, connection: local}}
            """)
        let schema = Schema([
            Field("id", .int64), Field("name", .string),
            Field("price", .decimal(precision: 12, scale: 2)), Field("tags", .list(.string)),
            Field("place", .structure([Field("x", .float64), Field("y", .float64)])),
            Field("ts", .timestamp),
        ])
        try write(AvroSchemaText.make(schema, name: "items"), "items.avsc")
        try run(
            """
            version: 1
            job: {state: ./two}
            connections: {local: {embedded: ./topics}}
            streams:
              items:
                from: {topic: items, connection: local}
                format: {avro: {schema: ./items.avsc}}
                \(AvroRunTests.fields)
                time: {field: ts, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              out: {from: items, to: {files: ./out}}
            """)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory + "/out")
            .filter { !$0.hasPrefix(".") }.sorted()
        let text = try names.map {
            try String(contentsOfFile: "\(directory)/out/\($0)", encoding: .utf8)
        }.joined()
        #expect(text == lines.joined(separator: "\n") + "\n")
    }

    /// A registry that gives numbers to what is registered, and tells the schemas again; with a password.
    private final class Registry: Sendable {
        private let schemas = Mutex<[(subject: String, text: String)]>([])
        private let isOpen = Mutex(true)
        var subjects: [String] { schemas.withLock { $0.map(\.subject) } }

        func refuse() { isOpen.withLock { $0 = false } }

        func answer(_ request: TestHTTPServer.Request) -> TestHTTPServer.Answer {
            func whole(_ object: [String: Any], _ status: Int = 200) -> TestHTTPServer.Answer {
                let data = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
                return .whole(status: status, body: [UInt8](data))
            }
            // ann:s3cret
            guard request.headers["authorization"] == "Basic YW5uOnMzY3JldA==" else {
                return whole(["error_code": 401, "message": "Unauthorized"], 401)
            }
            let parts = request.target.split(separator: "/").map(String.init)
            if parts.count == 3, parts[0] == "schemas", let id = Int(parts[2]) {
                let text = schemas.withLock { $0.indices.contains(id - 1) ? $0[id - 1].text : nil }
                return text.map { whole(["schema": $0]) } ?? whole(["message": "none"], 404)
            }
            guard parts.count == 3, parts[0] == "subjects", isOpen.withLock({ $0 }),
                let body = try? JSONSerialization.jsonObject(with: Data(request.body)),
                let text = (body as? [String: Any])?["schema"] as? String
            else { return whole(["error_code": 409, "message": "incompatible"], 409) }
            let id = schemas.withLock { schemas in
                if let known = schemas.firstIndex(where: {
                    $0.subject == parts[1] && $0.text == text
                }) {
                    return known + 1
                }
                schemas.append((parts[1], text))
                return schemas.count
            }
            return whole(["id": id])
        }
    }

    @Test func `a schema is registered by one job and asked for by another, over Kafka`() throws {
        let registry = Registry()
        let server = TestHTTPServer { registry.answer($0) }
        defer { server.stop() }
        let broker = try TestBroker(directory: directory + "/broker")
        defer { broker.stop() }
        try broker.create("items", partitions: 2, ["retention.ms": "-1"])
        let lines = (0..<50).map {
            #"{"id":\#($0),"name":"n\#($0 % 3)","price":\#($0).25,"tags":["a",null],"#
                + #""place":null,"ts":"2024-02-29T12:00:00Z"}"#
        }
        try write(lines.joined(separator: "\n") + "\n", "in.jsonl")
        func file(_ state: String, _ source: String, _ format: String, _ target: String) -> String {
            """
            version: 1
            job: {name: \(state), state: ./\(state), checkpoints: {every: 50ms}}
            connections:
              k:
                kafka:
                  bootstrap: "\(broker.bootstrap)"
                  registry: {url: "\(server.url)", user: ann, password: "${REGISTRY_PASSWORD}"}
            streams:
              src:
                from: {\(source)}
                format: \(format)
                \(AvroRunTests.fields)
                time: {field: ts, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              copy: {from: src, to: \(target)}
            """
        }
        let secret = ["REGISTRY_PASSWORD": "s3cret"]
        try run(
            file("writes", "files: ./in.jsonl", "json", "{topic: items, key: id, format: avro}"),
            environment: secret)
        #expect(registry.subjects == ["items-value"])
        try run(
            file("reads", "topic: items", "avro", "{files: ./out}"), environment: secret)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory + "/out")
            .filter { !$0.hasPrefix(".") }.sorted()
        let text = try names.map {
            try String(contentsOfFile: "\(directory)/out/\($0)", encoding: .utf8)
        }.joined()
        #expect(text.split(separator: "\n").map(String.init).sorted() == lines.sorted())

        // What the registry refuses, and a wrong password, are told before anything is written.
        registry.refuse()
        let refused = #expect(throws: JobFailure.self) {
            try run(
                file("again", "files: ./in.jsonl", "json", "{topic: items, format: avro}"),
                environment: secret)
        }
        #expect(refused?.problem.contains("does not take the schema of subject") == true)
        let wrong = #expect(throws: JobFailure.self) {
            try run(
                file("wrong", "files: ./in.jsonl", "json", "{topic: items, format: avro}"),
                environment: ["REGISTRY_PASSWORD": "guess"])
        }
        #expect(wrong?.remedy == "give the registry's user and password")
        #expect(wrong.map { !"\($0)".contains("guess") } == true)
    }

    @Test func `what is missing or wrong of an Avro stream is told before anything starts`() throws
    {
        try write("{\"type\":\"array\"}", "bad.avsc")
        func file(_ format: String, to: String = "{topic: out}", registry: String = "") -> String {
            """
            version: 1
            connections: {k: {kafka: {bootstrap: "h:1"\(registry)}}}
            streams:
              s:
                from: {topic: t}
                format: \(format)
                fields: {id: int64, ts: timestamp}
                time: {field: ts, out_of_orderness: 0s}
                on_error: fail
            pipelines:
              p: {from: s, to: \(to)}
            """
        }
        let cases: [(String, String?)] = [
            (file("avro"), "it is not known where the Avro schemas of stream \"s\" are"),
            (file("avro", registry: ", registry: {url: \"http://r:1\"}"), nil),
            (file("{debezium: {encoding: avro}}"), "it is not known where"),
            (file("{debezium: {encoding: json}}"), nil),
            (file("{avro: {schema: ./none.avsc}}"), "the schema \"./none.avsc\" cannot be read"),
            (
                file("{avro: {schema: ./bad.avsc}}"),
                "the schema \"./bad.avsc\" is none: an array has no items"
            ),
            (
                file("json", to: "{topic: out, format: csv}"),
                "a topic's records are not written as csv"
            ),
            (file("json", to: "{files: ./o, format: avro}"), "files are not written as avro"),
            (file("json", to: "{topic: out, format: avro}"), nil),
            (
                file("json", registry: ", registry: {url: \"http://r:1\", user: u, password: p}"),
                "secret"
            ),
        ]
        for (text, expected) in cases {
            let problems = try plan(text).problems.map(\.message)
            if let expected {
                #expect(problems.count == 1, "\(problems)")
                #expect(problems.first?.contains(expected) == true, "\(problems)")
            } else {
                #expect(problems == [], "\(text)")
            }
        }
    }
}
