import StreamRuntime
import Testing

@testable import Connectors

@Suite struct CSVDecodingTests {
    private let fields = [
        RecordField("store", .string), RecordField("quantity", .int64),
        RecordField("price", .decimal(precision: 10, scale: 2)),
    ]
    private let named = CSVDialect(header: .names(["store", "quantity", "price"]))

    private func read(_ rows: [String], _ dialect: CSVDialect? = nil) -> Decoded {
        decode(CSVRecordDecoder(fields: fields, dialect: dialect ?? named), rows)
    }

    @Test func `plain rows keep leading zeros of texts and read exact numbers`() {
        #expect(
            read(["00042,7,1.50", "s2,17850.0,2", "s3, -3 ,\"4.25\"\r\n"])
                == Decoded(rows: ["00042 | 7 | 150e-2", "s2 | 17850 | 200e-2", "s3 | -3 | 425e-2"]))
    }

    @Test func `quoted cells hold delimiters, doubled quotes and line ends`() {
        #expect(
            read(["\"a,b\",1,1", "\"say \"\"hi\"\"\",2,1", "\"two\r\nlines\",3,1", "5\" pipe,4,1"])
                .rows
                == [
                    "a,b | 1 | 100e-2", "say \"hi\" | 2 | 100e-2", "two\r\nlines | 3 | 100e-2",
                    "5\" pipe | 4 | 100e-2",
                ])
    }

    @Test func `an empty cell is null, a quoted empty text is not`() {
        #expect(
            read([",,", "\"\",\"\",", "a,,1"]).rows
                == ["null | null | null", " | null | null", "a | null | 100e-2"])
        let dialect = CSVDialect(header: .names(["store", "quantity", "price"]), nullText: "NULL")
        #expect(
            read(["NULL,NULL,1", ",5,NULL", "\"NULL\",1,1"], dialect).rows
                == ["null | null | 100e-2", " | 5 | null", "NULL | 1 | 100e-2"])
    }

    @Test func `what does not fit is refused with its line, its column and its text`() {
        let decoded = read([
            "a,1", "a,1,2,3", "a,x,1", "a,1.5,1", "a,1,1.234", "\"a,1,1", "\"a\"b,1,1", "",
            "ok,1,1",
        ])
        #expect(decoded.rows == ["ok | 1 | 100e-2"])
        #expect(
            decoded.rejects == [
                "0 : the row has 2 fields, the header names 3 (line 101)",
                "1 : the row has 4 fields, the header names 3 (line 102)",
                "2 quantity: \"x\" is not an int64",
                "3 quantity: \"1.5\" would have to be rounded to be an int64",
                "4 price: \"1.234\" would have to be rounded to be a decimal(10,2)",
                "5 : the quote of column 1 does not close (line 106)",
                "6 : text follows the closing quote of column 1 (line 107)",
                "7 : the row has 1 fields, the header names 3 (line 108)",
            ])
    }

    @Test func `delimiter, quote and escape are the dialect's`() {
        let dialect = CSVDialect(
            delimiter: ";", quote: "'", escape: "\\",
            header: .names(["store", "quantity", "price"]))
        #expect(
            read(["'a;\\'b\\\\';1;2", "\"x\";1;2"], dialect).rows
                == ["a;'b\\ | 1 | 200e-2", "\"x\" | 1 | 200e-2"])
    }

    @Test func `columns are found by name, whatever their order and company`() {
        let dialect = CSVDialect(header: .names(["price", "note", "quantity", "store"]))
        #expect(read(["9.99,hello,3,s1"], dialect).rows == ["s1 | 3 | 999e-2"])
    }

    @Test func `a declared column that the header lacks or repeats refuses the rows by name`() {
        let lacking = CSVDialect(header: .names(["store", "qty", "price"]))
        #expect(
            read(["a,1,2"], lacking).rejects == [
                "0 quantity: the header has no column \"quantity\" (it names store, qty, price)"
            ])
        let twice = CSVDialect(header: .names(["store", "quantity", "quantity", "price"]))
        #expect(
            read(["a,1,1,2"], twice).rejects == [
                "0 quantity: the header names \"quantity\" 2 times"
            ])
        #expect(
            read(["a,1,2"], CSVDialect()).rejects == [
                "0 : no header names the columns; declare them under header"
            ])
    }

    @Test func `Latin-1 becomes UTF-8, and bytes that are no UTF-8 are refused otherwise`() {
        let row: [UInt8] = Array("caf".utf8) + [0xE9] + Array(",1,1".utf8)
        let latin = CSVDialect(header: .names(["store", "quantity", "price"]), encoding: .latin1)
        #expect(
            decode(CSVRecordDecoder(fields: fields, dialect: latin), records([row])).rows == [
                "café | 1 | 100e-2"
            ])
        #expect(
            decode(CSVRecordDecoder(fields: fields, dialect: named), records([row])).rejects
                == ["0 : the row is not UTF-8 (line 101)"])
        #expect(read(["café,1,1"]).rows == ["café | 1 | 100e-2"])
    }

    @Test func `all scalar types have a text form, nested ones do not`() {
        let fields = [
            RecordField("b", .bool), RecordField("f", .float64), RecordField("t", .timestamp),
            RecordField("d", .date), RecordField("x", .bytes),
            RecordField("r", .string, isRequired: true),
        ]
        let dialect = CSVDialect(header: .names(["b", "f", "t", "d", "x", "r"]))
        let decoder = CSVRecordDecoder(fields: fields, dialect: dialect)
        let decoded = decode(
            decoder,
            [
                "true,1.5,2023-11-14T22:13:20Z,2023-11-14,AQI=,r", "0,NaN,1700000000000,,,r",
                "yes,,,,,r", "1,,,,,",
            ])
        #expect(
            decoded.rows == [
                "true | 1.5 | 1700000000000000 | 19675 | 1.2 | r",
                "false | nan | 1700000000000000 | null | null | r",
            ])
        #expect(decoded.rejects == ["2 b: \"yes\" is not a bool", "3 r: is null"])
        let list = CSVRecordDecoder(
            fields: [RecordField("l", .list(.int64))], dialect: CSVDialect(header: .names(["l"])))
        #expect(decode(list, ["1"]).rejects == ["0 l: text cannot hold a list<int64>"])
    }

    @Test func `mutated rows never crash the decoder, and every row is read or refused`() {
        let seed: UInt64 = 4180
        var random = Seeded(state: seed)
        let marks = Array(",\"\\;'\n\r0129.- xé".utf8) + [0xFF]
        for round in 0..<50 {
            let rows = (0..<100).map { _ -> [UInt8] in
                var bytes = Array("store é,\"a \"\"b\"\" c\",17,10.50".utf8)
                for _ in 0..<3 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] =
                        marks.randomElement(using: &random)!
                }
                return Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
            }
            let dialect = CSVDialect(header: .names(["store", "note", "quantity", "price"]))
            let decoded = decode(CSVRecordDecoder(fields: fields, dialect: dialect), records(rows))
            #expect(
                decoded.rows.count + decoded.rejects.count == 100, "seed \(seed) round \(round)")
        }
    }
}
