import Codecs
import Testing

@testable import StreamRuntime

/// Encodes a row as the text of its first column.
private final class FirstColumnEncoder: RecordEncoder {
    func encode(_ batch: ColumnBatch, into values: Column) {
        for row in 0..<batch.count {
            if batch.columns[0].isValid(row) {
                values.append(batch.columns[0].string(row))
            } else {
                values.appendNull()
            }
        }
    }
}

private struct Row {
    var text: String?
    var store: String?
    var product: Int64?
    var change = RowChange.insert
    var time: Int64 = 0
}

private let schema = Schema([
    Field("text", .string), Field("store", .string), Field("product", .int64),
])

private func batch(_ rows: [Row], firstOffset: Int64 = 0) -> ColumnBatch {
    let result = ColumnBatch(schema: schema, capacity: rows.count)
    let changes = Column(.bool, capacity: rows.count)
    for (index, row) in rows.enumerated() {
        for (column, text) in [(0, row.text), (1, row.store)] {
            if let text {
                result.columns[column].append(text)
            } else {
                result.columns[column].appendNull()
            }
        }
        if let product = row.product {
            result.columns[2].append(product)
        } else {
            result.columns[2].appendNull()
        }
        result.order.append(
            eventTime: row.time, watermark: .min, origin: 5,
            offset: firstOffset + Int64(index))
        changes.bools[index] = row.change.rawValue
    }
    changes.setCount(rows.count)
    result.count = rows.count
    result.changes = changes
    return result
}

private func sink(_ scratch: ScratchLog, key: [Int], partitions: Int = 1) throws -> TopicSink {
    try scratch.log.ensureTopic("out", TopicSettings(partitions: partitions))
    let sink = TopicSink(
        try scratch.log.writer("out", syncing: false), encoder: FirstColumnEncoder(),
        schema: schema, key: key)
    try sink.recover(token: nil)
    return sink
}

private let changes: [Row] = [
    Row(text: "one", store: "s1", product: 7, time: 10),
    Row(text: "old", store: "s1", product: 7, change: .updateBefore, time: 11),
    Row(text: "new", store: "s1", product: 7, change: .updateAfter, time: 11),
    Row(text: "bye", store: "s\"2", product: nil, change: .delete, time: 12),
    Row(text: nil, store: nil, product: -9, time: 13),
    Row(text: "unkeyed", store: nil, product: nil, change: .delete, time: 14),
]

private let keyTables: [([Int], [String?])] = [
    ([1], ["s1", "s1", "s\"2", nil]),
    ([2], ["7", "7", "-9"]),
    ([1, 2], ["[\"s1\",7]", "[\"s1\",7]", "[\"s\\\"2\",null]", "[null,-9]", "[null,null]"]),
    ([], [nil, nil, nil]),
]

@Test(arguments: keyTables)
func `rows become records with the text of their key, deletes become tombstones`(
    key: [Int], expected: [String?]
) throws {
    let scratch = ScratchLog()
    let sink = try sink(scratch, key: key)
    try sink.write(batch(changes))
    try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
    let records = try scratch.log.records("out")
    #expect(records.map(\.key) == expected)
    #expect(records.prefix(2).map(\.value) == ["one", "new"])
    #expect(records.dropFirst(2).allSatisfy { $0.value == nil })
    #expect(records.prefix(2).map(\.timestamp) == [10, 11])
}

@Test func `a record's partition is the one Kafka's Java client chooses for its key`() throws {
    let scratch = ScratchLog()
    let sink = try sink(scratch, key: [1], partitions: 5)
    let stores = (0..<40).map { "store \($0)" }
    try sink.write(batch(stores.map { Row(text: $0, store: $0, product: nil) }))
    try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
    for partition in 0..<5 {
        let expected = stores.filter {
            var store = $0
            return store.withUTF8 { Murmur2.partition(key: $0.baseAddress!, $0.count, of: 5) }
                == partition
        }
        #expect(try scratch.log.records("out", partition).map(\.key) == expected)
    }
}

@Test func `the same rows give the same partitions however they are batched`() throws {
    let rows = (0..<200).map { Row(text: "\($0)", store: nil, product: nil) }
    var found: [[[String?]]] = []
    for size in [1, 7, 200] {
        let scratch = ScratchLog()
        let sink = try sink(scratch, key: [1], partitions: 3)
        for start in stride(from: 0, to: rows.count, by: size) {
            let part = rows[start..<min(start + size, rows.count)]
            try sink.write(batch(Array(part), firstOffset: Int64(start)))
            if start % 3 == 0 {
                let token = try sink.prepare(checkpoint: Int64(start + 1))
                try sink.commit(checkpoint: Int64(start + 1), token: token)
            }
        }
        try sink.commit(checkpoint: 999, token: try sink.prepare(checkpoint: 999))
        found.append(try (0..<3).map { try scratch.log.values("out", $0) })
    }
    #expect(found[0] == found[1])
    #expect(found[0] == found[2])
    #expect(found[0].allSatisfy { $0.count > 30 })
}

@Test func `rows written after the checkpoint that is restored are written once`() throws {
    let scratch = ScratchLog()
    var token: [UInt8] = []
    do {
        let sink = try sink(scratch, key: [1])
        try sink.write(batch([Row(text: "a", store: "s", product: nil)]))
        token = try sink.prepare(checkpoint: 1)
        try sink.write(batch([Row(text: "b", store: "s", product: nil)]))
        let next = try sink.prepare(checkpoint: 2)
        try sink.commit(checkpoint: 2, token: next)
    }
    #expect(try scratch.log.values("out") == ["a", "b"])
    let restored = TopicSink(
        try scratch.log.writer("out", syncing: false), encoder: FirstColumnEncoder(),
        schema: schema, key: [1])
    try restored.recover(token: token)
    #expect(try scratch.log.values("out") == ["a"])
    try restored.write(batch([Row(text: "b", store: "s", product: nil)]))
    try restored.commit(checkpoint: 2, token: try restored.prepare(checkpoint: 2))
    #expect(try scratch.log.values("out") == ["a", "b"])
}

@Test func `keys of every type have the text other programs would write`() {
    let decimals = Column(.decimal(precision: 10, scale: 2), capacity: 4)
    for value in [12345, -5, 0, -100] as [Int128] { decimals.append(value) }
    let times = Column(.timestamp, capacity: 4)
    for value in [0, 1_700_000_000_123_456, -1, -62_135_596_800_000_000] as [Int64] {
        times.append(value)
    }
    let dates = Column(.date, capacity: 4)
    for value in [0, 19_782, -1, 11_016] as [Int64] { dates.append(value) }
    let flags = Column(.bool, capacity: 4)
    for value in [true, false, true, true] { flags.append(value) }
    let doubles = Column(.float64, capacity: 4)
    for value in [1.5, -0.25, 1e300, .infinity] { doubles.append(value) }
    let table: [(Column, [String])] = [
        (decimals, ["123.45", "-0.05", "0.00", "-1.00"]),
        (
            times,
            [
                "1970-01-01T00:00:00Z", "2023-11-14T22:13:20.123456Z",
                "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z",
            ]
        ),
        (dates, ["1970-01-01", "2024-02-29", "1969-12-31", "2000-02-29"]),
        (flags, ["true", "false", "true", "true"]),
        (doubles, ["1.5", "-0.25", "1e+300", "inf"]),
    ]
    for (column, expected) in table {
        let schema = Schema([Field("k", column.type)])
        let order = RowOrder(capacity: 4)
        for row in 0..<4 {
            order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
        }
        let batch = ColumnBatch(schema: schema, columns: [column], order: order, count: 4)
        let keys = Column(.bytes, capacity: 4)
        var text = RecordKeyText(schema: schema, columns: [0])
        text.append(batch, into: keys)
        #expect((0..<4).map { keys.string($0) } == expected)
    }
}

@Test func `several columns of a key are a JSON array, also of what JSON has no word for`() {
    let times = Column(.timestamp, capacity: 2)
    for value in [1_500_000, 0] as [Int64] { times.append(value) }
    let doubles = Column(.float64, capacity: 2)
    for value in [2.5, .infinity] { doubles.append(value) }
    let blobs = Column(.bytes, capacity: 2)
    for value in [[0x22, 0x01, 0x5C], [0xFF]] as [[UInt8]] {
        value.withUnsafeBufferPointer { blobs.append($0) }
    }
    let texts = Column(.string, capacity: 2)
    for value in ["é\n", ""] { texts.append(value) }
    let columns = [times, doubles, blobs, texts]
    let schema = Schema(columns.enumerated().map { Field("c\($0.offset)", $0.element.type) })
    let order = RowOrder(capacity: 2)
    for row in 0..<2 {
        order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
    }
    let batch = ColumnBatch(schema: schema, columns: columns, order: order, count: 2)
    let keys = Column(.bytes, capacity: 2)
    var text = RecordKeyText(schema: schema, columns: [0, 1, 2, 3])
    text.append(batch, into: keys)
    #expect(
        keys.string(0)
            == #"["1970-01-01T00:00:01.500000Z",2.5,"\"\u0001\\",""# + "é" + #"\n"]"#)
    #expect(keys.string(1) == "[\"1970-01-01T00:00:00Z\",\"inf\",\"\u{FFFD}\",\"\"]")
}

@Test func `a row whose record is too large is left out and counted, or stops the job`() throws {
    let rows = [
        Row(text: "12345", store: "s", product: nil), Row(text: "123456", store: "s", product: nil),
        Row(text: nil, store: "longer key", product: nil, change: .delete),
        Row(text: "1", store: "s", product: nil),
    ]
    for policy in [FailurePolicy.drop, .fail] {
        let scratch = ScratchLog()
        try scratch.log.ensureTopic("out", TopicSettings(partitions: 1))
        let sink = TopicSink(
            try scratch.log.writer("out", syncing: false), encoder: FirstColumnEncoder(),
            schema: schema, key: [1], policy: policy, recordBytesMax: 6)
        let counters = StepCounters()
        sink.report(to: counters)
        try sink.recover(token: nil)
        guard policy == .drop else {
            let failure = #expect(throws: JobFailure.self) { try sink.write(batch(rows)) }
            #expect(
                failure?.problem == "a record of 7 bytes is too large for out, which takes 6")
            #expect(failure?.place == "topic out, key s")
            continue
        }
        try sink.write(batch(rows))
        try sink.commit(checkpoint: 1, token: try sink.prepare(checkpoint: 1))
        #expect(try scratch.log.values("out") == ["12345", "1"])
        #expect(counters.read(.rejected) == 2)
    }
}
