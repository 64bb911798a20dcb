/// Orders and the payments tried for them, with bursts of cards on one account among them.
struct PaymentSample {
    private static let second: Int64 = 1_000_000

    private var random: SampleRandom
    private let orders: Int
    private let payments: Int
    let orderArrivals = Arrivals()
    let paymentArrivals = Arrivals()
    private(set) var orderCounts = SampleReport.Counts()
    private(set) var paymentCounts = SampleReport.Counts()
    private(set) var burstUsers: [Int64] = []
    private var orderSpoiler = Spoiler()
    private var paymentSpoiler = Spoiler()
    private var sequence = 0

    init(random: SampleRandom, orders: Int, payments: Int) {
        self.random = random
        self.orders = orders
        self.payments = payments
    }

    private struct Attempt {
        let order: Int
        let user: Int
        let card: String
        let device: String
        let cents: Int
        let status: String
        let millis: Int64
    }

    mutating func make() {
        let step = (SampleData.span - 300 * Self.second) / Int64(orders)
        let bursts = max(1, (payments - orders) / 8)
        for index in 0..<orders {
            let millis =
                (SampleData.start + Int64(index) * step + random.below(max(step, 1))) / 1000
            let user = 1 + random.skewed(below: 5000)
            // An account has one card for most orders, and one device.
            let card = SampleText.card(user: user, number: random.chance(850) ? 0 : 1)
            let cents = 500 + random.skewed(below: 30_000)
            makeOrder(index, user, card, cents, millis)
            let isDeclined = random.chance(60)
            makePayment(
                Attempt(
                    order: index, user: user, card: card, device: SampleText.device(user: user),
                    cents: cents, status: isDeclined ? "declined" : "approved",
                    millis: millis + 200),
                lateIn: index < orders / 2)
            if random.chance(15) {
                makePayment(
                    Attempt(
                        order: index, user: user, card: card, device: SampleText.device(user: user),
                        cents: cents, status: "refunded", millis: millis + 90_000), lateIn: false)
            }
            if index % max(1, orders / bursts) == orders / bursts / 2 {
                makeBurst(index, user, from: millis)
            }
        }
        orderCounts.records = orderArrivals.count
        paymentCounts.records = paymentArrivals.count
    }

    /// One account tries five to eight cards within two minutes.
    private mutating func makeBurst(_ order: Int, _ user: Int, from start: Int64) {
        let device = "d-" + random.hex(4)
        let tries = 5 + random.below(4)
        if !burstUsers.contains(Int64(user)) { burstUsers.append(Int64(user)) }
        for attempt in 0..<tries {
            let isLast = attempt == tries - 1
            makePayment(
                Attempt(
                    order: order, user: user, card: random.hex(16), device: device,
                    cents: isLast ? 20_000 + random.below(20_000) : 50 + random.below(149),
                    status: isLast || random.chance(150) ? "approved" : "declined",
                    millis: start + 1000 + Int64(attempt) * 14_000), lateIn: false, isExact: true)
        }
    }

    private mutating func makeOrder(
        _ index: Int, _ user: Int, _ card: String, _ cents: Int, _ millis: Int64
    ) {
        let time = SampleText.time(millis * 1000, digits: 3)
        let amount = SampleText.cents(cents)
        let record =
            "{\"order_id\":\"o-\(SampleText.padded(index + 1, 8))\",\"user_id\":\(user),"
            + "\"card_hash\":\"\(card)\",\"store_id\":\"\(random.store())\",\"amount\":\(amount),"
            + "\"items\":\(1 + random.below(40)),\"ts\":\"\(time)\"}"
        let faults: [Spoiler.Swap] = [
            (",\"ts\":\"\(time)\"", ""), ("\"\(time)\"", "\"yesterday\""),
            ("\"amount\":\(amount)", "\"amount\":\"abc\""), ("\"\(card)\"", "\"\(card)\u{1}\""),
        ]
        Self.deliver(
            record, key: "\(user)", millis: millis, faults: faults, lateIn: index < orders / 2,
            to: orderArrivals, counting: &orderCounts, &orderSpoiler, &random)
    }

    private mutating func makePayment(_ attempt: Attempt, lateIn: Bool, isExact: Bool = false) {
        sequence += 1
        let amount = SampleText.cents(attempt.cents)
        let record =
            "{\"payment_id\":\"p-\(SampleText.padded(sequence, 8))\","
            + "\"order_id\":\"o-\(SampleText.padded(attempt.order + 1, 8))\","
            + "\"user_id\":\(attempt.user),\"card_hash\":\"\(attempt.card)\","
            + "\"device_id\":\"\(attempt.device)\",\"ip\":\"10.\(attempt.user % 200).7."
            + "\(attempt.user % 250)\",\"bin\":\"4111\(SampleText.padded(attempt.user % 40, 2))\","
            + "\"email\":\"user\(attempt.user)@mail\(attempt.user % 9).example\","
            + "\"retailer_id\":\"r-\(SampleText.padded(1 + attempt.order % 8, 3))\","
            + SampleText.place(user: attempt.user, sequence)
            + "\"amount\":\(amount),\"status\":\"\(attempt.status)\","
            + "\"ts\":\(attempt.millis)}"
        let faults: [Spoiler.Swap] = [
            (",\"ts\":\(attempt.millis)", ""),
            ("\"ts\":\(attempt.millis)", "\"ts\":9223372036854775807"),
            ("\"amount\":\(amount)", "\"amount\":\"abc\""),
            ("\"\(attempt.card)\"", "\"\(attempt.card)\u{1}\""),
        ]
        if isExact {
            let at = attempt.millis * 1000
            paymentArrivals.append(
                arrival: at, eventTime: at, key: "\(attempt.user)", value: record)
            return
        }
        Self.deliver(
            record, key: "\(attempt.user)", millis: attempt.millis, faults: faults, lateIn: lateIn,
            to: paymentArrivals, counting: &paymentCounts, &paymentSpoiler, &random)
    }

    /// Delivers a record: whole, spoiled, late, or twice.
    private static func deliver(
        _ record: String, key: String, millis: Int64, faults: [Spoiler.Swap], lateIn: Bool,
        to arrivals: Arrivals, counting counts: inout SampleReport.Counts,
        _ spoiler: inout Spoiler, _ random: inout SampleRandom
    ) {
        let at = millis * 1000
        let arrival = at + random.below(3 * second)
        if random.chance(5) {
            arrivals.append(
                arrival: arrival, eventTime: at, key: key, value: spoiler.spoil(record, faults))
            counts.malformed += 1
        } else if lateIn, random.chance(20) {
            arrivals.append(
                arrival: at + ScanSample.lateBy, eventTime: at, key: key, value: record)
            counts.late += 1
        } else {
            arrivals.append(arrival: arrival, eventTime: at, key: key, value: record)
            if random.chance(20) {
                let again = arrival + random.below(second)
                arrivals.append(arrival: again, eventTime: at, key: key, value: record)
                counts.duplicates += 1
            }
        }
    }
}

extension SampleText {
    /// The hash of an account's own card.
    static func card(user: Int, number: Int) -> String {
        var random = SampleRandom(seed: UInt64(user * 10 + number))
        return random.hex(16)
    }

    static func device(user: Int) -> String {
        var random = SampleRandom(seed: UInt64(user) &* 7919)
        return "d-" + random.hex(4)
    }

    /// Where an account pays: at home, but for one payment in 400.
    static func place(user: Int, _ sequence: Int) -> String {
        let cities = [
            ("New York", "40.71", "-74.01"), ("Chicago", "41.88", "-87.63"),
            ("San Francisco", "37.77", "-122.42"), ("London", "51.51", "-0.13"),
        ]
        let (city, latitude, longitude) = cities[sequence % 400 == 399 ? 3 : user % 3]
        return "\"city\":\"\(city)\",\"latitude\":\(latitude),\"longitude\":\(longitude),"
    }
}
