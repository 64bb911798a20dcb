import StreamRuntime

/// Writes batches of rows into one view of the online store; one per task.
public final class FeatureWriter {
    let store: OnlineStore
    private let table: OnlineTable
    private let slot: Int
    let viewIndex: Int
    private let keyColumns: [Int]
    private let featureColumns: [Int]
    private let keys: KeyEncoder
    private let now: () -> Int64
    private let payload = ByteArena()
    /// What is known of the numbers of each feature, for `ViewPayload`.
    private var hints: [UInt8]
    private let pending: FeatureVersionBatch
    /// Where every version is told of, the older ones included; nil for nowhere.
    let versions: (any Sink)?
    private let meter: ViewMeter?

    /// What became of the rows of a batch.
    public struct Written: Equatable, Sendable {
        /// Rows that are readable now.
        public var applied = 0
        /// Rows older than what the store held.
        public var older = 0
        /// Rows without an entity: a key column was null.
        public var keyless = 0
    }

    /// A writer of rows of `schema` into `view`; keys and features are found by name in the schema.
    ///
    /// - Parameters:
    ///   - columns: the column of a key or feature whose name in the schema is another one.
    ///   - versions: where every version is told of: a sink of rows of `FeatureVersionBatch.schema`.
    ///   - meter: told of every batch that came from a log.
    ///   - now: microseconds since 1970, for the time a value becomes visible.
    /// - Throws: when the view is unknown, or a column is missing or has another type than declared.
    public init(
        store: OnlineStore, view name: String, schema: Schema, columns: [String: String] = [:],
        versions: (any Sink)? = nil, meter: ViewMeter? = nil,
        now: @escaping () -> Int64 = WallClock.micros
    ) throws(JobFailure) {
        guard let place = store.catalog.place(of: name), let view = store.catalog.view(name),
            let index = store.catalog.views.firstIndex(of: view)
        else {
            throw JobFailure(
                .sink, "there is no feature view \"\(name)\"", at: "feature_views",
                remedy: "declare it, or use one of: "
                    + store.catalog.views.map(\.name).joined(separator: ", "))
        }
        func find(_ field: Field) throws(JobFailure) -> Int {
            let column = columns[field.name] ?? field.name
            guard let at = schema.index(of: column) else {
                throw JobFailure(
                    .sink, "the rows have no column \"\(column)\"", at: "feature view \(name)",
                    remedy: "select it; the columns are: "
                        + schema.fields.map(\.name).joined(separator: ", "))
            }
            guard schema.fields[at].type == field.type else {
                throw JobFailure(
                    .sink,
                    "column \"\(column)\" is \(schema.fields[at].type), not \(field.type)",
                    at: "feature view \(name)", remedy: "cast it to \(field.type)")
            }
            return at
        }
        self.store = store
        table = store.tables[place.table]
        slot = place.slot
        viewIndex = index
        var keyColumns: [Int] = []
        for key in table.entity.keys { keyColumns.append(try find(key)) }
        self.keyColumns = keyColumns
        var featureColumns: [Int] = []
        for feature in view.features { featureColumns.append(try find(feature)) }
        self.featureColumns = featureColumns
        hints = [UInt8](repeating: 0, count: max(featureColumns.count, 1))
        keys = KeyEncoder(columns: keyColumns)
        self.versions = versions
        self.meter = meter
        pending = FeatureVersionBatch(of: view)
        self.now = now
    }

    /// Upserts every row of `batch`; a newer or equally old event time replaces, an older one never.
    ///
    /// A deletion leaves a mark with its event time, so that older rows do not bring the value back.
    ///
    /// - Parameter epoch: the number of the checkpoint that will cover the rows, whose places in the log are
    ///   kept then; nil for rows that come from no log: they count at once.
    public func write(
        _ batch: ColumnBatch, epoch: Int64? = nil
    ) throws(JobFailure) -> Written {
        var written = Written()
        guard batch.count > 0 else { return written }
        let encoded = keys.encode(batch)
        let features = featureColumns.map { Unmanaged.passUnretained(batch.columns[$0]) }
        let nullable = keyColumns.map { batch.columns[$0] }.filter { $0.validity != nil }
        let times = batch.order.eventTimes.int64s
        let origins = batch.order.origins.int64s
        let offsets = batch.order.offsets.int64s
        var version = ViewVersion.none
        if let epoch { version.epoch = UInt32(truncatingIfNeeded: epoch) }
        let pushed = versions == nil && epoch == nil ? store.pushedVersions : nil
        let isLogged = versions != nil || pushed != nil
        pending.removeAll()
        var newest = Int64.min
        var row = 0
        while row < batch.count {
            defer { row &+= 1 }
            let change = batch.changes.flatMap { RowChange(rawValue: $0.bools[row]) } ?? .insert
            if change == .updateBefore { continue }
            if !nullable.isEmpty, nullable.contains(where: { !$0.isValid(row) }) {
                written.keyless += 1
                continue
            }
            payload.count = 0
            if change != .delete {
                features.withUnsafeBufferPointer { features in
                    hints.withUnsafeMutableBufferPointer { hints in
                        ViewPayload.append(
                            row: row, of: features, hints: hints.baseAddress!, to: payload)
                    }
                }
                newest = max(newest, times[row])
            }
            let key = encoded.bytes.bytes(row)
            let hash = encoded.hashes.int64s[row]
            version.eventTime = times[row]
            version.state = change == .delete ? .deleted : .value
            if epoch != nil {
                version.origin = store.lasting(origin: origins[row])
                version.offset = offsets[row]
            }
            let upserted = try table.shard(hash).upsert(
                hash: hash, key: key.baseAddress!, keyLength: key.count, slot: slot, version,
                payload: payload.base, length: payload.count, now: now)
            if upserted.isApplied { written.applied += 1 } else { written.older += 1 }
            if isLogged {
                pending.append(
                    key: key, isDeleted: change == .delete, visibleTime: upserted.visibleTime,
                    order: batch.order, row: row, payload: payload.base, length: payload.count)
            }
        }
        meter?.observe(batch, columns: featureColumns, now: now())
        if pending.batch.count > 0 {
            if let versions { try versions.write(pending.batch) }
            try pushed?.write(pending.batch, of: table.views[slot].name)
            pending.removeAll()
        }
        if newest > .min { store.note(view: viewIndex, eventTime: newest) }
        withExtendedLifetime(batch) {}
        return written
    }

    /// Tells the log of what clients write of every row of `batch`, and leaves the store as it is.
    ///
    /// - Precondition: the rows are inserts, and no key is null.
    func log(_ batch: ColumnBatch, to log: PushedVersions) throws(JobFailure) {
        let encoded = keys.encode(batch)
        let features = featureColumns.map { Unmanaged.passUnretained(batch.columns[$0]) }
        let visible = now()
        pending.removeAll()
        for row in 0..<batch.count {
            payload.count = 0
            features.withUnsafeBufferPointer { features in
                hints.withUnsafeMutableBufferPointer { hints in
                    ViewPayload.append(
                        row: row, of: features, hints: hints.baseAddress!, to: payload)
                }
            }
            pending.append(
                key: encoded.bytes.bytes(row), isDeleted: false, visibleTime: visible,
                order: batch.order, row: row, payload: payload.base, length: payload.count)
        }
        try log.write(pending.batch, of: table.views[slot].name)
        pending.removeAll()
        withExtendedLifetime(batch) {}
    }

    /// Makes the versions told of so far readable in their log: for writes that no checkpoint covers.
    public func commitVersions() throws(JobFailure) {
        guard let versions else { return }
        let token = try versions.prepare(checkpoint: 0)
        try versions.commit(checkpoint: 0, token: token)
    }

    /// Makes everything written durable.
    public func sync() throws(JobFailure) { try store.sync() }
}
