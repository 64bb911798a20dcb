/// Decides which of the checkpoints at hand a job continues from. A pure value.
struct RestoreRule {
    /// What is known of one checkpoint whose manifest can be read.
    struct Record: Equatable, Sendable {
        let checkpoint: Int64
        let manifest: String
        /// The checkpoint that its transaction had committed before it, 0 for none; nil when it was
        /// made without a transaction, so that it counts by itself.
        let committedBefore: Int64?
    }

    enum Choice: Equatable, Sendable {
        case afresh
        /// The first of these that is whole.
        case firstWhole(of: [Int64])
        /// This one and no other.
        case exactly(CommittedCheckpoint)
        /// What was committed is no longer known outside, but known to have been.
        case forgotten(Int64)
    }

    /// Checkpoints with readable manifests, in any order.
    let records: [Record]
    /// The newest checkpoint that the job itself saw committed; 0 for none. Never newer than the truth,
    /// but it may be older.
    let seen: Int64

    /// Without a transaction: whatever is known to count.
    var withoutTransaction: Choice {
        let proven = max(seen, records.compactMap(\.committedBefore).max() ?? 0)
        let counting = records.filter {
            $0.committedBefore == nil || $0.checkpoint <= proven
        }
        return newest(counting.map(\.checkpoint))
    }

    /// What `committed`, the answer of the job's transaction, makes of it.
    func choice(committed: CommittedCheckpoint?) -> Choice {
        let lone = records.filter { $0.committedBefore == nil }.map(\.checkpoint)
        // Checkpoints made later without a transaction count by themselves.
        let later = lone.filter { $0 > committed?.checkpoint ?? 0 }
        if let committed {
            guard !later.isEmpty else { return .exactly(committed) }
            let isThere = records.contains {
                $0.checkpoint == committed.checkpoint && $0.manifest == committed.manifest
            }
            return newest(later + (isThere ? [committed.checkpoint] : []))
        }
        let floor = later.max() ?? 0
        let proven = records.filter { $0.checkpoint > floor }.compactMap(\.committedBefore).max()
        let known = max(seen, proven ?? 0)
        return known > floor ? .forgotten(known) : newest(later)
    }

    private func newest(_ numbers: [Int64]) -> Choice {
        numbers.isEmpty ? .afresh : .firstWhole(of: numbers.sorted(by: >))
    }
}
