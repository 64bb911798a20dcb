import StreamRuntime
import Testing

@testable import Connectors

/// Rows as a batch, and the values an encoder makes of them.
private func encode(_ encoder: ProtobufRecordEncoder, _ schema: Schema, _ rows: DecodedRows)
    -> [[UInt8]?]
{
    let order = RowOrder(capacity: rows.count)
    for row in 0..<rows.count {
        order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
    }
    let batch = ColumnBatch(
        schema: schema, columns: rows.columns, order: order, count: rows.count)
    let values = Column(.bytes, capacity: 8)
    encoder.encode(batch, into: values)
    return (0..<rows.count).map { values.isValid($0) ? Array(values.bytes($0)) : nil }
}

private let fields = [
    RecordField("id", .string), RecordField("user", .int64), RecordField("amount", .float64),
    RecordField("paid", .bool), RecordField("kind", .string),
    RecordField(
        "lines",
        .list(
            .structure([
                Field("sku", .string), Field("quantity", .int64), Field("tags", .list(.string)),
            ]))),
    RecordField("scores", .list(.int64)),
    RecordField("counts", .list(.structure([Field("key", .string), Field("value", .int64)]))),
    RecordField("at", .timestamp), RecordField("took", .int64), RecordField("nick", .string),
    RecordField("inner", .structure([Field("delta", .int64), Field("note", .string)])),
    RecordField("email", .string), RecordField("phone", .int64), RecordField("maybe", .int64),
    RecordField("raw", .bytes), RecordField("signed_number", .int64), RecordField("big", .int64),
    RecordField("ratio", .float64), RecordField("price", .decimal(precision: 9, scale: 2)),
]

@Suite struct ProtobufEncodingTests {
    /// A random order as JSON, which the JSON reader makes rows of.
    private func document(_ random: inout Seeded) -> String {
        func number(_ range: ClosedRange<Int>) -> Int {
            Bool.random(using: &random) ? 0 : Int.random(in: range, using: &random)
        }
        func text() -> String {
            ["", "a", "grün", "long enough to be kept apart"].randomElement(using: &random)!
        }
        func list(_ make: () -> String) -> String {
            "["
                + (0..<Int.random(in: 0...3, using: &random)).map { _ in make() }
                .joined(separator: ",") + "]"
        }
        let isWide = Int.random(in: 0..<4, using: &random) == 0
        let wide = isWide ? Int.min...Int.max : -300...300
        var members = [
            "\"id\":\"\(text())\"", "\"user\":\(number(wide))",
            "\"amount\":\(Double(number(-999...999)) / 8)",
            "\"paid\":\(Bool.random(using: &random))",
            "\"kind\":\"\(["UNKNOWN", "ORDER", "RETURN"].randomElement(using: &random)!)\"",
            "\"signed_number\":\(number(-0x8000_0000...0x7FFF_FFFF))",
            "\"big\":\(number(0...Int.max))", "\"ratio\":\(Double(number(-64...64)) / 4)",
            "\"price\":\(number(-9999...9999)).25",
            "\"raw\":\"\(["", "AP8=", "eA=="].randomElement(using: &random)!)\"",
        ]
        var scores = random
        members.append(
            "\"scores\":" + list { "\(Int.random(in: -0x8000_0000...0x7FFF_FFFF, using: &scores))" }
        )
        members.append(
            "\"counts\":" + list { "{\"key\":\"\(text())\",\"value\":\(number(-9...9))}" })
        members.append(
            "\"lines\":"
                + list {
                    "{\"sku\":\"\(text())\",\"quantity\":\(number(-9...9)),\"tags\":[\"\(text())\"]}"
                })
        let optional = [
            "\"at\":\"1969-12-31T23:59:5\(number(0...9)).\(number(100000...999999))Z\"",
            "\"took\":\(number(-5_000_000...5_000_000))", "\"nick\":\"\(text())\"",
            "\"inner\":{\"delta\":\(number(-70...70)),\"note\":\"\(text())\"}",
            "\"maybe\":\(number(0...0xFFFF_FFFF))",
            Bool.random(using: &random) ? "\"email\":\"\(text())\"" : "\"phone\":\(number(wide))",
        ]
        members += optional.filter { _ in Bool.random(using: &random) }
        return "{" + members.joined(separator: ",") + "}"
    }

    private func rows(
        _ documents: [String], fields: [RecordField] = fields
    ) -> DecodedRows {
        let decoder = JSONRecordDecoder(fields: fields)
        let rows = DecodedRows(schema: decoder.schema, capacity: 8)
        var rejects = RejectedRows()
        decoder.decode(records(documents.map { Array($0.utf8) }), into: rows, rejects: &rejects)
        #expect(rejects.rejects.map(\.reason) == [])
        return rows
    }

    @Test func `random rows written as messages are read back as they were`() throws {
        let seed: UInt64 = 20_260_101
        var random = Seeded(state: seed)
        let schema = Schema(fields)
        let encoder = try ProtobufRecordEncoder(
            schema: schema, message: "shop.Order", of: protobufTestSchema())
        let made = rows((0..<200).map { _ in document(&random) })
        let values = encode(encoder, schema, made)
        #expect(encoder.failure == nil, "seed \(seed)")
        let decoder = try ProtobufRecordDecoder(
            fields: fields, message: "shop.Order", of: protobufTestSchema())
        let back = decode(decoder, records(values))
        #expect(back.rejects == [], "seed \(seed)")
        let shown = (0..<made.count).map { row in
            made.columns.map { show($0, row) }.joined(separator: " | ")
        }
        for (row, text) in shown.enumerated() where row < back.rows.count {
            #expect(back.rows[row] == text, "seed \(seed), row \(row)")
        }
        #expect(back.rows.count == shown.count)
        #expect(encode(encoder, schema, made) == values)
    }

    @Test func `a framed message names its schema and its place, and is read back by both`() throws
    {
        let some = [RecordField("id", .string)]
        let known = try protobufTestSchema()
        #expect(known.frame(of: "shop.Order", id: 258).prefix(5) == [0, 0, 0, 1, 2])
        let frame = known.frame(of: "shop.Order", id: 7)
        let encoder = try ProtobufRecordEncoder(
            schema: Schema(some), message: "shop.Order", of: known, frame: frame)
        let values = encode(encoder, Schema(some), rows([#"{"id":"a"}"#], fields: some))
        #expect(values[0]?.starts(with: frame) == true)
        let decoder = try ProtobufRecordDecoder(
            fields: some, message: "shop.Order", of: known, framing: .confluent)
        #expect(decode(decoder, records(values)).rows == ["a"])
        // A message inside another is named by the way to it.
        for (name, message) in known.messages where message.path.count > 1 {
            let inner = known.frame(of: name, id: 7).dropFirst(5)
            #expect(Array(inner) == ([message.path.count] + message.path).map { UInt8($0 << 1) })
        }
    }

    @Test func `fields are in the order of their numbers, defaults left out and numbers packed`()
        throws
    {
        let some = [
            RecordField("scores", .list(.int64)), RecordField("paid", .bool),
            RecordField("id", .string), RecordField("maybe", .int64),
        ]
        let schema = Schema(some)
        let encoder = try ProtobufRecordEncoder(
            schema: schema, message: "shop.Order", of: protobufTestSchema())
        let decoder = JSONRecordDecoder(fields: some)
        let rows = DecodedRows(schema: schema, capacity: 4)
        var rejects = RejectedRows()
        decoder.decode(
            records(
                [
                    #"{"scores":[1,300,-1],"paid":true,"id":"x","maybe":0}"#,
                    #"{"scores":[],"paid":false,"id":""}"#,
                ].map { Array($0.utf8) }), into: rows, rejects: &rejects)
        let values = encode(encoder, schema, rows)
        let head: [UInt8] = [0x0A, 1, 0x78, 0x20, 1, 0x3A, 13, 1, 0xAC, 2]
        let minusOne = [UInt8](repeating: 0xFF, count: 9) + [1]
        #expect(values[0] == head + minusOne + [0x78, 0])
        #expect(values[1] == [])
    }

    @Test func `a value that does not fit is told of, and a column that no field takes is refused`()
        throws
    {
        let table = [
            (#"{"signed_number":2147483648}"#, "2147483648 is beyond the range of sint32"),
            (#"{"kind":"GIFT"}"#, "\"GIFT\" is no name of the enum"),
            (#"{"big":-1}"#, "-1 is beyond the range of fixed64"),
            (#"{"ratio":1e300}"#, "is beyond the range of a float"),
            (#"{"scores":[1,null]}"#, "an element of the list is null"),
            (#"{"email":"a","phone":1}"#, "more than one field of its oneof has a value"),
        ]
        let schema = Schema(fields)
        for (document, reason) in table {
            let encoder = try ProtobufRecordEncoder(
                schema: schema, message: "shop.Order", of: protobufTestSchema())
            #expect(encode(encoder, schema, rows([document])) == [nil])
            #expect(
                encoder.failure?.problem.contains(reason) == true,
                "\(encoder.failure?.problem ?? "")")
        }
        for (field, reason) in [
            (Field("idd", .string), "has no field \"idd\""),
            (Field("id", .bool), "is not written from bool"),
            (Field("scores", .int64), "is written from a list"),
        ] {
            let mismatch = try #require(throws: ProtobufMismatch.self) {
                _ = try ProtobufRecordEncoder(
                    schema: Schema([field]), message: "shop.Order", of: protobufTestSchema())
            }
            #expect(mismatch.reason.contains(reason), "\(mismatch.reason)")
        }
    }
}
