import StreamRuntime
import Testing

@testable import Connectors

/// A batch of these columns.
private func rows(_ schema: Schema, _ columns: [Column]) -> ColumnBatch {
    let order = RowOrder(capacity: columns[0].count)
    for row in 0..<columns[0].count {
        order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
    }
    return ColumnBatch(schema: schema, columns: columns, order: order, count: order.count)
}

@Suite struct AvroEncodingTests {
    private static let schema = Schema([
        Field("b", .bool), Field("i", .int64), Field("d", .float64),
        Field("m", .decimal(precision: 12, scale: 2)), Field("t", .timestamp), Field("y", .date),
        Field("s", .string), Field("l", .list(.int64)),
        Field("r", .structure([Field("x", .string)])),
    ])

    private func batch() -> ColumnBatch {
        let columns = AvroEncodingTests.schema.fields.map { Column($0.type, capacity: 2) }
        columns[0].append(true)
        columns[1].append(Int64(-5))
        columns[2].append(0.5)
        columns[3].append(Int128(-32768))
        columns[4].append(Int64(1_709_164_800_000_000))
        columns[5].append(Int64(19_782))
        columns[6].append("é")
        columns[7].children[0].append(Int64(1))
        columns[7].children[0].appendNull()
        columns[7].appendList(from: 0)
        columns[8].children[0].append("z")
        columns[8].appendStructure()
        for index in columns.indices where index != 7 { columns[index].appendNull() }
        columns[7].appendList(from: 2)
        return rows(AvroEncodingTests.schema, columns)
    }

    private func encoded(_ id: Int32?) -> [[UInt8]] {
        let values = Column(.bytes, capacity: 2)
        AvroRecordEncoder(schemaId: id).encode(batch(), into: values)
        return (0..<values.count).map { Array(values.bytes($0)) }
    }

    /// What fastavro 1.12 writes for the same rows by the same schema.
    private static let facts = [
        "0201020902000000000000e03f0206ff8000028080a28cbe9e8906028cb5020204c3a90204020200000202027a",
        "00000000000000020000",
    ]

    @Test func `rows are written as Avro's own libraries write them`() {
        #expect(
            encoded(nil)[1] == hexadecimal(AvroEncodingTests.facts[1]))
        // fastavro writes -32768 in three bytes, where two are enough.
        #expect(
            encoded(nil)[0]
                == hexadecimal(
                    AvroEncodingTests.facts[0].replacingText("0206ff8000", with: "02048000")))
        #expect(encoded(258)[1] == [0, 0, 0, 1, 2] + hexadecimal(AvroEncodingTests.facts[1]))
    }

    @Test func `the schema of columns is one that reads them again`() throws {
        let text = AvroSchemaText.make(AvroEncodingTests.schema, name: "orders.paid")
        #expect(text.hasPrefix("{\"type\":\"record\",\"name\":\"orders_paid\",\"fields\":["))
        let fields = AvroEncodingTests.schema.fields.map { RecordField($0.name, $0.type) }
        let decoder = AvroRecordDecoder(
            fields: fields, framing: .plain(try AvroSchema(json: text)))
        #expect(
            decode(decoder, records(encoded(nil).map { $0 }))
                == Decoded(rows: [
                    "true | -5 | 0.5 | -32768e-2 | 1709164800000000 | 19782 | é | [1, null] | {x=z}",
                    "null | null | null | null | null | null | null | [] | null",
                ]))
    }

    @Test func `decimals take as few bytes as their sign allows`() throws {
        let type = ColumnType.decimal(precision: 38, scale: 0)
        let schema = Schema([Field("v", type)])
        for value in [
            Int128(0), 127, 128, -128, -129, 32767, -32768, 32768, Int128(1) << 120,
            -(Int128(1) << 119),
        ] {
            let column = Column(type, capacity: 1)
            column.append(value)
            let values = Column(.bytes, capacity: 1)
            AvroRecordEncoder(schemaId: nil).encode(
                rows(schema, [column]), into: values)
            let decoder = AvroRecordDecoder(
                fields: [RecordField("v", type)],
                framing: .plain(try AvroSchema(json: AvroSchemaText.make(schema, name: "v"))))
            #expect(decode(decoder, records([Array(values.bytes(0))])).rows == ["\(value)e-0"])
        }
    }
}

extension String {
    fileprivate func replacingText(_ old: String, with new: String) -> String {
        guard let range = firstRange(of: old) else { return self }
        return String(self[..<range.lowerBound]) + new + String(self[range.upperBound...])
    }
}
