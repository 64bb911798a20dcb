import StreamRuntime

/// Writes each row as one CSV row of RFC 4180, without the line end.
///
/// A null is an empty cell and an empty string a quoted one. Scalars are written as in JSON, without
/// quotes where they need none; lists and structs as their JSON text. Equal rows give equal bytes.
/// Deleted rows have no value.
public final class CSVRecordEncoder: RecordEncoder {
    private let schema: Schema
    private let delimiter: UInt8
    private let writer = ByteWriter()
    private let cell = ByteWriter(capacity: 256)

    /// An encoder of batches of this schema.
    ///
    /// - Precondition: the delimiter is ASCII and neither a quote nor a line end.
    public init(schema: Schema, delimiter: Character = ",") {
        precondition(delimiter.isASCII && !delimiter.isNewline && delimiter != "\"")
        self.schema = schema
        self.delimiter = delimiter.asciiValue!
    }

    /// The row of the columns' names.
    public var header: [UInt8] {
        writer.removeAll()
        for (index, field) in schema.fields.enumerated() {
            if index > 0 { writer.append(byte: delimiter) }
            var name = field.name
            name.withUTF8 { appendText($0) }
        }
        return Array(UnsafeBufferPointer(start: writer.base, count: writer.count))
    }

    /// Appends one CSV row a row; null for a deleted one.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        let changes = batch.changes?.bools
        for row in 0..<batch.count {
            if let changes, changes[row] == RowChange.delete.rawValue {
                values.appendNull()
                continue
            }
            writer.removeAll()
            for (index, column) in batch.columns.enumerated() {
                if index > 0 { writer.append(byte: delimiter) }
                append(column, row)
            }
            values.append(UnsafeBufferPointer(start: writer.base, count: writer.count))
        }
    }

    private func append(_ column: Column, _ row: Int) {
        guard column.isValid(row) else { return }
        switch column.type {
        case .string: appendText(column.bytes(row))
        case .timestamp: writer.append(timestamp: column.int64s[row])
        case .date: writer.append(date: column.int64s[row])
        case .bytes where column.bytes(row).isEmpty: writer.append("\"\"")
        case .bytes: writer.append(base64: column.bytes(row))
        case .int64, .bool, .decimal: JSONText.append(column, row, to: writer)
        case .float64 where column.float64s[row].isFinite:
            JSONText.append(column, row, to: writer)
        case .float64:
            let value = column.float64s[row]
            writer.append(value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity")
        case .interval, .list, .structure:
            cell.removeAll()
            JSONText.append(column, row, to: cell)
            appendText(UnsafeBufferPointer(start: cell.base, count: cell.count))
        }
    }

    private func appendText(_ bytes: UnsafeBufferPointer<UInt8>) {
        var needsQuotes = bytes.isEmpty
        for byte in bytes
        where byte == delimiter || byte == 0x22 || byte == 0x0A || byte == 0x0D || byte == 0x20 {
            needsQuotes = true
        }
        guard needsQuotes else { return writer.append(bytes) }
        writer.append(byte: 0x22)
        for byte in bytes {
            if byte == 0x22 { writer.append(byte: 0x22) }
            writer.append(byte: byte)
        }
        writer.append(byte: 0x22)
    }
}
