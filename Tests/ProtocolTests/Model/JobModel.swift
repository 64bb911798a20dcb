@testable import StreamRuntime
@testable import TestBroker

/// One share's job: the engine's tracker, aligner and transaction protocol around two sources, a counting
/// step, and a sink. It does no I/O: steps give requests for the broker, answers come back.
struct JobModel: Sendable {
    private enum Element: Equatable, Sendable {
        case row(offset: Int)
        case barrier(Int64)
    }

    /// How the job has ended.
    enum End: Equatable, Sendable {
        case stopped(TransactionProtocol.Stop)
        /// After the last checkpoint, as asked.
        case asAsked
        case violated(ModelViolation)
    }

    let share: Int
    let rows: Int
    private let mutation: Shape.Mutation?
    private var transaction = TransactionProtocol()
    private(set) var producers = [ModelProducer(), ModelProducer()]
    private var tracker = CheckpointTracker(tasks: [], everyNanos: 0, restored: 0, now: 0)
    private var aligner = BarrierAligner(inputs: 2)
    /// By input partition: the next offset, the newest barrier shown, what is on the way to the sink.
    private(set) var positions = [0, 0]
    private var shown: [Int64] = [0, 0]
    private var channels: [[Element]] = [[], []]
    /// The step's state.
    private var counts = [0, 0]
    private var sinkEpoch: Int64 = 1
    private var row: ModelLog.Row?
    /// Parts of the checkpoint under way.
    private var requested: Int64 = 0
    private var isWhole = false
    private var partPositions = [0, 0]
    private var partCounts = [0, 0]
    private var draft: ModelStore.Manifest?
    private var committedBefore: Int64 = 0
    /// Whether the job has restored its state.
    private(set) var isRunning = false
    /// Set when the job is over.
    private(set) var end: End?
    /// Whether it was told to take a last checkpoint and stop.
    private(set) var isStopping = false
    private var isLastTaken = false
    /// Whether everything there is to read is covered by a committed checkpoint.
    private(set) var isDrained = false

    init(share: Int, rows: Int, mutation: Shape.Mutation?) {
        self.share = share
        self.rows = rows
        self.mutation = mutation
    }

    /// The coordinator's first request.
    mutating func start(_ store: inout ModelStore) -> ModelRequest? {
        if mutation == .askBeforeFencing { return .ask }
        return act(transaction.receive(.started), &store)
    }

    mutating func askToStop() { isStopping = true }

    // MARK: tasks

    /// A source reads a record, or shows the barrier that is asked for.
    mutating func stepSource(_ part: Int) -> Bool {
        guard isRunning, end == nil, channels[part].count < 2 else { return false }
        if shown[part] < requested {
            shown[part] = requested
            channels[part].append(.barrier(requested))
            partPositions[part] = positions[part]
            acknowledge("source\(part)", requested)
            return true
        }
        guard positions[part] < rows, !isLastTaken else { return false }
        channels[part].append(.row(offset: positions[part]))
        positions[part] += 1
        return true
    }

    /// Whether the sink can take the next element of a channel.
    func canSink(_ part: Int) -> Bool {
        isRunning && end == nil && row == nil && !channels[part].isEmpty && !aligner.isPaused(part)
    }

    /// The sink takes the next element of a channel.
    mutating func stepSink(_ part: Int, _ store: inout ModelStore) -> ModelRequest? {
        switch channels[part].removeFirst() {
        case .barrier(let checkpoint):
            guard case .snapshot = aligner.receive(checkpoint: checkpoint, on: part) else {
                return nil
            }
            partCounts = counts
            sinkEpoch = checkpoint + 1
            acknowledge("sink", checkpoint)
            return nil
        case .row(let offset):
            counts[part] += 1
            row = ModelLog.Row(share: share, part: part, offset: offset, count: counts[part])
            return act(transaction.receive(.writing(epoch: sinkEpoch)), &store)
        }
    }

    private mutating func acknowledge(_ task: String, _ checkpoint: Int64) {
        if tracker.acknowledge(task, checkpoint: checkpoint) { isWhole = true }
    }

    // MARK: coordinator

    /// A checkpoint begins, if none is under way.
    mutating func beginCheckpoint() -> Bool {
        guard isRunning, end == nil, !isLastTaken else { return false }
        guard let begun = tracker.begin(now: 0, isForced: true) else { return false }
        requested = begun
        isLastTaken = isStopping
        return true
    }

    /// Whether all parts of a checkpoint wait to be made one.
    var canComplete: Bool { isWhole && end == nil }

    /// The manifest becomes durable, and the transaction is told.
    mutating func stepComplete(_ store: inout ModelStore) -> ModelRequest? {
        isWhole = false
        let manifest = ModelStore.Manifest(
            record: RestoreRule.Record(
                checkpoint: requested, manifest: store.freshName(requested),
                committedBefore: committedBefore), positions: partPositions, counts: partCounts)
        draft = manifest
        if mutation != .commitBeforeManifest { store.write(manifest) }
        return act(transaction.receive(.manifestWhole(manifest.committed)), &store)
    }

    // MARK: the protocol's actions

    private mutating func act(
        _ action: TransactionProtocol.Action, _ store: inout ModelStore
    ) -> ModelRequest? {
        switch action {
        case .none: return nil
        case .initialize(let producer): return .initialize(id: name(producer))
        case .ask: return .ask
        case .restore(let committed): return restore(committed, &store)
        case .begin(let producer):
            producers[producer.rawValue].added = [false, false]
            producers[producer.rawValue].hasBegun = false
            return act(transaction.receive(.begun(producer)), &store)
        case .write(let producer): return write(producer)
        case .addOffsets(let producer, _):
            if mutation == .offsetsOutsideTransaction {
                return act(transaction.receive(.offsetsAdded(producer)), &store)
            }
            return .addOffsets(id: name(producer), producers[producer.rawValue])
        case .commit(let producer):
            guard producers[producer.rawValue].hasBegun else {
                // The client ends a transaction without content by itself.
                return act(transaction.receive(.committed(producer)), &store)
            }
            return .end(id: name(producer), producers[producer.rawValue], isCommit: true)
        case .abort(let producer):
            return .end(id: name(producer), producers[producer.rawValue], isCommit: false)
        case .publish(let committed):
            if mutation == .offsetsOutsideTransaction {
                return .plainOffsets(.none, partPositions, committed)
            }
            publish(committed, &store)
            return nil
        case .stop(let reason):
            end = .stopped(reason)
            return nil
        }
    }

    private func name(_ producer: TransactionProtocol.Producer) -> String {
        "s\(share).\(producer.rawValue)"
    }

    private mutating func restore(
        _ committed: CommittedCheckpoint?, _ store: inout ModelStore
    ) -> ModelRequest? {
        let manifest: ModelStore.Manifest?
        if mutation == .newestManifest {
            manifest = store.manifests.last
        } else {
            switch store.found(committed) {
            case .success(let found): manifest = found
            case .failure(let violation):
                end = .violated(violation)
                return nil
            }
        }
        if let manifest {
            positions = manifest.positions
            counts = manifest.counts
        }
        let checkpoint = manifest?.record.checkpoint ?? 0
        committedBefore = committed?.checkpoint ?? 0
        tracker = CheckpointTracker(
            tasks: ["source0", "source1", "sink"], everyNanos: 0, restored: checkpoint, now: 0)
        requested = checkpoint
        shown = [checkpoint, checkpoint]
        sinkEpoch = checkpoint + 1
        isRunning = true
        isDrained = manifest != nil && positions == [rows, rows]
        return act(transaction.receive(.resumed(after: checkpoint)), &store)
    }

    private mutating func write(_ producer: TransactionProtocol.Producer) -> ModelRequest? {
        guard let row else { return nil }
        let partition = row.offset % 2
        let own = producers[producer.rawValue]
        guard own.added[partition] else {
            return .addPartition(id: name(producer), own, partition: partition)
        }
        return .produce(own, partition: partition, sequence: own.sequences[partition], row)
    }

    private mutating func publish(_ committed: CommittedCheckpoint, _ store: inout ModelStore) {
        if mutation == .commitBeforeManifest, let draft { store.write(draft) }
        draft = nil
        committedBefore = committed.checkpoint
        store.settle(committed.checkpoint)
        tracker.finish()
        isDrained = partPositions == [rows, rows]
        if isLastTaken { end = .asAsked }
    }

    // MARK: answers

    /// Takes the broker's answer to `request`; gives the next request of the same thread.
    mutating func receive(
        _ reply: ModelReply, to request: ModelRequest, _ membership: Membership,
        _ store: inout ModelStore
    ) -> ModelRequest? {
        guard end == nil else { return nil }
        let code: ErrorCode
        switch reply {
        case .code(let told): code = told
        case .identity(let identity): code = identity.error
        case .told(_, _, let isUnstable): code = isUnstable ? .unstableOffsetCommit : .none
        case .joined, .synced: return nil
        }
        switch code {
        case .none: return succeeded(reply, request, membership, &store)
        case .concurrentTransactions, .unstableOffsetCommit, .rebalanceInProgress: return request
        case .producerFenced, .invalidProducerEpoch:
            return act(transaction.receive(.failed(.fenced)), &store)
        case .illegalGeneration, .unknownMemberId, .fencedInstanceId:
            return act(transaction.receive(.failed(.abort)), &store)
        default: return act(transaction.receive(.failed(.fatal)), &store)
        }
    }

    private mutating func succeeded(
        _ reply: ModelReply, _ request: ModelRequest, _ membership: Membership,
        _ store: inout ModelStore
    ) -> ModelRequest? {
        switch (request, reply) {
        case (.initialize(let id), .identity(let identity)):
            let producer: TransactionProtocol.Producer = id.hasSuffix("0") ? .even : .odd
            producers[producer.rawValue] = ModelProducer(
                id: identity.producer, epoch: identity.epoch)
            let next = act(transaction.receive(.initialized(producer)), &store)
            if next == .ask, mutation == .askBeforeFencing {
                return act(transaction.receive(.told(early)), &store)
            }
            return next
        case (.ask, .told(let committed, _, _)):
            if mutation == .askBeforeFencing {
                early = committed
                return act(transaction.receive(.started), &store)
            }
            return act(transaction.receive(.told(committed)), &store)
        case (.addPartition(let id, _, let partition), _):
            let producer: TransactionProtocol.Producer = id.hasSuffix("0") ? .even : .odd
            producers[producer.rawValue].added[partition] = true
            producers[producer.rawValue].hasBegun = true
            return write(producer)
        case (.produce(let own, let partition, _, _), _):
            let index = producers[0].id == own.id ? 0 : 1
            producers[index].sequences[partition] += 1
            row = nil
            return nil
        case (.addOffsets(let id, _), _):
            let index = id.hasSuffix("0") ? 0 : 1
            producers[index].hasBegun = true
            guard let draft else { return nil }
            return .offsets(producers[index], membership, partPositions, draft.committed)
        case (.offsets(let own, _, _, _), _):
            let producer: TransactionProtocol.Producer =
                producers[0].id == own.id ? .even : .odd
            return act(transaction.receive(.offsetsAdded(producer)), &store)
        case (.plainOffsets(_, _, let committed), _):
            publish(committed, &store)
            return nil
        case (.end(let id, _, let isCommit), _):
            let producer: TransactionProtocol.Producer = id.hasSuffix("0") ? .even : .odd
            return act(
                transaction.receive(isCommit ? .committed(producer) : .aborted(producer)), &store)
        default: return nil
        }
    }

    /// What was asked too early by a mutation.
    private var early: CommittedCheckpoint?
}

extension JobModel {
    /// Whether the sources have read all there is.
    var isAtEnd: Bool { isRunning && positions == [rows, rows] && !isDrained }
}
