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
                "4 q: \"\"12.50\"\" is not the base64 of a decimal; if the connector writes text, say decimals: string",
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

    /// The rows of `values` with what each says of its table, the rejects, and the records passed over.
    private func changes(
        _ fields: [RecordField], _ changelog: Changelog, _ values: [String]
    ) -> (rows: [String], rejects: [String], skipped: Int) {
        let decoder = DebeziumRecordDecoder(fields: fields, changelog: changelog)
        let batch = records(values.map { Array($0.utf8) })
        let rows = DecodedRows(schema: decoder.schema, capacity: 4)
        var rejects = RejectedRows()
        decoder.decode(batch, into: rows, rejects: &rejects)
        let kinds = (0..<rows.count).map { RowChange(rawValue: rows.changes!.bools[$0])! }
        return (
            (0..<rows.count).map { row in
                "\(kinds[row]) " + rows.columns.map { show($0, row) }.joined(separator: " | ")
            }, rejects.rejects.map { "\($0.row) \($0.column): \($0.reason)" }, rows.skipped
        )
    }

    @Test func `a changelog says what happened to each row, a full one also what it was before`() {
        let fields = [
            RecordField("id", .int64, isRequired: true), RecordField("n", .int64, isRequired: true),
        ]
        let values = [
            event("c", after: #"{"id":1,"n":1}"#), event("r", after: #"{"id":2,"n":2}"#),
            event("u", before: #"{"id":1,"n":1}"#, after: #"{"id":1,"n":3}"#),
            event("u", after: #"{"id":2,"n":4}"#), event("t"),
            event("d", before: #"{"id":2,"n":null}"#), event("d"),
        ]
        let upsert = changes(fields, .upsert, values)
        #expect(
            upsert.rows == [
                "insert 1 | 1", "insert 2 | 2", "updateAfter 1 | 3", "updateAfter 2 | 4",
                "delete 2 | null",
            ])
        #expect(
            upsert.rejects == [
                "4 op: the table was truncated, which rows cannot say: its rows would stay",
                "6 before: the change has no row in before",
            ])
        let full = changes(fields, .full, values)
        #expect(
            full.rows == [
                "insert 1 | 1", "insert 2 | 2", "updateBefore 1 | 1", "updateAfter 1 | 3",
                "delete 2 | null",
            ])
        #expect(
            full.rejects.first
                == "3 before: the update has no row before it; let the database log whole rows "
                + "(REPLICA IDENTITY FULL), or say changelog: upsert")
    }

    @Test func `events about no row are passed over and counted, with and without payload`() {
        let events = [
            #"{"ts_ms":1700000000000}"#, #"{"ts_ms":1,"ts_us":1000,"ts_ns":1000000}"#,
            #"{"status":"BEGIN","id":"571:53195829","ts_ms":1,"event_count":null,"data_collections":null}"#,
            #"{"status":"END","id":"571","event_count":2,"data_collections":[{"data_collection":"s.a","event_count":2}]}"#,
            #"{"source":{"server":"s"},"ts_ms":1,"databaseName":"inventory","ddl":"CREATE TABLE a (id INT)"}"#,
            #"{"source":{},"databaseName":"a","schemaName":"b","ddl":null,"tableChanges":[]}"#,
            #"{"op":"m","ts_ms":1,"source":{},"message":{"prefix":"foo","content":"Ymar"}}"#,
        ]
        let wrapped = events.map { #"{"schema":{"type":"struct"},"payload":\#($0)}"# }
        let found = changes([RecordField("id", .int64)], .upsert, events + wrapped)
        #expect(found.rows == [])
        #expect(found.rejects == [])
        #expect(found.skipped == 14)
        let other = changes(
            [RecordField("id", .int64)], .upsert,
            [#"{"status":"BEGUN","id":"1"}"#, #"{"ts_ms":1,"source":{}}"#, #"{"ts_ms":"x"}"#])
        #expect(other.skipped == 0)
        #expect(other.rejects.count == 3)
    }

    @Test func `decimals of no fixed scale carry theirs, and are brought to the declared one`() {
        let field = [RecordField("q", .decimal(precision: 6, scale: 2))]
        // 12345 is MDk=, 1230 is BM4=, -1 is /w==.
        let texts = [
            #"{"scale":2,"value":"MDk="}"#, #"{"value":"BM4=","scale":3}"#,
            #"{"scale":0,"value":"/w=="}"#, #"{"scale":-1,"value":"BM4="}"#,
            #"{"scale":3,"value":"MDk="}"#, #"{"scale":-9,"value":"MDk="}"#, #"{"value":"MDk="}"#,
            #"{"scale":40,"value":"AA=="}"#,
        ]
        let decoded = decode(
            DebeziumRecordDecoder(fields: field), texts.map { event("c", after: "{\"q\":\($0)}") })
        #expect(decoded.rows == ["12345e-2", "123e-2", "-100e-2", "0e-2"])
        #expect(decoded.rejects.count == 4, "\(decoded.rejects)")
        #expect(
            decoded.rejects.contains(
                "4 q: 12345e-3 would have to be rounded to 2 decimal places"))
    }

    @Test func `times are read in the units of io.debezium.time`() {
        let fields = [
            RecordField("date", .date), RecordField("ms", .timestamp, unit: .milliseconds),
            RecordField("us", .timestamp, unit: .microseconds),
            RecordField("ns", .timestamp, unit: .nanoseconds),
            RecordField("zoned", .timestamp, unit: .iso),
            RecordField("day", .timestamp, unit: .days),
            RecordField("snapshot", .string, path: "source.snapshot"),
        ]
        let row =
            #"{"date":17583,"ms":1519199999123,"us":1519199999123456,"ns":1519199999123456789,"#
            + #""zoned":"2018-02-21T07:59:59.123456Z","day":17583}"#
        let found = decode(
            DebeziumRecordDecoder(fields: fields),
            [
                event("r", after: row, source: #"{"snapshot":"last"}"#),
                event("r", after: row, source: #"{"snapshot":true}"#),
            ])
        let times =
            "17583 | 1519199999123000 | 1519199999123456 | 1519199999123456 | 1519199999123456 | 1519171200000000"
        #expect(found.rows == ["\(times) | last", "\(times) | true"])
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
