/// Items that shoppers found or did not find, each product with its own rate.
struct ScanSample {
    private static let second: Int64 = 1_000_000
    static let lateBy: Int64 = 3 * 3600 * second

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
        let step = (SampleData.span - 60 * Self.second) / Int64(events)
        for index in 0..<events {
            let at = (SampleData.start + Int64(index) * step + random.below(max(step, 1))) / 1000
            let store = random.store()
            let product = random.product()
            let rate = 350 + (Int(product) ?? 0) * 37 % 640
            let record =
                "{\"scan_id\":\"sc-\(SampleText.padded(index + 1, 8))\","
                + "\"order_id\":\"o-\(SampleText.padded(index / 9 + 1, 8))\","
                + "\"shopper_id\":\(1000 + random.below(400)),\"store_id\":\"\(store)\","
                + "\"product_id\":\"\(product)\",\"category\":\"\(SampleText.category(product))\","
                + "\"retailer_id\":\"\(SampleText.retailer(store))\",\"region\":"
                + "\"\(SampleText.region(store))\",\"found\":\(random.chance(rate)),"
                + "\"quantity\":\(1 + random.below(4)),\"scanned_at\":\(at)}"
            let eventTime = at * 1000
            let arrival = eventTime + random.below(27 * Self.second)
            if random.chance(5) {
                let value = spoiler.spoil(
                    record,
                    [
                        (",\"scanned_at\":\(at)", ""),
                        ("\"scanned_at\":\(at)", "\"scanned_at\":9223372036854775807"),
                        ("\"found\":", "\"found\":\"abc\",\"was\":"),
                        ("\"\(store)\"", "\"\(store)\u{1}\""),
                    ])
                arrivals.append(arrival: arrival, eventTime: eventTime, key: store, value: value)
                counts.malformed += 1
            } else if index < events / 2, random.chance(20) {
                arrivals.append(
                    arrival: eventTime + Self.lateBy, eventTime: eventTime, key: store,
                    value: record)
                counts.late += 1
            } else {
                arrivals.append(arrival: arrival, eventTime: eventTime, key: store, value: record)
                if random.chance(20) {
                    let again = arrival + random.below(2 * Self.second)
                    arrivals.append(arrival: again, eventTime: eventTime, key: store, value: record)
                    counts.duplicates += 1
                }
            }
        }
        counts.records = arrivals.count
    }
}

extension SampleText {
    private static let categories = ["dairy", "bread", "fruit", "vegetables", "drinks"]

    static func category(_ product: String) -> String {
        categories[(Int(product) ?? 0) % categories.count]
    }

    /// The retailer that store `sNNN` belongs to.
    static func retailer(_ store: String) -> String {
        "r-" + padded(1 + (Int(store.dropFirst()) ?? 0) % 8, 3)
    }

    static func region(_ store: String) -> String {
        (Int(store.dropFirst()) ?? 0) % 2 == 0 ? "north" : "south"
    }
}
