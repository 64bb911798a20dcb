import Glibc
import StreamRuntime

/// Brings the changes of a table into the form in which an output writes them.
///
/// - Shape: rows go to the sink behind in the columns of `ChangeShape`. As `upsert` the row before an
///   update is left out when the row after it has its key, and a delete of its key otherwise; as `debezium`
///   both make one change (`u`), and a delete of a keyed output is followed by its tombstone. What comes out
///   does not depend on how rows are cut into batches.
public final class ChangesSink: Sink {
    private let target: any Sink
    private let form: ChangeForm
    private let shape: ChangeShape
    private let keys: [Int]
    private let width: Int
    /// The row before an update whose row after it is in the next batch.
    private var held: ColumnBatch?
    private var picked: [Int32] = []
    private var kinds: [UInt8] = []
    private var envelope = Envelope()

    /// A sink in front of `target`, which takes rows of `ChangeShape(form, of: schema, columns: columns)`.
    ///
    /// - Parameter keys: the columns of the key, in `schema`; empty for none. They are the first of `columns`.
    public init(
        _ target: any Sink, form: ChangeForm, schema: Schema, columns: [Int], keys: [Int]
    ) {
        self.target = target
        self.form = form
        self.keys = keys
        self.columns = columns
        width = schema.count
        shape = ChangeShape(form, of: schema, columns: columns)
    }

    private let columns: [Int]

    /// Takes the changes of `batch`, in order.
    public func write(_ batch: ColumnBatch) throws(JobFailure) {
        guard batch.count > 0 else { return }
        if form == .changelog { return try target.write(marked(batch)) }
        if form == .upsert, batch.changes == nil, held == nil { return try target.write(batch) }
        var rows = batch
        if let waiting = held {
            held = nil
            rows = ColumnBatch(schema: batch.schema, capacity: batch.count + 1)
            rows.append(from: waiting, row: 0)
            for row in 0..<batch.count { rows.append(from: batch, row: row) }
        }
        if let changes = rows.changes?.bools,
            changes[rows.count - 1] == RowChange.updateBefore.rawValue
        {
            var last = Int32(rows.count - 1)
            held = rows.gathered(&last, count: 1)
            if rows.count == 1 { return }
            let all = (0..<last).map { $0 }
            rows = all.withUnsafeBufferPointer {
                rows.gathered($0.baseAddress!, count: $0.count)
            }
        }
        try convert(rows)
    }

    private func convert(_ rows: ColumnBatch) throws(JobFailure) {
        switch form {
        case .upsert: try target.write(upserts(rows))
        case .debezium: try target.write(changes(rows))
        case .changelog: try target.write(marked(rows))
        }
    }

    private func release() throws(JobFailure) {
        guard let rows = held else { return }
        held = nil
        try convert(rows)
    }

    // MARK: the forms

    /// Each row with what it is.
    private func marked(_ batch: ColumnBatch) -> ColumnBatch {
        let marks = Column(.string, capacity: batch.count)
        let arena = marks.arena!
        arena.count = 0
        for text in ["+I", "+U", "-U", "-D"] as [StaticString] {
            _ = arena.append(text.utf8Start, 2)
        }
        let kinds = batch.changes?.bools
        let views = marks.views
        var row = 0
        while row < batch.count {
            views[row] = ByteView.pack(start: Int(kinds?[row] ?? 0) &* 2, length: 2)
            row &+= 1
        }
        marks.setCount(batch.count)
        let result = batch.replacingColumns([marks] + batch.columns, schema: shape.schema)
        result.changes = nil
        return result
    }

    /// The newest row of each key, and deletes.
    private func upserts(_ batch: ColumnBatch) -> ColumnBatch {
        guard let changes = batch.changes?.bools else { return batch }
        picked.removeAll(keepingCapacity: true)
        kinds.removeAll(keepingCapacity: true)
        var encoded: KeyColumn?
        var isAllInserts = true
        for row in 0..<batch.count {
            var kind = changes[row]
            if kind == RowChange.updateBefore.rawValue {
                if encoded == nil { encoded = KeyEncoder(columns: keys).encode(batch) }
                if isReplaced(row, batch, changes, encoded!) { continue }
                kind = RowChange.delete.rawValue
            }
            if kind == RowChange.delete.rawValue { isAllInserts = false }
            picked.append(Int32(row))
            kinds.append(kind)
        }
        let result = batch.gathered(picked, count: picked.count)
        result.changes = nil
        if !isAllInserts {
            let column = RowChange.inserts(kinds.count)
            for (row, kind) in kinds.enumerated() { column.bools[row] = kind }
            result.changes = column
        }
        return result
    }

    /// Whether the row before an update is followed by the one after it, of the same key.
    private func isReplaced(
        _ row: Int, _ batch: ColumnBatch, _ changes: UnsafeMutablePointer<UInt8>, _ keys: KeyColumn
    ) -> Bool {
        guard row + 1 < batch.count, changes[row + 1] == RowChange.updateAfter.rawValue else {
            return false
        }
        let (this, next) = (keys.bytes.bytes(row), keys.bytes.bytes(row + 1))
        return this.count == next.count
            && (this.isEmpty || memcmp(this.baseAddress!, next.baseAddress!, this.count) == 0)
    }

    /// What Debezium would write.
    private func changes(_ batch: ColumnBatch) -> ColumnBatch {
        let kinds = batch.changes?.bools
        let encoded = kinds == nil ? nil : KeyEncoder(columns: keys).encode(batch)
        envelope.removeAll()
        var row = 0
        while row < batch.count {
            defer { row += 1 }
            switch RowChange(rawValue: kinds?[row] ?? 0)! {
            case .insert: envelope.add(before: nil, after: row, 0x63, at: row)
            case .updateAfter: envelope.add(before: nil, after: row, 0x75, at: row)
            case .updateBefore where isReplaced(row, batch, kinds!, encoded!):
                envelope.add(before: row, after: row + 1, 0x75, at: row + 1)
                row += 1
            case .updateBefore, .delete:
                envelope.add(before: row, after: nil, 0x64, at: row)
                if !keys.isEmpty { envelope.addTombstone(at: row) }
            }
        }
        return envelope.batch(batch, shape: shape, columns: columns)
    }

    /// Changes in the making, by the rows they are of.
    private struct Envelope {
        private var before: [Int32] = []
        private var after: [Int32] = []
        private var places: [Int32] = []
        private var operations: [UInt8] = []

        mutating func removeAll() {
            before.removeAll(keepingCapacity: true)
            after.removeAll(keepingCapacity: true)
            places.removeAll(keepingCapacity: true)
            operations.removeAll(keepingCapacity: true)
        }

        mutating func add(before old: Int?, after new: Int?, _ operation: UInt8, at row: Int) {
            before.append(Int32(old ?? -1))
            after.append(Int32(new ?? -1))
            places.append(Int32(row))
            operations.append(operation)
        }

        mutating func addTombstone(at row: Int) { add(before: nil, after: nil, 0, at: row) }

        func batch(_ rows: ColumnBatch, shape: ChangeShape, columns: [Int]) -> ColumnBatch {
            let count = places.count
            let operation = Column(.string, capacity: count)
            let times = Column(.int64, capacity: count)
            let kinds = RowChange.inserts(count)
            let order = rows.order.gathered(places, count: count)
            for (row, code) in operations.enumerated() {
                if code == 0 {
                    kinds.bools[row] = RowChange.delete.rawValue
                    operation.appendNull()
                } else {
                    withUnsafeBytes(of: code) {
                        operation.append($0.bindMemory(to: UInt8.self))
                    }
                }
                let micros = order.eventTimes.int64s[row]
                times.append(micros >= 0 ? micros / 1000 : (micros - 999) / 1000)
            }
            let tail = columns.map { rows.columns[$0].gathered(places, count: count) }
            let result = ColumnBatch(
                schema: shape.schema,
                columns: [
                    structure(before, rows, shape.schema.fields[0].type),
                    structure(after, rows, shape.schema.fields[1].type), operation, times,
                ] + tail, order: order, count: count)
            if operations.contains(0) { result.changes = kinds }
            return result
        }

        private func structure(
            _ rows: [Int32], _ batch: ColumnBatch, _ type: ColumnType
        ) -> Column {
            let there = rows.map { max($0, 0) }
            let children = batch.columns.map { $0.gathered(there, count: rows.count) }
            let column = Column(type, capacity: rows.count, arena: nil, children: children)
            column.setCount(rows.count)
            if rows.contains(-1) {
                let validity = column.ensureValidity()
                for (slot, row) in rows.enumerated() where row < 0 { validity[slot] = 0 }
            }
            return column
        }
    }

    // MARK: the sink behind

    /// Whether the sink behind takes rows now.
    public var isReady: Bool { target.isReady }
    /// What the sink behind has left to do.
    public var durableWork: DurableWork? { target.durableWork }
    /// Tells the sink behind where to count.
    public func report(to counters: StepCounters) { target.report(to: counters) }
    /// Brings the sink behind to where `token` says.
    public func recover(token: [UInt8]?) throws(JobFailure) { try target.recover(token: token) }
    /// Tells the sink behind how far event time is.
    public func follow(_ time: WatermarkTracker) throws(JobFailure) { try target.follow(time) }
    /// Tells the sink behind how far the records are.
    public func reach(_ mark: SourceMark) { target.reach(mark) }
    /// Writes what waited, and ends the sink behind.
    public func end() throws(JobFailure) {
        try release()
        try target.end()
    }
    /// Writes what waited, and prepares the sink behind.
    public func prepare(checkpoint: Int64) throws(JobFailure) -> [UInt8] {
        try release()
        return try target.prepare(checkpoint: checkpoint)
    }
    /// Commits the sink behind.
    public func commit(checkpoint: Int64, token: [UInt8]) throws(JobFailure) {
        try target.commit(checkpoint: checkpoint, token: token)
    }
    /// Closes the sink behind.
    public func close() { target.close() }
}
