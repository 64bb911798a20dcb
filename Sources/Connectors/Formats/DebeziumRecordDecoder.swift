import StreamRuntime

/// How Debezium was told to write decimals.
public enum DebeziumDecimals: String, Sendable, CaseIterable {
    /// `decimal.handling.mode=precise`, its default: base64 of the unscaled bytes, or an object of the
    /// scale and those where a column has no scale of its own.
    case bytes
    /// `decimal.handling.mode=string`: as text.
    case text = "string"
    /// `decimal.handling.mode=double`: as numbers.
    case double
}

/// Decodes Debezium's change events into the columns of the changed row.
///
/// A field's path starts at the row's image: `after`, or `before` for a delete. A path that begins with
/// `op`, `ts_ms`, `position`, `source`, `before`, `after` or `transaction` starts at the envelope
/// instead; `row.` in front reaches a table's own column of such a name. `ts_ms` is the time of the
/// change in the database (`source.ts_ms`) or, where that is 0 or missing, that of the event.
/// `position` is the place in the database's log: `source.lsn`, else file:pos:row. Events come with or
/// without `schema` and `payload` around them. Tombstones make no row; events about no row (heartbeats,
/// schema changes, transactions) make none either and are counted.
///
/// - Shape: one row an event, deletes included; what happened is in `op` (c, r, u, d, t). With a
///   changelog the rows carry it as their change: inserts, `updateAfter`, `delete`, and in a full one an
///   `updateBefore` before each `updateAfter`. A truncate is rejected there: no row can say it.
/// - Source: Debezium's documentation of the PostgreSQL and MySQL connectors.
public final class DebeziumRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let changelog: Changelog?
    private let envelope: DebeziumEnvelope
    private let outer: [JSONLeaf]
    private let strict: JSONDocumentReader
    /// For images of deleted rows, which may have no more than the key.
    private let lenient: JSONDocumentReader
    private let fast: JSONFastReader
    private let metadata: MetadataReader
    /// What the rows of the record at hand say.
    private var kinds: [RowChange] = []

    private static let outerNames: Set<String> = [
        "op", "ts_ms", "position", "source", "before", "after", "transaction",
    ]

    /// A decoder of these fields; with `changelog` rows say what happened to the table.
    public init(
        fields: [RecordField], decimals: DebeziumDecimals = .bytes, changelog: Changelog? = nil
    ) {
        schema = Schema(fields)
        self.changelog = changelog
        let inside = fields.indices.filter { fields[$0].from == .value }
        let isOuter = { (index: Int) in
            DebeziumRecordDecoder.outerNames.contains(fields[index].path[0])
        }
        let outerFields = inside.filter(isOuter)
        let inner = inside.filter { !isOuter($0) }
        let innerFields = inner.map { DebeziumRecordDecoder.withoutRow(fields[$0]) }
        envelope = DebeziumEnvelope(outerFields.map { fields[$0].path })
        outer = outerFields.map { column in
            JSONLeaf(
                DebeziumRecordDecoder.outerField(fields[column]), column: column, decimals: .text)
        }
        strict = JSONDocumentReader(innerFields, columns: inner, decimals: decimals)
        lenient = JSONDocumentReader(
            innerFields.map(DebeziumRecordDecoder.optional), columns: inner, decimals: decimals)
        let hasDecimals = innerFields.contains { DebeziumRecordDecoder.hasDecimal($0.type) }
        fast = JSONFastReader(
            innerFields, columns: inner, isOn: !hasDecimals || decimals != .bytes)
        metadata = MetadataReader(fields)
    }

    private static func hasDecimal(_ type: ColumnType) -> Bool {
        switch type {
        case .decimal: true
        case .list(let element): hasDecimal(element)
        case .structure(let fields): fields.contains { hasDecimal($0.type) }
        default: false
        }
    }

    private static func withoutRow(_ field: RecordField) -> RecordField {
        guard field.path.count > 1, field.path[0] == "row" else { return field }
        return RecordField(
            field.name, field.type, path: field.path.dropFirst().joined(separator: "."),
            isRequired: field.isRequired, unit: field.unit, zone: field.zone,
            takesAnyText: field.takesAnyText)
    }

    private static func optional(_ field: RecordField) -> RecordField {
        RecordField(
            field.name, field.type, path: field.path.joined(separator: "."), unit: field.unit,
            zone: field.zone,
            takesAnyText: field.takesAnyText)
    }

    /// Text of `source` takes what is written: `snapshot` was a bool before it was a word.
    private static func outerField(_ field: RecordField) -> RecordField {
        RecordField(
            field.name, field.type, path: field.path.joined(separator: "."),
            isRequired: field.isRequired, unit: field.unit,
            takesAnyText: field.takesAnyText || field.path[0] == "source")
    }

    /// Appends the rows of each change event; tombstones and events about no row are passed over.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            let changes = self.changelog.map { _ in RowChange.inserts(0) }
            // An update is two rows of one record, which the fast way writes without asking for room.
            if self.changelog == .full {
                for column in rows.columns { column.reserve(2 * records.count) }
            }
            for index in 0..<records.count where records.values.isValid(index) {
                let count = rows.count
                do throws(ValueProblem) {
                    try self.append(records, text, index, to: rows.columns, row: count)
                    if self.kinds.isEmpty { rows.skipped += 1 }
                    for kind in self.kinds {
                        rows.records.append(Int64(index))
                        changes?.append(false)
                        changes?.bools[rows.count - 1] = kind.rawValue
                    }
                } catch {
                    for column in rows.columns { column.cut(to: count) }
                    rejects.append(row: index, column: error.field, reason: error.reason)
                }
            }
            rows.changes = changes
        }
    }

    /// Appends the rows of record `index`, as many as `kinds` then has.
    private func append(
        _ records: RecordBatch, _ text: RecordText, _ index: Int, to columns: [Column],
        row: Int
    ) throws(ValueProblem) {
        kinds.removeAll(keepingCapacity: true)
        let view = records.values.views[index]
        guard
            let change = try envelope.read(
                text, start: ByteView.start(view), length: ByteView.length(view))
        else { return }
        if changelog != nil, change.operation == .truncate {
            throw ValueProblem(
                "the table was truncated, which rows cannot say: its rows would stay", field: "op")
        }
        if changelog == .full, change.operation == .update {
            guard let before = change.before else {
                throw ValueProblem(
                    "the update has no row before it; let the database log whole rows "
                        + "(REPLICA IDENTITY FULL), or say changelog: upsert", field: "before")
            }
            try append(change, image: before, text, to: columns, row: row)
            try metadata.append(records, index, to: columns)
            kinds.append(.updateBefore)
        }
        try append(change, image: change.image, text, to: columns, row: row + kinds.count)
        try metadata.append(records, index, to: columns)
        switch change.operation {
        case .create, .snapshot, .truncate: kinds.append(.insert)
        case .update: kinds.append(.updateAfter)
        case .delete: kinds.append(.delete)
        }
    }

    private func append(
        _ change: DebeziumEnvelope.Change, image: JSONSpan?, _ text: RecordText,
        to columns: [Column], row: Int
    ) throws(ValueProblem) {
        for (position, leaf) in outer.enumerated() {
            try strict.append(
                leaf, change.spans[position], of: text, to: columns[leaf.column])
        }
        guard let image else {
            for leaf in strict.leaves {
                try strict.append(leaf, .missing, of: text, to: columns[leaf.column])
            }
            return
        }
        if changelog != nil, change.operation == .delete {
            return try lenient.read(text, start: image.start, length: image.length, into: columns)
        }
        if fast.isOn {
            fast.point(at: columns)
            if fast.read(text.arena.base, start: image.start, length: image.length, row: row) {
                return fast.settle(columns, rows: row + 1)
            }
        }
        try strict.read(text, start: image.start, length: image.length, into: columns)
    }
}
