import StreamRuntime

/// The topics of the load and what their records look like: those of the sample, in other numbers.
struct LoadTopics {
    private static let second: Int64 = 1_000_000
    private(set) var topics: [LoadTopic] = []
    private let options: LoadSample.Options
    private let log: EmbeddedLog

    /// Topics that the marketplace reads too, and that stay empty.
    static let others = [
        ("pos.square.counts", 1), ("pos.square.changes", 1), ("catalog.ncr", 1), ("sap.matmas", 1),
        ("sap.wmmbxy", 1), ("sap.stock", 1), ("pos.depot", 1), ("orders.reservations", 1),
        ("accounts", 2), ("payments.chargebacks", 2), ("orders.delivered", 2), ("orders.claims", 2),
        ("accounts.signups", 2), ("shopper.purchases", 2), ("shopper.unavailable", 2),
        ("orders.adjustments", 2), ("orders.items", 2), ("crm.customer_profiles", 2),
        ("campaign.launched", 1), ("campaign.offers", 1), ("crm.send_results", 1),
        ("shopping.events", 2), ("substitution.events", 2), ("zone.forecasts", 2),
    ]

    init(_ options: LoadSample.Options, _ log: EmbeddedLog) throws(JobFailure) {
        self.options = options
        self.log = log
        try add("shopper.locations", 35_000, partitions: 4, LoadTopics.location)
        try add(
            "shopper.scans", 12_000, partitions: 4, repeated: 10, spoiled: 1, LoadTopics.scan)
        try add("orders", 300, partitions: 2, repeated: 10, LoadTopics.order)
        try add("payments", 300, partitions: 4, repeated: 10, LoadTopics.payment)
        try add("order.events", 900, partitions: 2, LoadTopics.orderEvent)
        try add("assignments", 600, partitions: 2, LoadTopics.assignment)
        try add("shopper.events", 100, partitions: 2, LoadTopics.shopperEvent)
        try add("shop.clicks", 600, partitions: 2, LoadTopics.click)
        try add("campaign.user_events", 200, partitions: 4, LoadTopics.message)
        try addCounts()
    }

    /// What the stores' systems say: 4,200 counts a second in all.
    private mutating func addCounts() throws(JobFailure) {
        try add("pos.square", 700, partitions: 2, bursts: true, spoiled: 1, LoadTopics.square)
        try add("pos.shelf", 1000, bursts: true, LoadTopics.shelf)
        try add("pos.shopify", 500, bursts: true, LoadTopics.shopify)
        try add("pos.lightspeed", 300, bursts: true, LoadTopics.lightspeed)
        try add("pos.ncr", 300, bursts: true, LoadTopics.ncr)
        try add("pos.clover", 200, bursts: true, LoadTopics.clover)
        try add("pos.canal", 100, bursts: true, LoadTopics.canal)
        try add("pos.maxwell", 100, bursts: true, LoadTopics.maxwell)
        try add("pos.goldengate", 100, bursts: true, LoadTopics.goldengate)
        try add("edi.x12", 100, bursts: true, LoadTopics.x12)
        try add("edi.edifact", 100, bursts: true, LoadTopics.edifact)
        try add("catalog.shopify_items", 20, LoadTopics.shopifyItem)
    }

    private mutating func add(
        _ name: String, _ rate: Int, partitions: Int = 1, bursts: Bool = false, repeated: Int = 0,
        spoiled: Int = 0, _ write: @escaping (inout LoadRecord) -> Void
    ) throws(JobFailure) {
        let seed = options.seed &* 7_368_787 &+ UInt64(topics.count)
        topics.append(
            try LoadTopic(
                name, rate: rate * options.percent / 100, partitions: partitions, bursts: bursts,
                repeated: repeated, spoiled: spoiled, seed: seed, log: log, write: write))
    }

    // MARK: shoppers and orders

    private static func location(_ record: inout LoadRecord) {
        let shopper = 1 + (record.number &* 7919) % LoadSample.shoppers
        record.key.add(shopper)
        record.text.add("{\"shopper_id\":")
        record.text.add(shopper)
        record.text.add(",\"latitude\":40.")
        record.text.add(600_000 + record.random.below(300_000))
        record.text.add(",\"longitude\":-74.")
        record.text.add(100_000 + record.random.below(300_000))
        record.text.add(",\"ts\":")
        record.text.add(Int(record.moment(within: 8 * second) / 1000))
        record.text.add("}")
    }

    private static func scan(_ record: inout LoadRecord) {
        let store = record.store()
        let product = record.product()
        record.key.add("s")
        record.key.add(store, width: 3)
        record.text.add("{\"scan_id\":\"sc-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"order_id\":\"o-")
        record.text.add(record.number / 40, width: 8)
        record.text.add("\",\"shopper_id\":")
        record.text.add(1 + record.random.below(LoadSample.shoppers))
        record.text.add(",\"store_id\":\"s")
        record.text.add(store, width: 3)
        record.text.add("\",\"product_id\":\"")
        record.text.add(product, width: 6)
        record.text.add("\",\"category\":\"c-")
        record.text.add(product % 40, width: 2)
        record.text.add("\",\"retailer_id\":\"r-")
        record.text.add(store % 40, width: 3)
        record.text.add("\",\"region\":\"north-")
        record.text.add(store % 12)
        record.text.add("\",\"found\":")
        record.text.add(record.random.chance(350 + product * 37 % 640))
        record.text.add(",\"quantity\":")
        record.text.add(1 + record.random.below(4))
        record.text.add(",\"scanned_at\":")
        record.text.add(Int(record.moment(within: 20 * second) / 1000))
        record.text.add("}")
    }

    private static func order(_ record: inout LoadRecord) {
        let user = 1 + record.random.skewed(below: LoadSample.users)
        record.key.add(user)
        record.text.add("{\"order_id\":\"o-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"user_id\":")
        record.text.add(user)
        record.text.add(",\"store_id\":\"s")
        let store = record.store()
        record.text.add(store, width: 3)
        record.text.add("\",\"retailer_id\":\"r-")
        record.text.add(store % 40, width: 3)
        record.text.add("\",\"card_hash\":\"c")
        record.text.add(user &* 2_654_435_761 % 1_000_000_007, width: 10)
        record.text.add("\",\"amount\":")
        record.text.add(cents: 2000 + record.random.skewed(below: 30_000))
        record.text.add(",\"items\":40,\"ts\":\"")
        record.text.add(time: record.moment(within: 4 * second), digits: 3)
        record.text.add("Z\"}")
    }

    private static func payment(_ record: inout LoadRecord) {
        let user = 1 + record.random.skewed(below: LoadSample.users)
        record.key.add(user)
        record.text.add("{\"payment_id\":\"p-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"order_id\":\"o-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"user_id\":")
        record.text.add(user)
        record.text.add(",\"card_hash\":\"c")
        record.text.add(user &* 2_654_435_761 % 1_000_000_007, width: 10)
        record.text.add("\",\"device_id\":\"d-")
        record.text.add(user * 31 % 150_000)
        record.text.add("\",\"ip\":\"10.")
        record.text.add(user % 200)
        record.text.add(".")
        record.text.add(user / 200 % 250)
        record.text.add(".")
        record.text.add(user % 250)
        record.text.add("\",\"bin\":\"4111")
        record.text.add(user % 90, width: 2)
        record.text.add("\",\"email\":\"user")
        record.text.add(user)
        record.text.add("@mail")
        record.text.add(user % 50)
        record.text.add(".example\",\"address_hash\":\"h")
        record.text.add(user / 2)
        record.text.add("\",\"retailer_id\":\"r-")
        record.text.add(user % 40, width: 3)
        record.text.add("\",\"city\":\"city-")
        record.text.add(user % 300)
        record.text.add("\",\"latitude\":40.71,\"longitude\":-74.01,\"amount\":")
        record.text.add(cents: 2000 + record.random.skewed(below: 30_000))
        let isDeclined = record.random.chance(60)
        record.text.add(",\"status\":\"")
        if isDeclined { record.text.add("declined") } else { record.text.add("approved") }
        record.text.add("\",\"ts\":")
        record.text.add(Int(record.moment(within: 4 * second) / 1000))
        record.text.add("}")
    }

    private static func orderEvent(_ record: inout LoadRecord) {
        let order = record.number / 3
        record.key.add("o-")
        record.key.add(order, width: 8)
        record.text.add("{\"event_id\":\"oe-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"order_id\":\"o-")
        record.text.add(order, width: 8)
        record.text.add("\",\"user_id\":")
        record.text.add(1 + order &* 7919 % LoadSample.users)
        record.text.add(",\"store_id\":\"s")
        record.text.add(1 + order &* 31 % LoadSample.stores, width: 3)
        record.text.add("\",\"zone_id\":\"z")
        record.text.add(order % 60)
        switch record.number % 3 {
        case 0: record.text.add("\",\"type\":\"pending\"")
        case 1: record.text.add("\",\"type\":\"reserved\"")
        default:
            record.text.add("\",\"type\":\"placed\",\"items\":40,\"slot_start\":\"")
            let hour: Int64 = 3600 * second
            let slot = (record.arrival / hour + 2 + Int64(order % 4)) * hour
            record.text.add(time: slot, digits: 0)
            record.text.add("Z\",\"due_at\":\"")
            record.text.add(time: slot + 2 * hour, digits: 0)
            record.text.add("Z\"")
        }
        record.text.add(",\"ts\":")
        record.text.add(Int(record.moment(within: 100_000) / 1000))
        record.text.add("}")
    }

    private static func assignment(_ record: inout LoadRecord) {
        let order = record.number / 2
        record.key.add("o-")
        record.key.add(order, width: 8)
        record.text.add("{\"event_id\":\"as-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"order_id\":\"o-")
        record.text.add(order, width: 8)
        record.text.add("\",\"shopper_id\":")
        record.text.add(1 + order &* 104_729 % LoadSample.shoppers)
        record.text.add(",\"store_id\":\"s")
        record.text.add(1 + order &* 31 % LoadSample.stores, width: 3)
        record.text.add("\",\"zone_id\":\"z")
        record.text.add(order % 60)
        record.text.add("\",\"batch_size\":1,\"type\":\"")
        if record.number % 2 == 0 {
            record.text.add("offered")
        } else if order % 5 == 0 {
            record.text.add("declined")
        } else {
            record.text.add("accepted")
        }
        record.text.add("\",\"ts\":")
        record.text.add(Int(record.moment(within: 1000) / 1000))
        record.text.add("}")
    }

    private static func shopperEvent(_ record: inout LoadRecord) {
        let shopper = 1 + record.random.below(LoadSample.shoppers)
        record.key.add(shopper)
        record.text.add("{\"event_id\":\"se-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"shopper_id\":")
        record.text.add(shopper)
        record.text.add(",\"type\":\"")
        if record.random.chance(300) {
            record.text.add("offline")
        } else {
            record.text.add("online")
        }
        record.text.add("\",\"store_id\":\"s")
        record.text.add(1 + shopper % LoadSample.stores, width: 3)
        record.text.add("\",\"zone_id\":\"z")
        record.text.add(shopper % 60)
        record.text.add("\",\"ts\":")
        record.text.add(Int(record.moment(within: 5 * second) / 1000))
        record.text.add("}")
    }

    private static func click(_ record: inout LoadRecord) {
        let user = 1 + record.random.skewed(below: LoadSample.users)
        let product = record.product()
        record.key.add(user)
        record.text.add("{\"click_id\":\"k-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"user_id\":")
        record.text.add(user)
        record.text.add(",\"kind\":\"view\",\"product_id\":\"")
        record.text.add(product, width: 6)
        record.text.add("\",\"category\":\"c-")
        record.text.add(product % 40, width: 2)
        record.text.add("\",\"clicked_at\":\"")
        record.text.add(time: record.moment(within: 4 * second), digits: 3)
        record.text.add("Z\"}")
    }

    /// Campaigns go out in waves of two hundred messages.
    private static func message(_ record: inout LoadRecord) {
        let wave = record.number / 200
        let retailer = 1 + wave &* 7919 % 350
        let customer = record.random.below(LoadSample.users)
        record.key.add("u")
        record.key.add(customer, width: 7)
        record.text.add("{\"message_id\":\"m-")
        record.text.add(record.number, width: 8)
        record.text.add("\",\"retailer_id\":\"r")
        record.text.add(retailer, width: 3)
        record.text.add("\",\"campaign_id\":\"r")
        record.text.add(retailer, width: 3)
        record.text.add("-c")
        record.text.add(wave % 3)
        record.text.add("\",\"customer_id\":\"u")
        record.text.add(customer, width: 7)
        record.text.add("\",\"variant\":\"")
        if record.random.chance(500) { record.text.add("A") } else { record.text.add("B") }
        record.text.add("\",\"channel\":\"email\",\"created_at\":\"")
        record.text.add(time: record.moment(within: 4 * second), digits: 3)
        record.text.add("Z\"}")
    }
}
