import StreamRuntime

/// Joins rows with a table that changes: each left row sees the table as it was at its own place in the
/// total order of both sides.
///
/// The right rows are the table's changes. The newest row of a key counts; a delete, or the row before an
/// update, takes it away. Nothing that comes later changes what a left row saw.
///
/// - Shape: input as `JoinSide` makes it, with keys. A left row comes out with its place in the order; if it may
///   have several partners, these come in the order of the table's key, as elements of its place.
/// - Note: a table row is forgotten `timeToLive` of event time after it came. Without it the table has as
///   many rows as keys.
public final class TemporalJoin: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let form: JoinForm
    private let timeToLive: Int64?
    private let joined: JoinedRows
    private let packing: RowPacking
    /// Whether the table has a key of its own, so that a left row may have several partners.
    private let isMany: Bool
    private let buffer = EntryBuffer()
    private var table: KeyedState?
    private var map: JoinMap?
    private var nextSweep = Int64.min
    private var nulls: [UnsafeMutablePointer<UInt8>] = []
    private var emptied: [StateEntry] = []
    private var counters: StepCounters?

    /// Which row of the table is the newest depends on the order.
    public var needsOrderedInput: Bool { true }

    /// A join of `form`; `hasTableKey` says whether right rows come behind a key of the table's own.
    public init(form: JoinForm, hasTableKey: Bool, timeToLive: Duration? = nil) {
        self.form = form
        self.timeToLive = timeToLive?.micros
        isMany = hasTableKey
        outputSchema = form.outputSchema
        packing = RowPacking(form.right)
        joined = JoinedRows(form, isMany: hasTableKey)
    }

    /// The bytes of a table row's entry: when it came, and which fields it has; 0 for no row.
    static let layout = StateLayout(fixedBytes: 16, blobs: 1)

    /// Opens the table.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        joined.open(context)
        counters = context.counters
        if isMany {
            map = try JoinMap(context, fingerprint: packing.fingerprint)
        } else {
            let table = try context.state.state(
                "table", of: context.stepId, layout: TemporalJoin.layout)
            self.table = table
            try JoinMap.check(table, at: 8, packing.fingerprint, context)
        }
    }

    /// Puts right rows into the table and joins left rows with it, in the order they come.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let keys = batch.keys else { preconditionFailure("rows to join have keys") }
        let rights = batch.columns[form.rightColumn]
        let isRight = rights.validity
        buffer.reserve(batch.count)
        let (rightCount, leftCount) = part(batch.count, isRight)
        nulls = form.keys.compactMap { batch.columns[$0].validity }
        joined.begin(batch)
        let rows = buffer.rows
        let entries = buffer.entries
        let state = try rowsByKey()
        // New entries of right rows are found by the left ones too, and told by their emptiness.
        try state.resolve(keys, rows: rows, count: rightCount, into: entries)
        try state.find(
            keys, rows: rows + rightCount, count: leftCount, into: entries + rightCount)
        var right = 0
        var left = rightCount
        for row in 0..<batch.count {
            if right < rightCount, Int(rows[right]) == row {
                try change(entries[right], batch, row, rights)
                right += 1
            } else {
                try look(entries[left], batch, row, into: output)
                left += 1
            }
        }
        try joined.end(into: output)
        try removeEmptied(state)
    }

    /// The table by the key of the join: its rows, or what leads to them.
    private func rowsByKey() throws(JobFailure) -> StateTable {
        guard let state = map?.directory ?? table else {
            preconditionFailure("a step is opened first")
        }
        return try state.table(0)
    }

    /// Writes the right rows and then the left ones into the buffer.
    private func part(_ count: Int, _ isRight: UnsafeMutablePointer<UInt8>?) -> (Int, Int) {
        let rows = buffer.rows
        guard let isRight else {
            for row in 0..<count { rows[row] = Int32(truncatingIfNeeded: row) }
            return (count, 0)
        }
        var rights = 0
        var row = 0
        while row < count {
            rows[rights] = Int32(truncatingIfNeeded: row)
            rights &+= Int(isRight[row])
            row &+= 1
        }
        var end = rights
        row = 0
        while row < count {
            if isRight[row] == 0 {
                rows[end] = Int32(truncatingIfNeeded: row)
                end &+= 1
            }
            row &+= 1
        }
        return (rights, count &- rights)
    }

    /// Brings right row `row` into the table.
    private func change(
        _ entry: StateEntry, _ batch: ColumnBatch, _ row: Int, _ rights: Column
    ) throws(JobFailure) {
        entry.settle()
        let kind = batch.changes?.bools[row] ?? 0
        let isRemoval =
            kind == RowChange.delete.rawValue || kind == RowChange.updateBefore.rawValue
        let bytes = rights.bytes(row)
        let time = batch.order.time(row)
        if let map {
            let isEmpty =
                isRemoval
                ? try map.remove(bytes, from: entry)
                : try map.put(bytes, at: time, into: entry)
            if isEmpty { emptied.append(entry) }
            return
        }
        guard let table else { return }
        if isRemoval {
            entry.value.storeBytes(of: 0, toByteOffset: 8, as: Int64.self)
            emptied.append(entry)
            return
        }
        entry.value.storeBytes(of: time, as: Int64.self)
        entry.value.storeBytes(of: packing.fingerprint, toByteOffset: 8, as: Int64.self)
        entry.resizeBlob(0, to: bytes.count, of: table.layout)
            .update(from: bytes.baseAddress!, count: bytes.count)
    }

    /// Joins left row `row` with what the table has for it.
    private func look(
        _ entry: StateEntry, _ batch: ColumnBatch, _ row: Int, into output: any Output
    ) throws(JobFailure) {
        if entry.exists, !hasNull(row) {
            let since = timeToLive.map { TimeMath.before(batch.order.time(row), $0) } ?? .min
            if let map {
                var partners = map.rows(of: entry)
                while let partner = try partners.next() {
                    if partner.time <= since, since != .min { continue }
                    try joined.add(row, partner.bytes, into: output)
                }
            } else if let table, entry.value.load(fromByteOffset: 8, as: Int64.self) != 0,
                since == .min || entry.value.load(as: Int64.self) > since
            {
                let bytes = entry.blob(0, of: table.layout)
                try joined.add(row, bytes, into: output)
            }
        }
        try joined.close(row, into: output)
    }

    @inline(__always) private func hasNull(_ row: Int) -> Bool {
        for validity in nulls where validity[row] == 0 { return true }
        return false
    }

    /// Takes out of the table the keys that have no row any more.
    private func removeEmptied(_ table: StateTable) throws(JobFailure) {
        if emptied.isEmpty { return }
        // An entry may be there twice: the first time marks it, in a word that is not asked here.
        let (word, mark) = map == nil ? (8, 0) : (0, 8)
        var gone: [StateEntry] = []
        for entry in emptied where entry.value.load(fromByteOffset: word, as: Int64.self) == 0 {
            if entry.value.load(fromByteOffset: mark, as: Int64.self) == .min { continue }
            entry.value.storeBytes(of: .min, toByteOffset: mark, as: Int64.self)
            gone.append(entry)
        }
        for entry in gone { try table.remove(entry) }
        emptied.removeAll(keepingCapacity: true)
    }

    /// Once in a time to live, forgets the table rows whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let timeToLive, watermark != .endOfTime, watermark.micros >= nextSweep else {
            return .done
        }
        nextSweep = TimeMath.after(watermark.micros, timeToLive)
        let until = TimeMath.before(watermark.micros, timeToLive)
        if until == .min { return .done }
        let table = try rowsByKey()
        let cursor = try table.cursor()
        var forgotten = 0
        defer { counters?.add(.forgotten, forgotten) }
        while true {
            let found = try cursor.next(4096, into: buffer.entries)
            if found == 0 { return .done }
            for slot in 0..<found {
                let entry = buffer.entries[slot]
                let isOver: Bool
                if let map {
                    isOver = try map.expire(entry, until: until, forgotten: &forgotten)
                } else {
                    isOver = entry.value.load(as: Int64.self) <= until
                    forgotten += isOver ? 1 : 0
                }
                if isOver { try table.remove(entry) }
            }
        }
    }
}
