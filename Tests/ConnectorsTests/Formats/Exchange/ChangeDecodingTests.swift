import StreamRuntime
import Testing

@testable import Connectors

@Suite struct ChangeDecodingTests {
    private let fields = [
        RecordField("store", .string, members: ["store_id"]),
        RecordField("quantity", .decimal(precision: 12, scale: 2)),
        RecordField("op", .string), RecordField("at", .timestamp, members: ["ts_ms"]),
        RecordField("position", .string),
        RecordField("was", .decimal(precision: 12, scale: 2), members: ["before", "quantity"]),
        RecordField("table", .string, members: ["source", "table"]),
    ]

    private func read(
        _ style: ChangeStyle, _ values: [String?], changelog: Changelog? = nil
    ) -> Decoded {
        decode(
            ChangeRecordDecoder(fields: fields, style: style, changelog: changelog),
            records(values.map { $0.map { Array($0.utf8) } }))
    }

    static let canal = #"""
        {"data":[{"id":"1","store_id":"0042","quantity":"7.50"},{"id":"2","store_id":"0043","quantity":null}],
        "database":"pos","es":1763640000000,"id":11,"isDdl":false,"mysqlType":{"id":"bigint"},
        "old":[{"quantity":"9.00"},{"store_id":"0001"}],"pkNames":["id"],"sql":"","table":"stock",
        "ts":1763640000123,"type":"UPDATE"}
        """#

    @Test func `Canal's rows are rows, with what they replaced`() {
        let ddl =
            #"{"data":null,"database":"pos","es":1,"id":12,"isDdl":true,"sql":"ALTER TABLE stock","table":"stock","type":"ALTER"}"#
        let gone =
            #"{"data":[{"store_id":"0042","quantity":"1"}],"old":null,"es":2,"id":13,"type":"DELETE","table":"s"}"#
        #expect(
            read(.canal, [Self.canal, ddl, nil, gone])
                == Decoded(rows: [
                    "0042 | 750e-2 | u | 1763640000000000 | 11:0 | 900e-2 | stock",
                    "0043 | null | u | 1763640000000000 | 11:1 | null | stock",
                    "0042 | 100e-2 | d | 2000 | 13:0 | 100e-2 | s",
                ]))
    }

    static let maxwell =
        #"{"database":"pos","table":"stock","type":"update","ts":1763640000,"xid":940786,"xoffset":3,"data":{"store_id":"0042","quantity":7.5},"old":{"quantity":9}}"#

    @Test func `Maxwell's old row has only what changed`() {
        let others = [
            #"{"type":"bootstrap-start","ts":1,"table":"s","data":{}}"#,
            #"{"type":"bootstrap-insert","ts":1,"table":"s","data":{"store_id":"1","quantity":1},"position":"m.000006:800911"}"#,
            #"{"type":"table-alter","ts":1,"sql":"alter table s","table":"s"}"#,
            #"{"type":"delete","ts":2,"table":"s","xid":7,"data":{"store_id":"1","quantity":4}}"#,
        ]
        #expect(
            read(.maxwell, [Self.maxwell] + others)
                == Decoded(rows: [
                    "0042 | 750e-2 | u | 1763640000000000 | 940786:3 | 900e-2 | stock",
                    "1 | 100e-2 | r | 1000000 | m.000006:800911 | null | s",
                    "1 | 400e-2 | d | 2000000 | 7 | 400e-2 | s",
                ]))
    }

    static let ogg =
        #"{"table":"POS.STOCK","op_type":"U","op_ts":"2025-11-20 12:00:00.000123","current_ts":"2025-11-20T12:00:05.1","pos":"00000000000000002928","before":{"store_id":"0042","quantity":9},"after":{"store_id":"0042","quantity":7.5}}"#

    @Test func `GoldenGate's deletes are told from before`() {
        let gone =
            #"{"table":"POS.STOCK","op_type":"D","op_ts":"2025-11-20 12:00:01","pos":"2929","before":{"store_id":"0042","quantity":7.5}}"#
        let cut = #"{"table":"POS.STOCK","op_type":"T","op_ts":"2025-11-20 12:00:02","pos":"2930"}"#
        #expect(
            read(.ogg, [Self.ogg, gone, cut])
                == Decoded(rows: [
                    "0042 | 750e-2 | u | 1763640000000123 | 00000000000000002928 | 900e-2 | POS.STOCK",
                    "0042 | 750e-2 | d | 1763640001000000 | 2929 | 750e-2 | POS.STOCK",
                    "null | null | t | 1763640002000000 | 2930 | null | POS.STOCK",
                ]))
    }

    @Test func `a full changelog takes back the row before, whole`() {
        let decoder = ChangeRecordDecoder(fields: fields, style: .maxwell, changelog: .full)
        let batch = records([Array(Self.maxwell.utf8)])
        let rows = DecodedRows(schema: decoder.schema, capacity: 4)
        var rejects = RejectedRows()
        decoder.decode(batch, into: rows, rejects: &rejects)
        #expect((0..<rows.count).map { show(rows.columns[0], $0) } == ["0042", "0042"])
        #expect((0..<rows.count).map { show(rows.columns[1], $0) } == ["900e-2", "750e-2"])
        #expect(
            (0..<rows.count).map { rows.changes!.bools[$0] }
                == [RowChange.updateBefore.rawValue, RowChange.updateAfter.rawValue])
    }

    @Test func `what is no change is refused with its reason`() {
        #expect(
            read(
                .canal,
                [
                    "{}", #"{"type":"NEW"}"#, #"{"type":"INSERT","data":null}"#,
                    #"{"type":"INSERT","data":[1]}"#, "[]", "{",
                ]
            ).rejects == [
                "0 type: not a change event: it has no type",
                "1 type: type \"NEW\" is nothing that happens to a row",
                "2 data: the change has no row in data", "3 data: row 0 is not an object",
                "4 : the document is not an object",
                "5 : malformed JSON at byte 1: a member name was expected",
            ])
        #expect(
            read(.ogg, [#"{"op_type":"T","table":"t"}"#], changelog: .upsert).rejects
                == ["0 op: the table was truncated, which rows cannot say: its rows would stay"])
    }

    @Test func `mutated events never stop the decoder`() {
        for (style, text) in [
            (ChangeStyle.canal, Self.canal), (.maxwell, Self.maxwell), (.ogg, Self.ogg),
        ] {
            for changelog in [nil, Changelog.full] {
                let decoder = ChangeRecordDecoder(
                    fields: fields, style: style, changelog: changelog)
                mutate(text, seed: 5, times: 500) { _ = decode(decoder, records([$0])) }
            }
        }
    }

    @Test func `an object whose names are data is a list of keys and values`() {
        let map = ColumnType.list(
            .structure([Field("key", .string), Field("value", .list(.int64))]))
        let decoder = JSONRecordDecoder(fields: [RecordField("m", map)])
        let decoded = decode(
            decoder,
            [
                #"{"m":{"a":[1,2],"b\u0062":[]," c":null}}"#, #"{"m":[{"key":"k","value":[3]}]}"#,
                #"{"m":{}}"#, #"{"m":{"a":["x"]}}"#, #"{"m":null}"#,
            ])
        #expect(
            decoded.rows == [
                "[{key=a, value=[1, 2]}, {key=bb, value=[]}, {key= c, value=null}]",
                "[{key=k, value=[3]}]", "[]", "null",
            ])
        #expect(decoded.rejects == ["3 m.[0].[0]: \"x\" is not an int64"])
    }

    @Test func `a page of OData in either version is unnested from its list`() {
        let stock = ColumnType.list(
            .structure([
                Field("Plant", .string), Field("Material", .string),
                Field("MatlWrhsStkQtyInMatlBaseUnit", .decimal(precision: 13, scale: 3)),
            ]))
        let decoder = JSONRecordDecoder(fields: [
            RecordField("v2", stock, path: "d.results"), RecordField("v4", stock, path: "value"),
        ])
        let row =
            #"{"Plant":"0001","Material":"000000000000012345","MatlWrhsStkQtyInMatlBaseUnit":"10.000","Batch":"B1"}"#
        let shown =
            "[{Plant=0001, Material=000000000000012345, MatlWrhsStkQtyInMatlBaseUnit=10000e-3}]"
        #expect(
            decode(
                decoder,
                [
                    #"{"d":{"results":[\#(row)],"__next":"x"}}"#,
                    #"{"@odata.context":"c","value":[\#(row)],"@odata.nextLink":"x"}"#,
                ]
            ).rows == ["\(shown) | null", "null | \(shown)"])
    }
}
