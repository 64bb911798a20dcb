import RocksDB

/// One worker's share of a job's keyed state.
///
/// A step asks for its states by name when it opens; each state is a table of
/// key group · step · state · namespace · key → value. With a backend, what exceeds the budget is on
/// disk, and what changed goes there at every checkpoint.
public final class StateStore {
    /// Whether a worker should take more work.
    public enum Pressure: Sendable {
        case none
        /// Memory is well above the budget and cannot shrink before the checkpoint under way is on
        /// disk: take no more batches, but go on with barriers.
        case waitForCheckpoint
    }

    private var states: [String: KeyedState] = [:]
    let memory: StoreMemory
    let backend: StateBackend?
    /// Bytes the tables may hold.
    public let budgetBytes: Int
    /// Bytes that the worker holds beside the states, such as rows that wait for their turn: they count
    /// against the budget, and states make room for them.
    public private(set) var heldBytes = 0
    /// Those of them that are rows which wait for their turn.
    public private(set) var waitingBytes = 0
    /// The most that ever waited.
    private(set) var waitingBytesMax = 0
    private let pool: BlockPool
    private var held: [String: [RecordPiece]] = [:]
    /// What the tables held after the last try to make room, when that was more than they may; else 0.
    private var vainBytes = 0
    private var lastPressure = Pressure.none
    /// Bytes of entries that were left in memory when it was short: each takes an eighth of it or more, and
    /// the last batches used them.
    public private(set) var sparedBytes = 0

    /// A store in memory only, without a bound.
    public convenience init() { self.init(holding: [], worker: 0, of: 1) }

    /// A store in memory only that holds what `snapshots` of such stores held, as far as it belongs to
    /// worker `worker`.
    public init(
        holding snapshots: [StateSnapshot], worker: Int, of workers: Int, budgetBytes: Int = .max
    ) {
        backend = nil
        self.budgetBytes = budgetBytes
        memory = StoreMemory(database: nil, groups: KeyGroup.range(worker: worker, of: workers))
        pool = BlockPool(keptBytes: 0)
        for piece in snapshots.flatMap(\.pieces) { held[piece.address, default: []].append(piece) }
    }

    /// The share of worker `worker`, over `backend`.
    ///
    /// - Parameter budgetBytes: what the store's tables may hold in memory.
    public init(backend: StateBackend, worker: Int, of workers: Int, budgetBytes: Int) {
        self.backend = backend
        self.budgetBytes = budgetBytes
        memory = StoreMemory(
            database: backend.database, groups: KeyGroup.range(worker: worker, of: workers))
        pool = backend.pool
    }

    /// The state `name` of step `stepId`, made on first use.
    ///
    /// - Throws: when an earlier checkpoint holds the same state with another layout.
    public func state(
        _ name: String, of stepId: String, layout: StateLayout
    ) throws(JobFailure) -> KeyedState {
        let address = stepId + "/" + name
        if let state = states[address] {
            precondition(state.layout == layout, "a state is asked for with one layout")
            return state
        }
        let record = try backend?.register(address, layout: layout)
        let made = KeyedState(
            layout: layout, step: stepId, address: address, number: record?.number ?? 0,
            memory: memory, backend: backend)
        if let backend, let record, record.isRestored {
            try made.load(from: backend) { memory.meter.bytes.pointee < budgetBytes / 10 * 7 }
        }
        for piece in held.removeValue(forKey: address) ?? [] { try fill(made, from: piece) }
        states[address] = made
        return made
    }

    private func fill(_ state: KeyedState, from piece: RecordPiece) throws(JobFailure) {
        let table = try state.table(piece.namespace)
        var failure: JobFailure?
        piece.records.forEach { record in
            guard memory.hashes.contains(UInt64(bitPattern: record.pointee.hash)) else { return }
            do throws(JobFailure) {
                let header = try table.insertLoaded(
                    StateEntry.key(of: record), Int(record.pointee.keyLength), record.pointee.hash,
                    value: StateRecord.value(record))
                header.pointee.flags = StateEntry.Flag.dirty
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Bytes held in memory: entries, their byte strings and what finds them, and `heldBytes`.
    public var bytes: Int { memory.meter.bytes.pointee &+ heldBytes }

    /// Counts `bytes` more (or less) that the worker holds beside the states.
    public func hold(_ bytes: Int) { heldBytes &+= bytes }

    /// Counts `bytes` more (or less) of rows that wait for their turn.
    public func wait(_ bytes: Int) {
        hold(bytes)
        waitingBytes &+= bytes
        if waitingBytes > waitingBytesMax { waitingBytesMax = waitingBytes }
    }

    /// What is left of the budget for tables: an eighth at least, so that work goes on.
    private var tableBudget: Int { max(budgetBytes &- max(heldBytes, 0), budgetBytes / 8) }

    /// Entries, in memory and on disk.
    public var keys: Int {
        states.values.reduce(0) { $0 + $1.tables.values.reduce(0) { $0 + $1.count } }
    }

    /// Entries of the states of one step, in memory and on disk.
    public func keys(of stepId: String) -> Int {
        states.values.filter { $0.step == stepId }.reduce(0) {
            $0 + $1.tables.values.reduce(0) { $0 + $1.count }
        }
    }

    /// The changed entries of step `step`'s states, taken at a barrier.
    ///
    /// In a store without a backend, all entries. With one, nothing newer reaches the disk until the
    /// backend has completed the checkpoint the snapshot is part of.
    public func snapshot(step: String) throws(JobFailure) -> StateSnapshot {
        let ticket = SnapshotTicket()
        var pieces: [RecordPiece] = []
        var drops: [DroppedNamespace] = []
        for state in states.values where state.step == step {
            drops += state.takeDropped()
            pieces += state.snapshot(pool: pool, ticket: ticket)
        }
        return StateSnapshot(step: step, pieces: pieces, drops: drops, ticket: ticket)
    }

    /// Keeps the store within its budget; called between two pieces of work.
    ///
    /// - Note: entries may move: no `StateEntry` outlives the call.
    @discardableResult
    public func relieve() throws(JobFailure) -> Pressure {
        memory.missing.tick += 1
        let budget = tableBudget
        let tables = memory.meter.bytes
        if tables.pointee <= budget, memory.tick & 15 != 0 { return .none }
        // What could not leave a moment ago cannot now, until a snapshot has reached the disk.
        if vainBytes > 0, tables.pointee > budget, tables.pointee < vainBytes + budget / 32 {
            if lastPressure == .none, memory.tick & 15 != 0 { return .none }
            for state in states.values { state.refresh() }
            if states.values.contains(where: { $0.isFrozen }) { return lastPressure }
        }
        vainBytes = 0
        for state in states.values { state.refresh() }
        if let backend { writeAhead(backend) }
        collectGarbage()
        if memory.tick & 255 == 0 {
            for state in states.values {
                state.discardEmptyTables()
                for table in state.tables.values { try table.refreshFilter() }
            }
        }
        guard tables.pointee > budget, let backend else { return .none }
        // A quarter at once: what leaves a little at a time makes many files for the database to merge.
        try evict(to: budget - budget / 4, backend)
        if tables.pointee > budget { vainBytes = tables.pointee }
        // What is in use does not leave after a checkpoint either: nobody waits for it.
        let isStuck = tables.pointee - sparedBytes > budget + budget / 4
        lastPressure =
            isStuck && states.values.contains { $0.isFrozen } ? .waitForCheckpoint : .none
        return lastPressure
    }

    // MARK: inside

    /// Hands over what tables have gained, once it is much: writing it takes no time from the
    /// checkpoint then, nor from the worker.
    private func writeAhead(_ backend: StateBackend) {
        for state in states.values where !state.isFrozen {
            if let entries = state.snapshotAhead(pool: pool, bytes: backend.aheadBytes) {
                backend.writeAhead(entries)
            }
        }
    }

    /// Empties segments of which more than half is garbage, in tables of which much is.
    private func collectGarbage() {
        for state in states.values {
            for table in state.tables.values
            where table.pins == 0 && table.log.garbage > max(4096, table.log.held / 2) {
                if state.isFrozen { continue }
                let records = RecordBuffer(pool: pool)
                var nothing = StateTable.Spared.nothing
                for number in table.log.order {
                    let segment = table.log.segments[number]
                    guard segment.garbage * 2 > segment.used else { continue }
                    table.empty(
                        number, .none, sparing: &nothing, state: state, records: records)
                }
            }
        }
    }

    /// Moves entries to disk until the tables hold at most `target` bytes, if so many may leave:
    /// first tables that were not asked for lately, then entries that were not used.
    private func evict(to target: Int, _ backend: StateBackend) throws(JobFailure) {
        let eviction = StateEviction(pool: pool, memory: memory, target: target)
        let candidates = states.values.flatMap { state in
            state.tables.values.map { EvictionCandidate(state: state, table: $0) }
        }
        eviction.run(candidates)
        sparedBytes = eviction.sparedBytes
        for candidate in candidates { candidate.table.index.shrink(candidate.table.log) }
        guard !eviction.pieces.isEmpty else { return }
        // What was dropped must be gone before newer entries of the same namespace arrive.
        var drops: [DroppedNamespace] = []
        for state in eviction.writtenStates { drops += state.takeDropped() }
        try backend.write(eviction.pieces, drops: drops)
    }
}

/// What the tables of one store share.
final class StoreMemory {
    let meter = MemoryMeter()
    /// The number of the last eviction, from 1 to 255 and from 1 again; 0 before the first.
    var evictions: UInt32 = 0
    let missing: MissingRows
    /// The hashes of the worker's key groups, as unsigned, both included.
    let hashes: ClosedRange<UInt64>
    /// Calls of `relieve` so far: the store's idea of time.
    var tick: Int { missing.tick }

    init(database: Database?, groups: Range<Int>) {
        missing = MissingRows(database: database)
        let lowest = UInt64(groups.lowerBound) << 54
        let highest =
            groups.upperBound == KeyGroup.count ? .max : UInt64(groups.upperBound) << 54 - 1
        hashes = lowest...max(lowest, highest)
    }
}
