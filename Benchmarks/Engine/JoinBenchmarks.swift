import Glibc
import Operators
import StreamRuntime

/// How fast rows are joined, each kind alone on one core: a million left rows against 100,000 keys.
enum JoinBenchmarks {
    private static let rows = 4096
    private static let keyCount = 100_000
    private static let left = Schema([
        Field("customer", .int64), Field("order", .int64), Field("amount", .float64),
    ])
    private static let right = Schema([
        Field("id", .int64), Field("name", .string), Field("limit", .float64),
    ])

    static func run() throws {
        try asOf("as of, inner", .inner, nil)
        try asOf("as of, left, with a condition", .left, "c.limit > amount")
        try asOf("as of, semi", .semi, nil)
        try within()
        try hotKeys()
        try tables("tables without keys, inner", .inner)
        try tables("tables without keys, inner, with a condition", .inner, "c.limit > amount")
        try tables("tables without keys, left", .left)
        try tables("tables with keys, inner", .inner, isKeyed: true)
        try windows()
    }

    private static func form(_ type: JoinType, _ condition: String?) -> JoinForm {
        let input = JoinSide.schema(left: left, alias: "c")
        let fields = type.showsRight || condition != nil ? right.fields : []
        let bare = JoinForm(input: input, right: fields, type: type, keys: [0])
        do {
            return JoinForm(
                input: input, right: fields, type: type, keys: [0],
                condition: try condition.map {
                    try ExpressionCompiler(schema: bare.pairSchema).compile($0)
                })
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private static func random(_ state: inout UInt64, _ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }

    /// Left rows: a thousand a second of event time.
    private static func lefts(_ count: Int) -> [ColumnBatch] {
        var state: UInt64 = 42
        return (0..<count).map { number in
            batch(left, number, 1) { columns, row in
                columns[0].append(Int64(random(&state, keyCount)))
                columns[1].append(Int64(row))
                columns[2].append(Double(random(&state, 1000)))
            }
        }
    }

    private static func rights(_ count: Int, key: (Int) -> Int) -> [ColumnBatch] {
        (0..<count).map { number in
            batch(right, number, 0) { columns, row in
                columns[0].append(Int64(key(row)))
                columns[1].append("customer number \(row)")
                columns[2].append(Double(row % 1000))
            }
        }
    }

    private static func batch(
        _ schema: Schema, _ number: Int, _ origin: Int64, _ fill: ([Column], Int) -> Void
    ) -> ColumnBatch {
        let batch = ColumnBatch(schema: schema, capacity: rows)
        for row in (number * rows)..<((number + 1) * rows) {
            fill(batch.columns, row)
            batch.order.append(
                eventTime: Int64(row) * 1000, watermark: .min, origin: origin << 32,
                offset: Int64(row))
        }
        batch.count = rows
        return batch
    }

    private static func shared(
        _ batches: [ColumnBatch], _ side: JoinSide
    ) throws -> [ColumnBatch] {
        try batches.map { batch in
            let output = Last()
            try side.process(batch, into: output)
            let result = output.batch!
            result.keys = KeyEncoder(columns: [0]).encode(result)
            return result
        }
    }

    private static func rightSide(_ form: JoinForm, tableKey: [Int] = []) -> JoinSide {
        .right(
            right, left: left, alias: "c", leftKeys: [0], rightKeys: [0],
            kept: form.right.isEmpty ? [] : [0, 1, 2], tableKey: tableKey)
    }

    private static func asOf(_ name: String, _ type: JoinType, _ condition: String?) throws {
        let form = form(type, condition)
        let table = try shared(rights(keyCount / rows + 1) { $0 % keyCount }, rightSide(form))
        let stream = try shared(lefts(1_000_000 / rows + 1), .left(left, alias: "c"))
        let join = TemporalJoin(form: form, hasTableKey: false)
        try measure(name, join, before: table, stream)
    }

    private static func within() throws {
        let form = form(.inner, nil)
        var state: UInt64 = 7
        let others = try shared(
            rights(1_000_000 / rows + 1) { _ in random(&state, keyCount) }, rightSide(form))
        let stream = try shared(lefts(1_000_000 / rows + 1), .left(left, alias: "c"))
        let join = IntervalJoin(form: form, before: .seconds(60), after: .seconds(60))
        let both = zip(stream, others).flatMap { [$0, $1] }
        try measure("within a minute before and after, inner, both sides", join, before: [], both)
    }

    /// Left rows of four keys that nobody meets: each waits 100 seconds among 25,000 of its key.
    private static func hotKeys() throws {
        let form = form(.anti, nil)
        let rows = lefts(1_000_000 / rows + 1)
        for batch in rows {
            for row in 0..<batch.count { batch.columns[0].int64s[row] &= 3 }
        }
        try measure(
            "within, anti, four hot keys, 100 s after",
            IntervalJoin(form: form, before: .zero, after: .seconds(100)), before: [],
            try shared(rows, .left(left, alias: "c")))
    }

    /// A million left rows and the 100,000 right ones they meet, both at once.
    private static func tables(
        _ name: String, _ type: JoinType, _ condition: String? = nil, isKeyed: Bool = false
    ) throws {
        let form = form(type, condition)
        let others = try shared(
            rights(keyCount / rows + 1) { $0 % keyCount },
            rightSide(form, tableKey: isKeyed ? [0] : []))
        let stream = try shared(lefts(1_000_000 / rows + 1), .left(left, alias: "c"))
        let join = UpdatingJoin(
            form: form, leftKey: isKeyed ? [1] : [], hasRightKey: isKeyed)
        var all: [ColumnBatch] = []
        for (index, batch) in stream.enumerated() {
            if index % 10 == 0, index / 10 < others.count { all.append(others[index / 10]) }
            all.append(batch)
        }
        try measure(name, join, before: [], all)
    }

    private static func windows() throws {
        let form = form(.inner, nil)
        var state: UInt64 = 7
        let others = try shared(
            rights(1_000_000 / rows + 1) { _ in random(&state, keyCount) }, rightSide(form))
        let stream = try shared(lefts(1_000_000 / rows + 1), .left(left, alias: "c"))
        let join = WindowJoin(form: form, size: .seconds(10), every: .seconds(10))
        try measure(
            "windows of ten seconds, inner, both sides", join, before: [],
            zip(stream, others).flatMap { [$0, $1] })
    }

    private static func measure(
        _ name: String, _ step: any StreamRuntime.Operator, before: [ColumnBatch],
        _ batches: [ColumnBatch]
    ) throws {
        let output = Last()
        try step.open(
            OperatorContext(
                stepId: "bench", ordinal: 1, worker: 0, workers: 1, state: StateStore(),
                counters: StepCounters()))
        for batch in before { try step.process(batch, into: output) }
        output.rows = 0
        let start = clock()
        for batch in batches {
            try step.process(batch, into: output)
            let reached = EventTime(micros: batch.order.eventTimes.int64s[0])
            while try step.advance(to: reached, into: output) == .more {}
        }
        let seconds = clock() - start
        let rate = (Double(batches.count * rows) / seconds / 1e5).rounded() / 10
        print("join \(name): \(rate) M rows/s in, \(output.rows) rows out")
    }

    private static func clock() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private final class Last: Output {
        var batch: ColumnBatch?
        var rows = 0

        func emit(_ batch: ColumnBatch, port: Int) {
            self.batch = batch
            rows += batch.count
        }
    }
}
