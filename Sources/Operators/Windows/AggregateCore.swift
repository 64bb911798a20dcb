import StreamRuntime

/// What every aggregating operator shares: its layout, its arguments, and its results.
final class AggregateCore {
    let spec: AggregateSpec
    let layout: AggregateLayout
    let schema: Schema
    private(set) var context: OperatorContext?
    private let keyFields: [Field]
    private let decoder: KeyDecoder
    /// Bytes at the end of state keys that are not part of the row's key.
    private let keySuffix: Int
    private(set) var entries: UnsafeMutablePointer<StateEntry>
    private(set) var values: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var capacity = 0
    private var results = PendingResults()

    init(_ spec: AggregateSpec, countsRows: Bool, keySuffix: Int = 0, onlyGrows: Bool = false)
        throws(JobFailure)
    {
        self.spec = spec
        self.keySuffix = keySuffix
        layout = try AggregateLayout(
            spec.plan.calls, countsRows: countsRows, takesBack: spec.takesBack,
            onlyGrows: onlyGrows)
        schema = spec.schema
        keyFields = spec.keyFields
        decoder = KeyDecoder(keyFields.map(\.type))
        entries = .allocate(capacity: 1)
        values = .allocate(capacity: 1)
    }

    deinit {
        entries.deallocate()
        values.deallocate()
    }

    func open(_ context: OperatorContext) { self.context = context }

    /// The columns of the key, which come first.
    var keyCount: Int { keyFields.count }

    /// Makes room for the entries of `count` rows.
    func reserve(_ count: Int) {
        guard count > capacity else { return }
        capacity = max(count, Limits.batchRows)
        entries.deallocate()
        values.deallocate()
        entries = .allocate(capacity: capacity)
        values = .allocate(capacity: capacity)
    }

    // MARK: rows in

    /// Evaluates the aggregates' arguments; rows that fail go the way of `on_error`.
    ///
    /// - Returns: the rows that did not fail and their arguments.
    ///
    /// - Parameter takesBack: whether rows may take back earlier ones.
    func evaluate(
        _ batch: ColumnBatch, into output: any Output, takesBack: Bool = false
    ) throws(JobFailure) -> (ColumnBatch, [PreparedArguments]) {
        if !takesBack { try checkChanges(batch) }
        if batch.keys == nil {
            precondition(keyFields.isEmpty, "rows come to an aggregate with their keys")
            batch.keys = KeyEncoder(columns: []).encode([], count: batch.count)
        }
        var errors = RejectedRows()
        let arguments = layout.arguments(of: batch, errors: &errors)
        if errors.rejects.isEmpty { return (batch, arguments) }
        let rest = try settle(errors, of: batch, into: output)
        var none = RejectedRows()
        return (rest, layout.arguments(of: rest, errors: &none))
    }

    /// Does with rejected rows what `on_error` says; gives the others.
    func settle(
        _ errors: RejectedRows, of batch: ColumnBatch, into output: any Output
    ) throws(JobFailure) -> ColumnBatch {
        var once = RejectedRows()
        var rejected = Set<Int>()
        for reject in errors.rejects where rejected.insert(reject.row).inserted {
            once.append(row: reject.row, column: reject.column, reason: reject.reason)
        }
        try DeadLetters.settle(
            once, of: batch, policy: spec.onError, context: context!, into: output)
        let kept = (0..<batch.count).filter { !rejected.contains($0) }.map { Int32($0) }
        return batch.gathered(kept, count: kept.count)
    }

    func emitLate(_ rows: [Int32], of batch: ColumnBatch, into output: any Output) {
        if rows.isEmpty { return }
        context!.counters.add(.late, rows.count)
        if let port = spec.latePort {
            output.emit(batch.gathered(rows, count: rows.count), port: port)
        }
    }

    private func checkChanges(_ batch: ColumnBatch) throws(JobFailure) {
        guard let changes = batch.changes else { return }
        for row in 0..<batch.count where changes.bools[row] >= RowChange.updateBefore.rawValue {
            throw JobFailure(
                .step, "a row that takes back an earlier one cannot be aggregated",
                at: "step \(context!.stepId)",
                remedy: "aggregate the rows before they are turned into updates")
        }
    }

    // MARK: results out

    /// Lines up the result of `entry`; it must not change before `flushResults`.
    func add(
        _ entry: StateEntry, start: Int64, end: Int64, cause: Int64 = .min,
        change: RowChange = .insert
    ) {
        results.entries.append(entry)
        results.starts.append(start)
        results.ends.append(end)
        results.causes.append(cause)
        results.changes.append(change.rawValue)
    }

    /// Results lined up.
    var resultCount: Int { results.entries.count }

    /// Emits the results lined up, in that order.
    func flushResults(into output: any Output) throws(JobFailure) {
        let count = results.entries.count
        if count == 0 { return }
        let lined = results
        results.removeAll()
        let isAllInserts = lined.changes.allSatisfy { $0 == 0 }
        try lined.entries.withUnsafeBufferPointer { (rows) throws(JobFailure) in
            let bounds = ResultBounds(count)
            let base = rows.baseAddress!
            for slot in 0..<count {
                bounds.set(
                    slot, start: lined.starts[slot], end: lined.ends[slot],
                    cause: lined.causes[slot],
                    hash: base[slot].hash)
            }
            try emit(
                base, count: count, order: bounds.order(origin), bounds: bounds.columns,
                changes: isAllInserts ? nil : lined.changes, into: output)
        }
    }

    /// Emits the results of `count` entries of one window.
    func emitWindow(
        _ rows: UnsafePointer<StateEntry>, count: Int, start: Int64, end: Int64,
        into output: any Output
    ) throws(JobFailure) {
        if count == 0 { return }
        let bounds = ResultBounds(count)
        var slot = 0
        while slot < count {
            bounds.set(slot, start: start, end: end, cause: .min, hash: rows[slot].hash)
            slot &+= 1
        }
        try emit(
            rows, count: count, order: bounds.order(origin), bounds: bounds.columns, changes: nil,
            into: output)
    }

    /// The place of the result of `entry` of a window that ends at `end`.
    func place(of entry: StateEntry, end: Int64) -> OrderPlace {
        OrderPlace(time: end - 1, origin: origin, offset: entry.hash)
    }

    private var origin: Int64 { RowOrder.derived + context!.ordinal }

    /// Emits the results of `count` entries as they are now.
    func emit(
        _ rows: UnsafePointer<StateEntry>, count: Int, order: RowOrder, bounds: [Column],
        changes: [UInt8]?, into output: any Output
    ) throws(JobFailure) {
        var errors = RejectedRows()
        let batch = results(
            of: rows, count: count, order: order, bounds: bounds, changes: changes,
            errors: &errors)
        output.emit(
            errors.rejects.isEmpty ? batch : try settle(errors, of: batch, into: output))
    }

    /// The result rows of `count` entries as they are now.
    func results(
        of rows: UnsafePointer<StateEntry>, count: Int, order: RowOrder, bounds: [Column],
        changes: [UInt8]?, errors: inout RejectedRows
    ) -> ColumnBatch {
        let finished = layout.finish(rows, count: count, errors: &errors)
        let batch = results(
            keysOf: rows, count: count, finished: finished, order: order, bounds: bounds,
            errors: &errors)
        if let changes {
            let column = Column(.bool, capacity: count)
            for (slot, change) in changes.enumerated() { column.bools[slot] = change }
            column.setCount(count)
            batch.changes = column
        }
        return batch
    }

    /// The result rows of entries whose aggregates came to `finished`.
    func results(
        keysOf rows: UnsafePointer<StateEntry>, count: Int, finished: [Column], order: RowOrder,
        bounds: [Column], errors: inout RejectedRows
    ) -> ColumnBatch {
        let keys = decoder.decode(rows, count: count, dropping: keySuffix)
        let plan = spec.plan
        let inner = ColumnBatch(
            schema: plan.resultSchema, columns: keys + finished, order: order, count: count)
        var columns = keys + (spec.hasBounds ? bounds : [])
        for output in plan.outputs {
            columns.append(output.expression.evaluate(inner, errors: &errors))
        }
        return ColumnBatch(schema: schema, columns: columns, order: order, count: count)
    }
}

/// Results waiting to be emitted together.
private struct PendingResults {
    var entries: [StateEntry] = []
    var starts: [Int64] = []
    var ends: [Int64] = []
    var causes: [Int64] = []
    var changes: [UInt8] = []

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        causes.removeAll(keepingCapacity: true)
        changes.removeAll(keepingCapacity: true)
    }
}

/// The bounds and places of results while they are filled.
private struct ResultBounds {
    private let starts: Column
    private let ends: Column
    private let places: RowOrder
    private let count: Int

    init(_ count: Int) {
        self.count = count
        starts = Column(.timestamp, capacity: count)
        ends = Column(.timestamp, capacity: count)
        places = RowOrder(capacity: count)
    }

    @inline(__always)
    func set(_ slot: Int, start: Int64, end: Int64, cause: Int64, hash: Int64) {
        starts.int64s[slot] = start
        ends.int64s[slot] = end
        places.eventTimes.int64s[slot] = end &- 1
        places.watermarks.int64s[slot] = cause
        places.offsets.int64s[slot] = hash
    }

    var columns: [Column] {
        starts.setCount(count)
        ends.setCount(count)
        return [starts, ends]
    }

    func order(_ origin: Int64) -> RowOrder {
        places.origins.int64s.update(repeating: origin, count: count)
        for column in [places.eventTimes, places.watermarks, places.origins, places.offsets] {
            column.setCount(count)
        }
        return places
    }
}

/// Collects batches that an inner operator hands on.
final class BatchCollector: Output {
    private(set) var batches: [ColumnBatch] = []

    func emit(_ batch: ColumnBatch, port: Int) { if batch.count > 0 { batches.append(batch) } }

    func take() -> [ColumnBatch] {
        let taken = batches
        batches = []
        return taken
    }
}
