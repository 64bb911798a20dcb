import StreamRuntime

/// Takes records from one share of a job to the partitions of all, exactly once: they can be read when
/// the checkpoint they belong to is committed.
public final class KafkaRepartitionCarrier: RepartitionCarrier {
    private let domain: KafkaTransactionDomain
    private let writers: [KafkaRecordWriter]
    private var epoch: Int64 = 0
    /// The producer of the present epoch, once it has been written to.
    private var opened: TransactionProtocol.Producer?

    /// A carrier over a topic of the job's own, in the transactions of `domain`.
    ///
    /// - Throws: when the cluster cannot be reached or has no such topic.
    public init(_ domain: KafkaTransactionDomain, topic: String) throws(JobFailure) {
        self.domain = domain
        var writers: [KafkaRecordWriter] = []
        for client in domain.producers {
            writers.append(try KafkaRecordWriter(client, topic: topic))
        }
        self.writers = writers
    }

    /// The topic's.
    public var partitions: Int { writers[0].partitions }

    /// Whether the epoch's producer has room, and the brokers have all of the epoch before: what is
    /// promised in this epoch holds for the rows of that one too.
    public var isReady: Bool {
        (opened != nil || domain.hasAll(before: epoch))
            && writers[TransactionProtocol.Producer(epoch: epoch).rawValue].isReady
    }

    /// Nothing to settle: the domain has aborted what was not committed.
    public func recover(token: [UInt8]?) throws(JobFailure) { epoch = domain.firstEpoch }

    /// Puts one record on its way, in the transaction of the present epoch.
    public func append(
        partition: Int, value: UnsafeBufferPointer<UInt8>, timestamp: Int64
    ) throws(JobFailure) {
        if opened == nil { opened = try domain.open(epoch: epoch) }
        let producer = opened!
        do throws(JobFailure) {
            try writers[producer.rawValue].append(
                partition: partition, key: nil, value: value, timestamp: timestamp)
        } catch {
            throw domain.explain(error, producer)
        }
    }

    /// Goes on with the next epoch; the domain waits for the brokers when it commits this one.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        precondition(checkpoint == epoch, "a sink meets every barrier in turn")
        epoch += 1
        opened = nil
        return []
    }

    /// Nothing to do: the broker has committed.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {}

    /// Nothing to let go of: the producers are the domain's.
    public func close() {}
}
