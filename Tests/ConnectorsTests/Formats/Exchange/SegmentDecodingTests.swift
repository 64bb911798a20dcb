import StreamRuntime
import Testing

@testable import Connectors

@Suite struct SegmentDecodingTests {
    private static let quantity = ColumnType.decimal(precision: 12, scale: 3)

    private func read(
        _ layout: SegmentRecordDecoder.Layout, _ fields: [RecordField], _ values: [String]
    ) throws -> Decoded {
        decode(try SegmentRecordDecoder(fields: fields, layout: layout), values)
    }

    /// An inventory advice of two items, with its separators chosen anew.
    static func advice(
        element: String = "*", component: String = ">", terminator: String = "~\n"
    ) -> String {
        let segments = [
            "ISA*00*          *00*          *01*007941230      *01*051957169      "
                + "*261120*1530*U*00401*000004711*0*P*>",
            "GS*IB*007941230*051957169*20261120*1530*77*X*004010",
            "ST*846*0001",
            "BIA*00*DD*88123*20261120*1529",
            "N1*WH*EAST DEPOT*92*0042",
            "LIN*1*UP*012345678905*VN*00077",
            "QTY*33*120*EA",
            "QTY*17*7.5*EA",
            "LIN*2*EN*5410738000152",
            "REF*IA*998",
            "QTY*33*3-*CA",
            "DTM*405*20261119",
            "CTT*2",
            "SE*12*0001",
            "GE*1*77",
            "IEA*1*000004711",
        ]
        return segments.map {
            String(
                $0.map { character in
                    character == "*"
                        ? Character(element)
                        : character == ">" ? Character(component) : character
                }) + terminator
        }.joined()
    }

    private let x12 = SegmentRecordDecoder.Layout(.x12, record: "LIN", message: "846")
    private let x12Fields = [
        RecordField("store", .string, members: ["N1[WH].04"]),
        RecordField("item", .string, members: ["LIN[UP|EN]"]),
        RecordField("vendor", .string, members: ["LIN[VN]"]),
        RecordField("available", quantity, members: ["QTY[33]"]),
        RecordField("on_hand", quantity, members: ["QTY[17].02"]),
        RecordField("at", .timestamp, members: ["BIA.04 + BIA.05"], unit: .basic),
        RecordField("id", .string, members: ["ISA.13 + ST.02 + LIN.01"]),
        RecordField("day", .date, members: ["DTM[405]"], unit: .basic),
        RecordField("sender", .string, members: ["ISA.06"]),
    ]

    @Test(arguments: [
        ("*", ">", "~\n"), ("|", ":", "~"), ("^", "&", "\n"), ("\u{1d}", "<", "\u{1e}\r\n"),
    ])
    func `an X12 advice is a row an item, whatever parts its elements`(
        element: String, component: String, terminator: String
    ) throws {
        let text = Self.advice(element: element, component: component, terminator: terminator)
        #expect(
            try read(x12, x12Fields, [text])
                == Decoded(rows: [
                    "0042 | 012345678905 | 00077 | 120000e-3 | 7500e-3 | 1795188540000000 | "
                        + "00000471100011 | null | 007941230",
                    "0042 | 5410738000152 | null | -3000e-3 | null | 1795188540000000 | "
                        + "00000471100012 | 20776 | 007941230",
                ]))
    }

    @Test func `several interchanges are read, other messages are passed over`() throws {
        let other = Self.advice().replacing("ST*846", with: "ST*997")
        let layout = SegmentRecordDecoder.Layout(.x12, record: "LIN", message: "846")
        let fields = [RecordField("line", .int64, members: ["LIN.01"])]
        #expect(
            try read(layout, fields, [Self.advice() + other + Self.advice(), other])
                == Decoded(rows: ["1", "2", "1", "2"]))
    }

    @Test func `a quantity that cannot be read takes its item away`() throws {
        let fields = [RecordField("q", Self.quantity, members: ["QTY[33]"], isRequired: true)]
        #expect(
            try read(x12, fields, [Self.advice().replacing("QTY*33*120", with: "QTY*33*many")])
                == Decoded(
                    rows: ["-3000e-3"],
                    rejects: ["0 q: \"many\" is not a decimal(12,3) (segment 6)"]))
    }

    @Test func `what is cut off or does not add up gives no row`() throws {
        let whole = Self.advice()
        let fields = [RecordField("line", .int64, members: ["LIN.01"])]
        let decoded = try read(
            x12, fields,
            [
                String(whole.prefix(300)), "LIN*1~", whole.replacing("SE*12", with: "SE*13"),
                whole.replacing("SE*12*0001", with: "SE*12*0002"),
                whole.replacing("IEA*1*000004711", with: "IEA*1*000004712"),
                whole.replacing("CTT*2~\n", with: ""), "",
                whole.replacing("SE*12*0001~\n", with: ""),
            ])
        #expect(
            decoded
                == Decoded(rejects: [
                    "0 : the interchange is cut off in its segment 9",
                    "1 : the interchange does not begin with an ISA segment",
                    "2 : the message has 12 segments, which its SE does not say",
                    "3 : the control number of SE is not that of its message",
                    "4 : the control number of IEA is not that of the interchange",
                    "5 : the message has 11 segments, which its SE does not say",
                    "6 : the record is empty",
                    "7 : segment 15 is a IEA where none can be: a ST and its SE do not go together",
                ]))
    }

    /// A report of two items at two places, with a message around each.
    static let report = """
        UNA:+.? '
        UNB+UNOC:3+5412345000013:14+4012345000094:14+261120:1530+REF0815'
        UNH+ME001+INVRPT:D:96A:UN:EAN004'
        BGM+35+IVR21599+9'
        DTM+137:20261120:102'
        NAD+WH+5412345000020::9'
        LIN+1++5410738000152:EN'
        PIA+1+00077:SA'
        QTY+145:120,5:PCE'
        QTY+198:4'
        LIN+2++5410738000169:SRV'
        IMD+F++:::It?'s 5?+1 ??'
        QTY+145:7'
        UNT+12+ME001'
        UNZ+1+REF0815'
        """

    private let edifactFields = [
        RecordField("store", .string, members: ["NAD[WH]"]),
        RecordField("item", .string, members: ["LIN[EN|SRV]"]),
        RecordField("own", .string, members: ["PIA[SA]"]),
        RecordField("quantity", quantity, members: ["QTY[145]"]),
        RecordField("unit", .string, members: ["QTY[145].01.03"]),
        RecordField("day", .timestamp, members: ["DTM[137]"], unit: .basic),
        RecordField("id", .string, members: ["UNB.05 + UNH.01 + LIN.01"]),
        RecordField("text", .string, members: ["IMD.03.04"]),
    ]

    @Test func `an EDIFACT report is a row an item`() throws {
        let layout = SegmentRecordDecoder.Layout(.edifact, record: "LIN", message: "INVRPT")
        let wanted = [
            "5412345000020 | 5410738000152 | 00077 | 120500e-3 | PCE | 1795132800000000 | "
                + "REF0815ME0011 | null",
            "5412345000020 | 5410738000169 | null | 7000e-3 | null | 1795132800000000 | "
                + "REF0815ME0012 | It's 5+1 ?",
        ]
        let other = Self.report.replacing("\n", with: "").replacing("UNA:+.? '", with: "UNA|*,! ;")
            .replacing("??", with: "\u{3}").replacing("?'", with: "\u{1}")
            .replacing("?+", with: "\u{2}").replacing(":", with: "|").replacing("+", with: "*")
            .replacing("'", with: ";").replacing("\u{1}", with: "'").replacing("\u{2}", with: "+")
            .replacing("\u{3}", with: "?")
        let plain = Self.report.replacing("UNA:+.? '\n", with: "")
        let decoded = try read(layout, edifactFields, [Self.report, plain, other])
        #expect(decoded == Decoded(rows: wanted + wanted + wanted))
    }

    @Test func `groups share their fields, lists hold every segment`() throws {
        let text = """
            UNB+UNOC:3+A+B+261120:1530+R'UNH+1+INVRPT:D:96A:UN'BGM+35'
            LOC+14+S1::9'LIN+1++A:EN'QTY+145:1'QTY+198:2'LIN+2++B:EN'QTY+145:3'
            LOC+14+S2::9'LIN+3++A:EN'QTY+145:4'UNS+S'CNT+2:3'UNT+14+1'UNZ+1+R'
            """
        let layout = SegmentRecordDecoder.Layout(.edifact, record: "LIN", group: "LOC[14]")
        let quantities = ColumnType.list(
            .structure([Field("e01_1", .string), Field("e01_2", Self.quantity)]))
        let fields = [
            RecordField("store", .string, members: ["LOC[14]"]),
            RecordField("line", .int64, members: ["LIN.01"]),
            RecordField("all", quantities, members: ["QTY"]),
            RecordField("some", .list(.int64), members: ["QTY[145]"]),
        ]
        let decoded = try read(layout, fields, [text])
        #expect(
            decoded
                == Decoded(rows: [
                    "S1 | 1 | [{e01_1=145, e01_2=1000e-3}, {e01_1=198, e01_2=2000e-3}] | [1]",
                    "S1 | 2 | [{e01_1=145, e01_2=3000e-3}] | [3]",
                    "S2 | 3 | [{e01_1=145, e01_2=4000e-3}] | [4]",
                ]))
        #expect(
            try read(
                SegmentRecordDecoder.Layout(.edifact),
                [RecordField("n", .string, members: ["BGM.01"])],
                [text]
            ).rows == ["35"])
    }

    @Test(arguments: [
        ("lin", "\"lin\" does not begin with the tag of a segment, such as LIN"),
        ("LIN", "\"LIN\" is a whole segment; write LIN.01 for an element of it"),
        ("LIN[UP", "the [ of \"LIN[UP\" is not closed"),
        ("BIA.x", "\".x\" of \"BIA.x\" is not the number of an element; write BIA.04"),
        ("BIA.1.2.3", "\".1.2.3\" of \"BIA.1.2.3\" is not the number of an element; write BIA.04"),
    ])
    func `a path that cannot be followed is refused`(path: String, reason: String) {
        #expect(throws: FormatProblem(field: "f", reason: reason)) {
            _ = try SegmentRecordDecoder(
                fields: [RecordField("f", .string, members: [path])], layout: x12)
        }
    }

    @Test func `mutated interchanges never stop the decoder`() throws {
        let one = try SegmentRecordDecoder(fields: x12Fields, layout: x12)
        mutate(Self.advice(), seed: 12, times: 1000) { _ = decode(one, records([$0])) }
        let two = try SegmentRecordDecoder(
            fields: edifactFields, layout: .init(.edifact, record: "LIN"))
        mutate(Self.report, seed: 13, times: 1000) { _ = decode(two, records([$0])) }
    }
}
