/// Gives decoded rows their place in the total order: event time, watermark before the row, origin and
/// offset.
///
/// - Note: the rows of one record share the watermark before that record.
struct RowStamper {
    private let rule: TimeRule
    private let origin: Int64
    /// The largest event time of the partition, the rows stamped so far included.
    private(set) var newest: Int64
    /// The watermark before each record.
    private var recordMarks: [Int64] = []
    private var kept: [Int32]?
    private var recordOf: Column?

    init(rule: TimeRule, origin: Int64, newest: Int64) {
        self.rule = rule
        self.origin = origin
        self.newest = newest
    }

    /// The rows as a batch; those without a possible event time are rejected instead.
    mutating func stamp(
        _ rows: DecodedRows, of records: RecordBatch, schema: Schema,
        rejected: inout RejectedRows
    ) -> ColumnBatch {
        if let batch = stampPlainly(rows, of: records, schema: schema) { return batch }
        let count = rows.count
        var order = RowOrder(capacity: count)
        let indexes = rows.records.int64s
        let offsets = records.offsets.int64s
        let timeColumn = rule.column.map { rows.columns[$0] }
        let times = timeColumn?.int64s
        let timestamps = records.timestamps.int64s
        var bad: [Int32] = []
        recordMarks = [Int64](repeating: .min, count: records.count)
        var row = 0
        var isMany = false
        for record in 0..<records.count {
            let mark = rule.watermark(newest: newest)
            recordMarks[record] = mark
            let first = row
            while row < count, indexes[row] == Int64(record) {
                let time = times.map { $0[row] } ?? timestamps[record]
                let isGood =
                    TimeRule.possible.contains(time) && timeColumn?.isValid(row) ?? true
                order.append(
                    eventTime: isGood ? time : 0, watermark: mark, origin: origin,
                    offset: offsets[record])
                if isGood {
                    if time > newest { newest = time }
                } else {
                    bad.append(Int32(row))
                    rejected.append(
                        row: record, column: rule.column.map { schema.fields[$0].name } ?? "",
                        reason: timeColumn?.isValid(row) ?? true
                            ? "the event time is outside the years 1 to 9999"
                            : "the event time is missing")
                }
                row += 1
            }
            isMany = isMany || row - first > 1
        }
        if isMany { order.elements = elements(indexes, count) }
        recordOf = rows.records
        let batch = ColumnBatch(schema: schema, columns: rows.columns, order: order, count: count)
        batch.changes = rows.changes
        guard !bad.isEmpty else { return batch }
        let isBad = Set(bad)
        let good = (0..<Int32(count)).filter { !isBad.contains($0) }
        recordOf = good.withUnsafeBufferPointer {
            rows.records.gathered($0.baseAddress ?? UnsafePointer(bitPattern: 8)!, count: $0.count)
        }
        return good.withUnsafeBufferPointer {
            batch.gathered($0.baseAddress ?? UnsafePointer(bitPattern: 8)!, count: $0.count)
        }
    }

    /// The usual batch, a row for every record and each with a possible time; nil for any other.
    private mutating func stampPlainly(
        _ rows: DecodedRows, of records: RecordBatch, schema: Schema
    ) -> ColumnBatch? {
        let count = rows.count
        let timeColumn = rule.column.map { rows.columns[$0] }
        guard count == records.count, timeColumn?.validity == nil else { return nil }
        let indexes = UnsafePointer(rows.records.int64s)
        let times = UnsafePointer(timeColumn?.int64s ?? records.timestamps.int64s)
        let (low, high) = (TimeRule.possible.lowerBound, TimeRule.possible.upperBound)
        var isPlain = true
        var row = 0
        while row < count {
            let isUsual = indexes[row] == Int64(row) && times[row] >= low && times[row] <= high
            isPlain = isPlain && isUsual
            row &+= 1
        }
        guard isPlain else { return nil }
        let order = RowOrder(capacity: count)
        order.eventTimes.int64s.update(from: times, count: count)
        order.origins.int64s.update(repeating: origin, count: count)
        order.offsets.int64s.update(from: records.offsets.int64s, count: count)
        let marks = order.watermarks.int64s
        let bound = rule.outOfOrdernessMicros
        var newest = self.newest
        row = 0
        while row < count {
            marks[row] = newest == .min ? .min : newest &- bound
            newest = max(newest, times[row])
            row &+= 1
        }
        self.newest = newest
        recordMarks = Array(UnsafeBufferPointer(start: marks, count: count))
        recordOf = rows.records
        for column in [order.eventTimes, order.watermarks, order.origins, order.offsets] {
            column.setCount(count)
        }
        let batch = ColumnBatch(schema: schema, columns: rows.columns, order: order, count: count)
        batch.changes = rows.changes
        return batch
    }

    /// Each row's number within its record.
    private func elements(_ indexes: UnsafePointer<Int64>, _ count: Int) -> Column {
        let column = Column(.int64, capacity: count)
        var element: Int64 = 0
        for row in 0..<count {
            element = row > 0 && indexes[row] == indexes[row - 1] ? element + 1 : 0
            column.append(element)
        }
        return column
    }

    /// The raw record behind each row of the batch that `stamp` returned; its bytes are shared.
    func raw(of batch: ColumnBatch, in records: RecordBatch) -> Column {
        let indexes = recordOf!.int64s
        let rows = [Int32](unsafeUninitializedCapacity: batch.count) { buffer, count in
            for row in 0..<batch.count { buffer[row] = Int32(truncatingIfNeeded: indexes[row]) }
            count = batch.count
        }
        return rows.withUnsafeBufferPointer {
            records.values.gathered(
                $0.baseAddress ?? UnsafePointer(bitPattern: 8)!, count: $0.count)
        }
    }

    /// The records themselves as rows without columns: what dead letters of records are made from.
    func letters(of records: RecordBatch) -> ColumnBatch {
        let order = RowOrder(capacity: records.count)
        for record in 0..<records.count {
            let mark = recordMarks[record]
            order.append(
                eventTime: mark == .min ? 0 : mark, watermark: mark, origin: origin,
                offset: records.offsets.int64s[record])
        }
        let batch = ColumnBatch(
            schema: Schema([]), columns: [], order: order, count: records.count)
        batch.raw = records.values
        return batch
    }
}
