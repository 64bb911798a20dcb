/// What accounts, customers and shoppers do besides ordering and paying: one record at a time, whole and in
/// time, as the traps are in the other samples.
struct CustomerSample {
    private static let second: Int64 = 1_000_000
    private static let kinds = ["view", "view", "view", "add", "remove"]
    private static let categories = ["dairy", "bread", "fruit", "vegetables", "drinks"]

    private var random: SampleRandom
    private let count: Int
    /// The records of each topic.
    private(set) var topics: [(name: String, arrivals: Arrivals)] = []

    /// About `count` records of the busiest topics, and fewer of the others.
    init(random: SampleRandom, count: Int) {
        self.random = random
        self.count = count
    }

    mutating func make() {
        add("accounts", count / 2) { user, index, time, random in
            let opened = "2026-\(SampleText.padded(1 + random.below(10), 2))-15T09:00:00Z"
            let phone = random.chance(100) ? ",\"phone_changed_at\":\"2026-11-01T20:00:00Z\"" : ""
            return
                "{\"user_id\":\(user),\"opened_at\":\"\(opened)\"\(phone),\"updated_at\":\"\(time)\"}"
        }
        add("payments.chargebacks", count / 20) { user, index, time, random in
            "{\"chargeback_id\":\"cb-\(SampleText.padded(index, 6))\",\"user_id\":\(user),"
                + "\"device_id\":\"\(SampleText.device(user: user))\",\"retailer_id\":\"r-"
                + "\(SampleText.padded(1 + random.below(40), 3))\",\"amount\":"
                + "\(SampleText.cents(1000 + random.below(20_000))),"
                + "\"paid_at\":\"2026-10-\(SampleText.padded(1 + random.below(28), 2))T12:00:00Z\","
                + "\"reported_at\":\"\(time)\"}"
        }
        add("orders.delivered", count) { user, index, time, random in
            "{\"order_id\":\"od-\(SampleText.padded(index, 6))\",\"user_id\":\(user),\"shopper_id\":"
                + "\(1 + random.below(400)),\"amount\":\(SampleText.cents(500 + random.below(20_000))),"
                + "\"delivered_at\":\"\(time)\"}"
        }
        add("orders.claims", count / 10) { user, index, time, random in
            let kind = random.chance(500) ? "missing_item" : "refund"
            return "{\"claim_id\":\"k-\(SampleText.padded(index, 6))\",\"user_id\":\(user),"
                + "\"shopper_id\":\(1 + random.below(400)),\"kind\":\"\(kind)\",\"amount\":"
                + "\(SampleText.cents(100 + random.below(3000))),\"claimed_at\":\"\(time)\"}"
        }
        add("accounts.signups", count / 5) { user, index, time, random in
            // A few devices open account after account for the promotion.
            let device = random.chance(100) ? "d-farm" : SampleText.device(user: 100_000 + index)
            return "{\"user_id\":\(100_000 + index),\"device_id\":\"\(device)\","
                + "\"address_hash\":\"h\(random.below(1000))\",\"promo_code\":\"HELLO\","
                + "\"signed_up_at\":\"\(time)\"}"
        }
        add("shopper.purchases", count / 2) { _, index, time, random in
            let isOdd = random.chance(20)
            return "{\"purchase_id\":\"sp-\(SampleText.padded(index, 6))\",\"shopper_id\":"
                + "\(1 + random.below(400)),\"amount\":120.00,\"gift_card_amount\":"
                + "\(isOdd ? "100.00" : "0.00"),\"items\":20,\"off_list_items\":\(isOdd ? 4 : 0),"
                + "\"latitude\":40.\(isOdd ? "9" : "7"),\"longitude\":-74.0,"
                + "\"store_latitude\":40.7,\"store_longitude\":-74.0,\"bought_at\":\"\(time)\"}"
        }
        makeShopping()
    }

    private mutating func makeShopping() {
        add("shopper.unavailable", count / 10) { _, index, time, random in
            "{\"mark_id\":\"m-\(SampleText.padded(index, 6))\",\"store_id\":\"\(random.store())\","
                + "\"product_id\":\"\(random.product())\","
                + "\"marked_at\":\"\(time)\"}"
        }
        add("orders.items", count * 3) { user, index, time, random in
            "{\"order_id\":\"oi-\(SampleText.padded(index / 5, 6))\",\"line\":\(index % 5),"
                + "\"user_id\":\(user),\"store_id\":\"\(random.store())\",\"product_id\":"
                + "\"\(random.product())\",\"quantity\":"
                + "\(1 + random.below(4)),\"ordered_at\":\"\(time)\"}"
        }
        add("orders.adjustments", count / 5) { user, index, time, random in
            let kind = random.chance(700) ? "promo" : "refund"
            return "{\"adjustment_id\":\"a-\(SampleText.padded(index, 6))\",\"user_id\":\(user),"
                + "\"kind\":\"\(kind)\",\"amount\":\(SampleText.cents(100 + random.below(2000))),"
                + "\"adjusted_at\":\"\(time)\"}"
        }
        add("shop.clicks", count * 2) { user, index, time, random in
            "{\"click_id\":\"c-\(SampleText.padded(index, 6))\",\"user_id\":\(user),\"kind\":\""
                + CustomerSample.kinds[random.below(CustomerSample.kinds.count)]
                + "\",\"product_id\":\"\(random.product())\","
                + "\"category\":\""
                + CustomerSample.categories[random.below(CustomerSample.categories.count)]
                + "\",\"clicked_at\":\"\(time)\"}"
        }
    }

    /// Spreads `records` records over the span; `body` writes one from an account, its number and its time.
    private mutating func add(
        _ topic: String, _ records: Int,
        _ body: (Int, Int, String, inout SampleRandom) -> String
    ) {
        let arrivals = Arrivals()
        let step = (SampleData.span - 300 * Self.second) / Int64(max(records, 1))
        for index in 0..<records {
            let at = SampleData.start + Int64(index) * step + random.below(max(step, 1))
            let user = 1 + random.skewed(below: 5000)
            let record = body(user, index, SampleText.time(at, digits: 3), &random)
            arrivals.append(
                arrival: at + random.below(2 * Self.second), eventTime: at, key: "\(user)",
                value: record)
        }
        topics.append((topic, arrivals))
    }
}
