import StreamRuntime

/// Decodes JSON objects, one a record, into the columns of the declared fields.
///
/// Every document is checked whole (RFC 8259, UTF-8 included), also where nothing is wanted from it. Of
/// members with the same name the last counts. The usual document, flat and written like the one
/// before it, takes `JSONFastReader`; whatever that one does not take goes to
/// `JSONDocumentReader`, which alone decides what is wrong.
///
/// - Shape: texts are views into the arena of the records' values, or into a copy of it when some have
///   escapes; see `RecordText`.
public final class JSONRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let strict: JSONDocumentReader
    private let fast: JSONFastReader
    private let metadata: MetadataReader

    /// A decoder of these fields; names are unique.
    public convenience init(fields: [RecordField]) { self.init(fields: fields, speculates: true) }

    /// - Parameter speculates: false sends every record the strict way, which tests compare with.
    init(fields: [RecordField], speculates: Bool) {
        schema = Schema(fields)
        let inside = fields.indices.filter { fields[$0].from == .value }
        strict = JSONDocumentReader(inside.map { fields[$0] }, columns: inside)
        fast = JSONFastReader(inside.map { fields[$0] }, columns: inside, isOn: speculates)
        metadata = MetadataReader(fields)
    }

    /// Appends a row for each record that is a JSON object with the declared fields.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            self.append(records, text, into: rows, rejects: &rejects)
        }
    }

    private func append(
        _ records: RecordBatch, _ text: RecordText, into rows: DecodedRows,
        rejects: inout RejectedRows
    ) {
        let count = records.count
        let columns = rows.columns
        var arena = text.arena
        var row = rows.count
        fast.point(at: columns)
        let first = row
        let origins = rows.records.int64s
        let fillsLater = metadata.isPlain
        for index in 0..<count {
            let view = records.values.views[index]
            let start = ByteView.start(view)
            let length = ByteView.length(view)
            let hasValue = records.values.isValid(index)
            if hasValue, fast.isOn, fast.read(arena.base, start: start, length: length, row: row) {
                if fillsLater {
                    origins[row] = Int64(index)
                    row += 1
                    continue
                }
                fast.settle(columns, rows: row + 1)
            } else {
                fast.settle(columns, rows: row)
                do throws(ValueProblem) {
                    guard hasValue else {
                        throw ValueProblem("the record has no value (a tombstone)")
                    }
                    try strict.read(text, start: start, length: length, into: columns)
                } catch {
                    arena = text.arena
                    reject(error, index, columns, row, &rejects)
                    continue
                }
                arena = text.arena
            }
            do {
                if !fillsLater { try metadata.append(records, index, to: columns) }
            } catch {
                reject(error, index, columns, row, &rejects)
                continue
            }
            fast.point(at: columns)
            origins[row] = Int64(index)
            row += 1
        }
        fast.settle(columns, rows: row)
        rows.records.setCount(row)
        if fillsLater { metadata.fill(rows, from: first, of: records) }
    }

    private func reject(
        _ problem: ValueProblem, _ record: Int, _ columns: [Column], _ row: Int,
        _ rejects: inout RejectedRows
    ) {
        for column in columns { column.cut(to: row) }
        fast.point(at: columns)
        rejects.append(row: record, column: problem.field, reason: problem.reason)
    }
}

extension DecodedRows {
    /// Has `fill` append the rows of `records`, whose arenas the text columns then share.
    ///
    /// Rows that are there already from another batch of records share other arenas, so the new ones
    /// are made apart and copied behind them.
    func fill(
        from records: RecordBatch, metadata: MetadataReader,
        _ fill: (DecodedRows, RecordText) -> Void
    ) {
        let isFresh = count == 0
        let target =
            isFresh
            ? self
            : DecodedRows(
                schema: Schema(columns.map { Field("", $0.type) }), capacity: records.count)
        for (index, column) in target.columns.enumerated() {
            column.reserve(records.count)
            column.adopt(metadata.arena(ofColumn: index, in: records))
        }
        target.records.reserve(records.count)
        fill(target, RecordText(records, columns: target.columns))
        guard !isFresh else { return }
        for (column, made) in zip(columns, target.columns) { column.append(contentsOf: made) }
        if let made = target.changes {
            let all = changes ?? RowChange.inserts(self.records.count)
            all.append(contentsOf: made)
            changes = all
        }
        skipped += target.skipped
        self.records.append(contentsOf: target.records)
    }
}
