/// One message for one customer at a time, as a campaigns engine emits them: 350 retailers, a few of
/// them with most of the messages.
struct CampaignSample {
    private static let second: Int64 = 1_000_000

    private var random: SampleRandom
    private let events: Int
    let arrivals = Arrivals()
    private(set) var counts = SampleReport.Counts()

    init(random: SampleRandom, events: Int) {
        self.random = random
        self.events = events
    }

    mutating func make() {
        var spoiler = Spoiler()
        var at = SampleData.start
        // Campaigns go out in waves: a wave is one campaign's messages within a few seconds.
        var left = 0
        var retailer = ""
        var campaign = ""
        for index in 0..<events {
            if left == 0 {
                left = 1 + random.skewed(below: 220)
                retailer = "r" + SampleText.padded(1 + random.skewed(below: 350), 3)
                campaign = "\(retailer)-c\(1 + random.below(3))"
                at =
                    SampleData.start
                    + Int64(index) * (SampleData.span - 60 * Self.second) / Int64(events)
            }
            left -= 1
            at += random.below(20_000)
            let millis = at / 1000 * 1000
            let customer = "u" + SampleText.padded(random.below(60_000), 7)
            let created = SampleText.time(millis, digits: 3)
            let id = "m-" + SampleText.padded(index + 1, 8)
            let record =
                "{\"message_id\":\"\(id)\",\"retailer_id\":\"\(retailer)\","
                + "\"campaign_id\":\"\(campaign)\",\"customer_id\":\"\(customer)\","
                + "\"variant\":\"\(random.chance(500) ? "A" : "B")\","
                + "\"channel\":\"\(random.chance(700) ? "email" : "push")\","
                + "\"created_at\":\"\(created)\"}"
            let arrival = millis + random.below(2 * Self.second)
            if random.chance(5) {
                let value = spoiler.spoil(
                    record,
                    [
                        (",\"created_at\":\"\(created)\"", ""), ("\"\(created)\"", "\"yesterday\""),
                        ("\"retailer_id\":\"\(retailer)\"", "\"retailer_id\":17"),
                        ("\"\(retailer)\"", "\"\(retailer)\u{1}\""),
                    ])
                arrivals.append(arrival: arrival, eventTime: millis, key: customer, value: value)
                counts.malformed += 1
                continue
            }
            arrivals.append(arrival: arrival, eventTime: millis, key: customer, value: record)
            if random.chance(20) {
                let again = arrival + random.below(Self.second)
                arrivals.append(arrival: again, eventTime: millis, key: customer, value: record)
                counts.duplicates += 1
            }
        }
        counts.records = arrivals.count
    }
}
