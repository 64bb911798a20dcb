/// What happens from an order to the door: shoppers, offers, sessions, substitutions, forecasts. Records are
/// whole and in time; one in fifty comes twice.
struct FulfilmentSample {
    private static let second: Int64 = 1_000_000
    private static let zones = ["z1", "z2", "z3", "z4"]

    private var random: SampleRandom
    private let orders: Int
    private var numbers: [String: Int] = [:]
    private var found: [String: Arrivals] = [:]

    /// The records of each topic.
    var topics: [(name: String, arrivals: Arrivals)] {
        found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    init(random: SampleRandom, orders: Int) {
        self.random = random
        self.orders = orders
    }

    mutating func make() {
        let shoppers = max(8, orders / 4)
        for shopper in 1...shoppers { start(shopper) }
        for zone in FulfilmentSample.zones {
            for quarter in 0..<32 {
                let time = SampleData.start + Int64(quarter) * 900 * FulfilmentSample.second
                add(
                    "zone.forecasts", time, zone,
                    "\"zone_id\":\"\(zone)\",\"slot_start\":\"2026-11-02T\(SampleText.padded(8 + quarter / 8 * 2, 2)):00:00Z\","
                        + "\"predicted_shoppers\":\(1 + random.below(shoppers)).5,\"area\":\"\(zone == "z1" ? "urban" : "suburban")\""
                )
            }
        }
        for order in 0..<orders { follow(order, shoppers) }
    }

    private mutating func add(_ topic: String, _ time: Int64, _ key: String, _ fields: String) {
        let number = numbers[topic, default: 0]
        numbers[topic] = number + 1
        let value =
            "{\"event_id\":\"\(topic)-\(SampleText.padded(number, 6))\",\(fields),\"ts\":\(time / 1000)}"
        let arrivals = found[topic] ?? Arrivals()
        found[topic] = arrivals
        arrivals.append(arrival: time, eventTime: time, key: key, value: value)
        if random.chance(20) {
            arrivals.append(
                arrival: time + FulfilmentSample.second, eventTime: time, key: key, value: value)
        }
    }

    private mutating func start(_ shopper: Int) {
        let time = SampleData.start + Int64(random.below(1800)) * FulfilmentSample.second
        let zone = FulfilmentSample.zones[shopper % 4]
        let store = SampleText.store(1 + shopper % 4)
        add(
            "shopper.events", time, "\(shopper)",
            "\"shopper_id\":\(shopper),\"type\":\"online\",\"store_id\":\"\(store)\",\"zone_id\":\"\(zone)\""
        )
        for step in 0..<20 {
            add(
                "shopper.locations", time + Int64(step * 1200) * FulfilmentSample.second,
                "\(shopper)",
                "\"shopper_id\":\(shopper),\"latitude\":40.\(7000 + random.below(500)),\"longitude\":-74.\(SampleText.padded(random.below(500), 4))"
            )
        }
    }

    private mutating func follow(_ number: Int, _ shoppers: Int) {
        let order = "f\(SampleText.padded(number, 6))"
        let user = 1 + random.below(200)
        let place = random.below(4)
        let (zone, store) = (FulfilmentSample.zones[place], SampleText.store(1 + place))
        var time =
            SampleData.start + Int64(1800 + random.below(18_000)) * FulfilmentSample.second
        func about(_ type: String) -> String {
            "\"order_id\":\"\(order)\",\"user_id\":\(user),\"store_id\":\"\(store)\",\"zone_id\":\"\(zone)\",\"type\":\"\(type)\""
        }
        add("order.events", time, order, about("pending"))
        time += 5 * FulfilmentSample.second
        add("order.events", time, order, about("reserved"))
        if random.chance(50) {
            // The payment fails, and in half of the cases nobody gives the goods back.
            add("order.events", time + 2 * FulfilmentSample.second, order, about("failed_payment"))
            if random.chance(500) {
                add("order.events", time + 9 * FulfilmentSample.second, order, about("released"))
            }
            return
        }
        let items = 3 + random.below(6)
        let slot = 8 + random.below(4) * 2
        time += 5 * FulfilmentSample.second
        add(
            "order.events", time, order,
            about("placed")
                + ",\"items\":\(items),\"slot_start\":\"2026-11-02T\(SampleText.padded(slot, 2)):00:00Z\",\"due_at\":\"2026-11-02T\(SampleText.padded(slot + 2, 2)):00:00Z\""
        )
        guard let shopper = offer(order, store, zone, shoppers, &time) else { return }
        shop(order, store, zone, user: user, shopper: shopper, items: items, &time)
        add("order.events", time, order, about("delivered"))
        add(
            "assignments", time, order,
            "\"order_id\":\"\(order)\",\"shopper_id\":\(shopper),\"zone_id\":\"\(zone)\",\"batch_size\":1,\"type\":\"completed\""
        )
        if random.chance(400) {
            add(
                "shopper.events", time + 600 * FulfilmentSample.second, "\(shopper)",
                "\"shopper_id\":\(shopper),\"type\":\"rated\",\"stars\":\(3 + random.below(3))")
        }
    }

    /// Offers the order until somebody takes it, four times at most.
    private mutating func offer(
        _ order: String, _ store: String, _ zone: String, _ shoppers: Int, _ time: inout Int64
    ) -> Int? {
        for _ in 0..<4 {
            let shopper = 1 + random.below(shoppers)
            let fields =
                "\"order_id\":\"\(order)\",\"shopper_id\":\(shopper),\"store_id\":\"\(store)\",\"zone_id\":\"\(zone)\",\"batch_size\":1"
            time += 10 * FulfilmentSample.second
            add("assignments", time, order, fields + ",\"type\":\"offered\"")
            time += Int64(3 + random.below(20)) * FulfilmentSample.second
            if random.chance(700) {
                add("assignments", time, order, fields + ",\"type\":\"accepted\"")
                return shopper
            }
            if random.chance(600) {
                add("assignments", time, order, fields + ",\"type\":\"declined\"")
            }
            time += 30 * FulfilmentSample.second
        }
        return nil
    }

    private mutating func shop(
        _ order: String, _ store: String, _ zone: String, user: Int, shopper: Int, items: Int,
        _ time: inout Int64
    ) {
        let fields =
            "\"order_id\":\"\(order)\",\"shopper_id\":\(shopper),\"store_id\":\"\(store)\""
        func step(_ type: String, _ more: String = "") -> String {
            fields + ",\"type\":\"\(type)\"" + more
        }
        time += 300 * FulfilmentSample.second
        add("shopping.events", time, order, step("arrived"))
        time += 60 * FulfilmentSample.second
        add(
            "shopping.events", time, order,
            step("started", ",\"items\":\(items),\"drive_minutes\":12.0,\"stops_before\":0"))
        for item in 0..<items {
            time += Int64(30 + random.below(60)) * FulfilmentSample.second
            let product = random.product()
            let isThere = random.chance(850)
            add(
                "shopping.events", time, order,
                step(
                    isThere ? "item_scanned" : "item_unavailable", ",\"product_id\":\"\(product)\"")
            )
            if isThere { continue }
            let request =
                "\"request_id\":\"\(order)-\(item)\",\"order_id\":\"\(order)\",\"user_id\":\(user),\"shopper_id\":\(shopper),"
                + "\"store_id\":\"\(store)\",\"retailer_id\":\"r-001\",\"category\":\"dairy\",\"original_id\":\"\(product)\","
                + "\"product_id\":\"\(random.product())\",\"original_price\":4.00,\"price\":\(SampleText.cents(350 + random.below(120))),"
                + "\"original_brand\":\"a\",\"brand\":\"\(random.chance(500) ? "a" : "b")\""
            add("substitution.events", time, order, request + ",\"type\":\"requested\"")
            let answers = ["approved", "approved", "rejected", "refunded"]
            if random.chance(700) {
                add(
                    "substitution.events",
                    time + Int64(10 + random.below(90)) * FulfilmentSample.second, order,
                    request + ",\"type\":\"\(answers[random.below(4)])\"")
            }
        }
        time += 20 * FulfilmentSample.second
        add("shopping.events", time, order, step("checkout_started"))
        time += Int64(300 + random.below(120)) * FulfilmentSample.second
        add("shopping.events", time, order, step("checkout_completed"))
        time += 120 * FulfilmentSample.second
        let to = FulfilmentSample.zones[random.below(4)]
        add(
            "shopping.events", time, order,
            step("drive_started", ",\"drive_minutes\":12.0,\"from_zone\":\"\(zone)\""))
        time += Int64(500 + random.below(900)) * FulfilmentSample.second
        add(
            "shopping.events", time, order,
            step(
                "delivered",
                ",\"to_zone\":\"\(to)\",\"miles\":4.2,\"was_late\":\(random.chance(100))"))
    }
}
