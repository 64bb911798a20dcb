/// What was made, so that a run over it can be held to its counters.
public struct SampleReport: Equatable, Sendable {
    /// The counts of one input.
    public struct Counts: Equatable, Sendable {
        /// Records of the topic, or rows of the files, with everything below.
        public var records = 0
        /// Records delivered a second time, byte for byte.
        public var duplicates = 0
        /// Records that arrive three hours after their event time.
        public var late = 0
        /// Records that no decoder of the declared fields accepts.
        public var malformed = 0
        /// Deletion marks (null values).
        public var tombstones = 0
        /// Records of other event types than stock counts.
        public var otherTypes = 0
        /// Stock counts, over all whole records, without those of duplicates.
        public var stockCounts = 0
        /// Of the stock counts those in another state than IN_STOCK.
        public var notInStock = 0
        /// Stock counts in state IN_STOCK that repeat one of a record delivered before.
        public var duplicateCounts = 0
        /// Stock counts older than one of the same store and product that was counted before.
        public var stale = 0
    }

    /// Topic `pos.square`.
    public var square = Counts()
    /// The files under `exports`.
    public var exports = Counts()
    /// Topic `pos.shelf`.
    public var shelf = Counts()
    /// Topic `campaign.user_events`.
    public var campaigns = Counts()
    /// Topic `shopper.scans`.
    public var scans = Counts()
    /// Topic `orders`.
    public var orders = Counts()
    /// Topic `payments`.
    public var payments = Counts()
    /// Topics of whole records that come once and in time, and how many each has.
    public struct Plain: Equatable, Sendable {
        /// The topic.
        public let name: String
        /// Its records.
        public let records: Int
    }

    /// What accounts, customers and shoppers do besides.
    public var others: [Plain] = []
    /// The accounts that tried five or more cards within two minutes.
    public var burstUsers: [Int64] = []

    /// Nothing made.
    public init() {}

    /// The inputs by name, in the order they were made.
    public var inputs: [(name: String, counts: Counts)] {
        [
            ("pos.square", square), ("exports", exports), ("pos.shelf", shelf),
            ("campaign.user_events", campaigns), ("shopper.scans", scans), ("orders", orders),
            ("payments", payments),
        ]
    }

    /// The counts as a table for the terminal.
    public var table: String {
        let head = ["input", "records", "duplicates", "late", "malformed", "tombstones", "stale"]
        let plain = others.map { ["\($0.name)", "\($0.records)", "0", "0", "0", "0", "0"] }
        let lines =
            [head]
            + inputs.map { name, counts in
                [
                    name, "\(counts.records)", "\(counts.duplicates)", "\(counts.late)",
                    "\(counts.malformed)", "\(counts.tombstones)", "\(counts.stale)",
                ]
            } + plain
        let widths = head.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            zip(line, widths).enumerated().map { index, cell in
                let gap = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + gap : gap + cell.0
            }.joined(separator: "  ")
        }.joined(separator: "\n") + "\n"
    }
}
