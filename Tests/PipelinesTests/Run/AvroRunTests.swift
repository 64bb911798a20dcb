import Connectors
import Foundation
import HTTP
import StreamRuntime
import Synchronization
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

    private func plan(_ text: String) throws -> PlannedFile {
        PlannedFile(
            file: directory + "/p.yaml", text: text,
            variables: Variables(environment: [:], readFile: { _ in nil }))
    }

    private func run(_ text: String) throws {
        let file = try plan(text)
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
