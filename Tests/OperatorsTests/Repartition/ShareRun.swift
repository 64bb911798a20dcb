import Foundation
import StreamRuntime
import Synchronization
import Testing

@testable import Operators

/// Orders in memory: partitions of (time, user, product, amount).
struct Orders {
    struct Row {
        let time: Int64
        let user: String
        let product: String
        let amount: Int64
    }

    static let schema = Schema([
        Field("ts", .timestamp), Field("user", .string), Field("product", .string),
        Field("amount", .int64),
    ])

    let partitions: [[Row]]

    /// Random rows that wander forward, some of them late.
    init(partitions count: Int, rows: Int, random: inout Seeded) {
        var made: [[Row]] = []
        for _ in 0..<count {
            var clock: Int64 = 1_000 * second
            made.append(
                (0..<rows).map { _ in
                    clock += Int64.random(in: 0...(4 * second), using: &random)
                    let isLate = Int.random(in: 0..<15, using: &random) == 0
                    let back = isLate ? Int64.random(in: 0...(120 * second), using: &random) : 0
                    return Row(
                        time: clock - back, user: "u\(Int.random(in: 0..<9, using: &random))",
                        product: "p\(Int.random(in: 0..<5, using: &random))",
                        amount: Int64.random(in: -3...9, using: &random))
                })
        }
        partitions = made
    }
}

/// The partitions of the orders that one share reads.
private final class OrderSource: RecordSource {
    private let orders: Orders
    private let share: Int
    private let shares: Int

    init(_ orders: Orders, share: Int, of shares: Int) {
        self.orders = orders
        self.share = share
        self.shares = shares
    }

    func partitions() throws(JobFailure) -> [Int32] {
        orders.partitions.indices.filter { $0 % shares == share }.map { Int32($0) }
    }

    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        OrderReader(partition, count: orders.partitions[Int(partition)].count)
    }
}

private final class OrderReader: PartitionReader {
    let partition: Int32
    private let count: Int
    private(set) var position: Int64 = 0
    var name: String { "orders/\(partition)" }

    init(_ partition: Int32, count: Int) {
        self.partition = partition
        self.count = count
    }

    func seek(to offset: Int64) throws(JobFailure) { position = offset }

    func read(maxRecords: Int, maxBytes: Int) throws(JobFailure) -> ReadOutcome {
        guard position < count else { return .ended }
        let batch = RecordBatch(partition: partition, capacity: maxRecords)
        while position < count, batch.count < maxRecords {
            batch.keys.appendNull()
            batch.values.appendNull()
            batch.timestamps.append(Int64(0))
            batch.offsets.append(position)
            position += 1
        }
        return .records(batch)
    }
}

private final class OrderDecoder: RecordDecoder {
    let schema = Orders.schema
    private let orders: Orders
    init(_ orders: Orders) { self.orders = orders }

    func decode(_ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows) {
        for record in 0..<records.count {
            let offset = Int(records.offsets.int64s[record])
            let row = orders.partitions[Int(records.partition)][offset]
            rows.columns[0].append(row.time)
            rows.columns[1].append(row.user)
            rows.columns[2].append(row.product)
            rows.columns[3].append(row.amount)
            rows.records.append(Int64(record))
        }
    }
}

/// What a sink has been given, as text; outlives the jobs of its share.
final class Collected: Sendable {
    struct Line: Sendable, Equatable {
        let key: String
        let text: String
    }
    let lines = Mutex<[Line]>([])
}

/// Fails a share at one of its writes.
final class Trouble: Sendable {
    /// Rows written until the next failure; none when negative.
    let rows = Atomic<Int>(-1)
    let failures = Atomic<Int>(0)

    func write(_ count: Int) throws(JobFailure) {
        guard rows.load(ordering: .relaxed) >= 0 else { return }
        if rows.wrappingSubtract(count, ordering: .relaxed).newValue < 0 {
            failures.wrappingAdd(1, ordering: .relaxed)
            throw JobFailure(.environment, "killed", at: "test", remedy: "restart")
        }
    }
}

private final class CollectingSink: Sink {
    private let collected: Collected
    private let trouble: Trouble
    private let key: [Int]

    init(_ collected: Collected, _ trouble: Trouble, key: [Int]) {
        self.collected = collected
        self.trouble = trouble
        self.key = key
    }

    func recover(token: [UInt8]?) throws(JobFailure) {
        let kept = token.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        collected.lines.withLock { $0.removeSubrange(kept...) }
    }

    func write(_ batch: ColumnBatch) throws(JobFailure) {
        try trouble.write(batch.count)
        let columns = batch.columns
        collected.lines.withLock { lines in
            for row in 0..<batch.count {
                lines.append(
                    Collected.Line(
                        key: key.map { columns[$0].valueText(row) }.joined(separator: "/"),
                        text: columns.map { $0.isValid(row) ? $0.valueText(row) : "null" }
                            .joined(separator: " ") + " @\(batch.order.eventTimes.int64s[row])"))
            }
        }
    }

    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        Array("\(collected.lines.withLock { $0.count })".utf8)
    }

    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}
}

/// One keyed step of the job under test.
private struct KeyedStep {
    let id: String
    let from: JobGraph.Node
    let key: [Int]
    let input: Schema
    let output: Schema
    let make: @Sendable () throws(JobFailure) -> any StreamRuntime.Operator
}

/// A job over orders, whole or in shares: rolling by user, windows by product over its rows, and firsts.
struct ShareRun {
    let orders: Orders
    let shares: Int
    /// Where repartition topics and state are; nil for a whole job in memory.
    let directory: String?
    let trouble: [Trouble]
    private let collected: [[Collected]]

    static let sinks = ["windows", "late", "firsts"]

    init(_ orders: Orders, shares: Int, directory: String?) throws {
        self.orders = orders
        self.shares = shares
        self.directory = directory
        trouble = (0..<shares).map { _ in Trouble() }
        collected = (0..<shares).map { _ in ShareRun.sinks.map { _ in Collected() } }
        guard let directory else { return }
        let log = EmbeddedLog(root: directory + "/topics")
        for step in try ShareRun.steps() {
            for share in 0..<shares {
                try log.createTopic(
                    "\(step.id).from\(share)", TopicSettings(partitions: shares))
            }
        }
    }

    /// The rows of each sink, by key, in the order they left.
    var results: [[String: [String]]] {
        ShareRun.sinks.indices.map { sink in
            var rows: [String: [String]] = [:]
            for share in collected {
                for line in share[sink].lines.withLock({ $0 }) {
                    rows[line.key, default: []].append(line.text)
                }
            }
            return rows
        }
    }

    /// A job of one share.
    func job(
        share: Int, workers: Int, batchRows: Int, storage: any JobStorage
    ) throws -> Job {
        try Job(
            graph: try graph(share: share),
            settings: RunSettings(
                workers: workers, batchRows: batchRows, checkpointNanos: 3_000_000),
            storage: storage)
    }

    private static func steps() throws -> [KeyedStep] {
        let schema = Orders.schema
        let counts = try ExpressionCompiler(schema: schema).compileAggregates(
            [("n", "count(*)"), ("s", "sum(amount)")], keys: ["user"])
        let rolled = Rolling.outputSchema(schema, plans: [counts])
        let window = AggregateSpec(
            window: .tumble(size: 30 * second),
            plan: try ExpressionCompiler(schema: rolled).compileAggregates(
                [
                    ("orders", "count(*)"), ("total", "sum(amount)"), ("top", "max(n)"),
                    ("opened", "first(user)"), ("closed", "last(s)"),
                ], keys: ["product"]), latePort: 1)
        return [
            KeyedStep(id: "rolling", from: .source(0), key: [1], input: schema, output: rolled) {
                () throws(JobFailure) in
                try Rolling(
                    schema: schema, keys: [1], widths: [(over: .seconds(60), plan: counts)])
            },
            KeyedStep(id: "windows", from: .step(0), key: [2], input: rolled, output: window.schema)
            {
                () throws(JobFailure) in try window.makeOperator(input: rolled)
            },
            KeyedStep(id: "firsts", from: .source(0), key: [1, 3], input: schema, output: schema) {
                () throws(JobFailure) in Deduplicate(within: .seconds(40))
            },
        ]
    }

    private func graph(share: Int) throws -> JobGraph {
        let orders = orders
        let shares = shares
        let steps = try ShareRun.steps()
        var edges: [JobGraph.Edge] = []
        var sinks: [JobGraph.SinkNode] = []
        var repartitions: [JobGraph.RepartitionNode] = []
        let out: [(step: Int, port: Int, schema: Schema, key: [Int])] = [
            (1, 0, steps[1].output, [0]), (1, 1, steps[1].input, [2]),
            (2, 0, steps[2].input, [1, 3]),
        ]
        for (index, target) in out.enumerated() {
            let collected = collected[share][index]
            let trouble = trouble[share]
            sinks.append(
                .init(
                    id: "topic:" + ShareRun.sinks[index], ordinal: Int64(10 + index),
                    isOrdered: true,
                    schema: target.schema,
                    make: { () throws(JobFailure) in
                        CollectingSink(collected, trouble, key: target.key)
                    }))
            edges.append(
                .init(
                    from: .step(target.step), port: target.port, to: .sink(index), exchange: .gather
                ))
        }
        for (index, step) in steps.enumerated() {
            guard let directory else {
                edges.append(
                    .init(
                        from: step.from, port: 0, to: .step(index), exchange: .keyed(step.key)))
                continue
            }
            let log = EmbeddedLog(root: directory + "/topics")
            sinks.append(
                .init(
                    id: "repartition:\(step.id)", ordinal: Int64(20 + index), isOrdered: false,
                    schema: step.input,
                    make: { () throws(JobFailure) in
                        RepartitionSink(
                            EmbeddedCarrier(
                                try log.writer("\(step.id).from\(share)", syncing: false)),
                            share: share, key: step.key)
                    }))
            edges.append(
                .init(from: step.from, port: 0, to: .sink(sinks.count - 1), exchange: .gather))
            repartitions.append(
                .init(
                    name: "\(step.id).repartition", ordinal: Int64(30 + index), schema: step.input,
                    shares: shares,
                    open: { () throws(JobFailure) in
                        EmbeddedShare(log, step: step.id, share: share, of: shares)
                    }))
            edges.append(
                .init(
                    from: .repartition(index), port: 0, to: .step(index), exchange: .keyed(step.key)
                ))
        }
        return JobGraph(
            sources: [
                .init(
                    name: "orders", ordinal: 0,
                    time: TimeRule(
                        column: 0, outOfOrdernessMicros: 10 * second, idleNanos: .max),
                    policy: .fail,
                    open: { () throws(JobFailure) in OrderSource(orders, share: share, of: shares)
                    }, decoder: { OrderDecoder(orders) })
            ],
            steps: steps.enumerated().map { index, step in
                .init(
                    id: step.id, ordinal: Int64(index + 1), isStateful: true,
                    inputSchema: step.input, make: step.make)
            }, sinks: sinks, edges: edges, repartitions: repartitions)
    }
}

/// The partition of one share in the topics of all upstream shares.
private final class EmbeddedShare: RecordSource {
    private let log: EmbeddedLog
    private let step: String
    private let share: Int
    private let shares: Int

    init(_ log: EmbeddedLog, step: String, share: Int, of shares: Int) {
        self.log = log
        self.step = step
        self.share = share
        self.shares = shares
    }

    func partitions() throws(JobFailure) -> [Int32] { (0..<shares).map { Int32($0) } }

    func reader(partition: Int32) throws(JobFailure) -> any PartitionReader {
        try log.source("\(step).from\(partition)", bounded: false).reader(
            partition: Int32(share))
    }
}
