/// What a partition remembers of the producers that number their records: which batches were the last,
/// and which transactions are open.
///
/// A pure value: everything in it can be found again by reading the log's batch headers.
///
/// - Source: ProducerStateManager and ProducerAppendInfo of Apache Kafka.
struct ProducerStates {
    /// What becomes of a batch.
    enum Verdict: Equatable {
        case append
        /// It is in the log since an earlier request, at this offset.
        case duplicate(Int64)
        case refuse(ErrorCode)
    }

    /// A transaction that was given up: readers of committed records skip it.
    struct Aborted: Equatable {
        var producer: Int64
        var first: Int64
        /// The offset of its marker.
        var last: Int64
    }

    private struct Batch {
        var first: Int32
        var last: Int32
        var offset: Int64
    }

    private struct Producer {
        var epoch: Int16
        /// The last five, oldest first.
        var batches: [Batch] = []
        var transactionStart: Int64?
    }

    private var producers: [Int64: Producer] = [:]
    private(set) var aborted: [Aborted] = []

    /// The first offset of the oldest transaction that is open; nil when none is.
    var oldestOpen: Int64? { producers.values.lazy.compactMap(\.transactionStart).min() }

    func hasOpenTransaction(_ producer: Int64) -> Bool {
        producers[producer]?.transactionStart != nil
    }

    /// Judges a batch that a producer sends.
    func judge(_ batch: BatchHeader) -> Verdict {
        guard batch.producer >= 0 else { return .append }
        guard let state = producers[batch.producer] else { return .append }
        if batch.epoch < state.epoch { return .refuse(.invalidProducerEpoch) }
        if state.transactionStart != nil && !batch.isTransactional {
            return .refuse(.invalidTxnState)
        }
        if batch.epoch > state.epoch {
            return batch.baseSequence == 0 ? .append : .refuse(.outOfOrderSequenceNumber)
        }
        for known in state.batches
        where known.first == batch.baseSequence && known.last == batch.lastSequence {
            return .duplicate(known.offset)
        }
        let expected = state.batches.last.map { $0.last == .max ? 0 : $0.last + 1 } ?? 0
        return batch.baseSequence == expected ? .append : .refuse(.outOfOrderSequenceNumber)
    }

    /// Notes a batch of records that is in the log now.
    mutating func note(_ batch: BatchHeader) {
        guard batch.producer >= 0 else { return }
        var state = producers[batch.producer] ?? Producer(epoch: batch.epoch)
        if batch.epoch > state.epoch {
            state.epoch = batch.epoch
            state.batches = []
        }
        if state.batches.count == 5 { state.batches.removeFirst() }
        state.batches.append(
            Batch(first: batch.baseSequence, last: batch.lastSequence, offset: batch.baseOffset))
        if batch.isTransactional && state.transactionStart == nil {
            state.transactionStart = batch.baseOffset
        }
        producers[batch.producer] = state
    }

    /// Whether a marker of `epoch` would come from a coordinator that knows less than this partition.
    func isOutdated(_ producer: Int64, epoch: Int16) -> Bool {
        producers[producer].map { epoch < $0.epoch } ?? false
    }

    /// Notes a marker that is in the log now.
    mutating func noteMarker(_ producer: Int64, epoch: Int16, offset: Int64, isCommit: Bool) {
        var state = producers[producer] ?? Producer(epoch: epoch)
        if epoch > state.epoch {
            state.epoch = epoch
            state.batches = []
        }
        if let first = state.transactionStart, !isCommit {
            aborted.append(Aborted(producer: producer, first: first, last: offset))
        }
        state.transactionStart = nil
        producers[producer] = state
    }

    /// The aborted transactions with records at or above `start` and below `end`, by first offset.
    func aborted(from start: Int64, below end: Int64) -> [Aborted] {
        aborted.filter { $0.last >= start && $0.first < end }.sorted { $0.first < $1.first }
    }

    /// Forgets the aborted transactions that end below `start`.
    mutating func forgetAborted(below start: Int64) {
        aborted.removeAll { $0.last < start }
    }
}
