import StreamRuntime

/// What the stores' systems say of their stock, each in its own form.
extension LoadTopics {
    private static let second: Int64 = 1_000_000

    /// Two counts each.
    static func square(_ record: inout LoadRecord) {
        let merchant = 1 + record.random.below(60)
        let at = record.moment(within: 20 * second)
        record.key.add("MLR")
        record.key.add(merchant, width: 2)
        record.text.add("{\"merchant_id\":\"MLR")
        record.text.add(merchant, width: 2)
        record.text.add("\",\"type\":\"inventory.count.updated\",\"event_id\":\"se-")
        record.text.add(record.number, width: 12)
        record.text.add("\",\"created_at\":\"")
        record.text.add(time: at, digits: 5)
        record.text.add(
            "Z\",\"data\":{\"type\":\"inventory_counts\",\"object\":{\"inventory_counts\":[")
        for count in 0..<2 {
            if count > 0 { record.text.add(",") }
            record.text.add("{\"calculated_at\":\"")
            record.text.add(time: at - Int64(count) * 10, digits: 6)
            record.text.add("Z\",\"catalog_object_id\":\"")
            record.text.add(record.product(), width: 6)
            record.text.add(
                "\",\"catalog_object_type\":\"ITEM_VARIATION\",\"location_id\":\"s")
            record.text.add(record.store(), width: 3)
            record.text.add("\",\"quantity\":\"")
            record.text.add(cents: record.random.below(9000))
            record.text.add("\",\"state\":\"IN_STOCK\"}")
        }
        record.text.add("]}}}")
    }

    static func shelf(_ record: inout LoadRecord) {
        let store = record.store()
        let product = record.product()
        let millis = Int(record.arrival / 1000)
        record.key.add("{\"store_id\":\"s")
        record.key.add(store, width: 3)
        record.key.add("\",\"sku\":\"")
        record.key.add(product, width: 6)
        record.key.add("\"}")
        record.text.add("{\"before\":null,\"after\":{\"store_id\":\"s")
        record.text.add(store, width: 3)
        record.text.add("\",\"sku\":\"")
        record.text.add(product, width: 6)
        record.text.add("\",\"on_hand\":\"")
        record.text.add(SampleText.counts[record.random.below(SampleText.counts.count)])
        record.text.add("\",\"updated_at\":")
        record.text.add(millis * 1000)
        record.text.add("},\"source\":{\"connector\":\"postgresql\",\"name\":\"shelf\",\"ts_ms\":")
        record.text.add(millis)
        record.text.add(
            ",\"snapshot\":\"false\",\"db\":\"shelf\",\"schema\":\"public\",\"table\":\"stock\",\"lsn\":"
        )
        record.text.add(24_023_000 + record.number * 128)
        record.text.add("},\"op\":\"u\",\"ts_ms\":")
        record.text.add(millis)
        record.text.add("}")
    }

    static func shopifyItem(_ record: inout LoadRecord) {
        let item = 1 + record.number % LoadSample.products
        record.key.add(808_950_000 + item)
        record.text.add("{\"inventory_item_id\":")
        record.text.add(808_950_000 + item)
        record.text.add(",\"sku\":\"")
        record.text.add(item, width: 6)
        record.text.add("\",\"updated_at\":\"")
        record.text.add(time: record.arrival, digits: 3)
        record.text.add("Z\"}")
    }

    static func shopify(_ record: inout LoadRecord) {
        let store = 655_480_000 + record.store()
        record.key.add(store)
        record.text.add("{\"inventory_item_id\":")
        record.text.add(808_950_000 + record.product())
        record.text.add(",\"location_id\":")
        record.text.add(store)
        record.text.add(",\"available\":")
        record.text.add(record.random.below(90))
        record.text.add(",\"updated_at\":\"")
        record.text.add(time: record.arrival, digits: 3)
        record.text.add("+00:00\"}")
    }

    static func lightspeed(_ record: inout LoadRecord) {
        let store = record.store()
        let product = record.product()
        record.key.add("s")
        record.key.add(store, width: 3)
        record.text.add("{\"id\":\"ls-")
        record.text.add(product, width: 6)
        record.text.add("\",\"outlet_id\":\"s")
        record.text.add(store, width: 3)
        record.text.add("\",\"product_id\":\"")
        record.text.add(product, width: 6)
        record.text.add("\",\"count\":\"")
        record.text.add(record.random.below(90))
        record.text.add(".00000\",\"version\":")
        record.text.add(record.number)
        record.text.add("}")
    }

    static func ncr(_ record: inout LoadRecord) {
        let store = record.store()
        record.key.add("s")
        record.key.add(store, width: 3)
        record.text.add("{\"enterpriseUnitId\":\"eu-1\",\"site\":{\"referenceId\":\"s")
        record.text.add(store, width: 3)
        record.text.add("\"},\"itemId\":{\"itemCode\":\"")
        record.text.add(record.product(), width: 6)
        record.text.add("\"},\"quantity\":\"")
        record.text.add(record.random.below(90))
        record.text.add(".50\",\"unitOfMeasure\":\"EA\",\"version\":")
        record.text.add(record.number)
        record.text.add(",\"effectiveDate\":\"")
        record.text.add(time: record.arrival, digits: 3)
        record.text.add("Z\"}")
    }

    /// One count each.
    static func clover(_ record: inout LoadRecord) {
        let store = record.store()
        record.key.add("s")
        record.key.add(store, width: 3)
        record.text.add("{\"appId\":\"APP1\",\"merchants\":{\"s")
        record.text.add(store, width: 3)
        record.text.add("\":[{\"objectId\":\"IS:")
        record.text.add(record.product(), width: 6)
        record.text.add("\",\"type\":\"UPDATE\",\"ts\":")
        record.text.add(Int(record.arrival / 1000))
        record.text.add(",\"data\":{\"quantity\":")
        record.text.add(record.random.below(90))
        record.text.add(".0}}]}}")
    }

    /// Two rows each.
    static func canal(_ record: inout LoadRecord) {
        let at = Int(record.moment(within: 20 * second) / 1000)
        record.key.add(record.number)
        record.text.add("{\"data\":[")
        for row in 0..<2 {
            if row > 0 { record.text.add(",") }
            record.text.add("{\"store_id\":\"s")
            record.text.add(record.store(), width: 3)
            record.text.add("\",\"sku\":\"")
            record.text.add(record.product(), width: 6)
            record.text.add("\",\"on_hand\":\"")
            record.text.add(record.random.below(90))
            record.text.add(".00\"}")
        }
        record.text.add("],\"database\":\"shop\",\"es\":")
        record.text.add(at)
        record.text.add(",\"id\":")
        record.text.add(record.number)
        record.text.add(
            ",\"isDdl\":false,\"old\":null,\"pkNames\":[\"id\"],\"sql\":\"\",\"table\":\"stock\",\"ts\":"
        )
        record.text.add(at + 5)
        record.text.add(",\"type\":\"INSERT\"}")
    }

    static func maxwell(_ record: inout LoadRecord) {
        let at = Int(record.moment(within: 20 * second) / second)
        record.key.add(record.number)
        record.text.add(
            "{\"database\":\"shop\",\"table\":\"stock\",\"type\":\"update\",\"ts\":")
        record.text.add(at)
        record.text.add(",\"xid\":")
        record.text.add(record.number)
        record.text.add(",\"xoffset\":0,\"data\":{\"store_id\":\"s")
        record.text.add(record.store(), width: 3)
        record.text.add("\",\"sku\":\"")
        record.text.add(record.product(), width: 6)
        record.text.add("\",\"on_hand\":")
        record.text.add(record.random.below(90))
        record.text.add("},\"old\":{\"on_hand\":0}}")
    }

    static func goldengate(_ record: inout LoadRecord) {
        record.key.add(record.number)
        record.text.add("{\"table\":\"POS.STOCK\",\"op_type\":\"U\",\"op_ts\":\"")
        // Local time, five hours behind.
        record.text.add(
            time: record.moment(within: 20 * second) - 5 * 3600 * second, digits: 6, gap: 32)
        record.text.add("\",\"pos\":\"")
        record.text.add(record.number, width: 20)
        record.text.add("\",\"before\":{\"ON_HAND\":0},\"after\":{\"STORE_ID\":\"s")
        record.text.add(record.store(), width: 3)
        record.text.add("\",\"SKU\":\"")
        record.text.add(record.product(), width: 6)
        record.text.add("\",\"ON_HAND\":")
        record.text.add(record.random.below(90))
        record.text.add("}}")
    }

    /// Two lines each.
    static func x12(_ record: inout LoadRecord) {
        record.key.add(record.number)
        record.text.add(
            "ISA*00*          *00*          *01*007941230      *01*051957169      *261102*0600*U*00401*"
        )
        record.text.add(record.number, width: 9)
        record.text.add(
            "*0*P*>~GS*IB*007941230*051957169*20261102*0600*1*X*004010~ST*846*0001~BIA*00*DD*")
        record.text.add(record.number)
        record.text.add("*20261102*0600~N1*WH*STORE*92*s")
        record.text.add(record.store(), width: 3)
        for line in 1...2 {
            record.text.add("~LIN*")
            record.text.add(line)
            record.text.add("*UP*")
            record.text.add(record.product(), width: 6)
            record.text.add("~QTY*33*")
            record.text.add(record.random.below(90))
            record.text.add("*EA")
        }
        record.text.add("~SE*8*0001~GE*1*1~IEA*1*")
        record.text.add(record.number, width: 9)
        record.text.add("~")
    }

    static func edifact(_ record: inout LoadRecord) {
        record.key.add(record.number)
        record.text.add("UNA:+.? 'UNB+UNOC:3+5412345000013:14+4012345000094:14+261102:0600+")
        record.text.add(record.number, width: 9)
        record.text.add("'UNH+1+INVRPT:D:96A:UN:EAN004'BGM+35+IVR")
        record.text.add(record.number)
        record.text.add("+9'DTM+137:20261102:102'NAD+WH+s")
        record.text.add(record.store(), width: 3)
        record.text.add("::92'LIN+1++")
        record.text.add(record.product(), width: 6)
        record.text.add(":EN'QTY+145:")
        record.text.add(record.random.below(90))
        record.text.add(":PCE'UNT+7+1'UNZ+1+")
        record.text.add(record.number, width: 9)
        record.text.add("'")
    }
}

extension SampleText {
    /// Counts of 0 to 79 as Debezium's precise mode writes numeric(18,5).
    static let counts: [[UInt8]] = (0..<80).map { Array(unscaled($0 * 100_000).utf8) }
}
