import StreamRuntime
import Testing

@testable import Connectors

/// Every case runs through both ways of reading and must come out the same.
private func decodeBothWays(_ fields: [RecordField], _ values: [String]) -> Decoded {
    let strict = decode(JSONRecordDecoder(fields: fields, speculates: false), values)
    let fast = decode(JSONRecordDecoder(fields: fields), values)
    #expect(fast == strict)
    return strict
}

/// One value of one type: the row's text, or the reason it was refused.
private func value(_ type: ColumnType, _ text: String, unit: TimeUnit = .automatic) -> String {
    let decoded = decodeBothWays([RecordField("v", type, unit: unit)], ["{\"v\":\(text)}"])
    return decoded.rows.first ?? decoded.rejects.first ?? "nothing"
}

@Suite struct JSONDecodingTests {
    @Test func `only the declared fields are read, wherever they stand`() {
        let decoded = decodeBothWays(
            [RecordField("store", .string), RecordField("quantity", .int64)],
            [
                #"{"store":"s1","other":[1,{"a":null}],"quantity":17}"#,
                #"{"quantity":18,"store":"s2"}"#,
                " { \"store\" : \"s3\" ,\n \"quantity\" :\t19 } ",
                #"{"store":"s4","quantity":20,"more":true}"#,
            ])
        #expect(decoded == Decoded(rows: ["s1 | 17", "s2 | 18", "s3 | 19", "s4 | 20"]))
    }

    @Test func `missing and null members are null, unless the field is required`() {
        let fields = [RecordField("a", .string), RecordField("b", .int64, isRequired: true)]
        let decoded = decodeBothWays(
            fields, [#"{"b":1}"#, #"{"a":null,"b":2}"#, #"{"a":"x"}"#, #"{"b":null}"#, "{}"])
        #expect(
            decoded
                == Decoded(
                    rows: ["null | 1", "null | 2"],
                    rejects: ["2 b: is missing", "3 b: is null", "4 b: is missing"]))
    }

    @Test
    func `documents of several kinds take turns, their objects null or there, flat or as structs`()
    {
        let kinds = [
            #"{"type":0,"person":{"id":1,"name":"ann"},"auction":null,"bid":null,"at":"2026-01-01T00:00:00Z"}"#,
            #"{"type":1,"person":null,"auction":{"id":2,"item":"x","tags":[1]},"bid":null,"at":"2026-01-01T00:00:01Z"}"#,
            #"{"type":2,"person":null,"auction":null,"bid":{"auction":3,"price":99,"extra":""},"at":"2026-01-01T00:00:02Z"}"#,
            #"{"type":2,"person":null,"auction":null,"bid":{"price":98,"auction":3},"at":"2026-01-01T00:00:03Z"}"#,
            #"{"type":2,"bid":{},"at":"2026-01-01T00:00:04Z"}"#,
            #"{"type":2,"bid":{"price":1},"bid":null,"at":"2026-01-01T00:00:05Z"}"#,
            #"{"type":2,"bid":null,"bid":{"price":1},"at":"2026-01-01T00:00:06Z"}"#,
            #"{"type":2,"bid":nul,"at":"2026-01-01T00:00:07Z"}"#,
            #"{"type":2,"bid":7,"at":"2026-01-01T00:00:08Z"}"#,
        ]
        let flat = [
            RecordField("type", .int64), RecordField("name", .string, path: "person.name"),
            RecordField("item", .string, path: "auction.item"),
            RecordField("auction", .int64, path: "bid.auction"),
            RecordField("price", .int64, path: "bid.price"), RecordField("at", .timestamp),
        ]
        let bid: [Field] = [Field("auction", .int64), Field("price", .int64)]
        let structs = [
            RecordField("person", .structure([Field("id", .int64), Field("name", .string)])),
            RecordField("bid", .structure(bid)), RecordField("at", .timestamp),
        ]
        let required = [RecordField("bid", .structure(bid), isRequired: true)]
        for fields in [flat, structs, required] {
            let strict = JSONRecordDecoder(fields: fields, speculates: false)
            let fast = JSONRecordDecoder(fields: fields)
            var state = 7
            for _ in 0..<20 {
                let values = (0..<40).map { _ in
                    state = (state * 1_103_515_245 + 12345) & 0x7FFF_FFFF
                    return kinds[(state >> 8) % kinds.count]
                }
                #expect(decode(fast, values) == decode(strict, values))
            }
            let all = kinds + kinds
            #expect(decode(fast, all) == decode(strict, all))
        }
        let rows = decodeBothWays(structs, [kinds[0], kinds[2], kinds[4]]).rows
        #expect(rows.count == 3)
        #expect(rows[0].contains("ann"))
        #expect(rows[1].hasPrefix("null | "))
    }

    @Test func `a refused record leaves nothing behind in the columns`() {
        let decoded = decodeBothWays(
            [RecordField("a", .string), RecordField("b", .int64)],
            [#"{"a":null,"b":"x"}"#, #"{"a":"kept","b":2}"#, #"{"a":"y","b":1.5}"#, #"{"b":3}"#])
        #expect(decoded.rows == ["kept | 2", "null | 3"])
        #expect(
            decoded.rejects == [
                #"0 b: "x" is not an int64"#,
                #"2 b: "1.5" would have to be rounded to be an int64"#,
            ])
    }

    @Test(
        arguments: [
            ("0", "0"), ("-0", "0"), ("17", "17"), ("-17", "-17"), ("\"17\"", "17"),
            ("12345678", "12345678"), ("123456789012345678", "123456789012345678"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"), ("17.0", "17"), ("1e3", "1000"),
            ("1500e-2", "15"), ("\"007\"", "7"),
            ("9223372036854775808", "0 v: \"9223372036854775808\" is beyond the range of an int64"),
            ("1.5", "0 v: \"1.5\" would have to be rounded to be an int64"),
            ("1e400", "0 v: \"1e400\" is beyond the range of an int64"),
            ("\"\"", "0 v: \"\" is not an int64"), ("\"1x\"", "0 v: \"1x\" is not an int64"),
            ("true", "0 v: \"true\" is not an int64"), ("[1]", "0 v: \"[1]\" is not an int64"),
            ("007", "0 : malformed JSON at byte 6: \",\" or \"}\" was expected"),
            ("+1", "0 : malformed JSON at byte 5: a value was expected"),
        ])
    func `an int64 is exact or refused`(text: String, expected: String) {
        #expect(value(.int64, text) == expected)
    }

    @Test(
        arguments: [
            ("10.00", "1000e-2"), ("10", "1000e-2"), ("\"12.5\"", "1250e-2"), ("-0.01", "-1e-2"),
            ("1.5e1", "1500e-2"), ("12.3400", "1234e-2"), ("99999999.99", "9999999999e-2"),
            ("100000000", "0 v: \"100000000\" is beyond the range of a decimal(10,2)"),
            ("0.001", "0 v: \"0.001\" would have to be rounded to be a decimal(10,2)"),
            ("\"ten\"", "0 v: \"ten\" is not a decimal(10,2)"),
        ])
    func `a decimal is never rounded`(text: String, expected: String) {
        #expect(value(.decimal(precision: 10, scale: 2), text) == expected)
    }

    @Test func `a decimal holds 38 digits exactly`() {
        let digits = "12345678901234567890123456789012345678"
        #expect(value(.decimal(precision: 38, scale: 0), digits) == digits + "e-0")
        #expect(
            value(.decimal(precision: 38, scale: 38), "-0." + digits) == "-" + digits + "e-38")
        #expect(
            value(.decimal(precision: 38, scale: 0), digits + "9")
                == "0 v: \"\(digits)9\" is beyond the range of a decimal(38,0)")
    }

    @Test(
        arguments: [
            ("0.1", 0.1), ("-2.5", -2.5), ("1e23", 1e23),
            ("1.7976931348623157e308", 1.7976931348623157e308),
            ("5e-324", Double.leastNonzeroMagnitude), ("9007199254740993", 9007199254740992),
            ("0.30000000000000004", 0.30000000000000004),
            ("123456789.123456789", 123456789.123456789),
            ("2.2250738585072011e-308", Double.leastNormalMagnitude.nextDown), ("\"1.5\"", 1.5),
            ("9007199254740993.00000000000000000000000000001", 9007199254740994),
        ])
    func `a double is the nearest one`(text: String, expected: Double) {
        #expect(value(.float64, text) == "\(expected)")
    }

    @Test func `the doubles JSON has no number for are read from text`() {
        #expect(value(.float64, "\"NaN\"") == "nan")
        #expect(value(.float64, "\"-Infinity\"") == "-inf")
        #expect(value(.float64, "1e999") == "0 v: \"1e999\" is beyond the range of a double")
    }

    @Test(
        arguments: [
            ("\"2023-11-14T22:13:20Z\"", 1_700_000_000_000_000),
            ("\"2023-11-14T22:13:20.5Z\"", 1_700_000_000_500_000),
            ("\"2023-11-14T22:13:20.123456789Z\"", 1_700_000_000_123_456),
            ("\"2023-11-14 22:13:20\"", 1_700_000_000_000_000),
            ("\"2023-11-15T03:43:20+05:30\"", 1_700_000_000_000_000),
            ("\"2023-11-14T17:13:20-0500\"", 1_700_000_000_000_000),
            ("\"2023-11-14T22:13Z\"", 1_699_999_980_000_000),
            ("\"2023-11-14\"", 1_699_920_000_000_000),
            ("\"1969-12-31T23:59:59.999999Z\"", -1),
            ("\"2024-02-29T00:00:00Z\"", 1_709_164_800_000_000),
            ("\"0001-01-01T00:00:00Z\"", TimeText.timestampMin),
            ("\"9999-12-31T23:59:59.999999Z\"", TimeText.timestampMax),
            ("1700000000000", 1_700_000_000_000_000), ("\"1700000000000\"", 1_700_000_000_000_000),
            ("1700000000000.5", 1_700_000_000_000_500), ("-1", -1000),
        ])
    func `a timestamp is ISO-8601 or milliseconds`(text: String, micros: Int64) {
        #expect(value(.timestamp, text) == "\(micros)")
    }

    @Test func `the unit says what a number of time means`() {
        #expect(value(.timestamp, "1700000000", unit: .seconds) == "1700000000000000")
        #expect(value(.timestamp, "1700000000.1234567", unit: .seconds) == "1700000000123456")
        #expect(value(.timestamp, "1700000000123456", unit: .microseconds) == "1700000000123456")
        #expect(value(.timestamp, "1700000000123456789", unit: .nanoseconds) == "1700000000123456")
        #expect(value(.timestamp, "19675", unit: .days) == "1699920000000000")
        #expect(
            value(.timestamp, "1700000000", unit: .iso)
                == "0 v: \"1700000000\" is a number, but the unit is iso")
        #expect(value(.date, "19675") == "19675")
        #expect(value(.date, "\"2023-11-14\"") == "19675")
    }

    @Test(
        arguments: [
            "\"+292277-01-01T00:00:00Z\"", "9223372036854775807", "\"10000-01-01T00:00:00Z\"",
            "\"0000-12-31T00:00:00Z\"", "-99999999999999999",
        ])
    func `a moment beyond the year 9999 is refused, not wrapped`(text: String) {
        let bare = text.filter { $0 != "\"" }
        #expect(value(.timestamp, text) == "0 v: \"\(bare)\" is outside the years 0001 to 9999")
    }

    @Test(
        arguments: [
            "\"2023-13-01T00:00:00Z\"", "\"2023-02-29T00:00:00Z\"", "\"2023-11-14T24:00:00Z\"",
            "\"2023-11-14T22:13:20.Z\"", "\"2023-11-14T22:13:20+25:00\"", "\"2023-11-14T22\"",
            "\"2023-11-14T22:13:20Zz\"", "\"yesterday\"", "\"\"",
        ])
    func `a text that is no moment is refused`(text: String) {
        let bare = text.filter { $0 != "\"" }
        #expect(value(.timestamp, text) == "0 v: \"\(bare)\" is not a timestamp")
    }

    @Test func `strings keep every character, escapes resolved`() {
        #expect(value(.string, #""a\"b\\c\/d\b\f\n\r\tz""#) == "a\"b\\c/d\u{8}\u{c}\n\r\tz")
        #expect(value(.string, #""\u00e9\u20AC\ud83d\ude00""#) == "é€😀")
        #expect(value(.string, "\"é€😀 and plain text\"") == "é€😀 and plain text")
        #expect(value(.string, "\"\"") == "")
        #expect(value(.string, "17") == "0 v: \"17\" is not a string")
        #expect(
            value(.string, #""\ud83d""#) == "0 : malformed JSON at byte 6: a lone surrogate")
        #expect(value(.bytes, "\"AQL/\"") == "1.2.ff")
        #expect(value(.bytes, "\"AQ=\"") == "0 v: \"AQ=\" is not base64")
    }

    @Test func `a string field that takes any text keeps the JSON of other values`() {
        let fields = [RecordField("v", .string, takesAnyText: true)]
        let decoded = decodeBothWays(
            fields, [#"{"v":17.50}"#, #"{"v":{"a": [1]}}"#, #"{"v":"x"}"#, #"{"v":null}"#])
        #expect(decoded.rows == ["17.50", #"{"a": [1]}"#, "x", "null"])
    }

    @Test func `of members with one name the last counts`() {
        let decoded = decodeBothWays(
            [RecordField("v", .int64), RecordField("inner", .int64, path: "o.i")],
            [
                #"{"v":1,"v":2}"#, #"{"v":"broken","v":3}"#, #"{"v":4,"v":null}"#,
                #"{"o":{"i":1},"o":{"j":2}}"#, #"{"v":1,"\u0076":5}"#,
            ])
        #expect(
            decoded.rows == [
                "2 | null", "3 | null", "null | null", "null | null", "5 | null",
            ])
    }

    @Test func `paths that share objects are followed through every way of writing them`() {
        let decoded = decodeBothWays(
            [
                RecordField("b", .int64, path: "a.b"), RecordField("d", .string, path: "a.c.d"),
                RecordField("e", .int64, path: "e"), RecordField("g", .bool, path: "f.g"),
            ],
            [
                #"{"a":{"b":1,"c":{"d":"x"}},"e":2,"f":{"g":true}}"#,
                #"{"a":{"b":3,"c":{"d":"y"}},"e":4,"f":{"g":false}}"#,
                #"{"f":{"g":true},"e":5,"a":{"c":{"d":"z","o":{"d":1}},"o":[1],"b":6}}"#,
                #"{"a":{"b":7},"e":8}"#, #"{"a":{},"f":{}}"#, "{}", #"{"b":1,"d":"top","g":true}"#,
                #"{"a":{"e":1,"f":{"g":true},"b":9}}"#, #"{"a":null,"e":10,"f":{"g":null}}"#,
                #"{"a":{"b":1},"a":{"c":{"d":"again"}}}"#, #"{"a":{"b":1},"a":null}"#,
                #"{"a":null,"a":{"b":11}}"#, #"{"a":{"b":12,"c":null,"c":{"d":"w"}}}"#,
                #"{ "a" : { "b" : 13 , "c" : { "d" : "s" } } , "e" : 14 , "f" : { "g" : true } }"#,
                #"{"a":{"b":1,"c":{"d":"x"}},"e":2,"f":{"g":true}}"#,
                #"{"a":{"b":1,"c":{"d":"x"}},"e":2,"f":{"g":true}}}"#,
                #"{"a":{"b":1,"c":{"d":"x"},"e":2,"f":{"g":true}}"#,
                #"{"a":{"b":1,"c":{"d":"x"}}"#, #"{"a":[1],"e":1}"#, #"{"a":{"c":"text"},"e":1}"#,
            ])
        #expect(
            decoded.rows == [
                "1 | x | 2 | true", "3 | y | 4 | false", "6 | z | 5 | true", "7 | null | 8 | null",
                "null | null | null | null", "null | null | null | null",
                "null | null | null | null",
                "9 | null | null | null", "null | null | 10 | null", "null | again | null | null",
                "null | null | null | null", "11 | null | null | null", "12 | w | null | null",
                "13 | s | 14 | true", "1 | x | 2 | true",
            ])
        #expect(decoded.rejects.count == 5)
    }

    @Test func `paths reach into objects, and lists of structs are read whole`() {
        let count = ColumnType.structure([
            Field("id", .string), Field("quantity", .decimal(precision: 18, scale: 5)),
            Field("at", .timestamp),
        ])
        let decoded = decodeBothWays(
            [
                RecordField("event", .string, path: "meta.event.id"),
                RecordField("counts", .list(count), path: "data.object.counts"),
                RecordField("tags", .list(.list(.int64))),
            ],
            [
                #"{"meta":{"event":{"id":"e1"}},"tags":[[1],[],null,[2,3]],"#
                    + #""data":{"object":{"counts":[{"id":"a\n","quantity":"1.5","at":0},{"x":1},null]}}}"#,
                #"{"meta":7}"#,
                #"{"meta":null,"data":{"object":{"counts":[{"id":"b"},{"quantity":"x"}]}}}"#,
                #"{"meta":{"event":{}},"data":{"object":{"counts":[{"id":"c"}]}},"tags":[]}"#,
            ])
        #expect(
            decoded.rows == [
                "e1 | [{id=a\n, quantity=150000e-5, at=0}, {id=null, quantity=null, at=null}, null] | "
                    + "[[1], [], null, [2, 3]]",
                "null | [{id=c, quantity=null, at=null}] | []",
            ])
        #expect(
            decoded.rejects == [
                "1 event: its path leads through a value that is no object",
                #"2 counts.[1].quantity: "x" is not a decimal(18,5)"#,
            ])
    }

    @Test(
        arguments: [
            "", " ", "{", "{\"v\"", "{\"v\":", "{\"v\":1", "{\"v\":1,", "{\"v\":1,}", "{\"v\":1}x",
            "{\"v\":1}}",
            "{v:1}", "{\"v\":tru}", "{\"v\":nul}", "{\"v\":\"a}", "{\"v\":\"a\u{1}\"}",
            "{\"v\":01}",
            "{\"v\":1.}", "{\"v\":.5}", "{\"v\":-}", "{\"v\":1e}", "{\"v\" 1}", "{'v':1}",
            "{\"v\":1 \"w\":2}",
            "{\"w\":[1,]}", "{\"w\":{\"a\"}}", "{\"w\":\"\\x\"}", "{\"w\":NaN}", "[1]", "1", "null",
            "\u{FEFF}{\"v\":1}", "{\"v\":1}//",
        ])
    func `a document that is not a JSON object is refused whole`(text: String) {
        let decoded = decodeBothWays(
            [RecordField("v", .string, takesAnyText: true)], [text])
        #expect(decoded.rows == [])
        let plain = decodeBothWays([RecordField("w2", .string)], [text])
        #expect(plain.rows == [])
        #expect(plain.rejects.count == 1)
    }

    @Test func `a truncated document is refused though the next record would complete it`() {
        let whole = #"{"v":123456,"name":"a plain text"}"#
        for length in 1..<whole.utf8.count {
            let cut = Array(whole.utf8.prefix(length))
            let rest = Array(whole.utf8.dropFirst(length))
            let fields = [RecordField("v", .int64), RecordField("name", .string)]
            let decoder = JSONRecordDecoder(fields: fields)
            let decoded = decode(
                decoder, records([Array(whole.utf8), cut, rest, Array(whole.utf8)]))
            #expect(decoded.rows == ["123456 | a plain text", "123456 | a plain text"])
            #expect(decoded.rejects.count == 2)
        }
    }

    @Test func `invalid UTF-8 is refused, in names, in values and in what is skipped`() {
        let bad: [[UInt8]] = [
            [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x82],
        ]
        for bytes in bad {
            for (before, after) in [
                ("{\"v\":\"", "\"}"), ("{\"w\":\"", "\"}"), ("{\"", "\":1}"),
                ("{\"v\":\"plain text \"", "}"),
            ] {
                let batch = records([Array(before.utf8) + bytes + Array(after.utf8)])
                let decoded = decode(JSONRecordDecoder(fields: [RecordField("v", .string)]), batch)
                #expect(decoded.rows == [])
                #expect(decoded.rejects.count == 1)
            }
        }
    }

    @Test func `fields come from the record's key, place and time too`() {
        let fields = [
            RecordField("id", .int64, from: .key), RecordField("v", .int64),
            RecordField("at", .timestamp, from: .timestamp),
            RecordField("o", .int64, from: .offset),
            RecordField("p", .int64, from: .partition), RecordField("k", .string, from: .key),
        ]
        let decoder = JSONRecordDecoder(fields: fields)
        let batch = records(
            [Array("{\"v\":1}".utf8), Array("{\"v\":2}".utf8), nil, Array("{\"v\":4}".utf8)],
            keys: [Array("7".utf8), Array("x".utf8), nil, nil])
        let decoded = decode(decoder, batch)
        #expect(
            decoded.rows == [
                "7 | 1 | 1700000000000000 | 100 | 3 | 7",
                "null | 4 | 1700000000000003 | 103 | 3 | null",
            ])
        #expect(
            decoded.rejects == [
                #"1 id: "x" is not an int64"#, "2 : the record has no value (a tombstone)",
            ])
    }

    @Test func `rows of a second batch are added behind those of the first`() {
        let decoder = JSONRecordDecoder(fields: [RecordField("v", .string)])
        let rows = DecodedRows(schema: decoder.schema, capacity: 1)
        var rejects = RejectedRows()
        for text in [["{\"v\":\"a\"}", "{}"], ["{\"v\":\"b\"}", "{\"v\":\"\\n\"}"]] {
            decoder.decode(
                records(text.map { Array($0.utf8) }), into: rows, rejects: &rejects)
        }
        #expect((0..<rows.count).map { show(rows.columns[0], $0) } == ["a", "null", "b", "\n"])
        #expect((0..<4).map { rows.records.int64s[$0] } == [0, 1, 0, 1])
    }

    @Test func `records that share their bytes with others on their way are never written to`() {
        let fields = [
            RecordField("v", .string), RecordField("k", .string, from: .key),
            RecordField("l", .list(.string)), RecordField("b", .bytes),
        ]
        let texts = [
            #"{"v":"plain","l":["x"]}"#, #"{"v":"tab\t","l":["\n","y"],"b":"AQI="}"#,
            #"{"v":"after"}"#,
        ]
        let batch = records(texts.map { Array($0.utf8) }, keys: [Array("k1".utf8), nil, nil])
        let arena = batch.values.arena!
        let bytes = Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
        let base = arena.base
        let decoded = decode(JSONRecordDecoder(fields: fields), batch)
        #expect(
            decoded.rows == [
                "plain | k1 | [x] | null", "tab\t | null | [\n, y] | 1.2",
                "after | null | null | null",
            ])
        #expect(arena.base == base)
        #expect(Array(UnsafeBufferPointer(start: arena.base, count: arena.count)) == bytes)
    }
}
