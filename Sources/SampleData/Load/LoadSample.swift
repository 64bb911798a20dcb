import StreamRuntime

/// The load of a large marketplace: its streams at the rates it was planned for, the same records for the
/// same options.
///
/// Records a second: 35,000 locations of shoppers, 12,000 scans (300 orders × 40 items), 3,400 messages of eleven kinds of
/// stores' systems with 4,200 stock counts, 300 orders and as many payments, and some 2,400 of what orders, assignments,
/// customers and campaigns bring along. A burst makes the stores' messages some times as many for a while.
/// Records come out of order by less than the bounds of the streams in `marketplace/`; one in a hundred scans, orders and
/// payments comes twice, one in a thousand scans and Square messages is cut short. `docs/SAMPLE-DATA.md` has the table.
public final class LoadSample {
    /// How much to make, where, and from which seed.
    public struct Options: Sendable {
        /// The directory that gets `topics`.
        public var root: String
        /// The seed; another one makes other records.
        public var seed: UInt64 = 1
        /// How long it goes on, in seconds of event time.
        public var seconds = 60
        /// The second the burst begins with; it is over with `burstSeconds` more.
        public var burstFrom = 0
        /// How long the burst is; 0 for none.
        public var burstSeconds = 0
        /// How many times as many counts of stock come in it.
        public var burstFactor = 10
        /// The first moment, in microseconds since 1970.
        public var start = SampleData.start
        /// All rates in hundredths of the planned ones.
        public var percent = 100

        /// Options for the directory `root`.
        public init(root: String) { self.root = root }
    }

    /// What a topic has got so far.
    public struct Count: Sendable, Equatable {
        /// The topic.
        public let topic: String
        /// Its records, with those below.
        public let records: Int
        /// Of them those that repeat the one before.
        public let duplicates: Int
        /// Of them those that nothing can read.
        public let malformed: Int
    }

    static let stores = 400
    static let products = 5000
    static let shoppers = 420_000
    static let users = 200_000

    private let options: Options
    private let topics: [LoadTopic]
    /// Milliseconds of the load that were made.
    public private(set) var millis = 0

    /// The load of `options`, before its first record.
    ///
    /// - Throws: when a topic has a writer, or the directory cannot be written.
    public init(_ options: Options) throws(JobFailure) {
        self.options = options
        let log = EmbeddedLog(root: options.root + "/topics")
        topics = try LoadTopics(options, log).topics
        for (name, partitions) in LoadTopics.others {
            try log.ensureTopic(name, TopicSettings(partitions: partitions))
        }
    }

    /// Whether all was made.
    public var isDone: Bool { millis >= options.seconds * 1000 }

    /// Makes the records of the next `count` milliseconds, and lets them be read.
    public func produce(millis count: Int) throws(JobFailure) {
        let second = millis / 1000
        let isBurst =
            second >= options.burstFrom && second < options.burstFrom + options.burstSeconds
        let from = options.start + Int64(millis) * 1000
        for topic in topics {
            try topic.produce(
                from: from, millis: count,
                factor: topic.bursts && isBurst ? options.burstFactor : 1)
        }
        for topic in topics { try topic.commit() }
        millis += count
    }

    /// What each topic has got.
    public var counts: [Count] {
        topics.map {
            Count(
                topic: $0.name, records: $0.records, duplicates: $0.duplicates,
                malformed: $0.malformed)
        }
    }

    /// Lets other writers have the topics.
    public func close() { for topic in topics { topic.close() } }
}
