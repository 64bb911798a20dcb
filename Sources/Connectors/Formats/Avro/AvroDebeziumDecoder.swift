import StreamRuntime

/// Decodes Debezium's change events in Avro into the columns of the changed row.
///
/// What paths mean, and which row an event makes, is as `DebeziumRecordDecoder` has it for JSON. Decimals, dates
/// and times say in the schema what they are.
///
/// - Shape: one row an event, deletes included; tombstones make none. What the rows of a changelog say is
///   as `DebeziumRecordDecoder` has it.
/// - Source: Debezium's documentation of Avro serialization.
public final class AvroDebeziumDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let fields: [RecordField]
    private let changelog: Changelog?
    private let programs: AvroPrograms
    private let metadata: MetadataReader
    /// Fields of the envelope that are not as they stand there.
    private let made: [(column: Int, field: RecordField)]

    private static let outerNames: Set<String> = [
        "op", "ts_ms", "position", "source", "before", "after", "transaction",
    ]

    /// What every event has: its columns of a batch of one row.
    private static let parts = [
        RecordField("op", .string), RecordField("ts_ms", .int64),
        RecordField("source_ts", .int64, path: "source.ts_ms"),
        RecordField("lsn", .int64, path: "source.lsn"),
        RecordField("file", .string, path: "source.file"),
        RecordField("pos", .int64, path: "source.pos"),
        RecordField("row", .int64, path: "source.row"),
    ]

    /// A decoder of these fields; with `changelog` rows say what happened to the table.
    public init(fields: [RecordField], framing: AvroFraming, changelog: Changelog? = nil) {
        self.changelog = changelog
        schema = Schema(fields)
        self.fields = fields
        metadata = MetadataReader(fields)
        let inside = fields.indices.filter { fields[$0].from == .value }
        made = inside.filter { fields[$0].path == ["ts_ms"] || fields[$0].path == ["position"] }
            .map { (column: $0, field: fields[$0]) }
        let isOuter = { (index: Int) in
            AvroDebeziumDecoder.outerNames.contains(fields[index].path[0])
        }
        let outer = inside.filter {
            isOuter($0) && fields[$0].path != ["ts_ms"] && fields[$0].path != ["position"]
        }
        let inner = inside.filter { !isOuter($0) }
        programs = AvroPrograms(framing) { (written) throws(ValueProblem) in
            try AvroDebeziumDecoder.programs(written, fields, outer: outer, inner: inner)
        }
    }

    /// In this order: the parts of every event, the other fields of the envelope, the row after the
    /// change, the row before it.
    private static func programs(
        _ written: AvroSchema, _ fields: [RecordField], outer: [Int], inner: [Int]
    ) throws(ValueProblem) -> [AvroProgram] {
        guard case .record(let members) = written.nodes[written.root].kind,
            let after = members.first(where: { $0.name == "after" }),
            let before = members.first(where: { $0.name == "before" })
        else { throw ValueProblem("the schema is not that of a change event") }
        let innerFields = inner.map { withoutRow(fields[$0]) }
        return [
            AvroProgram(written, fields: parts, columns: Array(parts.indices)),
            AvroProgram(written, fields: outer.map { fields[$0] }, columns: outer),
            AvroProgram(written, fields: innerFields, columns: inner, start: after.type),
            AvroProgram(written, fields: innerFields, columns: inner, start: before.type),
        ]
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
        rows.fill(from: records, metadata: metadata) { target, text in
            let readers = AvroReaders(self.programs, into: target.columns, text: text) {
                ($0, AvroDebeziumDecoder.parts.map { Column($0.type, capacity: 1) })
            }
            let changes = self.changelog.map { _ in RowChange.inserts(0) }
            target.changes = changes
            for index in 0..<records.count where records.values.isValid(index) {
                let count = target.count
                do throws(ValueProblem) {
                    guard let value = try readers.find(records.values.views[index]) else {
                        rows.failure = readers.failure
                        return
                    }
                    let kinds = try self.append(value, text, to: target.columns, row: count)
                    for _ in kinds { try self.metadata.append(records, index, to: target.columns) }
                    for kind in kinds {
                        target.records.append(Int64(index))
                        changes?.append(false)
                        changes?.bools[target.count - 1] = kind.rawValue
                    }
                } catch {
                    for column in target.columns { column.cut(to: count) }
                    rejects.append(row: index, column: error.field, reason: error.reason)
                }
            }
        }
    }

    /// Appends the rows of an event.
    ///
    /// - Returns: what each of them says.
    private func append(
        _ value: AvroReaders.Value, _ text: RecordText, to columns: [Column], row: Int
    ) throws(ValueProblem) -> [RowChange] {
        let reader = value.readers[0]
        let parts = reader.batchColumns
        for column in parts { column.removeRows(text.arena) }
        let end = try reader.append(start: value.start, length: value.length, row: 0)
        guard end == value.start + value.length else {
            throw ValueProblem("the record goes on after its end")
        }
        let kind: RowChange
        switch parts[0].isValid(0) ? parts[0].string(0) : "" {
        case "c", "r": kind = .insert
        case "u": kind = .updateAfter
        case "d": kind = .delete
        case "t":
            guard changelog == nil else {
                throw ValueProblem(
                    "the table was truncated, which rows cannot say: its rows would stay",
                    field: "op")
            }
            try appendOuter(value, parts, text, to: columns, row: row)
            try value.readers[2].appendMissing(row: row)
            return [.insert]
        case "": throw ValueProblem("not a change event: it has no op", field: "op")
        case let other: throw ValueProblem("op \"\(other)\" is none of c, r, u, d, t", field: "op")
        }
        guard changelog == .full, kind == .updateAfter else {
            try append(kind, value, parts, text, to: columns, row: row)
            return [kind]
        }
        try append(.updateBefore, value, parts, text, to: columns, row: row)
        try append(.updateAfter, value, parts, text, to: columns, row: row + 1)
        return [.updateBefore, .updateAfter]
    }

    private func appendOuter(
        _ value: AvroReaders.Value, _ parts: [Column], _ text: RecordText, to columns: [Column],
        row: Int
    ) throws(ValueProblem) {
        try value.readers[1].append(start: value.start, length: value.length, row: row)
        for (column, field) in made { try appendMade(field, parts, text, to: columns[column]) }
    }

    /// Appends one row, of the image that `kind` is about.
    private func append(
        _ kind: RowChange, _ value: AvroReaders.Value, _ parts: [Column], _ text: RecordText,
        to columns: [Column], row: Int
    ) throws(ValueProblem) {
        try appendOuter(value, parts, text, to: columns, row: row)
        let isOld = kind == .delete || kind == .updateBefore
        let image = value.readers[isOld ? 3 : 2]
        let name = isOld ? "before" : "after"
        let reader = value.readers[0]
        let start = try reader.start(
            of: name, start: value.start, length: value.length)
        let left = value.length - (start - value.start)
        guard try image.isPresent(start: start, length: left) else {
            throw ValueProblem("the change has no row in \(name)", field: name)
        }
        try image.append(start: start, length: left, row: row)
    }

    /// `ts_ms`, of the source if it says so, and `position`.
    private func appendMade(
        _ field: RecordField, _ parts: [Column], _ text: RecordText, to column: Column
    ) throws(ValueProblem) {
        var written: [UInt8]?
        if field.path == ["ts_ms"] {
            let isKnown = parts[2].isValid(0) && parts[2].int64s[0] != 0
            let time = isKnown ? parts[2] : parts[1]
            if time.isValid(0) { written = Array("\(time.int64s[0])".utf8) }
        } else if parts[3].isValid(0) {
            written = Array("\(parts[3].int64s[0])".utf8)
        } else if parts[4...6].allSatisfy({ $0.isValid(0) }) {
            written = Array(
                "\(parts[4].string(0)):\(parts[5].int64s[0]):\(parts[6].int64s[0])".utf8)
        }
        guard let written else {
            guard !field.isRequired else { throw ValueProblem("is missing", field: field.name) }
            return column.appendNull()
        }
        if field.type.isBytes {
            text.makeRoom(written.count)
            let view = written.withUnsafeBufferPointer {
                text.arena.append($0.baseAddress!, $0.count)
            }
            return column.append(view: view)
        }
        do throws(ValueProblem) {
            let unit: TimeUnit = field.unit == .automatic ? .milliseconds : field.unit
            try written.withUnsafeBufferPointer { (bytes) throws(ValueProblem) in
                try TextValue.append(
                    bytes.baseAddress!, bytes.count, unit: unit, named: true, to: column)
            }
        } catch { throw error.inside(field.name) }
    }
}

extension Column {
    /// Forgets every row, and views another arena from now on.
    fileprivate func removeRows(_ arena: ByteArena) {
        setCount(0)
        if type.isBytes { self.arena = arena }
    }
}
