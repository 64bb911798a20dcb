import StreamRuntime
import Testing

@testable import Connectors

@Suite struct FixedWidthDecodingTests {
    private func layout(
        _ columns: [(String, String, Int)], encoding: CSVDialect.Encoding = .utf8,
        record: String? = nil
    ) -> FixedWidthLayout {
        FixedWidthLayout(
            columns: columns.map { FixedWidthLayout.Column($0.0, at: $0.1, decimals: $0.2)! },
            encoding: encoding, record: record)!
    }

    private let fields = [
        RecordField("store", .string), RecordField("sku", .string),
        RecordField("quantity", .decimal(precision: 12, scale: 3)),
        RecordField("at", .timestamp, unit: .basic, zone: LocalZone.named("America/New_York")),
    ]
    private let columns = [
        ("store", "1-6", 0), ("sku", "7-14", 0), ("quantity", "15-23", 3), ("at", "24-35", 0),
    ]

    @Test func `columns are cut out and trimmed, with points that are not written`() {
        let decoder = FixedWidthRecordDecoder(fields: fields, layout: layout(columns))
        let lines = [
            "0001  00042   000012500202611201530", "S2    X1      00000750-",
            "S3            12.5     00000000", "", "S4    X            -5  202602301530",
            "S5    X       12a",
        ]
        let decoded = decode(decoder, lines)
        #expect(
            decoded.rows == [
                "0001 | 00042 | 12500e-3 | 1795206600000000", "S2 | X1 | -750e-3 | null",
                "S3 | null | 12500e-3 | null", "null | null | null | null",
            ])
        #expect(
            decoded.rejects == [
                "4 at: \"202602301530\" is not a time as yyyymmdd or yyyymmddhhmmss",
                "5 quantity: \"12a\" is not a decimal(12,3)",
            ])
    }

    @Test func `lines of other kinds are passed over and counted`() {
        let decoder = FixedWidthRecordDecoder(
            fields: [RecordField("sku", .string)],
            layout: layout([("sku", "3-6", 0)], record: "1-2=10"))
        let batch = records(["00HEAD", "10A   ", "10B", "99    2"].map { Array($0.utf8) })
        let rows = DecodedRows(schema: decoder.schema, capacity: 4)
        var rejects = RejectedRows()
        decoder.decode(batch, into: rows, rejects: &rejects)
        #expect(rows.count == 2 && rows.skipped == 2 && rejects.rejects.isEmpty)
    }

    @Test func `positions are characters, in UTF-8 as in Latin-1`() {
        let places = [("name", "1-5", 0), ("n", "6-7", 0), ("both", "6,1-2", 0)]
        let wanted = [
            RecordField("name", .string), RecordField("n", .int64), RecordField("both", .string),
        ]
        let utf8 = FixedWidthRecordDecoder(fields: wanted, layout: layout(places))
        #expect(decode(utf8, ["Käse 42\r\n"]).rows == ["Käse | 42 | 4Kä"])
        let latin = FixedWidthRecordDecoder(
            fields: wanted, layout: layout(places, encoding: .latin1))
        let bytes: [UInt8] = [0x4B, 0xE4, 0x73, 0x65, 0x20, 0x34, 0x32]
        #expect(decode(latin, records([bytes])).rows == ["Käse | 42 | 4Kä"])
        #expect(decode(utf8, records([bytes])).rejects.count == 1)
    }

    @Test func `places that are none are refused`() {
        for text in ["", "0-3", "5-2", "a", "1-2-3", "1,,2"] {
            #expect(FixedWidthLayout.Column("c", at: text) == nil, "\(text)")
        }
    }

    @Test func `mutated lines never stop the decoder`() {
        let decoder = FixedWidthRecordDecoder(fields: fields, layout: layout(columns))
        mutate("0001  00042   000012500202611201530 Käse", seed: 99, times: 2000) {
            _ = decode(decoder, records([$0]))
        }
    }
}

@Suite struct LocalTimeTests {
    private func read(_ text: String, _ zone: String?, unit: TimeUnit = .automatic) throws -> Int64
    {
        try Array(text.utf8).withUnsafeBufferPointer {
            try TextValue.timestamp(
                $0.baseAddress!, $0.count, unit: unit, zone: zone.flatMap(LocalZone.named))
        } / 1_000_000
    }

    @Test(arguments: [
        ("2026-07-01T12:00:00", "Europe/Berlin", 1_782_900_000),
        ("2026-01-01T12:00:00", "Europe/Berlin", 1_767_265_200),
        ("2026-01-01T12:00:00Z", "Europe/Berlin", 1_767_268_800),
        ("2026-01-01T12:00:00-05:00", "Europe/Berlin", 1_767_286_800),
        // Shown twice: the earlier moment, in summer time. Skipped: an hour later than it says.
        ("2026-10-25T02:30:00", "Europe/Berlin", 1_792_888_200),
        ("2026-10-25T03:00:00", "Europe/Berlin", 1_792_893_600),
        ("2026-03-29T02:30:00", "Europe/Berlin", 1_774_747_800),
        ("2026-03-29T01:59:59", "Europe/Berlin", 1_774_745_999),
        ("2026-11-20", "Asia/Kolkata", 1_795_113_000),
        ("2085-07-01T00:00:00", "America/New_York", 3_644_798_400),
    ])
    func `text without a zone is what clocks of the place show`(
        text: String, zone: String, seconds: Int64
    ) throws {
        #expect(try read(text, zone) == seconds)
    }

    @Test(arguments: [
        ("20261120", 1_795_132_800), ("261120", 1_795_132_800), ("202611201530", 1_795_188_600),
        ("2611201530", 1_795_188_600), ("20261120153045", 1_795_188_645),
        ("20261120T153045Z", 1_795_188_645), ("20261120153045123456789", 1_795_188_645),
        ("700101", 0), ("2026-11-20", 1_795_132_800),
    ])
    func `digits of a calendar are times`(text: String, seconds: Int64) throws {
        #expect(try read(text, nil, unit: .basic) == seconds)
    }

    @Test func `OData's dates are milliseconds`() throws {
        #expect(try read("/Date(1492041600000)/", nil) == 1_492_041_600)
        #expect(try read("/Date(1492041600000+0060)/", nil) == 1_492_041_600)
        #expect(throws: ValueProblem.self) { _ = try read("/Date()/", nil) }
        #expect(LocalZone.named("Nowhere/City") == nil)
    }

    @Test func `fractions of five and nine digits keep their microseconds`() throws {
        let fields = [RecordField("t", .timestamp)]
        #expect(
            decode(
                JSONRecordDecoder(fields: fields),
                [
                    #"{"t":"2026-11-20T00:00:00.12345Z"}"#,
                    #"{"t":"2026-11-20T00:00:00.123456789Z"}"#,
                ]
            ).rows == ["1795132800123450", "1795132800123456"])
    }

    @Test func `a trailing minus makes a number negative, in every format of text`() {
        let fields = [
            RecordField("a", .decimal(precision: 9, scale: 3)), RecordField("b", .int64),
            RecordField("c", .float64),
        ]
        let csv = CSVRecordDecoder(
            fields: fields, dialect: CSVDialect(header: .names(["a", "b", "c"])))
        #expect(decode(csv, ["10.000-,5-,.5-"]).rows == ["-10000e-3 | -5 | -0.5"])
        #expect(
            decode(csv, ["1e3-,5,1", "--,1,1", "5--,1,1"]).rejects.map { String($0.prefix(4)) }
                == ["0 a:", "1 a:", "2 a:"])
    }
}
