import Foundation
import SampleData
import StreamRuntime

@testable import Pipelines

/// A directory with a pipelines file and its input, for tests of replays.
final class ReplayPlace {
    let directory: String
    var file: String { directory + "/pipelines.yaml" }
    var log: EmbeddedLog { EmbeddedLog(root: directory + "/topics") }

    /// The marketplace with `scale` times its sample, or, for nil, `orders` summed up by the minute.
    init(scale: Double?) throws {
        directory = NSTemporaryDirectory() + "millrace-replay-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        var text = ReplayPlace.orders
        if let scale {
            var options = SampleData.Options(root: directory + "/data")
            options.scale = scale
            _ = try SampleData.generate(options)
            var root = URL(fileURLWithPath: #filePath)
            for _ in 0..<4 { root.deleteLastPathComponent() }
            try FileManager.default.copyItem(
                atPath: root.appendingPathComponent("marketplace").path,
                toPath: directory + "/marketplace")
            text = try String(
                contentsOf: root.appendingPathComponent("pipelines.yaml"), encoding: .utf8)
        }
        try text.write(toFile: file, atomically: true, encoding: .utf8)
    }

    func remove() { try? FileManager.default.removeItem(atPath: directory) }

    /// The program beside the tests.
    static var program: String {
        let bundle =
            Bundle.allBundles.map(\.bundlePath).first { $0.hasSuffix(".xctest") }
            ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).deletingLastPathComponent()
            .appendingPathComponent("millrace").path
    }

    static let orders = """
        version: 1
        job: {name: shop, state: ./state, checkpoints: {every: 50ms}}
        connections: {local: {embedded: ./topics}}
        streams:
          orders:
            from: {topic: orders}
            format: json
            fields: {id: string, user: string, amount: int64, ts: {type: timestamp, unit: s}}
            time: {field: ts, out_of_orderness: 5s}
            on_error: fail
        pipelines:
          sums:
            from: orders
            steps:
              - deduplicate: {id: firsts, by: id, within: 1h}
              - rolling: {id: spend, by: user, over: [10m], select: {"spend_{over}": sum(amount)}}
            to: {topic: out, key: user}
          minutes:
            from: orders
            steps:
              - aggregate: {id: minutes, by: user, window: {tumble: 1m}, select: {n: count(*), total: sum(amount)}, late: drop}
            to: {topic: minutes, key: user}
        entities:
          user: {keys: {user: string}}
        feature_views:
          spending: {entity: user, from: sums, features: [spend_10m]}
        """

    /// Appends `count` orders of the seconds from `first` on, spread over the topic's partitions.
    func append(_ count: Int, from first: Int, users: Int = 7, seed: UInt64 = 1) throws {
        try log.ensureTopic("orders", TopicSettings(partitions: 3, segmentBytes: 4096))
        let writer = try log.writer("orders")
        defer { writer.close() }
        for number in first..<(first + count) {
            let order = ReplayPlace.order(number, users: users, seed: seed)
            try writer.append(key: order.key, value: order.value, timestamp: order.micros)
            if number % 50 == 49 { try writer.commit() }
        }
        try writer.commit()
    }

    /// Order `number`: the same whatever it is appended with.
    static func order(
        _ number: Int, users: Int = 7, seed: UInt64 = 1
    ) -> (key: [UInt8], value: [UInt8], micros: Int64) {
        var random = SeededNumbers(seed: seed &+ UInt64(number))
        let time = number * 3 - random.next(4)
        let user = "u\(random.next(users))"
        let value =
            "{\"id\":\"o\(number - (random.next(20) == 0 ? 1 : 0))\",\"user\":\"\(user)\","
            + "\"amount\":\(1 + random.next(90)),\"ts\":\(1_700_000_000 + time)}"
        return (
            Array(user.utf8), Array(value.utf8), Int64(1_700_000_000 + time) * 1_000_000
        )
    }

    /// Every record of a topic of `log`: "partition@offset timestamp key value".
    static func records(_ log: EmbeddedLog, _ topic: String) throws -> [String] {
        guard log.hasTopic(topic) else { return [] }
        var lines: [String] = []
        let source = try log.source(topic, bounded: true)
        for partition in try source.partitions() {
            var cursor = RecordCursor(try source.reader(partition: partition))
            while let record = try cursor.next() {
                lines.append(
                    "\(partition)@\(record.offset) \(record.timestamp) "
                        + "\(FirstDifference.text(record.key)) "
                        + FirstDifference.text(record.value))
            }
        }
        return lines
    }
}
