import StreamRuntime

/// What the audience of a campaign is made of: profiles of customers, offers, and launches with their targeting.
struct AudienceSample {
    private static let second: Int64 = 1_000_000
    private static let day: Int64 = 86_400 * second
    private static let offers = 8

    private var random: SampleRandom
    let profiles = Arrivals()
    let launches = Arrivals()
    let offers = Arrivals()

    init(random: SampleRandom) { self.random = random }

    /// Makes `customers` profiles in the first hour and launches every twenty minutes after it.
    mutating func make(customers: Int) {
        for index in 0..<Self.offers {
            let at = SampleData.start + Int64(index) * Self.second
            let percent = 5 + index * 5
            var value = "{\"offer_id\":\"o-\(index + 1)\",\"title\":\"\(percent)% off\","
            value += "\"discount_percent\":\(percent),"
            value += "\"updated_at\":\"\(SampleText.time(at, digits: 3))\"}"
            offers.append(arrival: at, eventTime: at, key: "o-\(index + 1)", value: value)
        }
        for index in 0..<customers {
            let at = SampleData.start + Int64(index) * 3000 * Self.second / Int64(customers)
            let customer = "u" + SampleText.padded(index, 7)
            let orders = random.skewed(below: 30)
            let last = CivilDate(days: at / Self.day - Int64(random.below(120)))
            let month = SampleText.padded(Int(last.month), 2)
            let day = SampleText.padded(Int(last.day), 2)
            let tier = ["standard", "plus", "gold"][Int(random.below(3))]
            var value = "{\"customer_id\":\"\(customer)\",\"retailer_id\":\"\(retailer())\","
            value += "\"tier\":\"\(tier)\",\"orders_90d\":\(orders),"
            value += "\"spend_90d\":\(orders * 41).50,"
            value += "\"last_order_at\":\"\(last.year)-\(month)-\(day)T00:00:00Z\","
            value += "\"email_opt_in\":\(random.chance(850)),"
            value += "\"push_opt_in\":\(random.chance(500)),"
            value += "\"updated_at\":\"\(SampleText.time(at, digits: 3))\"}"
            profiles.append(arrival: at, eventTime: at, key: customer, value: value)
        }
        for index in 0..<20 {
            let at = SampleData.start + (3600 + Int64(index) * 1200) * Self.second
            let id = "launch-" + SampleText.padded(index + 1, 2)
            var targeting = ""
            if random.chance(500) { targeting += "\"tier\":\"gold\"," }
            if random.chance(500) { targeting += "\"orders_min\":\(1 + random.below(8))," }
            if random.chance(300) { targeting += "\"inactive_days\":\(10 + random.below(40))," }
            let offer = 1 + random.below(Self.offers)
            var value = "{\"campaign_id\":\"\(id)\",\"retailer_id\":\"\(retailer())\","
            value += "\"channel\":\"\(random.chance(700) ? "email" : "push")\","
            value += "\"offer_id\":\"o-\(offer)\"," + targeting
            value += "\"weight_a\":\(1 + random.below(3)),\"weight_b\":1,"
            value += "\"launched_at\":\"\(SampleText.time(at, digits: 3))\"}"
            launches.append(arrival: at, eventTime: at, key: id, value: value)
        }
    }

    private mutating func retailer() -> String {
        "r" + SampleText.padded(1 + random.skewed(below: 12), 3)
    }
}
