/// A partition's log as far as transactions go: idempotence, epochs, markers.
struct ModelLog: Hashable, Sendable {
    /// A row of output: which input record it is of, and the state it was made with.
    struct Row: Hashable, Sendable {
        var share: Int
        var part: Int
        var offset: Int
        /// How many records the state had seen with this one; must be `offset` + 1.
        var count: Int
    }

    enum Entry: Hashable, Sendable {
        case row(Row, producer: Int64)
        case marker(producer: Int64, isCommit: Bool)
    }

    private struct Last: Hashable, Sendable {
        var epoch: Int16
        var sequence: Int32
    }

    private(set) var entries: [Entry] = []
    private var producers: [Int64: Last] = [:]

    /// Whether the producer's batch is taken, was taken before, or is refused.
    enum Outcome { case taken, repeated, fenced, outOfOrder }

    mutating func append(
        _ row: Row, producer: Int64, epoch: Int16, sequence: Int32
    ) -> Outcome {
        if let last = producers[producer] {
            if epoch < last.epoch { return .fenced }
            if epoch == last.epoch {
                if sequence <= last.sequence { return .repeated }
                guard sequence == last.sequence + 1 else { return .outOfOrder }
            } else if sequence != 0 {
                return .outOfOrder
            }
        } else if sequence != 0 {
            return .outOfOrder
        }
        producers[producer] = Last(epoch: epoch, sequence: sequence)
        entries.append(.row(row, producer: producer))
        return .taken
    }

    mutating func mark(producer: Int64, epoch: Int16, isCommit: Bool) {
        entries.append(.marker(producer: producer, isCommit: isCommit))
        if let last = producers[producer], last.epoch >= epoch { return }
        producers[producer] = Last(epoch: epoch, sequence: -1)
    }

    /// What a reader of committed records sees, in the log's order.
    var committed: [Row] {
        var isVisible = [Bool](repeating: false, count: entries.count)
        for (end, entry) in entries.enumerated() {
            guard case .marker(let producer, let isCommit) = entry else { continue }
            // Everything of the producer back to its last marker belongs to this transaction.
            var at = end - 1
            while at >= 0 {
                if case .marker(producer, _) = entries[at] { break }
                if case .row(_, producer) = entries[at] { isVisible[at] = isCommit }
                at -= 1
            }
        }
        return entries.indices.compactMap { at in
            if isVisible[at], case .row(let row, _) = entries[at] { row } else { nil }
        }
    }
}
