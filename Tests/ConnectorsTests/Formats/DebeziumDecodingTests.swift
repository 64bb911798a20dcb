import StreamRuntime
import Testing

@testable import Connectors

@Suite struct DebeziumDecodingTests {
    private let fields = [
        RecordField("op", .string), RecordField("sku", .string),
        RecordField("quantity", .decimal(precision: 12, scale: 3)),
        RecordField("changed_at", .timestamp, unit: .microseconds),
        RecordField("ts_ms", .timestamp), RecordField("position", .string),
    ]

    private func event(
        _ op: String, before: String = "null", after: String = "null",
        source: String = #"{"ts_ms":1700000000000,"lsn":24023128}"#, time: Int = 1_700_000_000_500
    ) -> String {
        "{\"before\":\(before),\"after\":\(after),\"source\":\(source),\"op\":\"\(op)\",\"ts_ms\":\(time)}"
    }

    private let row = #"{"sku":"a1","quantity":"AN3g","changed_at":1700000000123456}"#

    @Test func `each kind of change makes a row of the image that matters`() {
        let old = #"{"sku":"a1","quantity":"/w==","changed_at":1}"#
        let decoded = decode(
            DebeziumRecordDecoder(fields: fields),
            [
                event("c", after: row), event("r", after: row), event("u", before: old, after: row),
                event("d", before: old), event("t"),
            ])
        let after = "a1 | 56800e-3 | 1700000000123456 | 1700000000000000 | 24023128"
        #expect(
            decoded
                == Decoded(rows: [
                    "c | " + after, "r | " + after, "u | " + after,
                    "d | a1 | -1e-3 | 1 | 1700000000000000 | 24023128",
                    "t | null | null | null | 1700000000000000 | 24023128",
                ]))
    }

    @Test func `schema and payload around an event change nothing, and tombstones make no row`() {
        let wrapped =
            "{\"schema\":{\"type\":\"struct\",\"op\":\"x\"},\"payload\":\(event("c", after: row))}"
        let batch = records([Array(wrapped.utf8), nil, Array(event("c", after: row).utf8), nil])
        let decoded = decode(DebeziumRecordDecoder(fields: fields), batch)
        #expect(decoded.rows.count == 2)
        #expect(decoded.rows[0] == decoded.rows[1])
        #expect(decoded.rejects == [])
    }

    @Test func `the database's time counts, and the event's where that is 0 or missing`() {
        let times = [
            #"{"ts_ms":0}"#, "{}", "null", #"{"ts_ms":null}"#, #"{"ts_ms":1700000000001}"#,
        ].map { event("c", after: row, source: $0) }
        let decoded = decode(
            DebeziumRecordDecoder(fields: [RecordField("ts_ms", .timestamp)]), times)
        let fallback = "1700000000500000"
        #expect(decoded.rows == [fallback, fallback, fallback, fallback, "1700000000001000"])
    }

    @Test func `a position is the log's number, or its file, byte and row`() {
        let sources = [
            #"{"lsn":7}"#, #"{"file":"binlog.000003","pos":154,"row":0,"lsn":null}"#, "{}",
        ].map { event("c", after: row, source: $0) }
        let decoded = decode(
            DebeziumRecordDecoder(fields: [RecordField("position", .string)]), sources)
        #expect(decoded.rows == ["7", "binlog.000003:154:0", "null"])
    }

    @Test func `columns of the row that are named like the envelope's are reached by row`() {
        let fields = [
            RecordField("origin", .string, path: "row.source"),
            RecordField("kind", .string, path: "row.op"),
            RecordField("table", .string, path: "source.table"),
            RecordField("old", .int64, path: "before.n"),
            RecordField("n", .int64),
        ]
        let decoded = decode(
            DebeziumRecordDecoder(fields: fields),
            [
                event(
                    "u", before: #"{"n":1}"#, after: #"{"source":"pos","op":"sale","n":2}"#,
                    source: #"{"table":"shelf"}"#)
            ])
        #expect(decoded.rows == ["pos | sale | shelf | 1 | 2"])
    }

    @Test func `decimals are base64 of the unscaled bytes, numbers, or text where declared`() {
        let field = [RecordField("q", .decimal(precision: 6, scale: 2))]
        let texts = ["\"MDk=\"", "\"z8c=\"", "\"AA==\"", "12.50", "\"12.50\"", "\"D0JA\"", "null"]
        let events = texts.map { event("c", after: "{\"q\":\($0)}") }
        let precise = decode(DebeziumRecordDecoder(fields: field), events)
        #expect(precise.rows == ["12345e-2", "-12345e-2", "0e-2", "1250e-2", "null"])
        #expect(
            precise.rejects == [
                "4 q: \"\"12.50\"\" is not the base64 of a decimal; if the connector writes text, say decimals: text",
                "5 q: 1000000 has more than 6 digits",
            ])
        let text = decode(DebeziumRecordDecoder(fields: field, decimals: .text), [events[4]])
        #expect(text.rows == ["1250e-2"])
    }

    @Test func `what is no change event is refused`() {
        let decoded = decode(
            DebeziumRecordDecoder(fields: fields),
            [
                "{}", event("x"), event("c"), event("d", after: row), "[]", "{\"op\":\"c\"",
                event("c", after: "{\"sku\":1}"), event("u", after: "7"),
            ])
        #expect(decoded.rows == [])
        #expect(
            decoded.rejects == [
                "0 op: not a change event: it has no op", "1 op: op \"x\" is none of c, r, u, d, t",
                "2 after: the change has no row in after",
                "3 before: the change has no row in before",
                "4 : the document is not an object",
                "5 : malformed JSON at byte 9: \",\" or \"}\" was expected",
                "6 sku: \"1\" is not a string",
                "7 after: the change has no row in after",
            ])
    }

    @Test func `raw records are handed on as they are`() {
        let fields = [
            RecordField("body", .string), RecordField("bytes", .bytes),
            RecordField("key", .string, from: .key),
        ]
        let batch = records([Array("{x".utf8), [0xFF], nil], keys: [Array("k".utf8), nil, nil])
        let decoded = decode(RawRecordDecoder(fields: fields), batch)
        #expect(decoded.rows == ["{x | 7b.78 | k", "null | null | null"])
        #expect(decoded.rejects == ["1 body: is not UTF-8"])
    }

    @Test func `mutated events are read alike with and without payload, and never crash`() {
        let seed: UInt64 = 2024
        var random = Seeded(state: seed)
        let marks = Array("{}[]\",:\\019ecrudtn ".utf8) + [0xFF]
        for round in 0..<20 {
            let events = (0..<50).map { _ -> [UInt8] in
                var bytes = Array(
                    event(["c", "u", "r"].randomElement(using: &random)!, after: row).utf8)
                for _ in 0..<Int.random(in: 0...2, using: &random) {
                    bytes[Int.random(in: 1..<bytes.count, using: &random)] =
                        marks.randomElement(using: &random)!
                }
                return bytes
            }
            let bare = decode(DebeziumRecordDecoder(fields: fields), records(events))
            let wrapped = decode(
                DebeziumRecordDecoder(fields: fields),
                records(events.map { Array("{\"payload\":".utf8) + $0 + [0x7D] }))
            #expect(bare.rows.count + bare.rejects.count == 50, "seed \(seed) round \(round)")
            #expect(bare.rows == wrapped.rows, "seed \(seed) round \(round)")
        }
    }
}
