import RocksDB

/// One named state of a step on one worker: a table for each namespace.
///
/// A namespace is an int64 the step chooses: a window's end, a time bucket, or 0.
public final class KeyedState {
    /// How the entries of the state lie in memory.
    public let layout: StateLayout
    /// The id of the step whose state it is.
    let step: String
    /// "step/state", the state's address in checkpoints.
    let address: String
    let number: UInt16
    var tables: [Int64: StateTable] = [:]
    private let memory: StoreMemory
    private let backend: StateBackend?

    /// Namespaces to delete from disk before anything newer is written.
    private var dropped: [Int64] = []
    /// Snapshots that are not on disk yet, oldest first.
    private var tickets: [SnapshotTicket] = []
    /// The number of the last snapshot, counted in a byte.
    private var epoch: UInt32 = 0
    /// Whether nothing newer than the last snapshot may reach the disk yet.
    private(set) var isFrozen = false

    init(
        layout: StateLayout, step: String, address: String, number: UInt16, memory: StoreMemory,
        backend: StateBackend?
    ) {
        self.step = step
        self.layout = layout
        self.address = address
        self.number = number
        self.memory = memory
        self.backend = backend
    }

    /// The table of `namespace`, made when it is not there.
    public func table(_ namespace: Int64) throws(JobFailure) -> StateTable {
        if let table = tables[namespace] {
            table.lastUsed = memory.tick
            return table
        }
        let made = StateTable(
            layout: layout,
            place: StatePlace(
                backend: backend, address: address, state: number, namespace: namespace,
                hashes: memory.hashes, missing: memory.missing),
            meter: memory.meter)
        made.lastUsed = memory.tick
        tables[namespace] = made
        return made
    }

    /// The namespaces that hold entries, ascending.
    public var namespaces: [Int64] { tables.filter { $0.value.count > 0 }.keys.sorted() }

    /// Forgets every entry of `namespace`, in memory and on disk.
    public func drop(_ namespace: Int64) throws(JobFailure) {
        guard let table = tables.removeValue(forKey: namespace) else { return }
        if table.persistedAny { dropped.append(namespace) }
        table.releaseAll()
    }

    // MARK: snapshots

    /// Whether an entry that has not changed since a snapshot is still on its way to disk.
    func isInFlight(_ flags: UInt32) -> Bool {
        guard isFrozen else { return false }
        let taken = (flags & StateEntry.Flag.epochMask) >> StateEntry.Flag.epochShift
        return (epoch &- taken) & 0xFF < UInt32(tickets.count)
    }

    /// Looks which snapshots have reached the disk.
    func refresh() {
        guard isFrozen else { return }
        tickets.removeAll { $0.isDone }
        guard tickets.isEmpty else { return }
        isFrozen = false
        for table in tables.values { table.inFlight = 0 }
    }

    /// Takes what has changed since the last snapshot.
    func snapshot(pool: BlockPool, ticket: SnapshotTicket) -> [RecordPiece] {
        refresh()
        epoch = (epoch + 1) & 0xFF
        if backend != nil {
            tickets.append(ticket)
            isFrozen = true
        }
        var pieces: [RecordPiece] = []
        for (namespace, table) in tables {
            let records = RecordBuffer(pool: pool)
            table.copyChanges(into: records, epoch: epoch)
            if records.count > 0 { pieces.append(piece(namespace, records)) }
        }
        return pieces
    }

    /// Takes what has changed in tables that have gained `bytes` or more since the last snapshot, so
    /// that it need not all be written when the checkpoint comes.
    ///
    /// - Precondition: no snapshot is on its way to disk.
    /// - Returns: nil when no table has grown so much. The caller sees to the namespaces to delete,
    ///   too, before it writes.
    func snapshotAhead(pool: BlockPool, bytes: Int) -> WriteAhead? {
        precondition(!isFrozen, "what is newer than a snapshot waits for it")
        let grown = tables.filter { $0.value.createdBytes >= bytes }
        guard !grown.isEmpty else { return nil }
        let ticket = SnapshotTicket()
        epoch = (epoch + 1) & 0xFF
        tickets.append(ticket)
        isFrozen = true
        let pieces = grown.map { namespace, table in
            let records = RecordBuffer(pool: pool)
            table.copyChanges(into: records, epoch: epoch)
            return piece(namespace, records)
        }
        return WriteAhead(pieces: pieces, drops: takeDropped(), ticket: ticket)
    }

    func piece(_ namespace: Int64, _ records: RecordBuffer) -> RecordPiece {
        RecordPiece(
            address: address, layout: layout, state: number, namespace: namespace,
            lowestHash: memory.hashes.lowerBound, records: records)
    }

    /// The namespaces to delete from disk, once each; from here on the caller's to see to.
    func takeDropped() -> [DroppedNamespace] {
        defer { dropped.removeAll() }
        return Set(dropped).sorted().map { namespace in
            let place = StatePlace(
                backend: backend, address: address, state: number, namespace: namespace,
                hashes: memory.hashes, missing: memory.missing)
            return DroppedNamespace(
                address: address, namespace: namespace, lower: place.lower, upper: place.upper)
        }
    }

    /// Forgets tables that hold nothing and that nobody keeps.
    func discardEmptyTables() {
        let empty = tables.filter { _, table in
            table.count == 0 && table.index.count == 0 && table.lastUsed < memory.tick
        }
        for namespace in Array(empty.keys) {
            discard(namespace)
        }
    }

    private func discard(_ namespace: Int64) {
        guard var table = tables.removeValue(forKey: namespace) else { return }
        if !isKnownUniquelyReferenced(&table) { tables[namespace] = table }
    }

    // MARK: restoring

    /// Reads the worker's entries from disk: as many into memory as `mayLoad` allows, others are only
    /// counted.
    func load(from backend: StateBackend, mayLoad: () -> Bool) throws(JobFailure) {
        let cursor = backend.database.cursor(
            from: StatePlace.key(number, .min, 0), to: StatePlace.after(number, .max))
        var current: StateTable?
        var namespace: Int64 = 0
        var loads = mayLoad()
        var seen = 0
        while cursor.isValid {
            let key = cursor.key
            let keyNamespace = StatePlace.namespace(of: key)
            let hash = StatePlace.hash(of: key)
            if hash < memory.hashes.lowerBound {
                seek(cursor, keyNamespace, memory.hashes.lowerBound)
                continue
            }
            if hash > memory.hashes.upperBound {
                guard keyNamespace < .max else { break }
                seek(cursor, keyNamespace + 1, memory.hashes.lowerBound)
                continue
            }
            if current == nil || keyNamespace != namespace {
                namespace = keyNamespace
                current = try table(namespace)
                current!.persistedAny = true
            }
            seen += 1
            if seen & 0xFF == 0 { loads = mayLoad() }
            if loads {
                let bytes = UnsafeRawBufferPointer(rebasing: key[StatePlace.prefixBytes...])
                // A key of no bytes still needs an address.
                let start = bytes.baseAddress ?? key.baseAddress!
                _ = try current!.insertLoaded(
                    start.assumingMemoryBound(to: UInt8.self), bytes.count,
                    Int64(bitPattern: hash), value: cursor.value)
            } else {
                current!.spilled += 1
                current!.filter.add(Int64(bitPattern: hash))
            }
            cursor.next()
        }
        do { try cursor.check() } catch { throw JobFailure(error) }
    }

    private func seek(_ cursor: borrowing DatabaseCursor, _ namespace: Int64, _ hash: UInt64) {
        StatePlace.key(number, namespace, hash).withUnsafeBytes { cursor.seek($0) }
    }
}
