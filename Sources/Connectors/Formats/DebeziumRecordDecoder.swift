import StreamRuntime

/// How Debezium was told to write decimals.
public enum DebeziumDecimals: String, Sendable, CaseIterable {
    /// `decimal.handling.mode=precise`, its default: base64 of the unscaled bytes.
    case base64
    /// `decimal.handling.mode=string`: as text.
    case text
}

/// Decodes Debezium's change events into the columns of the changed row.
///
/// A field's path starts at the row's image: `after`, or `before` for a delete. A path that begins with
/// `op`, `ts_ms`, `position`, `source`, `before`, `after` or `transaction` starts at the envelope
/// instead; `row.` in front reaches a table's own column of such a name. `ts_ms` is the time of the
/// change in the database (`source.ts_ms`) or, where that is 0 or missing, that of the event.
/// `position` is the place in the database's log: `source.lsn`, else file:pos:row. Events come with or
/// without `schema` and `payload` around them. Tombstones make no row.
///
/// - Shape: one row an event, deletes included; what happened is in `op` (c, r, u, d, t).
/// - Source: Debezium's documentation of the PostgreSQL and MySQL connectors.
public final class DebeziumRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let envelope: DebeziumEnvelope
    private let outer: [JSONLeaf]
    private let strict: JSONDocumentReader
    private let fast: JSONFastReader
    private let metadata: MetadataReader

    private static let outerNames: Set<String> = [
        "op", "ts_ms", "position", "source", "before", "after", "transaction",
    ]

    /// A decoder of these fields.
    public init(fields: [RecordField], decimals: DebeziumDecimals = .base64) {
        schema = Schema(fields)
        let inside = fields.indices.filter { fields[$0].from == .value }
        let isOuter = { (index: Int) in
            DebeziumRecordDecoder.outerNames.contains(fields[index].path[0])
        }
        let outerFields = inside.filter(isOuter)
        let inner = inside.filter { !isOuter($0) }
        let innerFields = inner.map { DebeziumRecordDecoder.withoutRow(fields[$0]) }
        envelope = DebeziumEnvelope(outerFields.map { fields[$0].path })
        outer = outerFields.map { column in
            JSONLeaf(fields[column], column: column, decimals: .text)
        }
        strict = JSONDocumentReader(innerFields, columns: inner, decimals: decimals)
        let hasDecimals = innerFields.contains {
            if case .decimal = $0.type { true } else { false }
        }
        fast = JSONFastReader(
            innerFields, columns: inner, isOn: !hasDecimals || decimals == .text)
        metadata = MetadataReader(fields)
    }

    private static func withoutRow(_ field: RecordField) -> RecordField {
        guard field.path.count > 1, field.path[0] == "row" else { return field }
        return RecordField(
            field.name, field.type, path: field.path.dropFirst().joined(separator: "."),
            isRequired: field.isRequired, unit: field.unit, takesAnyText: field.takesAnyText)
    }

    /// Appends a row for each change event; tombstones and nothing else are passed over.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            for index in 0..<records.count where records.values.isValid(index) {
                let count = rows.count
                do throws(ValueProblem) {
                    try self.append(records, text, index, to: rows.columns, row: count)
                    try self.metadata.append(records, index, to: rows.columns)
                    rows.records.append(Int64(index))
                } catch {
                    for column in rows.columns { column.cut(to: count) }
                    rejects.append(row: index, column: error.field, reason: error.reason)
                }
            }
        }
    }

    private func append(
        _ records: RecordBatch, _ text: RecordText, _ index: Int, to columns: [Column],
        row: Int
    ) throws(ValueProblem) {
        let view = records.values.views[index]
        let change = try envelope.read(
            text, start: ByteView.start(view), length: ByteView.length(view))
        for (position, leaf) in outer.enumerated() {
            try strict.append(
                leaf, change.spans[position], of: text, to: columns[leaf.column])
        }
        guard let image = change.image else {
            for leaf in strict.leaves {
                try strict.append(leaf, .missing, of: text, to: columns[leaf.column])
            }
            return
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
