import StreamRuntime
import Testing

@testable import Connectors

/// A batch of one column.
private func batch(_ type: ColumnType, _ fill: (Column) -> Void) -> ColumnBatch {
    let column = Column(type, capacity: 4)
    fill(column)
    let order = RowOrder(capacity: column.count)
    for row in 0..<column.count {
        order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
    }
    return ColumnBatch(
        schema: Schema([Field("v", type)]), columns: [column], order: order, count: column.count)
}

private func encoded(_ encoder: any RecordEncoder, _ batch: ColumnBatch) -> [String] {
    let values = Column(.bytes, capacity: 1)
    encoder.encode(batch, into: values)
    return (0..<values.count).map { values.isValid($0) ? values.string($0) : "(no value)" }
}

/// The texts that JSON and CSV have for the rows.
private func json(_ type: ColumnType, _ fill: (Column) -> Void) -> [String] {
    let made = batch(type, fill)
    return encoded(JSONRecordEncoder(schema: made.schema), made)
        .map { String($0.dropFirst(5).dropLast()) }
}

private func csv(_ type: ColumnType, _ fill: (Column) -> Void) -> [String] {
    let made = batch(type, fill)
    return encoded(CSVRecordEncoder(schema: made.schema), made)
}

@Suite struct EncodingTests {
    @Test func `integers and decimals are written with every digit`() {
        let integers = [0, 7, -7, 1_234_567_890, .max, .min] as [Int64]
        #expect(
            json(.int64) { for value in integers { $0.append(value) } } == integers.map { "\($0)" })
        let decimal = ColumnType.decimal(precision: 38, scale: 2)
        #expect(
            json(decimal) {
                for value in [0, 5, -5, 1050, -123_456, powersOfTen[38] - 1] as [Int128] {
                    $0.append(value)
                }
            } == [
                "0.00", "0.05", "-0.05", "10.50", "-1234.56",
                "999999999999999999999999999999999999.99",
            ])
        #expect(
            json(.decimal(precision: 38, scale: 30)) {
                $0.append(Int128(1)); $0.append(-powersOfTen[31])
            }
                == ["0.000000000000000000000000000001", "-10.000000000000000000000000000000"])
        #expect(json(.decimal(precision: 5, scale: 0)) { $0.append(Int128(42)) } == ["42"])
    }

    @Test func `doubles are the shortest text that reads back the same`() {
        let values: [(Double, String)] = [
            (0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (-2.5, "-2.5"), (0.1, "0.1"), (0.3, "0.3"),
            (100, "100.0"),
            (0.1 + 0.2, "0.30000000000000004"), (1e15, "1000000000000000.0"), (1e23, "1e+23"),
            (0.000001, "1e-06"),
            (123456.789, "123456.789"), (.nan, "\"NaN\""), (.infinity, "\"Infinity\""),
            (-.infinity, "\"-Infinity\""),
        ]
        let texts = json(.float64) { for (value, _) in values { $0.append(value) } }
        for (text, (value, expected)) in zip(texts, values) {
            if expected == "1e-06" {
                #expect(Double(text) == value)
            } else {
                #expect(text == expected)
            }
        }
    }

    @Test func `seeded doubles, decimals and times read back as they were`() {
        let seed: UInt64 = 754
        var random = Seeded(state: seed)
        let decimal = ColumnType.decimal(precision: 38, scale: 9)
        let fields = [
            Field("f", .float64), Field("d", decimal), Field("t", .timestamp), Field("i", .int64),
        ]
        let made = ColumnBatch(schema: Schema(fields), capacity: 16)
        for row in 0..<2000 {
            let bits = random.next()
            let value =
                row % 2 == 0 ? Double(bitPattern: bits) : Double(Int64(bits % 10_000_000)) / 1000
            made.columns[0].append(value.isFinite ? value : 1)
            made.columns[1].append(
                Int128(Int64(bitPattern: random.next())) * Int128(random.next() % 1_000_000_000))
            made.columns[2].append(
                Int64.random(in: TimeText.timestampMin...TimeText.timestampMax, using: &random))
            made.columns[3].append(Int64(bitPattern: random.next()))
            made.order.append(eventTime: 0, watermark: 0, origin: 0, offset: Int64(row))
        }
        made.count = 2000
        let recordFields = fields.map { RecordField($0.name, $0.type) }
        let names = CSVDialect(header: .names(fields.map(\.name)))
        let ways: [(any RecordEncoder, any RecordDecoder)] = [
            (JSONRecordEncoder(schema: made.schema), JSONRecordDecoder(fields: recordFields)),
            (
                CSVRecordEncoder(schema: made.schema),
                CSVRecordDecoder(fields: recordFields, dialect: names)
            ),
        ]
        for (encoder, decoder) in ways {
            let read = decode(decoder, encoded(encoder, made))
            #expect(read.rejects == [], "seed \(seed)")
            let expected = (0..<2000).map { row in
                made.columns.map { show($0, row) }.joined(separator: " | ")
            }
            #expect(read.rows == expected, "seed \(seed)")
        }
    }

    @Test func `times are ISO-8601 in UTC, microseconds only where there are some`() {
        let times: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59.999999Z"),
            (1_700_000_000_000_000, "2023-11-14T22:13:20Z"),
            (1_700_000_000_000_001, "2023-11-14T22:13:20.000001Z"),
            (1_709_164_800_000_000, "2024-02-29T00:00:00Z"),
            (TimeText.timestampMin, "0001-01-01T00:00:00Z"),
            (TimeText.timestampMax, "9999-12-31T23:59:59.999999Z"),
            (TimeText.timestampMax + 1, "+010000-01-01T00:00:00Z"),
        ]
        #expect(
            json(.timestamp) { for (time, _) in times { $0.append(time) } }
                == times.map { "\"\($0.1)\"" })
        #expect(csv(.timestamp) { for (time, _) in times { $0.append(time) } } == times.map(\.1))
        #expect(
            json(.date) {
                $0.append(Int64(19675)); $0.append(Int64(-1))
            } == ["\"2023-11-14\"", "\"1969-12-31\""])
    }

    @Test func `texts are escaped as each format wants`() {
        let texts = [
            "", "plain", "é😀", "a\"b\\c", "tab\there", "line\r\nend", "\u{1}\u{1F}", "x,y",
            " edge ",
        ]
        #expect(
            json(.string) { for text in texts { $0.append(text) } } == [
                "\"\"", "\"plain\"", "\"é😀\"", #""a\"b\\c""#, #""tab\there""#, #""line\r\nend""#,
                #""\u0001\u001f""#, "\"x,y\"", "\" edge \"",
            ])
        #expect(
            csv(.string) { for text in texts { $0.append(text) } } == [
                "\"\"", "plain", "é😀", "\"a\"\"b\\c\"", "tab\there", "\"line\r\nend\"",
                "\u{1}\u{1F}", "\"x,y\"",
                "\" edge \"",
            ])
        #expect(csv(.string) { $0.appendNull() } == [""])
        #expect(json(.string) { $0.appendNull() } == ["null"])
        #expect(
            json(.bool) {
                $0.append(true); $0.append(false)
            } == ["true", "false"])
        let bytes: [UInt8] = [1, 2, 0xFF]
        #expect(
            json(.bytes) { column in bytes.withUnsafeBufferPointer { column.append($0) } } == [
                "\"AQL/\""
            ])
    }

    @Test func `an escape is found wherever in a text it stands`() {
        let plain = Array("!#[]~\u{7F}é€ az09AZ^_`{}:,.".utf8.prefix(20))
        var texts: [[UInt8]] = []
        var expected: [String] = []
        for length in 0...20 {
            texts.append(Array(plain.prefix(length)))
            expected.append(String(decoding: texts.last!, as: UTF8.self))
            for at in 0..<length {
                for (byte, escape) in [
                    (0x22, "\\\""), (0x5C, "\\\\"), (0x1F, "\\u001f"), (0, "\\u0000"),
                ] {
                    var text = Array(plain.prefix(length))
                    text[at] = UInt8(byte)
                    texts.append(text)
                    expected.append(
                        String(decoding: text[..<at], as: UTF8.self) + escape
                            + String(decoding: text[(at + 1)...], as: UTF8.self))
                }
            }
        }
        // One after the other in one arena, so that what follows a text is another, not zeros.
        let found = json(.string) { column in
            for text in texts { text.withUnsafeBufferPointer { column.append($0) } }
        }
        #expect(found == expected.map { "\"\($0)\"" })
    }

    @Test func `times of one second, and of others between, are each written whole`() {
        let second: Int64 = 1_700_000_000_000_000
        let times = [
            second, second + 1, second + 999_999, second + 1_000_000, second, -1, -1_000_000, 0, -2,
            TimeText.timestampMax + 1, second + 5,
        ]
        let alone = times.map { time in json(.timestamp) { $0.append(time) }[0] }
        #expect(json(.timestamp) { for time in times { $0.append(time) } } == alone)
        #expect(alone[10] == "\"2023-11-14T22:13:20.000005Z\"")
    }

    @Test func `lists and structs nest, and are JSON text in a CSV cell`() {
        let type = ColumnType.list(.structure([Field("a", .int64), Field("b\"", .string)]))
        let fill = { (column: Column) in
            let element = column.children[0]
            element.children[0].append(Int64(1))
            element.children[1].append("x")
            element.appendStructure()
            element.appendNull()
            column.appendList(from: 0)
            column.appendList(from: 2)
        }
        let whole = #"[{"a":1,"b\"":"x"},null]"#
        #expect(json(type, fill) == [whole, "[]"])
        #expect(csv(type, fill) == ["\"" + whole.replacing("\"", with: "\"\"") + "\"", "[]"])
    }

    @Test func `deleted rows have no value, and the header names the columns`() {
        let made = batch(.int64) {
            $0.append(Int64(1)); $0.append(Int64(2))
        }
        let changes = RowChange.inserts(2)
        changes.bools[1] = RowChange.delete.rawValue
        made.changes = changes
        #expect(
            encoded(JSONRecordEncoder(schema: made.schema), made) == ["{\"v\":1}", "(no value)"])
        let encoder = CSVRecordEncoder(
            schema: Schema([Field("a", .int64), Field("b c", .string)]), delimiter: ";")
        #expect(String(decoding: encoder.header, as: UTF8.self) == "a;\"b c\"")
    }
}
