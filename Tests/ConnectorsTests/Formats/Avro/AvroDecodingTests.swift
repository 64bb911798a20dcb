import StreamRuntime
import Testing

@testable import Connectors

/// The bytes of hexadecimal digits.
func hexadecimal(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8).map { $0 > 0x39 ? $0 - 0x57 : $0 - 0x30 }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

private func wrapped(_ type: String) -> String {
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"v\",\"type\":\(type)}]}"
}

private func plain(_ json: String) throws -> AvroFraming {
    .plain(try AvroSchema(json: json))
}

private func decode(
    _ json: String, _ fields: [RecordField], _ values: [String?]
) throws -> Decoded {
    decode(
        AvroRecordDecoder(fields: fields, framing: try plain(json)),
        records(values.map { $0.map(hexadecimal) }))
}

private let item = ColumnType.structure([Field("sku", .string), Field("n", .int64)])
private let pair = ColumnType.structure([Field("key", .string), Field("value", .int64)])

@Suite struct AvroDecodingTests {
    /// Types, the bytes that fastavro 1.12 writes for a record of one field `v`, and what is read.
    private static let facts: [(String, ColumnType, String, String)] = [
        ("\"boolean\"", .bool, "01", "true"),
        ("\"int\"", .int64, "ffffffff0f", "-2147483648"),
        ("\"long\"", .int64, "feffffffffffffffff01", "9223372036854775807"),
        ("\"int\"", .float64, "0e", "7.0"),
        ("\"float\"", .float64, "0000c03f", "1.5"),
        ("\"double\"", .float64, "9a9999999999b9bf", "-0.1"),
        ("\"string\"", .string, "0a6772c3bc6e", "grün"),
        ("\"bytes\"", .bytes, "0400ff", "0.ff"),
        ("\"bytes\"", .string, "0461c3", ""),
        ("[\"null\",\"string\"]", .string, "00", "null"),
        ("[\"null\",\"string\"]", .string, "020278", "x"),
        ("[\"string\",\"null\"]", .string, "000279", "y"),
        ("[\"int\",\"double\",\"null\"]", .float64, "0006", "3.0"),
        ("[\"int\",\"double\",\"null\"]", .float64, "02000000000000e03f", "0.5"),
        ("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\",\"C\"]}", .string, "04", "C"),
        ("{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", .bytes, "616263", "61.62.63"),
        (
            "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}",
            .decimal(precision: 12, scale: 2), "04cfc7", "-12345e-2"
        ),
        (
            "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}",
            .decimal(precision: 12, scale: 4), "040080", "12800e-4"
        ),
        (
            "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":38,\"scale\":0}",
            .decimal(precision: 38, scale: 0), "20b4c4b357a5793b85f675ddc000000001",
            "-99999999999999999999999999999999999999e-0"
        ),
        (
            "{\"type\":\"fixed\",\"name\":\"D\",\"size\":8,\"logicalType\":\"decimal\","
                + "\"precision\":9,\"scale\":3}",
            .decimal(precision: 9, scale: 3), "ffffffffffffffff", "-1e-3"
        ),
        ("{\"type\":\"int\",\"logicalType\":\"date\"}", .date, "8cb502", "19782"),
        ("{\"type\":\"int\",\"logicalType\":\"date\"}", .timestamp, "01", "-86400000000"),
        (
            "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", .timestamp,
            "aad2e2cdbe63", "1709210096789000"
        ),
        (
            "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", .timestamp,
            "fdffe6a4bac38f01", "-315619199999999"
        ),
        (
            "{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}", .timestamp, "01", "-1"
        ),
        ("\"long\"", .timestamp, "02", "1000"),
        (
            "{\"type\":\"string\",\"logicalType\":\"uuid\"}", .string,
            "4831323334353637382d396162632d646566302d313233342d353637383961626364656630",
            "12345678-9abc-def0-1234-56789abcdef0"
        ),
        (
            "{\"type\":\"fixed\",\"name\":\"U\",\"size\":16,\"logicalType\":\"uuid\"}", .string,
            "123456789abcdef0123456789abcdef0", "12345678-9abc-def0-1234-56789abcdef0"
        ),
        ("{\"type\":\"array\",\"items\":\"int\"}", .list(.int64), "0606360100", "[3, 27, -1]"),
        // The same in two blocks, the first with its size in bytes.
        (
            "{\"type\":\"array\",\"items\":\"int\"}", .list(.int64), "030406360201" + "00",
            "[3, 27, -1]"
        ),
        (
            "{\"type\":\"array\",\"items\":[\"null\",\"string\"]}", .list(.string),
            "0602026100020000", "[a, null, ]"
        ),
        ("{\"type\":\"array\",\"items\":\"int\"}", .list(.int64), "00", "[]"),
        (
            "{\"type\":\"map\",\"values\":\"long\"}", .list(pair), "0402610202620100",
            "[{key=a, value=1}, {key=b, value=-1}]"
        ),
        (
            "{\"type\":\"record\",\"name\":\"P\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"},"
                + "{\"name\":\"skip\",\"type\":{\"type\":\"map\",\"values\":\"bytes\"}},"
                + "{\"name\":\"y\",\"type\":[\"null\",\"double\"]}]}",
            .structure([Field("y", .float64), Field("x", .int64), Field("z", .string)]),
            "0a02026b047a7a00020000000000000440", "{y=2.5, x=5, z=null}"
        ),
        (
            "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"I\",\"fields\":["
                + "{\"name\":\"sku\",\"type\":\"string\"},{\"name\":\"n\",\"type\":\"int\"}]}}",
            .list(item), "0402610202620400", "[{sku=a, n=1}, {sku=b, n=2}]"
        ),
        ("\"long\"", .decimal(precision: 20, scale: 2), "0d", "-700e-2"),
        ("\"string\"", .decimal(precision: 5, scale: 2), "08312e3235", "125e-2"),
        (
            "\"string\"", .timestamp, "28323032332d31312d31345432323a31333a32305a",
            "1700000000000000"
        ),
    ]

    @Test func `values are read as Avro writes them`() throws {
        for (type, column, bytes, expected) in AvroDecodingTests.facts where expected != "" {
            let decoded = try decode(wrapped(type), [RecordField("v", column)], [bytes])
            #expect(decoded == Decoded(rows: [expected]), "\(type) as \(column)")
        }
    }

    @Test func `a value that has no place in the field's type rejects its record, with the reason`()
        throws
    {
        let decimal =
            "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":38,\"scale\":3}"
        let cases: [(String, ColumnType, String, String)] = [
            ("\"string\"", .int64, "0461", "v: is string, which cannot be int64"),
            ("\"bytes\"", .string, "0461c3", "v: is not UTF-8"),
            ("\"boolean\"", .bool, "02", "v: is neither true nor false"),
            (decimal, .decimal(precision: 9, scale: 2), "0201", "v: would have to be rounded"),
            (decimal, .decimal(precision: 2, scale: 3), "0264", "v: is beyond the range of"),
            (
                decimal, .decimal(precision: 38, scale: 3),
                "22" + "01"
                    + String(
                        repeating: "00", count: 16), "v: is beyond the range of"
            ),
            ("\"long\"", .timestamp, "feffffffffffffffff01", "v: 9223372036854775807 is outside"),
            (
                "{\"type\":\"int\",\"logicalType\":\"date\"}", .date, "feffffff0f",
                "v: 2147483647 is"
            ),
            ("[\"null\",\"string\"]", .string, "04", ": a union has 2 branches, and no number 2"),
            (
                "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", .string, "02",
                "v: the enum has no symbol of number 1"
            ),
            ("\"string\"", .string, "10616263", ": the record ends in the middle"),
            ("\"string\"", .string, "01", ": a length in the record is negative"),
            (
                "\"long\"", .int64, "ffffffffffffffffffff01",
                ": a number of the record has more than"
            ),
            ("\"long\"", .int64, "", ": the record ends in the middle"),
            ("\"long\"", .int64, "0202", ": the record goes on for 1 bytes after its end"),
            (
                "{\"type\":\"array\",\"items\":\"null\"}", .list(.int64), "feffffffff0f",
                ": a block has"
            ),
            ("[\"string\",\"long\"]", .int64, "000261", "v: is string, which cannot be int64"),
        ]
        for (type, column, bytes, expected) in cases {
            let fine = try decode(
                wrapped(type), [RecordField("v", column)], [bytes])
            #expect(fine.rows == [])
            #expect(fine.rejects.count == 1)
            #expect(fine.rejects.first?.dropFirst(2).hasPrefix(expected) == true, "\(fine)")
        }
    }

    @Test func `fields are found by path, alias and name, and what is not there is null`() throws {
        let schema = """
            {"type":"record","name":"Order","namespace":"shop","fields":[
              {"name":"id","type":"long"},
              {"name":"buyer","type":["null",{"type":"record","name":"Buyer","fields":[
                 {"name":"mail","type":"string"},{"name":"age","type":["null","int"]}]}]},
              {"name":"total","aliases":["sum"],"type":"double"},
              {"name":"seller","type":["null","Buyer"]}]}
            """
        let fields = [
            RecordField("id", .int64), RecordField("age", .int64, path: "buyer.age"),
            RecordField("sum", .float64), RecordField("none", .string),
            RecordField("mail", .string, path: "seller.mail"),
            RecordField(
                "buyer", .structure([Field("mail", .string), Field("phone", .string)])),
            RecordField("again", .int64, path: "id"),
            RecordField("key", .string, from: .key),
        ]
        let decoder = AvroRecordDecoder(fields: fields, framing: try plain(schema))
        let batch = records(
            [
                hexadecimal("02" + "02026102" + "08" + "000000000000f03f" + "02026200"),
                hexadecimal("04" + "00" + "000000000000f03f" + "00"), nil,
            ], keys: [Array("k".utf8), nil, nil])
        #expect(
            decode(decoder, batch)
                == Decoded(
                    rows: [
                        "1 | 4 | 1.0 | null | b | {mail=a, phone=null} | 1 | k",
                        "2 | null | 1.0 | null | null | null | 2 | null",
                    ], rejects: ["2 : the record has no value (a tombstone)"]))
        let required = AvroRecordDecoder(
            fields: [RecordField("age", .int64, path: "buyer.age", isRequired: true)],
            framing: try plain(schema))
        #expect(decode(required, batch).rejects.contains("1 age: is missing"))
        let wrong = AvroRecordDecoder(
            fields: [RecordField("x", .int64, path: "id.x")], framing: try plain(schema))
        #expect(
            decode(wrong, batch).rejects.first
                == "0 : is long, which has no member \"x\"")
    }

    @Test func `a record that holds itself is passed over, but not without end`() throws {
        let schema = """
            {"type":"record","name":"Node","fields":[
              {"name":"next","type":["null","Node"]},{"name":"v","type":"int"}]}
            """
        let fields = [RecordField("v", .int64)]
        #expect(try decode(schema, fields, ["020200020406"]).rows == ["3"])
        let deep = String(repeating: "02", count: 5000)
        #expect(
            try decode(schema, fields, [deep]).rejects
                == ["0 : values lie more than 64 deep in each other"])
    }

    @Test func `a text that is no schema is told of`() {
        let cases: [(String, String)] = [
            ("{", "the schema is not JSON"), ("\"Unknown\"", "there is no type \"Unknown\""),
            ("{\"type\":\"record\",\"name\":\"R\"}", "a record has no fields"),
            ("{\"type\":\"enum\",\"name\":\"R\"}", "an enum has no symbols"),
            ("{\"type\":\"fixed\",\"name\":\"R\"}", "a fixed has no size"),
            ("{\"type\":\"array\"}", "an array has no items"), ("17", "a type must be"),
            ("{\"type\":\"record\",\"fields\":[]}", "a record, enum or fixed has no name"),
            (String(repeating: "[", count: 80) + String(repeating: "]", count: 80), "types lie"),
        ]
        for (text, reason) in cases {
            let problem = #expect(throws: AvroSchema.Problem.self) { try AvroSchema(json: text) }
            #expect(problem?.reason.hasPrefix(reason) == true, "\(text)")
        }
    }

    @Test func `random and damaged bytes give rows or reasons, never a crash`() throws {
        let seed: UInt64 = 20_261_121
        var random = Seeded(state: seed)
        let schema = """
            {"type":"record","name":"R","fields":[
              {"name":"a","type":["null","long","string"]},
              {"name":"b","type":{"type":"array","items":{"type":"map","values":"bytes"}}},
              {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
              {"name":"d","type":{"type":"array","items":["null",{"type":"record","name":"S",
                "fields":[{"name":"x","type":"string"},{"name":"y","type":"double"}]}]}},
              {"name":"e","type":{"type":"array","items":"null"}},
              {"name":"f","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}
            """
        let fields = [
            RecordField("a", .string), RecordField("c", .decimal(precision: 9, scale: 2)),
            RecordField(
                "d", .list(.structure([Field("x", .string), Field("y", .float64)]))),
            RecordField("e", .list(.int64)), RecordField("f", .string),
        ]
        let decoder = AvroRecordDecoder(fields: fields, framing: try plain(schema))
        let whole = hexadecimal(
            "04026102020278040102000202" + "80" + "0402026100000000000000000000" + "00" + "0002")
        for round in 0..<300 {
            let values: [[UInt8]?] = (0..<20).map { _ in
                if random.next() % 2 == 0 {
                    return (0..<Int(random.next() % 40)).map { _ in
                        UInt8(
                            truncatingIfNeeded: random.next() % 3 == 0
                                ? random.next() : random.next() % 8)
                    }
                }
                var damaged = Array(whole.prefix(Int(random.next() % UInt64(whole.count + 1))))
                if !damaged.isEmpty {
                    damaged[Int(random.next() % UInt64(damaged.count))] = UInt8(
                        truncatingIfNeeded: random.next())
                }
                return damaged
            }
            let decoded = decode(decoder, records(values))
            #expect(
                decoded.rows.count + decoded.rejects.count == 20, "seed \(seed), round \(round)")
        }
    }
}
