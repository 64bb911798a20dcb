/// A few records of each of the other systems that stock comes from: what they look like, and enough of them
/// to see their counts arrive.
struct ExchangeSample {
    private static let minute: Int64 = 60 * 1_000_000
    private var random: SampleRandom
    private let rounds: Int
    /// The records by topic.
    private(set) var topics: [(name: String, records: Arrivals)] = []

    init(random: SampleRandom, rounds: Int) {
        self.random = random
        self.rounds = rounds
    }

    mutating func make() {
        var all: [String: Arrivals] = [:]
        for name in ExchangeSample.names { all[name] = Arrivals() }
        func add(_ topic: String, _ at: Int64, _ key: String, _ value: String) {
            all[topic]!.append(arrival: at, eventTime: at, key: key, value: value)
        }
        for item in 1...40 {
            add(
                "catalog.shopify_items", SampleData.start, "\(808_950_000 + item)",
                "{\"inventory_item_id\":\(808_950_000 + item),\"sku\":\"\(SampleText.padded(item, 6))\","
                    + "\"updated_at\":\"\(SampleText.time(SampleData.start, digits: 3))\"}")
        }
        var number = 0
        for round in 0..<rounds {
            let at = SampleData.start + (Int64(round) + 1) * SampleData.span / Int64(rounds + 1)
            for topic in ExchangeSample.names where topic != "catalog.shopify_items" {
                number += 1
                let store = random.store()
                let product = random.product()
                let quantity = "\(1 + random.below(90))"
                let time = at + Int64(number % 7) * Self.minute
                add(
                    topic, time, store,
                    ExchangeSample.record(
                        topic,
                        Facts(
                            store: store, product: product, quantity: quantity, at: time,
                            number: number, round: round)))
            }
        }
        topics = ExchangeSample.names.map { ($0, all[$0]!) }
    }

    private static let names = [
        "pos.square.counts", "pos.square.changes", "catalog.shopify_items", "pos.shopify",
        "pos.clover",
        "pos.lightspeed", "pos.ncr", "catalog.ncr", "sap.matmas", "sap.wmmbxy", "sap.stock",
        "edi.x12",
        "edi.edifact", "pos.depot", "pos.canal", "pos.maxwell", "pos.goldengate",
        "orders.reservations",
    ]

    /// What one record tells of.
    private struct Facts {
        let store: String
        let product: String
        let quantity: String
        let at: Int64
        let number: Int
        let round: Int

        var time: String { SampleText.time(at, digits: 3) }
        var millis: Int64 { at / 1000 }
        var day: String { "20261102" }
        /// hhmmss, in UTC.
        var clock: String { String(time.dropFirst(11).prefix(8).filter { $0 != ":" }) }
    }

    private static func record(_ topic: String, _ facts: Facts) -> String {
        let (store, product, quantity) = (facts.store, facts.product, facts.quantity)
        switch topic {
        case "pos.square.counts":
            return
                "{\"catalog_object_id\":\"\(product)\",\"location_id\":\"\(store)\",\"state\":\"IN_STOCK\","
                + "\"quantity\":\"\(quantity)\",\"calculated_at\":\"\(facts.time)\"}"
        case "pos.square.changes":
            let isIn = facts.round % 2 == 0
            return
                "{\"type\":\"ADJUSTMENT\",\"adjustment\":{\"id\":\"ADJ\(facts.number)\",\"catalog_object_id\":"
                + "\"\(product)\",\"location_id\":\"\(store)\",\"from_state\":\"\(isIn ? "NONE" : "IN_STOCK")\","
                + "\"to_state\":\"\(isIn ? "IN_STOCK" : "SOLD")\",\"quantity\":\"1\",\"occurred_at\":\"\(facts.time)\"}}"
        case "pos.shopify":
            let item = 808_950_000 + 1 + facts.number % 40
            return
                "{\"inventory_item_id\":\(item),\"location_id\":65548\(facts.number % 9),\"available\":\(quantity),"
                + "\"updated_at\":\"\(facts.time.dropLast())+00:00\"}"
        case "pos.clover":
            return
                "{\"appId\":\"APP1\",\"merchants\":{\"\(store)\":[{\"objectId\":\"IS:\(product)\",\"type\":\"UPDATE\","
                + "\"ts\":\(facts.millis),\"data\":{\"quantity\":\(quantity).0}}],\"m2\":[{\"objectId\":\"I:\(product)\","
                + "\"type\":\"UPDATE\",\"ts\":\(facts.millis)}]}}"
        case "pos.lightspeed":
            return
                "{\"id\":\"ls-\(product)\",\"outlet_id\":\"\(store)\",\"product_id\":\"\(product)\","
                + "\"count\":\"\(quantity).00000\",\"version\":\(facts.number)}"
        case "pos.ncr":
            return
                "{\"enterpriseUnitId\":\"eu-1\",\"site\":{\"referenceId\":\"\(store)\"},\"itemId\":{\"itemCode\":"
                + "\"\(product)\"},\"quantity\":\"\(quantity).50\",\"unitOfMeasure\":\"EA\",\"version\":\(facts.number),"
                + "\"effectiveDate\":\"\(facts.time)\"}"
        case "catalog.ncr":
            return
                "{\"itemId\":{\"itemCode\":\"\(product)\"},\"version\":\(facts.number),\"shortDescription\":{\"values\":"
                + "[{\"locale\":\"en-US\",\"value\":\"Item \(product)\"}]},\"packageIdentifiers\":[{\"type\":\"UPC\","
                + "\"value\":\"\(product)\"}],\"effectiveDate\":\"\(facts.time)\"}"
        case "sap.matmas", "sap.wmmbxy", "sap.stock": return sap(topic, facts)
        case "edi.x12", "edi.edifact": return interchange(topic, facts)
        case "pos.depot": return depot(facts)
        case "orders.reservations":
            let kind = ["reserved", "committed", "reserved", "released"][facts.round % 4]
            return
                "{\"reservation_id\":\"r\(facts.round / 2)\",\"type\":\"\(kind)\",\"store_id\":\"s001\","
                + "\"product_id\":\"000001\",\"quantity\":\"1\",\"at\":\"\(facts.time)\"}"
        default: return change(topic, facts)
        }
    }

    private static func sap(_ topic: String, _ facts: Facts) -> String {
        let material = String(repeating: "0", count: 12) + facts.product
        let plant = String(facts.store.dropFirst())
        let document = SampleText.padded(facts.number, 16)
        let control =
            "<EDI_DC40 SEGMENT=\"1\"><DOCNUM>\(document)</DOCNUM><CREDAT>\(facts.day)</CREDAT>"
            + "<CRETIM>\(facts.clock)</CRETIM></EDI_DC40>"
        switch topic {
        case "sap.matmas":
            return
                "<?xml version=\"1.0\"?><MATMAS05><IDOC BEGIN=\"1\">\(control)<E1MARAM SEGMENT=\"1\"><MATNR>\(material)"
                + "</MATNR><MEINS>EA</MEINS><E1MAKTM SEGMENT=\"1\"><SPRAS>E</SPRAS><MAKTX>Item \(facts.product)</MAKTX>"
                + "</E1MAKTM><E1MARCM SEGMENT=\"1\"><WERKS>\(plant)</WERKS></E1MARCM></E1MARAM></IDOC></MATMAS05>"
        case "sap.wmmbxy":
            let isOut = facts.round % 2 == 1
            return
                "<?xml version=\"1.0\"?><WMMBID02><IDOC BEGIN=\"1\">\(control)<E1MBXYH SEGMENT=\"1\"><BUDAT>\(facts.day)"
                + "</BUDAT><E1MBXYI SEGMENT=\"1\"><MATNR>\(material)</MATNR><WERKS>\(plant)</WERKS><LGORT/><BWART>"
                + "\(isOut ? "261" : "101")</BWART><ERFMG>\(facts.quantity).000</ERFMG><ERFME>EA</ERFME></E1MBXYI>"
                + "</E1MBXYH></IDOC></WMMBID02>"
        default:
            func batch(_ name: String) -> String {
                "{\"Plant\":\"\(plant)\",\"StorageLocation\":\"\",\"Material\":\"\(material)\",\"Batch\":\"\(name)\","
                    + "\"InventoryStockType\":\"01\",\"MaterialBaseUnit\":\"EA\",\"MatlWrhsStkQtyInMatlBaseUnit\":"
                    + "\"\(facts.quantity).000\"}"
            }
            let rows = "[\(batch("B1")),\(batch("B2"))]"
            return facts.round % 2 == 0
                ? "{\"d\":{\"results\":\(rows)}}" : "{\"value\":\(rows)}"
        }
    }

    private static func interchange(_ topic: String, _ facts: Facts) -> String {
        let control = SampleText.padded(facts.number, 9)
        guard topic == "edi.x12" else {
            return
                "UNA:+.? 'UNB+UNOC:3+5412345000013:14+4012345000094:14+261102:\(facts.clock.prefix(4))+\(control)'"
                + "UNH+1+INVRPT:D:96A:UN:EAN004'BGM+35+IVR\(facts.number)+9'DTM+137:\(facts.day):102'"
                + "NAD+WH+\(facts.store)::92'LIN+1++\(facts.product):EN'QTY+145:\(facts.quantity):PCE'UNT+7+1'"
                + "UNZ+1+\(control)'"
        }
        return
            "ISA*00*          *00*          *01*007941230      *01*051957169      *261102*\(facts.clock.prefix(4))*U*00401*"
            + "\(control)*0*P*>~GS*IB*007941230*051957169*\(facts.day)*\(facts.clock.prefix(4))*1*X*004010~ST*846*0001~"
            + "BIA*00*DD*\(facts.number)*\(facts.day)*\(facts.clock.prefix(4))~N1*WH*STORE*92*\(facts.store)~"
            + "LIN*1*UP*\(facts.product)~QTY*33*\(facts.quantity)*EA~SE*6*0001~GE*1*1~IEA*1*\(control)~"
    }

    /// A line of the depot's snapshot: kind, store, product, quantity with three decimals, unit, local time.
    private static func depot(_ facts: Facts) -> String {
        func column(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.utf8.count))
        }
        return "10" + column("d01", 6) + column(facts.product, 14)
            + SampleText.padded(Int(facts.quantity)! * 1000, 9) + "EA " + facts.day + facts.clock
    }

    private static func change(_ topic: String, _ facts: Facts) -> String {
        let (store, product) = (facts.store, facts.product)
        switch topic {
        case "pos.canal":
            return
                "{\"data\":[{\"store_id\":\"\(store)\",\"sku\":\"\(product)\",\"on_hand\":\"\(facts.quantity).00\"}],"
                + "\"database\":\"shop\",\"es\":\(facts.millis),\"id\":\(facts.number),\"isDdl\":false,\"old\":null,"
                + "\"pkNames\":[\"id\"],\"sql\":\"\",\"table\":\"stock\",\"ts\":\(facts.millis + 5),\"type\":\"INSERT\"}"
        case "pos.maxwell":
            return
                "{\"database\":\"shop\",\"table\":\"stock\",\"type\":\"update\",\"ts\":\(facts.millis / 1000),\"xid\":"
                + "\(facts.number),\"xoffset\":0,\"data\":{\"store_id\":\"\(store)\",\"sku\":\"\(product)\",\"on_hand\":"
                + "\(facts.quantity)},\"old\":{\"on_hand\":0}}"
        default:
            let time = SampleText.time(facts.at - 5 * 3600 * 1_000_000, digits: 6).dropLast()
                .map { $0 == "T" ? " " : $0 }
            return
                "{\"table\":\"POS.STOCK\",\"op_type\":\"U\",\"op_ts\":\"\(String(time))\",\"pos\":\""
                + "\(SampleText.padded(facts.number, 20))\",\"before\":{\"ON_HAND\":0},\"after\":{\"STORE_ID\":\"\(store)\","
                + "\"SKU\":\"\(product)\",\"ON_HAND\":\(facts.quantity)}}"
        }
    }
}
