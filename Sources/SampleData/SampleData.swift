import Glibc
import StreamRuntime

/// Makes a small grocery marketplace's records, the same bytes for the same options on every machine.
///
/// Topics under `ROOT/topics`, with key, partitions and event time (all of 2026-11-02, 06:00 to 14:00 UTC):
/// - `pos.square`: merchant id, 2: Square webhooks, `created_at`;
/// - `pos.shelf`: row key as JSON, 1: a Debezium change stream, `source.ts_ms`;
/// - `campaign.user_events`: customer_id, 4: one message for one customer, `created_at`;
/// - `crm.customer_profiles`: customer_id, 2, `updated_at`; `campaign.launched`: campaign_id, 1, `launched_at`;
///   `campaign.offers`: offer_id, 1, `updated_at`: what audiences are made of, without faults;
/// - `shopper.scans`: store_id, 4: an item found or not found, `scanned_at` in epoch milliseconds;
/// - `orders`: user_id, 2: `ts`; `payments`: user_id, 4: `ts` in epoch milliseconds;
/// - `accounts`, `accounts.signups`, `payments.chargebacks`, `orders.delivered`, `orders.claims`, `orders.items`,
///   `orders.adjustments`, `shopper.purchases`, `shopper.unavailable`, `shop.clicks`: 2 each, whole records;
/// - `pos.shopify`, `sap.wmmbxy`, `edi.x12` and others of `ExchangeSample`, 1: a few records of each system;
/// - `shopper.events`, `shopper.locations`, `assignments`, `order.events`, `shopping.events`, `substitution.events`,
///   `zone.forecasts`: 2 each, orders from their placing to the door, one record in fifty twice.
///
/// Files under `ROOT/exports`: `sNNN-HHMM.csv`, stock counts with `counted_at`. `docs/SAMPLE-DATA.md` shows
/// every field.
public enum SampleData {
    /// How much to make, where, and from which seed.
    public struct Options: Sendable {
        /// The directory that gets `topics` and `exports`.
        public var root: String
        /// The seed; another one makes another marketplace.
        public var seed: UInt64 = 1
        /// How many times the usual 28,000 records, over the same eight hours.
        public var scale = 1.0

        /// Options for the directory `root`.
        public init(root: String) { self.root = root }
    }

    /// 2026-11-02T06:00:00Z in microseconds since 1970.
    public static let start: Int64 = 1_793_599_200_000_000
    /// How long events go on, in microseconds: eight hours.
    public static let span: Int64 = 8 * 3600 * 1_000_000

    /// Makes all topics and files.
    ///
    /// - Throws: when a topic has records already, or the directory cannot be written.
    public static func generate(_ options: Options) throws(JobFailure) -> SampleReport {
        var report = SampleReport()
        let log = EmbeddedLog(root: options.root + "/topics")
        func count(_ usual: Int) -> Int { max(20, Int(Double(usual) * options.scale)) }
        func random(_ stream: UInt64) -> SampleRandom {
            SampleRandom(seed: options.seed &* 1_000_003 &+ stream)
        }

        var inventory = InventorySample(
            random: random(1), squareEvents: count(5000), exportRows: count(3000),
            shelfChanges: count(3000))
        inventory.make()
        report.square = inventory.squareCounts
        report.exports = inventory.exportCounts
        report.shelf = inventory.shelfCounts
        try publish(inventory.square, "pos.square", partitions: 2, log)
        try publish(inventory.shelf, "pos.shelf", partitions: 1, log)
        var exchange = ExchangeSample(random: random(5), rounds: count(20))
        exchange.make()
        for (name, records) in exchange.topics { try publish(records, name, partitions: 1, log) }
        try ExportFiles.write(inventory.exports, to: options.root + "/exports")

        var campaigns = CampaignSample(random: random(2), events: count(6000))
        campaigns.make()
        report.campaigns = campaigns.counts
        try publish(campaigns.arrivals, "campaign.user_events", partitions: 4, log)

        var audience = AudienceSample(random: random(5))
        audience.make(customers: count(1500))
        try publish(audience.profiles, "crm.customer_profiles", partitions: 2, log)
        try publish(audience.launches, "campaign.launched", partitions: 1, log)
        try publish(audience.offers, "campaign.offers", partitions: 1, log)
        // Empty: what the CRM will say, which the job reads too.
        try log.ensureTopic("crm.send_results", TopicSettings(partitions: 1))

        var scans = ScanSample(random: random(3), events: count(5000))
        scans.make()
        report.scans = scans.counts
        try publish(scans.arrivals, "shopper.scans", partitions: 4, log)

        var payments = PaymentSample(random: random(4), orders: count(2500), payments: count(3500))
        payments.make()
        report.orders = payments.orderCounts
        report.payments = payments.paymentCounts
        report.burstUsers = payments.burstUsers
        try publish(payments.orderArrivals, "orders", partitions: 2, log)
        try publish(payments.paymentArrivals, "payments", partitions: 4, log)

        var customers = CustomerSample(random: random(5), count: count(500))
        customers.make()
        for (topic, arrivals) in customers.topics {
            report.others.append(SampleReport.Plain(name: topic, records: arrivals.count))
            try publish(arrivals, topic, partitions: 2, log)
        }

        var fulfilment = FulfilmentSample(random: random(6), orders: count(60))
        fulfilment.make()
        for (topic, arrivals) in fulfilment.topics {
            report.others.append(SampleReport.Plain(name: topic, records: arrivals.count))
            try publish(arrivals, topic, partitions: 2, log)
        }
        return report
    }

    /// Appends `arrivals` in the order they arrive.
    private static func publish(
        _ arrivals: Arrivals, _ topic: String, partitions: Int, _ log: EmbeddedLog
    ) throws(JobFailure) {
        try log.ensureTopic(topic, TopicSettings(partitions: partitions))
        guard try log.extents(topic).allSatisfy({ $0.end == 0 }) else {
            throw JobFailure(
                .environment, "topic \(topic) has records already", at: log.root,
                remedy: "delete the directory, or generate into another one")
        }
        let writer = try log.writer(topic, syncing: false)
        for arrival in arrivals.sorted() {
            try writer.append(
                key: arrivals.key(arrival), value: arrivals.value(arrival),
                timestamp: arrival.eventTime)
        }
        try writer.commit()
    }
}
