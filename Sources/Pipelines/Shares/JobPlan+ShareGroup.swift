import Connectors
import StreamRuntime

extension JobPlan {
    /// What a share's transactions commit: the offsets of its partitions. A share that reads none leaves its
    /// mark at its own partition of the topic of shares.
    func group(ofShare share: Int) -> KafkaGroup {
        var topics: [String: String] = [:]
        for source in sources {
            if case .topic(_, let topic) = source.location { topics[source.name] = topic }
        }
        for repartition in repartitions { topics[repartition.name] = repartition.topic }
        var committed = KafkaGroup(
            name: group, share: share, topics: topics, marker: sharesTopic)
        committed.markerPartition = Int32(share)
        return committed
    }
}
