import CRdKafka
import Foundation
import StreamRuntime
import Testing

@testable import Connectors

/// A job in shares over unique numbers: a copy of every row, and behind two repartition topics a running
/// count and sum of each user's numbers, repetitions left out.
///
/// - Note: everything that must come out is computed anew from what was put in.
final class NumberJob {
    struct Row {
        let number: Int
        let user: String
        let time: Int
        let partition: Int32
    }

    let name: String
    let directory: String
    let connection: KafkaConnection
    var shares: Int
    private(set) var rows: [Row] = []
    private var clock = 1_700_000_000_000
    private let partitions: Int32 = 4
    private let admin: KafkaAdmin
    private let producer: KafkaClient

    /// A job called `name`, whose topics begin with it, on the cluster behind `connection`.
    init(
        _ name: String, on connection: KafkaConnection, directory: String, shares: Int
    ) throws {
        self.name = name
        self.directory = directory
        self.connection = connection
        self.shares = shares
        admin = try KafkaAdmin(connection)
        producer = try KafkaClient(
            RD_KAFKA_PRODUCER, connection, defaults: ["linger.ms": "1"],
            fixed: ["enable.idempotence": "true"])
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        for topic in ["in", "copy", "counts"] {
            try admin.create(
                "\(name).\(topic)", partitions: Int(partitions), settings: ["retention.ms": "-1"])
        }
    }

    /// Writes the pipelines file of one process; with a store, it has a state directory of its own.
    func file(
        of instance: String, every: String, session: Int = 2000, store: String? = nil
    ) throws -> String {
        let state = store == nil ? "./state" : "./state-\(instance)"
        let shared = store.map { ", store: \($0)" } ?? ""
        let path = "\(directory)/\(instance).yaml"
        let text = """
            version: 1
            job:
              name: \(name)
              state: \(state)
              shares: \(shares)
              workers: 1
              memory: 256MiB
              checkpoints: {every: \(every)\(shared)}
            connections:
              cluster:
                kafka:
                  bootstrap: "\(connection.bootstrap)"
                  properties:
                    session.timeout.ms: "\(session)"
                    heartbeat.interval.ms: "200"
                    reconnect.backoff.ms: "10"
                    reconnect.backoff.max.ms: "50"
            streams:
              numbers:
                from: {topic: \(name).in}
                format: json
                fields: {number: int64, user: string, ts: {type: timestamp, unit: ms}}
                time: {field: ts, out_of_orderness: 1s}
                on_error: fail
            pipelines:
              copy: {from: numbers, to: {topic: \(name).copy}}
              counts:
                from: numbers
                steps:
                  - deduplicate: {id: unique, by: number, within: 1d}
                  - aggregate:
                      id: counts
                      by: user
                      window: none
                      select: {seen: count(*), total: sum(number), newest: last(number)}
                to: {topic: \(name).counts, key: user}

            """
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    // MARK: input

    /// Puts in `count` numbers that were not there before, in disorder, some of them twice.
    func produce(_ count: Int, random: inout KillRandom) throws {
        var made: [Row] = []
        for _ in 0..<count {
            clock += 1 + random.next(9)
            let isRepeated = !rows.isEmpty && random.next(12) == 0
            let known = rows.last
            made.append(
                Row(
                    number: isRepeated ? known!.number : rows.count + made.count + 1,
                    user: isRepeated ? known!.user : "u\(random.next(23))", time: clock,
                    partition: Int32(random.next(Int(partitions)))))
        }
        rows += made
        // Within a partition neighbours change places: never by more than the disorder allowed.
        for index in stride(from: 1, to: made.count, by: 2) where random.next(3) == 0 {
            made.swapAt(index, index - 1)
        }
        try send(made)
    }

    /// Closes the input: rows far in the future let all rows before them go.
    func close() throws {
        try send(
            (0..<partitions).map {
                Row(
                    number: -1 - Int($0), user: "end", time: clock + 3_600_000, partition: $0)
            })
    }

    private func send(_ rows: [Row]) throws {
        let topic = try KafkaTopic(producer, "\(name).in")
        for row in rows {
            let value = Array(
                #"{"number":\#(row.number),"user":"\#(row.user)","ts":\#(row.time)}"#.utf8)
            let code = value.withUnsafeBytes {
                millrace_kafka_produce(
                    producer.handle, topic.handle, row.partition, Int64(row.time), nil, 0,
                    $0.baseAddress, $0.count)
            }
            try #require(code == RD_KAFKA_RESP_ERR_NO_ERROR)
        }
        try #require(rd_kafka_flush(producer.handle, 20_000) == RD_KAFKA_RESP_ERR_NO_ERROR)
    }

    /// Deletes one of the cluster's topics.
    func delete(_ topic: String) throws {
        var request: OpaquePointer? = rd_kafka_DeleteTopic_new(topic)
        defer { rd_kafka_DeleteTopic_destroy(request) }
        let queue = rd_kafka_queue_new(producer.handle)
        defer { rd_kafka_queue_destroy(queue) }
        rd_kafka_DeleteTopics(producer.handle, &request, 1, nil, queue)
        let event = try #require(rd_kafka_queue_poll(queue, 10_000))
        rd_kafka_event_destroy(event)
    }

    // MARK: output

    /// What must come out of `counts`, by user, in order.
    var expectedCounts: [String: [String]] {
        var seen: Set<Int> = []
        var sums: [String: (count: Int, total: Int)] = [:]
        var lines: [String: [String]] = [:]
        for row in rows.sorted(by: { $0.time < $1.time }) where seen.insert(row.number).inserted {
            var sum = sums[row.user] ?? (0, 0)
            sum.count += 1
            sum.total += row.number
            sums[row.user] = sum
            lines[row.user, default: []].append("\(sum.count) \(sum.total) \(row.number)")
        }
        return lines
    }

    /// How many records each output has when everything has come out.
    var expectedSizes: (copy: Int, counts: Int) {
        (rows.count, Set(rows.map(\.number)).count)
    }

    /// Compares what committed readers see with what must be there: nothing missing, nothing twice, and
    /// every user's rows in order.
    func verify(_ comment: String, withEnd: Bool = false) throws {
        var counts: [String: [String]] = [:]
        for line in try committed("counts") {
            let value = try fields(line)
            guard let user = value["user"] as? String, user != "end" else { continue }
            counts[user, default: []].append(
                "\(try number(value["seen"])) \(try number(value["total"])) "
                    + "\(try number(value["newest"]))")
        }
        let expected = expectedCounts
        #expect(counts.keys.sorted() == expected.keys.sorted(), "\(comment)")
        for (user, lines) in expected {
            let found = counts[user] ?? []
            guard found != lines else { continue }
            let place = zip(found, lines).prefix { $0 == $1 }.count
            Issue.record(
                """
                user \(user) has \(found.count) rows instead of \(lines.count); from row \(place) on \
                \(found.dropFirst(place).prefix(3)) instead of \(lines.dropFirst(place).prefix(3)), \(comment)
                """)
        }
        let copied = try committed("copy").map { try number(fields($0)["number"]) }.filter {
            $0 > 0
        }
        #expect(
            copied.sorted() == rows.map(\.number).sorted(), "every row is copied once, \(comment)")
    }

    /// The values of all committed records of an output.
    func committed(_ topic: String) throws -> [String] {
        let source = try KafkaSource(connection, topic: "\(name).\(topic)", bounded: true)
        var values: [String] = []
        for partition in try source.partitions() {
            let reader = try source.reader(partition: partition)
            reading: while true {
                switch try reader.read(maxRecords: 4096, maxBytes: 1 << 20) {
                case .records(let batch):
                    for row in 0..<batch.count { values.append(batch.values.string(row)) }
                case .waiting: continue
                case .caughtUp, .ended: break reading
                }
            }
        }
        return values
    }

    /// How many committed records the outputs have, input's closing rows left out.
    func sizes() throws -> (copy: Int, counts: Int) {
        let isEnd = { (line: String) in line.contains("\"end\"") }
        return (
            try committed("copy").count { !isEnd($0) }, try committed("counts").count { !isEnd($0) }
        )
    }

    private func fields(_ line: String) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    private func number(_ value: Any?) throws -> Int {
        if let text = value as? String { return try #require(Int(text)) }
        return try #require((value as? NSNumber)?.intValue)
    }
}

/// A generator whose numbers are the same everywhere (SplitMix64).
struct KillRandom {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}
