/// How a test broker behaves where Apache Kafka has a setting.
public struct BrokerSettings: Sendable {
    /// The longest transaction timeout that a producer may ask for (transaction.max.timeout.ms).
    public var transactionMaxTimeoutMillis: Int32 = 900_000
    /// How often open transactions are looked at for their timeout.
    public var transactionCheckMillis: Int64 = 100
    /// How long an empty group waits for more members (group.initial.rebalance.delay.ms).
    public var groupInitialDelayMillis: Int32 = 0
    /// The shortest session timeout that a member may ask for (group.min.session.timeout.ms).
    public var groupMinSessionMillis: Int32 = 100
    /// The longest session timeout that a member may ask for (group.max.session.timeout.ms).
    public var groupMaxSessionMillis: Int32 = 1_800_000
    /// Partitions of a topic that is made because a client asks for it; nil: topics are only made on command.
    public var autoCreatePartitions: Int32?
    /// The largest record batch that a topic takes unless it says otherwise (message.max.bytes).
    public var messageMaxBytes: Int32 = 1_048_588
    /// How many bytes a file of a partition's log has before the next one is begun (log.segment.bytes).
    public var segmentBytes = 1 << 26
    /// How long records are kept unless the topic says otherwise (log.retention.ms).
    public var retentionMillis: Int64 = 604_800_000
    /// How often retention is applied (log.retention.check.interval.ms).
    public var retentionCheckMillis: Int64 = 5_000

    /// Who may connect, with their passwords: by SASL's PLAIN, SCRAM or (unsecured) OAUTHBEARER; empty:
    /// everybody, unasked.
    public var passwords: [String: String] = [:]
    /// The port that clients are told to connect to, where somebody stands between them and the one node's own.
    public var advertisedPort: Int32?

    /// The defaults: Apache Kafka 4.0's where they do not make tests slow.
    public init() {}
}
