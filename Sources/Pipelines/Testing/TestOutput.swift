import Connectors
import StreamRuntime

/// A row as it is compared and shown: the text of each column by its name; nil for null.
struct TestRow: Equatable, Sendable {
    var cells: [String: String?]

    /// The text of a column as it is shown.
    func text(_ column: String) -> String {
        guard let cell = cells[column] else { return "" }
        return cell ?? "null"
    }
}

/// Reads rows of a schema out of JSON with the decoder that streams have.
struct TestRowReader {
    private let decoder: JSONRecordDecoder
    private let schema: Schema

    init(_ schema: Schema) {
        self.schema = schema
        decoder = JSONRecordDecoder(fields: schema.fields.map { RecordField($0.name, $0.type) })
    }

    /// A row for each record; null values are rows that were deleted, told by their key.
    func rows(of records: [(key: String?, value: String?)]) throws(JobFailure) -> [TestRow] {
        var rows: [TestRow] = []
        for record in records {
            guard let value = record.value else {
                rows.append(TestRow(cells: ["deleted": "true", "key": record.key]))
                continue
            }
            rows.append(try row(value))
        }
        return rows
    }

    /// The row of a JSON object; what it does not name is null.
    func row(_ json: String) throws(JobFailure) -> TestRow {
        let batch = RecordBatch(partition: 0, capacity: 1)
        batch.keys.appendNull()
        batch.values.append(json)
        batch.timestamps.append(Int64(0))
        batch.offsets.append(Int64(0))
        let rows = DecodedRows(schema: schema, capacity: 1)
        var rejects = RejectedRows()
        decoder.decode(batch, into: rows, rejects: &rejects)
        if let reject = rejects.rejects.first {
            throw JobFailure(
                .request, "\(reject.column): \(reject.reason)", at: json,
                remedy: "correct the value")
        }
        guard rows.count == 1 else {
            throw JobFailure(
                .request, "it makes no row", at: json, remedy: "correct the row")
        }
        var cells: [String: String?] = [:]
        for (field, column) in zip(schema.fields, rows.columns) {
            cells[field.name] = .some(column.isValid(0) ? column.valueText(0) : nil)
        }
        return TestRow(cells: cells)
    }
}

extension TestRow {
    /// The rows of a topic that a job has written, in the order of its records.
    static func all(
        of topic: String, in log: EmbeddedLog, schema: Schema
    ) throws(JobFailure) -> [TestRow] {
        guard log.hasTopic(topic) else { return [] }
        var records: [(key: String?, value: String?)] = []
        try ReplaySources.forEachBatch(of: try log.source(topic, bounded: true)) { batch in
            for row in 0..<batch.count {
                func text(_ column: Column) -> String? {
                    column.isValid(row) ? String(decoding: column.bytes(row), as: UTF8.self) : nil
                }
                records.append((text(batch.keys), text(batch.values)))
            }
        }
        return try TestRowReader(schema).rows(of: records)
    }
}
