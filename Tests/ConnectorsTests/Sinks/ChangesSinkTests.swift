import StreamRuntime
import Testing

@testable import Connectors

/// Keeps what it is given as lines: `+key record`, `-key` for a tombstone.
private final class KeepingSink: Sink {
    let encoder: any RecordEncoder
    let columns: [Int]
    var lines: [String] = []

    init(_ shape: ChangeShape) {
        columns = shape.columns
        let chosen = Array(0..<shape.recordColumns)
        encoder = SelectedColumnsEncoder(
            JSONRecordEncoder(schema: Schema(chosen.map { shape.schema.fields[$0] })),
            columns: chosen, of: shape.schema)
    }

    func recover(token: [UInt8]?) throws(JobFailure) {}

    func write(_ batch: ColumnBatch) throws(JobFailure) {
        let values = Column(.bytes, capacity: 16)
        encoder.encode(batch, into: values)
        for row in 0..<batch.count {
            let key = columns.map { batch.columns[$0].valueText(row) }.joined(separator: ",")
            lines.append(
                values.isValid(row)
                    ? "+\(key) \(String(decoding: values.bytes(row), as: UTF8.self))" : "-\(key)")
        }
    }

    func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] { [] }
    func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}
}

@Suite struct ChangesSinkTests {
    private let rows = [
        TableRow(.insert, "a", 1, 1), TableRow(.updateBefore, "a", 1, 2),
        TableRow(.updateAfter, "a", 2, 2), TableRow(.updateBefore, "a", 2, 3),
        TableRow(.updateAfter, "b", 2, 3), TableRow(.delete, "b", 2, 4),
        TableRow(.updateAfter, "c", 5, 5), TableRow(.updateBefore, "c", 5, 6),
    ]

    private func write(_ form: ChangeForm, keys: [Int], batch: Int) throws -> [String] {
        let target = KeepingSink(ChangeShape(form, of: TableRow.schema, columns: keys))
        let sink = ChangesSink(
            target, form: form, schema: TableRow.schema, columns: keys, keys: keys)
        for batch in TableRow.batches(rows, of: batch) { try sink.write(batch) }
        _ = try sink.prepare(checkpoint: 1)
        return target.lines
    }

    @Test(arguments: [1, 2, 3, 5, 100])
    func `an upsert is the newest row of its key, and a key that is left is deleted`(batch: Int)
        throws
    {
        let lines = try write(.upsert, keys: [0], batch: batch)
        #expect(
            lines == [
                #"+a {"key":"a","value":1}"#, #"+a {"key":"a","value":2}"#, "-a",
                #"+b {"key":"b","value":2}"#, "-b", #"+c {"key":"c","value":5}"#, "-c",
            ])
    }

    @Test(arguments: [1, 2, 3, 5, 100])
    func `debezium's changes have the row before and after them`(batch: Int) throws {
        let lines = try write(.debezium, keys: [0], batch: batch)
        let (a1, a2) = (#"{"key":"a","value":1}"#, #"{"key":"a","value":2}"#)
        let (b2, c5) = (#"{"key":"b","value":2}"#, #"{"key":"c","value":5}"#)
        #expect(
            lines == [
                #"+a {"before":null,"after":\#(a1),"op":"c","ts_ms":1000}"#,
                #"+a {"before":\#(a1),"after":\#(a2),"op":"u","ts_ms":2000}"#,
                #"+a {"before":\#(a2),"after":null,"op":"d","ts_ms":3000}"#, "-a",
                #"+b {"before":null,"after":\#(b2),"op":"u","ts_ms":3000}"#,
                #"+b {"before":\#(b2),"after":null,"op":"d","ts_ms":4000}"#, "-b",
                #"+c {"before":null,"after":\#(c5),"op":"u","ts_ms":5000}"#,
                #"+c {"before":\#(c5),"after":null,"op":"d","ts_ms":6000}"#, "-c",
            ])
    }

    @Test
    func `without a key rows that follow each other make one change, and none is a tombstone`()
        throws
    {
        let lines = try write(.debezium, keys: [], batch: 3)
        #expect(lines.count == 6)
        #expect(
            lines[2]
                == #"+ {"before":{"key":"a","value":2},"after":{"key":"b","value":2},"op":"u","ts_ms":3000}"#
        )
        #expect(!lines.contains { $0.hasPrefix("-") })
    }

    @Test(arguments: [1, 3, 100])
    func `a changelog has every change with what it is`(batch: Int) throws {
        let lines = try write(.changelog, keys: [], batch: batch)
        #expect(
            lines == [
                #"+ {"op":"+I","key":"a","value":1}"#, #"+ {"op":"-U","key":"a","value":1}"#,
                #"+ {"op":"+U","key":"a","value":2}"#, #"+ {"op":"-U","key":"a","value":2}"#,
                #"+ {"op":"+U","key":"b","value":2}"#, #"+ {"op":"-D","key":"b","value":2}"#,
                #"+ {"op":"+U","key":"c","value":5}"#, #"+ {"op":"-U","key":"c","value":5}"#,
            ])
    }
}
