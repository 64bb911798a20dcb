import StreamRuntime
import Testing

@testable import Connectors

@Suite struct XMLDecodingTests {
    private func read(
        _ documents: [String], record: String? = nil, _ fields: [RecordField]
    ) throws -> Decoded {
        decode(try XMLRecordDecoder(fields: fields, record: record), documents)
    }

    private let quantity = ColumnType.decimal(precision: 13, scale: 3)

    /// A goods movement as SAP sends it, two items in one document.
    static let movement = """
        <?xml version="1.0" encoding="UTF-8"?>
        <WMMBID02><IDOC BEGIN="1"><EDI_DC40 SEGMENT="1"><DOCNUM>0000000000471142</DOCNUM>
          <CREDAT>20261120</CREDAT><CRETIM>235959</CRETIM></EDI_DC40>
          <E1MBXYH SEGMENT="1"><BUDAT>20261120</BUDAT>
            <E1MBXYI SEGMENT="1"><MATNR>000000000000012345</MATNR><WERKS>0001</WERKS><LGORT/>
              <BWART>101</BWART><ERFMG>10.000</ERFMG><ERFME>EA</ERFME></E1MBXYI>
            <E1MBXYI SEGMENT="1"><MATNR>000000000000012346</MATNR><WERKS>0001</WERKS><LGORT>0088</LGORT>
              <BWART>102</BWART><ERFMG>3.500-</ERFMG><ERFME>KG</ERFME></E1MBXYI>
          </E1MBXYH></IDOC></WMMBID02>
        """

    @Test func `each record element is a row, with what stands around it`() throws {
        let fields = [
            RecordField("material", .string, members: ["MATNR"]),
            RecordField("plant", .string, members: ["WERKS"]),
            RecordField("place", .string, members: ["LGORT"]),
            RecordField("quantity", quantity, members: ["ERFMG"]),
            RecordField("day", .date, members: ["../BUDAT"], unit: .basic),
            RecordField(
                "at", .timestamp,
                members: ["../BUDAT + /WMMBID02/IDOC/EDI_DC40/CRETIM"],
                unit: .basic, zone: LocalZone.named("Europe/Berlin")),
            RecordField("number", .string, members: ["/WMMBID02/IDOC/EDI_DC40/DOCNUM"]),
            RecordField("segment", .int64, members: ["@SEGMENT"]),
        ]
        #expect(
            try read([Self.movement], record: "WMMBID02/IDOC/E1MBXYH/E1MBXYI", fields)
                == Decoded(rows: [
                    "000000000000012345 | 0001 | null | 10000e-3 | 20777 | 1795215599000000 | 0000000000471142 | 1",
                    "000000000000012346 | 0001 | 0088 | -3500e-3 | 20777 | 1795215599000000 | 0000000000471142 | 1",
                ]))
    }

    @Test func `a path from the root takes the way to this very record`() throws {
        let two =
            "<IDOCS><IDOC><N>1</N><H><I>a</I><I>b</I></H></IDOC><IDOC><H><I>c</I></H><N>2</N></IDOC></IDOCS>"
        let fields = [
            RecordField("item", .string, members: ["."]),
            RecordField("number", .int64, members: ["/IDOCS/IDOC/N"]),
            RecordField("up", .int64, members: ["../../N"]),
        ]
        #expect(
            try read([two], record: "IDOCS/IDOC/H/I", fields)
                == Decoded(rows: ["a | 1 | 1", "b | 1 | 1", "c | 2 | 2"]))
    }

    @Test func `repeated elements are lists of structs, of text and attributes`() throws {
        let document = """
            <item code="0007"><name lang="en">Milk</name><name lang="de">Milch &amp; Sahne</name>
            <price unit="EUR">1.20<old>1.10</old></price><tags><tag>cold</tag><tag/></tags></item>
            """
        let names = ColumnType.list(
            .structure([Field("lang", .string), Field("_", .string)]))
        let price = ColumnType.structure([
            Field("_", .decimal(precision: 6, scale: 2)), Field("unit", .string),
            Field("old", .float64),
        ])
        let fields = [
            RecordField("code", .string, members: ["@code"]),
            RecordField("names", names, members: ["name"]),
            RecordField("german", .string, members: ["name[@lang='de']"]),
            RecordField("price", price, members: ["price"]),
            RecordField("tags", .list(.string), members: ["tags/tag"]),
            RecordField("none", .list(.string), members: ["nothing"]),
        ]
        #expect(
            try read([document], fields)
                == Decoded(rows: [
                    "0007 | [{lang=en, _=Milk}, {lang=de, _=Milch & Sahne}] | Milch & Sahne | "
                        + "{_=120e-2, unit=EUR, old=1.1} | [cold, null] | []"
                ]))
    }

    @Test func `names are local ones, or those of a namespace`() throws {
        let document = """
            <a:stock xmlns:a="urn:a" xmlns="urn:b" xmlns:x="http://www.w3.org/2001/XMLSchema-instance">
            <id>b</id><a:id>a</a:id><a:left x:nil="true">5</a:left></a:stock>
            """
        let fields = [
            RecordField("any", .string, members: ["id"]),
            RecordField("a", .string, members: ["{urn:a}id"]),
            RecordField("left", .int64, members: ["left"]),
        ]
        #expect(try read([document], record: "{urn:a}stock", fields).rows == ["b | a | null"])
        #expect(
            try read([document], record: "{urn:b}stock", fields).rejects
                == ["0 : the document is a <stock>, not a <stock> (line 1)"])
    }

    @Test func `a value that cannot be read takes its own rows away, with element and line`() throws
    {
        let document = """
            <s><g><id>1</id>
            <i><q>1</q></i>
            <i><q>x</q></i>
            <i><q>3</q></i></g>
            <g><id>y</id><i><q>4</q></i></g></s>
            """
        let fields = [
            RecordField("q", .int64), RecordField("id", .int64, members: ["../id"]),
            RecordField("at", .timestamp, from: .timestamp),
        ]
        let decoded = try read([document, "<s/>"], record: "s/g/i", fields)
        #expect(
            decoded.rows == ["1 | 1 | 1700000000000000", "3 | 1 | 1700000000000000"])
        #expect(
            decoded.rejects == [
                "0 q: \"x\" is not an int64 (i 2, line 3); id: \"y\" is not an int64 (1 × i, line 5)"
            ])
    }

    @Test func `a document type is refused before any of its entities is expanded`() throws {
        let bomb = """
            <!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
            <!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><l>&c;&c;&c;&c;</l>
            """
        let outside = "<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><l>x</l>"
        let deep = String(repeating: "<l>", count: 300) + String(repeating: "</l>", count: 300)
        let fields = [RecordField("l", .string)]
        let refused = "the document declares a document type (DOCTYPE), which is refused (line 1)"
        #expect(
            try read([bomb, outside, deep, "<l>ok</l>", "<l><a></l>", " ", "<l>&x;</l>"], fields)
                == Decoded(
                    rows: ["null"],
                    rejects: [
                        "0 : \(refused)", "1 : \(refused)",
                        "2 : elements nest more than 256 deep (line 1)",
                        "4 : malformed XML in line 1: mismatched tag", "5 : the document is empty",
                        "6 : malformed XML in line 1: undefined entity",
                    ]))
    }

    @Test func `required values, empty elements and tombstones are told apart`() throws {
        let fields = [
            RecordField("q", quantity, isRequired: true), RecordField("s", .string),
        ]
        let decoder = try XMLRecordDecoder(fields: fields)
        let values = ["<i><q/><s> </s></i>", "<i><q> 7 </q><s> 0 1 </s></i>"].map { Array($0.utf8) }
        let decoded = decode(decoder, records([values[0], nil, values[1]]))
        #expect(decoded.rows == ["7000e-3 | 0 1"])
        #expect(
            decoded.rejects == ["0 q: is missing", "1 : the record has no value (a tombstone)"])
    }

    @Test func `text in other encodings and in pieces is read whole`() throws {
        let latin =
            Array("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><i><n>K".utf8) + [0xE4]
            + Array("se</n></i>".utf8)
        let pieces = Array("<i><n>a<x/>b<![CDATA[<c>]]>&#x64;</n></i>".utf8)
        let decoder = try XMLRecordDecoder(fields: [RecordField("n", .string)])
        #expect(decode(decoder, records([latin, pieces])).rows == ["Käse", "ab<c>d"])
    }

    @Test(arguments: [
        ("a//b", "\"/b\" stands where a name is expected in the path"),
        ("*", "\"*\" is not a name; a path names every element"),
        ("@a/b", "nothing is inside an attribute in the path \"@a/b\""),
        ("a[b]", "a condition in a path is written [name='text']"),
        (
            "../../a",
            "\"../../a\" leads out of the document: the record is 1 elements inside the root"
        ),
        ("/x/a", "\"/x/a\" does not begin with the root of the record, /s"),
    ])
    func `a path that cannot be followed is refused`(path: String, reason: String) {
        #expect(throws: FormatProblem(field: "f", reason: reason)) {
            _ = try XMLRecordDecoder(
                fields: [RecordField("f", .string, members: [path])], record: "s/i")
        }
    }

    @Test func `mutated documents never stop the decoder`() throws {
        let seed: UInt64 = 4711
        let fields = [
            RecordField("m", .string, members: ["MATNR"]),
            RecordField("q", quantity, members: ["ERFMG"]),
            RecordField("d", .string, members: ["/WMMBID02/IDOC/EDI_DC40/DOCNUM"]),
        ]
        let decoder = try XMLRecordDecoder(
            fields: fields, record: "WMMBID02/IDOC/E1MBXYH/E1MBXYI")
        mutate(Self.movement, seed: seed, times: 2000) { _ = decode(decoder, records([$0])) }
        #expect(decode(decoder, [Self.movement]).rows.count == 2)
    }
}

/// Hands on damaged copies of a record: bytes changed, taken out, repeated, cut off.
func mutate(_ text: String, seed: UInt64, times: Int, _ body: ([UInt8]) -> Void) {
    var random = Seeded(state: seed)
    let whole = Array(text.utf8)
    for _ in 0..<times {
        var bytes = whole
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: at)
            case 2:
                let end = min(at + Int.random(in: 1...40, using: &random), bytes.count)
                bytes.insert(contentsOf: Array(bytes[at..<end]), at: at)
            default: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            }
        }
        body(bytes)
    }
}
