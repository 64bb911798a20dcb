import Connectors
import StreamRuntime

/// How fast the formats that businesses and databases exchange become columns, on one core.
enum ExchangeBenchmarks {
    private static let quantity = ColumnType.decimal(precision: 18, scale: 5)
    /// Rows of one record, where a record holds many.
    private static let rowsOfRecord = 200

    /// Prints rows per second of each decoder, all of six fields.
    static func run(rows: Int = 400_000) {
        do throws(FormatProblem) { try measureAll(rows) } catch {
            print("the benchmark's own fields are refused: \(error.reason)")
        }
    }

    private static func measureAll(_ rows: Int) throws(FormatProblem) {
        let xml = try XMLRecordDecoder(
            fields: [
                field("material", "MATNR"), field("plant", "WERKS"), field("place", "LGORT"),
                RecordField("quantity", quantity, members: ["ERFMG"]),
                field("document", "../DOCNUM"),
                RecordField("day", .timestamp, members: ["../BUDAT"], unit: .basic),
            ], record: "M/H/I")
        measure("decode XML, 200 elements a document", xml, [document], rows: rows)
        measure(
            "decode XML, one element a document", xml,
            [
                "<M><H><DOCNUM>1</DOCNUM><BUDAT>20261120</BUDAT><I><MATNR>000000000000012345</MATNR>"
                    + "<WERKS>0001</WERKS><LGORT/><BWART>101</BWART><ERFMG>10.000</ERFMG></I></H></M>"
            ], rows: rows)
        let segments = [
            field("store", "N1[WH].04"), field("product", "LIN[UP|EN]"),
            RecordField("quantity", quantity, members: ["QTY[33]"]), field("unit", "QTY[33].03"),
            RecordField("at", .timestamp, members: ["BIA.04+BIA.05"], unit: .basic),
            field("id", "ISA.13+ST.02+LIN.01"),
        ]
        measure(
            "decode X12, 200 items an advice",
            try SegmentRecordDecoder(
                fields: segments, layout: .init(.x12, record: "LIN", message: "846")), [advice],
            rows: rows)
        let columns = [("store", "1-6"), ("sku", "7-14"), ("quantity", "15-23"), ("unit", "24-26")]
            .compactMap {
                FixedWidthLayout.Column($0.0, at: $0.1, decimals: $0.0 == "quantity" ? 3 : 0)
            }
        if let layout = FixedWidthLayout(columns: columns) {
            let fixed = FixedWidthRecordDecoder(
                fields: [
                    field("store", "store"), field("sku", "sku"), field("unit", "unit"),
                    RecordField("quantity", quantity, members: ["quantity"]),
                ], layout: layout)
            measure(
                "decode fixed width, 4 fields", fixed, ["0001  00042   000012500EA"], rows: rows)
        }
        let changed = [
            RecordField("store", .string, members: ["store_id"]), RecordField("sku", .string),
            RecordField("quantity", quantity, members: ["on_hand"]), RecordField("op", .string),
            RecordField("at", .timestamp, members: ["ts_ms"]), RecordField("position", .string),
        ]
        let row = "{\"store_id\":\"0042\",\"sku\":\"p1\",\"on_hand\":\"7.50\"}"
        measure(
            "decode Canal, 1 row an event", ChangeRecordDecoder(fields: changed, style: .canal),
            [
                "{\"data\":[\(row)],\"database\":\"shop\",\"es\":1767261600000,\"id\":11,\"isDdl\":false,"
                    + "\"old\":[{\"on_hand\":\"9\"}],\"table\":\"stock\",\"ts\":1,\"type\":\"UPDATE\"}"
            ], rows: rows)
        measure(
            "decode Maxwell", ChangeRecordDecoder(fields: changed, style: .maxwell),
            [
                "{\"database\":\"shop\",\"table\":\"stock\",\"type\":\"update\",\"ts\":1767261600,"
                    + "\"xid\":940786,\"xoffset\":3,\"data\":\(row),\"old\":{\"on_hand\":9}}"
            ], rows: rows)
    }

    private static func field(_ name: String, _ path: String) -> RecordField {
        RecordField(name, .string, members: [path])
    }

    private static var document: String {
        let items = (0..<rowsOfRecord).map { item in
            "<I><MATNR>0000000000000\(10_000 + item)</MATNR><WERKS>0001</WERKS><LGORT/><BWART>101</BWART>"
                + "<ERFMG>\(item).000</ERFMG><ERFME>EA</ERFME></I>\n"
        }
        return "<?xml version=\"1.0\"?>\n<M><H><DOCNUM>4711</DOCNUM><BUDAT>20261120</BUDAT>\n"
            + items.joined() + "</H></M>"
    }

    private static var advice: String {
        let items = (0..<rowsOfRecord).map { item in
            "LIN*\(item)*UP*0123456\(10_000 + item)*VN*77~QTY*33*\(item).5*EA~QTY*17*9*EA~"
        }
        return
            "ISA*00*          *00*          *01*007941230      *01*051957169      *261120*1530*U*00401*"
            + "000004711*0*P*>~ST*846*0001~BIA*00*DD*88*20261120*1529~N1*WH*EAST*92*0042~"
            + items.joined() + "SE*\(4 + 3 * rowsOfRecord)*0001~IEA*1*000004711~"
    }

    private static func measure(
        _ name: String, _ decoder: any RecordDecoder, _ texts: [String], rows: Int
    ) {
        let batch = RecordBatch(partition: 0, capacity: 4096)
        let count = texts[0].utf8.count > 4000 ? 20 : 4000
        for index in 0..<count {
            batch.keys.appendNull()
            batch.values.append(texts[index % texts.count])
            batch.timestamps.append(Int64(0))
            batch.offsets.append(Int64(index))
        }
        DecodeBenchmarks.measure(name, rows: rows) { _ in
            let decoded = DecodedRows(schema: decoder.schema, capacity: batch.count)
            var rejects = RejectedRows()
            decoder.decode(batch, into: decoded, rejects: &rejects)
            precondition(rejects.rejects.isEmpty && decoded.count > 0, "every row decodes")
            return decoded.count
        }
    }
}
