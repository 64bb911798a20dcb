/// All groups with their offsets. A pure value.
struct GroupCoordinator: Equatable, Sendable {
    /// Groups that have or had members, by id.
    private(set) var groups: [String: ConsumerGroup] = [:]
    /// Offsets, by group.
    private(set) var offsets: [String: GroupOffsets] = [:]
    private var lastRecord: Int64 = 0
    /// What holds for all groups.
    let settings: GroupSettings

    /// A coordinator that knows no group.
    init(settings: GroupSettings = GroupSettings()) { self.settings = settings }

    /// What must be written for a coordinator to come back to this state.
    var snapshot: [CoordinatorRecord] {
        var records: [CoordinatorRecord] = groups.values.sorted { $0.id < $1.id }
            .map { .group($0.snapshot) }
        for (group, known) in offsets.sorted(by: { $0.key < $1.key }) {
            records.append(.offsets(group: group, known.committed, producer: nil))
            for (producer, pending) in known.pending.sorted(by: { $0.key < $1.key }) {
                records.append(.offsets(group: group, pending, producer: producer))
            }
        }
        return records
    }

    /// Takes back what was written; records of transactions are not its concern.
    mutating func restore(_ record: CoordinatorRecord, now: Int64) {
        switch record {
        case .group(let snapshot):
            groups[snapshot.id] = ConsumerGroup(snapshot, settings: settings, now: now)
        case .groupDeleted(let id):
            groups[id] = nil
            offsets[id] = nil
        case .offsets(let group, let committed, let producer):
            lastRecord = max(lastRecord, committed.values.map(\.record).max() ?? 0)
            offsets[group, default: GroupOffsets()].apply(committed, producer: producer)
        case .offsetsEnded(let group, let producer, let isCommit):
            offsets[group]?.end(producer: producer, isCommit: isCommit)
        case .offsetsDeleted(let group, let places):
            for place in places { offsets[group]?.committed[place] = nil }
        case .producers, .transaction: break
        }
    }

    /// Changes a group in place; makes it if it is new.
    mutating func withGroup<Result>(
        _ id: String, _ change: (inout ConsumerGroup) -> Result
    ) -> Result {
        change(&groups[id, default: ConsumerGroup(id: id, settings: settings)])
    }

    /// The group's offsets are set, at once or with the transaction of `producer`.
    ///
    /// - Returns: `.none`, or why nothing was committed.
    mutating func commit(
        _ committed: [TopicPartition: CommittedOffset], group: String, by membership: Membership,
        producer: Int64? = nil, now: Int64, into actions: inout [GroupAction]
    ) -> ErrorCode {
        if let known = groups[group] {
            let code = known.admitsCommit(membership, isTransactional: producer != nil)
            guard code == .none else { return code }
        } else if membership.generation >= 0 {
            return .illegalGeneration
        }
        if committed.isEmpty { return .none }
        lastRecord += 1
        let record = lastRecord
        let committed = committed.mapValues { offset in
            var placed = offset
            placed.record = record
            return placed
        }
        if producer == nil, membership.generation >= 0 {
            // A member that commits is alive, as in Apache's coordinator.
            groups[group]?.heardOf(membership, now: now)
        }
        offsets[group, default: GroupOffsets()].apply(committed, producer: producer)
        actions.append(.persist(.offsets(group: group, committed, producer: producer)))
        return .none
    }

    /// A transaction's offsets become visible, or are dropped.
    mutating func end(
        producer: Int64, group: String, isCommit: Bool, into actions: inout [GroupAction]
    ) {
        offsets[group]?.end(producer: producer, isCommit: isCommit)
        actions.append(
            .persist(.offsetsEnded(group: group, producer: producer, isCommit: isCommit)))
    }

    /// A group without members goes, with its offsets.
    mutating func delete(_ group: String, into actions: inout [GroupAction]) -> ErrorCode {
        guard groups[group] != nil || offsets[group] != nil else { return .groupIdNotFound }
        if let known = groups[group], known.phase != .empty { return .nonEmptyGroup }
        groups[group] = nil
        offsets[group] = nil
        actions.append(.persist(.groupDeleted(group)))
        return .none
    }

    /// Some offsets of a group go.
    mutating func delete(
        _ places: [TopicPartition], group: String, into actions: inout [GroupAction]
    ) -> ErrorCode {
        guard groups[group] != nil || offsets[group] != nil else { return .groupIdNotFound }
        for place in places { offsets[group]?.committed[place] = nil }
        actions.append(.persist(.offsetsDeleted(group: group, places)))
        return .none
    }

    /// Time has passed for every group.
    mutating func advance(now: Int64, into actions: inout [GroupAction]) {
        for id in groups.keys.sorted() { groups[id]?.advance(now: now, into: &actions) }
    }

    /// The earliest time at which `advance` has something to do; milliseconds.
    var nextDeadline: Int64? { groups.values.compactMap(\.nextDeadline).min() }
}
