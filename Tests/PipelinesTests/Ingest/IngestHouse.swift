import FeatureServe
import Foundation
import StreamRuntime
import Synchronization
import Testing

@testable import Pipelines

/// A clock that stands still until it is told.
final class SetClock: Clock {
    private let micros = Mutex<Int64>(1_795_262_400_000_000)
    var nanos: Int64 { nowMicros * 1000 }
    var nowMicros: Int64 { micros.withLock { $0 } }

    func advance(seconds: Int64) { micros.withLock { $0 += seconds * 1_000_000 } }
}

/// A stream that takes requests, in a directory of its own.
final class IngestHouse {
    let directory: String
    let plan: JobPlan
    let clock = SetClock()

    init(_ ingest: String, format: String = "json", from: String = "{topic: stock}") throws {
        directory = NSTemporaryDirectory() + "millrace-ingest-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        let file = PlannedFile(
            file: directory + "/pipelines.yaml",
            text: IngestHouse.text(ingest, format: format, from: from),
            variables: Variables(environment: ["SECRET": "hush"], readFile: { _ in nil }))
        plan = try #require(
            file.plan, "\(file.problems.map { $0.rendered(in: file.source) }.joined())")
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static func text(_ ingest: String, format: String, from: String) -> String {
        """
        version: 1
        job: {state: ./state, serve: {port: 0}}
        connections:
          local: {embedded: ./topics}
        streams:
          stock:
            from: \(from)
            format: \(format)
            fields:
              item: string
              quantity: {type: int64, required: true}
              shop: {type: string, from: header:X-Shop}
              ts: {type: timestamp, from: timestamp}
            time: {field: ts, out_of_orderness: 5s}
            on_error: {dead_letter: stock.rejected}
            ingest: \(ingest)
        pipelines:
          counts:
            from: stock
            steps: [{select: {item: item, quantity: quantity, shop: shop}}]
            to: {topic: counts}

        """
    }

    func desk(_ logs: [String: any ArrivalLog] = [:]) throws -> StreamDesk {
        try #require(try StreamDesk(plan, clock: clock, logs: logs))
    }

    static func request(
        _ body: String, _ fields: [(name: String, value: String)] = [], bytes: [UInt8]? = nil
    ) -> IngestRequest {
        IngestRequest(
            stream: "stock",
            head: IngestHead(method: "POST", target: "/ingest/stock", fields: fields),
            body: bytes ?? Array(body.utf8))
    }

    /// The records of a topic, `key=value partition/offset`, by partition.
    func records(_ topic: String = "stock") throws -> [String] {
        let source: TopicSource = try EmbeddedLog(root: directory + "/topics")
            .source(topic, bounded: true)
        var lines: [String] = []
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            while case .records(let batch) = try reader.read(maxRecords: 100, maxBytes: 1 << 20) {
                for row in 0..<batch.count {
                    let key =
                        batch.keys.isValid(row)
                        ? String(decoding: batch.keys.bytes(row), as: UTF8.self) + "=" : ""
                    lines.append(
                        key + String(decoding: batch.values.bytes(row), as: UTF8.self)
                            + " \(partition)/\(batch.offsets.int64s[row])")
                }
            }
        }
        return lines
    }
}

extension IngestReply {
    /// Status and body, without the spaces between its parts.
    var text: String {
        let body = String(decoding: body, as: UTF8.self)
        guard status == 200 || status == 422 else { return "\(status) " + body }
        return "\(status) "
            + body.replacing("\": ", with: "\":").replacing(", \"", with: ",\"")
            .replacing("}, {", with: "},{")
    }
}

extension StreamDesk {
    /// What one request is answered with.
    func take(
        _ body: String, _ fields: [(name: String, value: String)] = [], bytes: [UInt8]? = nil
    ) -> String {
        take([IngestHouse.request(body, fields, bytes: bytes)])[0].text
    }
}
