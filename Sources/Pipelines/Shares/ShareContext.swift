import Connectors
import StreamRuntime

/// What a share of a job reads and writes by: its number, and the job's transactions for it.
struct ShareContext {
    let share: Int
    let shares: Int
    let address: KafkaConnection
    let domain: KafkaTransactionDomain
    /// Whether there is more to read than at the end of the run before.
    let hasNews: Bool

    /// The share's partitions of what a stream reads.
    func source(_ whole: any RecordSource) -> any RecordSource {
        ShareSource(whole, share: share, of: shares)
    }

    /// Where rows for this share come back.
    func input(
        _ repartition: PlannedRepartition, ordinal: Int64, schema: Schema
    ) -> JobGraph.RepartitionNode {
        JobGraph.RepartitionNode(
            name: repartition.name, ordinal: ordinal, schema: schema, shares: shares,
            reopens: hasNews,
            open: { () throws(JobFailure) in
                self.source(
                    try KafkaSource(self.address, topic: repartition.topic, bounded: false))
            })
    }

    /// Where rows leave for the shares of their keys.
    func output(
        _ repartition: PlannedRepartition, ordinal: Int64, schema: Schema, key: [Int]
    ) -> JobGraph.SinkNode {
        JobGraph.SinkNode(
            id: "repartition:\(repartition.id)", ordinal: ordinal, isOrdered: false,
            schema: schema,
            make: { () throws(JobFailure) in
                RepartitionSink(
                    try KafkaRepartitionCarrier(self.domain, topic: repartition.topic),
                    share: self.share, key: key)
            })
    }
}
