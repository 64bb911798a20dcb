import Codecs
import Glibc
import StreamRuntime
import Synchronization

/// The current feature values of every entity: written by sinks, read by lookups, at the same time.
///
/// One row per entity key holds the values of all its views, each with its event time and the time it
/// became visible. A write is visible at once; `sync` makes all earlier writes durable.
public final class OnlineStore: Sendable {
    /// What the store serves.
    public let catalog: FeatureCatalog
    private let pushed = Mutex<PushedVersions?>(nil)
    let tables: [OnlineTable]
    let epochs: StoreEpochs
    let rows: any OnlineRows
    private let remote: (any RemoteRows)?
    let syncing = Mutex<Void>(())
    private let newest: [NewestTime]
    /// Where the features come from.
    public let provenance: FeatureProvenance
    /// How far the sinks have got.
    let board = ProgressBoard()
    /// The lasting number of each source of the plan, by its ordinal; the topics of all numbers from 1 on.
    let sourceNumbers: [Int64]
    let sourceTopics: [String]

    /// Bytes collected before they are handed to the rows at rest.
    static let flushBytes = 4 << 20

    /// Opens the store over `rows` and takes rows at rest into memory, up to most of `budgetBytes`.
    ///
    /// - Parameters:
    ///   - checkpoint: the one its job goes on from, 0 at its start; what rows at rest have from later ones, a
    ///     crashed run left, and no snapshot shows it. Nil without a job.
    ///   - provenance: where the features come from.
    ///   - history: for how many microseconds past versions are kept, by the view's name; none otherwise.
    /// - Throws: when the rows were written under other keys, in another format, or cannot be read.
    public init(
        catalog: FeatureCatalog, rows: any OnlineRows, budgetBytes: Int = 256 << 20,
        checkpoint: Int64? = nil, provenance: FeatureProvenance = FeatureProvenance(),
        history: [String: Int64] = [:]
    ) throws(JobFailure) {
        self.catalog = catalog
        self.rows = rows
        remote = rows as? any RemoteRows
        let kept = StoreRegister.key.withUnsafeBytes { key in
            Result { () throws(JobFailure) -> [UInt8]? in try rows.get(key) }
        }
        var register = try StoreRegister(try kept.get())
        let epochs = StoreEpochs(register.open(checkpoint: checkpoint))
        self.epochs = epochs
        self.provenance = provenance
        sourceNumbers = provenance.topics.map { Int64(register.number(ofSource: $0)) }
        sourceTopics = register.sources
        let pool = OnlineBudget(
            total: budgetBytes, shards: catalog.entities.count * OnlineTable.shardCount)
        var tables: [OnlineTable] = []
        for (index, entity) in catalog.entities.enumerated() {
            let views = catalog.views(ofTable: index)
            let codec = OnlineRowCodec(
                tableId: try register.number(of: entity),
                viewIds: views.map { register.number(of: $0) }, epochs: epochs)
            let histories = zip(views, codec.viewIds).map { view, id in
                history[view.name].map {
                    ViewHistory(
                        tableId: codec.tableId, viewId: id, retentionMicros: $0, codec: codec,
                        rows: rows)
                }
            }
            tables.append(
                OnlineTable(
                    entity: entity, views: views, codec: codec, rows: rows,
                    pool: pool, histories: histories))
        }
        self.tables = tables
        remote?.attach(tables)
        newest = catalog.views.map { _ in NewestTime() }
        if register.isChanged {
            let batch = OnlineRowBatch()
            batch.append { arena in
                for byte in StoreRegister.key + register.bytes {
                    JSONText.append(byte: byte, to: arena)
                }
                return StoreRegister.key.count
            }
            try rows.put(batch, durable: true)
        }
        for table in tables { try load(table) }
        for table in tables { try findPlaces(table) }
    }

    private func load(_ table: OnlineTable) throws(JobFailure) {
        var full = 0
        try rows.scan(prefix: table.codec.keyPrefix) { (key, value) throws(JobFailure) -> Bool in
            let bytes = key.baseAddress!.assumingMemoryBound(to: UInt8.self) + 2
            let hash = Hash.xxh3(bytes, key.count - 2)
            let taken = try table.shard(hash).load(
                hash: hash, key: bytes, keyLength: key.count - 2, value: value)
            if !taken { full += 1 }
            return full < 8
        }
        if full > 0 { try table.forEachShard { $0.markIncomplete() } }
        for (slot, view) in table.views.enumerated() {
            let index = catalog.views.firstIndex(of: view)!
            try table.forEachShard { shard in
                shard.forEachRow { row in
                    if row.slots[slot].state == .value {
                        note(view: index, eventTime: row.slots[slot].eventTime)
                    }
                }
            }
        }
    }

    /// The newest checkpoint that counts, which snapshots show.
    public var completedEpoch: Int64 { epochs.completed.load(ordering: .acquiring) }

    /// `checkpoint` counts: snapshots show it from now on, and what only older ones showed is forgotten.
    public func complete(checkpoint: Int64) {
        epochs.turn.withLock { _ in
            epochs.completed.store(checkpoint, ordering: .releasing)
        }
        for table in tables { table.settle() }
    }

    /// Makes every write that was finished before this call durable.
    public func sync() throws(JobFailure) {
        let result = syncing.withLock { _ in
            Result { () throws(JobFailure) -> Void in try flush(durable: true) }
        }
        try result.get()
        try remote?.waitUntilSent()
    }

    /// Hands what was written on to the rows at rest, unless that is being done.
    func handOver() throws(JobFailure) {
        let result = syncing.withLockIfAvailable { _ in
            Result { () throws(JobFailure) -> Void in try flush(durable: false) }
        }
        try result?.get()
    }

    /// Waits while too many rows are on their way out of the process.
    func waitForRoom() { remote?.waitForRoom() }

    private func flush(durable: Bool) throws(JobFailure) {
        for history in histories {
            try history.flush()
            try history.trim(now: WallClock.micros())
        }
        let batch = OnlineRowBatch()
        var pinned: [OnlineShard] = []
        for table in tables {
            try table.forEachShard { (shard) throws(JobFailure) in
                shard.collectDirty(into: batch)
                pinned.append(shard)
                guard batch.byteCount > OnlineStore.flushBytes else { return }
                try rows.put(batch, durable: false)
                batch.removeAll()
                for shard in pinned { shard.unpin() }
                pinned.removeAll(keepingCapacity: true)
            }
        }
        if durable || batch.count > 0 { try rows.put(batch, durable: durable) }
        for shard in pinned { shard.unpin() }
    }

    /// What is kept of the past, of all views that keep any.
    var histories: [ViewHistory] { tables.flatMap { $0.histories.compactMap(\.self) } }

    /// Lends every row at rest of `table` to `body`, in key order.
    func forEachRow(
        of table: OnlineTable, _ body: (UnsafeRawBufferPointer, OnlineRow) -> Void
    ) throws(JobFailure) {
        try scan(table) { (key, row) in
            body(key, row)
            return true
        }
    }

    /// Lends the rows at rest of `table` whose keys are behind `after` to `body`, in key order, until it returns
    /// false.
    func scan(
        _ table: OnlineTable, after: [UInt8]? = nil,
        _ body: (UnsafeRawBufferPointer, OnlineRow) -> Bool
    ) throws(JobFailure) {
        let views = table.views.count
        let prefix = table.codec.keyPrefix
        func lend(
            _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
        ) throws(JobFailure) -> Bool {
            let bytes = UnsafeRawBufferPointer(rebasing: key[2...])
            let row = OnlineRow.make(
                hash: 0, key: bytes.baseAddress!.assumingMemoryBound(to: UInt8.self),
                keyLength: bytes.count, views: views)
            defer { row.free(views: views) }
            try table.codec.read(value, into: row)
            return body(bytes, row)
        }
        guard let after else { return try rows.scan(prefix: prefix, lend) }
        try rows.scan(prefix: prefix, after: prefix + after, lend)
    }

    /// Where versions that no checkpoint covers are told of; nil for nowhere.
    public var pushedVersions: PushedVersions? {
        get { pushed.withLock { $0 } }
        set { pushed.withLock { $0 = newValue } }
    }

    /// Rows and bytes in memory, over all entities.
    public func size() -> (rows: Int, bytes: Int) {
        tables.reduce((0, 0)) { total, table in
            let size = table.size()
            return (total.0 + size.rows, total.1 + size.bytes)
        }
    }

    /// The newest event time written to the view, or nil when nothing was.
    public func newestEventMicros(view: String) -> Int64? {
        guard let index = catalog.views.firstIndex(where: { $0.name == view }) else { return nil }
        let micros = newest[index].micros.load(ordering: .relaxed)
        return micros == .min ? nil : micros
    }

    func note(view index: Int, eventTime: Int64) {
        newest[index].micros.max(eventTime, ordering: .relaxed)
    }
}

/// The newest event time of a view, raised by its writers.
private final class NewestTime: Sendable {
    let micros = Atomic<Int64>(.min)
}
