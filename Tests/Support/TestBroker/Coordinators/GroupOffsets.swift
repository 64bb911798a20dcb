/// How far a group has come in a partition.
struct CommittedOffset: Equatable, Sendable {
    /// The next offset to read.
    var offset: Int64
    /// The leader epoch of the last record read; -1 when unknown.
    var leaderEpoch: Int32 = -1
    /// What the committer wrote beside it.
    var metadata = ""
    /// When it was committed; milliseconds since 1970.
    var time: Int64 = 0
    /// Its place among all commits. Two transactions may end in another order than they wrote their
    /// offsets; what was written last counts.
    ///
    /// - Source: Apache Kafka 4.0, `OffsetMetadataManager.replayEndTransactionMarker`.
    var record: Int64 = 0
}

/// A group's committed offsets, with those that await the end of their transaction.
struct GroupOffsets: Equatable, Sendable {
    /// What has been committed.
    var committed: [TopicPartition: CommittedOffset] = [:]
    /// What open transactions would commit, by producer id.
    var pending: [Int64: [TopicPartition: CommittedOffset]] = [:]

    /// No offsets.
    init() {}

    /// Whether an open transaction may change the offset of `place`.
    func isUnstable(_ place: TopicPartition) -> Bool {
        pending.values.contains { $0[place] != nil }
    }

    mutating func apply(_ offsets: [TopicPartition: CommittedOffset], producer: Int64?) {
        guard let producer else {
            committed.merge(offsets) { $1 }
            return
        }
        pending[producer, default: [:]].merge(offsets) { $1 }
    }

    mutating func end(producer: Int64, isCommit: Bool) {
        guard let offsets = pending.removeValue(forKey: producer), isCommit else { return }
        committed.merge(offsets) { $1.record > $0.record ? $1 : $0 }
    }
}
