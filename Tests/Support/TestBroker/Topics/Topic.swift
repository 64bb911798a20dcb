/// A topic: its settings and the logs of its partitions.
final class Topic {
    let name: String
    /// What was set; what was not has a default.
    var configuration: [String: String]
    var partitions: [Partition] = []

    init(name: String, configuration: [String: String]) {
        self.name = name
        self.configuration = configuration
    }
}

/// A partition: its log and the node that leads it.
final class Partition {
    let id: TopicPartition
    let log: PartitionLog
    var leader: Int32
    /// Told whenever readers may get more than before.
    var waiters: [Int: () -> Void] = [:]

    init(id: TopicPartition, log: PartitionLog, leader: Int32) {
        self.id = id
        self.log = log
        self.leader = leader
    }

    /// Wakes those who wait for records.
    func tellWaiters() {
        for wake in waiters.values { wake() }
    }
}
