import StreamRuntime

/// How long a transaction may stay open, and whether that is enough.
///
/// An epoch's transaction begins with its first row and ends when the checkpoint after it is committed.
/// While one checkpoint is under way the next epoch has begun, so a transaction can last for two
/// intervals, and for as long as a commit takes on top.
enum TransactionTimeout {
    private static let property = "transaction.timeout.ms"
    /// What Kafka itself takes when nothing is said.
    private static let usualMillis = 60_000
    /// The longest that brokers allow unless they are set otherwise (transaction.max.timeout.ms).
    static let brokerMillis = 900_000

    /// The timeout of the job's transactions, in milliseconds.
    ///
    /// - Throws: when the connection sets one that a job with this checkpoint interval would exceed.
    static func millis(
        _ connection: KafkaConnection, checkpointMillis: Int
    ) throws(JobFailure) -> Int {
        let needed = needed(connection, checkpointMillis)
        guard let text = connection.properties[property] else {
            return checkpointMillis == 0 ? brokerMillis : max(usualMillis, needed)
        }
        guard let set = Int(text), set > needed else {
            throw JobFailure(
                .environment,
                "\(property) is \(text), and a transaction of this job may stay open for "
                    + "\(needed) ms: twice the \(checkpointMillis) ms between checkpoints and "
                    + "\(connection.requestMillis) ms for the commit",
                at: connection.bootstrap,
                remedy: "raise \(property) above \(needed), leave it out, or checkpoint more often")
        }
        return set
    }

    private static func needed(_ connection: KafkaConnection, _ checkpointMillis: Int) -> Int {
        2 * checkpointMillis + connection.requestMillis
    }

    /// What the brokers mean when they refuse the timeout.
    static func refused(_ millis: Int, checkpointMillis: Int, at place: String) -> JobFailure {
        JobFailure(
            .environment,
            "the brokers do not allow transactions of \(millis) ms, which checkpoints every "
                + "\(checkpointMillis) ms need", at: place,
            remedy: "checkpoint more often, or raise transaction.max.timeout.ms at the brokers")
    }
}
