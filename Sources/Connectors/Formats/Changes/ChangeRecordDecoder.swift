import StreamRuntime

/// Decodes the change events of Canal, Maxwell and GoldenGate into the columns of the changed row, as
/// `DebeziumRecordDecoder` does those of Debezium.
///
/// A field's path starts at the row: as it is now, or as it was for a delete. `op`, `ts_ms` and
/// `position` say what happened (c, r, u, d, t), when, and where in the database's log; `before.` is the
/// row before an update, columns that did not change included; `after.` the row now; `source.` any
/// member of the envelope; `row.` in front reaches a column of such a name. Tombstones make no row; DDL
/// and the ends of snapshots make none either and are counted.
///
/// - Shape: a row for each row that changed; Canal's events have several. With a changelog they carry
///   what happened as their change.
/// - Source: the documentation of Canal's FlatMessage, of Maxwell's data format, and of Oracle
///   GoldenGate for Big Data's JSON formatter.
public final class ChangeRecordDecoder: RecordDecoder {
    /// A field of the envelope.
    private struct Outer {
        enum Part {
            case op, time, position
            /// The place among the envelope's paths.
            case other(Int)
            /// The place among the fields of the row before.
            case before(Int)
        }

        let leaf: JSONLeaf
        let part: Part
    }

    /// The declared fields.
    public let schema: Schema
    private let style: ChangeStyle
    private let changelog: Changelog?
    private let envelope: ChangeEnvelope
    private let outer: [Outer]
    private let inner: JSONDocumentReader
    /// For images of deleted rows, which may have no more than the key.
    private let lenient: JSONDocumentReader
    private let before: JSONDocumentReader
    private let metadata: MetadataReader
    private var kinds: [RowChange] = []

    private static let outerNames: Set<String> = [
        "op", "ts_ms", "position", "source", "before", "after",
    ]

    /// A decoder of these fields; with `changelog` rows say what happened to the table.
    public init(fields: [RecordField], style: ChangeStyle, changelog: Changelog? = nil) {
        schema = Schema(fields)
        self.style = style
        self.changelog = changelog
        var innerFields: [RecordField] = []
        var innerColumns: [Int] = []
        var beforeFields: [RecordField] = []
        var paths: [[String]] = []
        var outer: [Outer] = []
        for (column, field) in fields.enumerated() where field.from == .value {
            let first = field.path[0]
            let rest = Array(field.path.dropFirst())
            // A table may well have a column "position"; the path row.position reaches it.
            guard ChangeRecordDecoder.outerNames.contains(first) else {
                let own = first == "row" && !rest.isEmpty
                innerFields.append(own ? field.at(rest) : field)
                innerColumns.append(column)
                continue
            }
            if first == "after", !rest.isEmpty {
                innerFields.append(field.at(rest))
                innerColumns.append(column)
                continue
            }
            let part: Outer.Part
            switch first {
            case "op": part = .op
            case "ts_ms": part = .time
            case "position": part = .position
            case "before" where !rest.isEmpty:
                part = .before(beforeFields.count)
                beforeFields.append(field.at(rest))
            default:
                part = .other(paths.count)
                paths.append(first == "source" && !rest.isEmpty ? rest : [first])
            }
            outer.append(
                Outer(
                    leaf: JSONLeaf(field.takingAnyText, column: column, decimals: .text),
                    part: part))
        }
        self.outer = outer
        envelope = ChangeEnvelope(style, paths)
        inner = JSONDocumentReader(innerFields, columns: innerColumns)
        lenient = JSONDocumentReader(innerFields.map(\.optional), columns: innerColumns)
        before = JSONDocumentReader(paths: beforeFields.map(\.path))
        metadata = MetadataReader(fields)
    }

    /// Appends the rows of each change event; tombstones and events about no row are passed over.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, text in
            let changes = self.changelog.map { _ in RowChange.inserts(0) }
            for index in 0..<records.count where records.values.isValid(index) {
                let count = rows.count
                do throws(ValueProblem) {
                    self.kinds.removeAll(keepingCapacity: true)
                    try self.append(records, text, index, to: rows.columns)
                    if self.kinds.isEmpty { rows.skipped += 1 }
                    for kind in self.kinds {
                        rows.records.append(Int64(index))
                        changes?.append(false)
                        changes?.bools[rows.count - 1] = kind.rawValue
                    }
                } catch {
                    for column in rows.columns { column.cut(to: count) }
                    rejects.append(row: index, error)
                }
            }
            rows.changes = changes
        }
    }

    /// Appends the rows of record `index`, as many as `kinds` then has.
    private func append(
        _ records: RecordBatch, _ text: RecordText, _ index: Int, to columns: [Column]
    ) throws(ValueProblem) {
        let view = records.values.views[index]
        guard
            let event = try envelope.read(
                text, start: ByteView.start(view), length: ByteView.length(view))
        else { return }
        if event.operation == .truncate {
            guard changelog == nil else {
                throw ValueProblem(
                    "the table was truncated, which rows cannot say: its rows would stay",
                    field: "op")
            }
            try append(event, (.missing, .missing), text, row: nil, to: columns)
            try metadata.append(records, index, to: columns)
            return kinds.append(.insert)
        }
        for (row, image) in event.images.enumerated() {
            let number = event.images.count > 1 || style == .canal ? row : nil
            if changelog == .full, event.operation == .update {
                guard image.old.length > 0 else {
                    throw ValueProblem(
                        "the update does not say what it replaced; say changelog: upsert",
                        field: style.old)
                }
                try append(event, image, text, row: number, isBefore: true, to: columns)
                try metadata.append(records, index, to: columns)
                kinds.append(.updateBefore)
            }
            try append(event, image, text, row: number, to: columns)
            try metadata.append(records, index, to: columns)
            switch event.operation {
            case .create, .snapshot, .truncate: kinds.append(.insert)
            case .update: kinds.append(.updateAfter)
            case .delete: kinds.append(.delete)
            }
        }
    }

    private func append(
        _ event: ChangeEnvelope.Event, _ image: (image: JSONSpan, old: JSONSpan),
        _ text: RecordText, row: Int?, isBefore: Bool = false, to columns: [Column]
    ) throws(ValueProblem) {
        let hadRow = event.operation == .update || event.operation == .delete
        let earlier = hadRow ? try merged(before, image, text) : []
        for field in outer {
            let span: JSONSpan =
                switch field.part {
                case .op:
                    text.written { $0.append(event.operation.rawValue) }
                case .time: event.time
                case .position: envelope.position(text, row: row)
                case .other(let place): envelope.other(place)
                case .before(let place): earlier.isEmpty ? .missing : earlier[place]
                }
            try inner.append(field.leaf, span, of: text, to: columns[field.leaf.column])
        }
        guard image.image.length > 0 else {
            for leaf in inner.leaves {
                try lenient.append(
                    lenient.leaves[inner.leaves.firstIndex { $0.column == leaf.column }!],
                    .missing, of: text, to: columns[leaf.column])
            }
            return
        }
        let reader = changelog != nil && event.operation == .delete ? lenient : inner
        guard isBefore else {
            return try reader.read(
                text, start: image.image.start, length: image.image.length, into: columns)
        }
        let spans = try merged(reader, image, text)
        for (leaf, span) in zip(reader.leaves, spans) {
            try reader.append(leaf, span, of: text, to: columns[leaf.column])
        }
    }

    /// The values that `reader` looks for in the row before a change: what it replaced, and for columns
    /// that did not change what is there now.
    private func merged(
        _ reader: JSONDocumentReader, _ image: (image: JSONSpan, old: JSONSpan),
        _ text: RecordText
    ) throws(ValueProblem) -> [JSONSpan] {
        try reader.locate(text, start: image.image.start, length: image.image.length)
        guard image.old.length > 0 else { return reader.spans }
        let now = reader.spans
        try reader.locate(text, start: image.old.start, length: image.old.length)
        return zip(reader.spans, now).map { $0.length > 0 || $0.isBlocked ? $0 : $1 }
    }
}

extension RecordField {
    /// The same field at another path.
    fileprivate func at(_ path: [String]) -> RecordField {
        RecordField(
            name, type, members: path, from: from, isRequired: isRequired, unit: unit, zone: zone,
            takesAnyText: takesAnyText)
    }

    /// The same field, which may be missing.
    fileprivate var optional: RecordField {
        RecordField(
            name, type, members: path, from: from, unit: unit, zone: zone,
            takesAnyText: takesAnyText)
    }

    /// The same field; as text it takes numbers and the like too.
    fileprivate var takingAnyText: RecordField {
        RecordField(
            name, type, members: path, from: from, isRequired: isRequired, unit: unit, zone: zone,
            takesAnyText: true)
    }
}
