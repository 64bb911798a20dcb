import StreamRuntime

/// Writes each row as one JSON object with a member for every column, in their order.
///
/// Decimals are numbers with all digits of their scale; timestamps are ISO-8601 in UTC, with
/// microseconds only where there are some; dates are `YYYY-MM-DD`; bytes are base64; doubles are the
/// shortest text that reads back the same, always with a point or an exponent, and NaN and the
/// infinities are strings; nulls are written. Equal rows give equal bytes. Deleted rows have no value.
public final class JSONRecordEncoder: RecordEncoder {
    private let schema: Schema
    /// What stands before each value: brace or comma, the name, the colon.
    private let prefixes: [[UInt8]]
    private let writer = ByteWriter()

    /// An encoder of batches of this schema.
    public init(schema: Schema) {
        self.schema = schema
        prefixes = JSONText.prefixes(schema.fields)
    }

    /// Appends one document a row; null for a deleted one.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        writer.removeAll()
        let columns = batch.columns
        let changes = batch.changes?.bools
        for row in 0..<batch.count {
            let isDeleted =
                changes.map { $0[row] == RowChange.delete.rawValue } ?? false
            if isDeleted {
                values.appendNull()
                continue
            }
            let start = writer.count
            for index in columns.indices {
                writer.append(prefixes[index])
                JSONText.append(columns[index], row, to: writer)
            }
            if columns.isEmpty { writer.append(byte: 0x7B) }
            writer.append(byte: 0x7D)
            values.append(
                UnsafeBufferPointer(start: writer.base + start, count: writer.count - start))
            writer.removeAll()
        }
    }
}

/// Values as JSON text.
enum JSONText {
    /// What stands before each member of an object of these fields.
    static func prefixes(_ fields: [Field]) -> [[UInt8]] {
        let writer = ByteWriter(capacity: 64)
        return fields.enumerated().map { index, field in
            writer.removeAll()
            writer.append(byte: index == 0 ? 0x7B : 0x2C)
            var name = field.name
            name.withUTF8 { appendString($0, to: writer) }
            writer.append(byte: 0x3A)
            return Array(UnsafeBufferPointer(start: writer.base, count: writer.count))
        }
    }

    /// Appends one value.
    static func append(_ column: Column, _ row: Int, to writer: ByteWriter) {
        guard column.isValid(row) else { return writer.append("null") }
        switch column.type {
        case .string: appendString(column.bytes(row), to: writer)
        case .int64: writer.append(int64: column.int64s[row])
        case .bool: writer.append(column.bools[row] != 0 ? "true" : "false")
        case .float64: append(column.float64s[row], to: writer)
        case .decimal(_, let scale):
            writer.append(decimal: column.decimals[row], scale: scale)
        case .timestamp:
            writer.append(byte: 0x22)
            writer.append(timestamp: column.int64s[row])
            writer.append(byte: 0x22)
        case .date:
            writer.append(byte: 0x22)
            writer.append(date: column.int64s[row])
            writer.append(byte: 0x22)
        case .bytes:
            writer.append(byte: 0x22)
            writer.append(base64: column.bytes(row))
            writer.append(byte: 0x22)
        case .interval: append(column.intervals[row], to: writer)
        case .list:
            let view = column.views[row]
            let start = ByteView.start(view)
            writer.append(byte: 0x5B)
            for element in start..<(start + ByteView.length(view)) {
                if element > start { writer.append(byte: 0x2C) }
                append(column.children[0], element, to: writer)
            }
            writer.append(byte: 0x5D)
        case .structure(let fields):
            if fields.isEmpty { writer.append(byte: 0x7B) }
            for (index, field) in fields.enumerated() {
                writer.append(byte: index == 0 ? 0x7B : 0x2C)
                var name = field.name
                name.withUTF8 { appendString($0, to: writer) }
                writer.append(byte: 0x3A)
                append(column.children[index], row, to: writer)
            }
            writer.append(byte: 0x7D)
        }
    }

    private static func append(_ value: Double, to writer: ByteWriter) {
        if value.isFinite { return writer.append(float64: value) }
        writer.append(value.isNaN ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"")
    }

    /// An interval in the form of ISO-8601: months, days, seconds.
    private static func append(_ interval: Interval, to writer: ByteWriter) {
        writer.append("\"P")
        writer.append(int64: Int64(interval.months))
        writer.append(byte: 0x4D)
        writer.append(int64: Int64(interval.days))
        writer.append("DT")
        writer.append(decimal: Int128(interval.micros), scale: 6)
        writer.append("S\"")
    }

    /// A string in quotes, with what JSON wants escaped.
    static func appendString(_ bytes: UnsafeBufferPointer<UInt8>, to writer: ByteWriter) {
        let length = bytes.count
        var target = writer.room(length &+ 10)
        target[0] = 0x22
        guard let text = bytes.baseAddress else {
            target[1] = 0x22
            return writer.advance(2)
        }
        var at = 0
        while at < length {
            let byte = text[at]
            if byte < 0x20 || byte == 0x22 || byte == 0x5C { break }
            target[1 &+ at] = byte
            at &+= 1
        }
        if at == length {
            target[1 &+ length] = 0x22
            return writer.advance(length &+ 2)
        }
        writer.advance(1 &+ at)
        target = writer.room((length - at) * 6 + 1)
        var made = 0
        while at < length {
            let byte = text[at]
            at &+= 1
            if byte >= 0x20, byte != 0x22, byte != 0x5C {
                target[made] = byte
                made &+= 1
                continue
            }
            target[made] = 0x5C
            let short: UInt8 =
                switch byte {
                case 0x22, 0x5C: byte
                case 0x08: 0x62
                case 0x0C: 0x66
                case 0x0A: 0x6E
                case 0x0D: 0x72
                case 0x09: 0x74
                default: 0
                }
            if short != 0 {
                target[made &+ 1] = short
                made &+= 2
                continue
            }
            target[made &+ 1] = 0x75
            target[made &+ 2] = 0x30
            target[made &+ 3] = 0x30
            target[made &+ 4] = byte >= 0x10 ? 0x31 : 0x30
            target[made &+ 5] = byte & 15 < 10 ? byte & 15 &+ 0x30 : byte & 15 &+ 0x57
            made &+= 6
        }
        target[made] = 0x22
        writer.advance(made &+ 1)
    }
}
