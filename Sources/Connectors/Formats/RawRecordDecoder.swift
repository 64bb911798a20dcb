import StreamRuntime

/// Hands records on as they are: a field of the value is all of it, as bytes or as text.
///
/// - Shape: values are views into the records' arenas. A record without a value gives a null.
public final class RawRecordDecoder: RecordDecoder {
    /// The declared fields.
    public let schema: Schema
    private let fields: [(column: Int, field: RecordField)]
    private let metadata: MetadataReader

    /// A decoder of these fields; those of the value are strings or bytes.
    public init(fields: [RecordField]) {
        schema = Schema(fields)
        self.fields = fields.enumerated().filter { $0.element.from == .value }
            .map { (column: $0.offset, field: $0.element) }
        metadata = MetadataReader(fields)
    }

    /// Appends a row for each record whose text fields are UTF-8.
    public func decode(
        _ records: RecordBatch, into rows: DecodedRows, rejects: inout RejectedRows
    ) {
        rows.fill(from: records, metadata: metadata) { rows, _ in
            for index in 0..<records.count {
                let count = rows.count
                do throws(ValueProblem) {
                    for (column, field) in self.fields {
                        try self.append(records, index, field, to: rows.columns[column])
                    }
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
        _ records: RecordBatch, _ index: Int, _ field: RecordField, to column: Column
    ) throws(ValueProblem) {
        guard records.values.isValid(index) else {
            guard !field.isRequired else {
                throw ValueProblem("is missing: the record has no value", field: field.name)
            }
            return column.appendNull()
        }
        let view = records.values.views[index]
        let text = UnsafePointer(records.values.arena!.base) + ByteView.start(view)
        if !field.type.isBytes {
            do {
                return try TextValue.append(
                    text, ByteView.length(view), unit: field.unit, zone: field.zone, named: true,
                    to: column)
            } catch {
                throw error.inside(field.name)
            }
        }
        guard field.type == .bytes || isUTF8(text, ByteView.length(view)) else {
            throw ValueProblem("is not UTF-8", field: field.name)
        }
        column.append(view: view)
    }
}
