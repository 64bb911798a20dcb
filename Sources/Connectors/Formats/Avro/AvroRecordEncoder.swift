import StreamRuntime

/// Writes each row as one Avro record of the columns' own schema, every field of which may be null.
///
/// - Shape: with a schema number, the value begins with a zero byte and the number (four bytes, high ones
///   first). Deleted rows have no value. Equal rows give equal bytes.
/// - Source: the specification of Apache Avro 1.12, "Binary Encoding".
public final class AvroRecordEncoder: RecordEncoder {
    private let frame: [UInt8]
    private let writer = ByteWriter()

    /// An encoder of batches of one schema; `schemaId` is its number in a registry, nil for no framing.
    public init(schemaId: Int32?) {
        var frame: [UInt8] = []
        if let schemaId {
            frame = [0]
            withUnsafeBytes(of: schemaId.bigEndian) { frame += $0 }
        }
        self.frame = frame
    }

    /// Appends one record a row; null for a deleted one.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        let changes = batch.changes?.bools
        let columns = batch.columns
        let writer = writer
        values.reserve(batch.count)
        writer.write(to: values.arena!) {
            var row = 0
            while row < batch.count {
                if let changes, changes[row] == RowChange.delete.rawValue {
                    values.appendNull()
                } else {
                    let start = writer.count
                    frame.withUnsafeBufferPointer {
                        if let base = $0.baseAddress { writer.append(base, $0.count) }
                    }
                    for column in columns { AvroRecordEncoder.append(column, row, to: writer) }
                    values.append(
                        view: ByteView.pack(start: start, length: writer.count &- start))
                }
                row &+= 1
            }
        }
        withExtendedLifetime(columns) {}
    }

    /// The branch of the union with null, then the value.
    private static func append(_ column: Column, _ row: Int, to writer: ByteWriter) {
        guard column.isValid(row) else { return writer.append(byte: 0) }
        writer.append(byte: 2)
        switch column.type {
        case .bool: writer.append(byte: column.bools[row] == 0 ? 0 : 1)
        case .int64, .timestamp, .date: append(long: column.int64s[row], to: writer)
        case .float64:
            let bits = column.float64s[row].bitPattern.littleEndian
            UnsafeMutableRawPointer(writer.room(8)).storeBytes(of: bits, as: UInt64.self)
            writer.advance(8)
        case .string, .bytes:
            let bytes = column.bytes(row)
            append(long: Int64(bytes.count), to: writer)
            if let base = bytes.baseAddress { writer.append(base, bytes.count) }
        case .decimal: append(unscaled: column.decimals[row], to: writer)
        case .list:
            let view = column.views[row]
            let count = ByteView.length(view)
            if count > 0 { append(long: Int64(count), to: writer) }
            var at = ByteView.start(view)
            let end = at + count
            while at < end {
                append(column.children[0], at, to: writer)
                at &+= 1
            }
            writer.append(byte: 0)
        case .structure: for child in column.children { append(child, row, to: writer) }
        case .interval: preconditionFailure("intervals live only inside expressions")
        }
    }

    private static func append(long value: Int64, to writer: ByteWriter) {
        var rest = UInt64(bitPattern: value << 1 ^ value >> 63)
        let target = writer.room(10)
        var count = 0
        while rest >= 0x80 {
            target[count] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            count &+= 1
        }
        target[count] = UInt8(truncatingIfNeeded: rest)
        writer.advance(count &+ 1)
    }

    /// The shortest two's complement, high bytes first.
    private static func append(unscaled value: Int128, to writer: ByteWriter) {
        var count = 1
        while count < 16, value >> Int128(count * 8 - 1) != 0, value >> Int128(count * 8 - 1) != -1
        {
            count &+= 1
        }
        append(long: Int64(count), to: writer)
        let target = writer.room(16)
        for index in 0..<count {
            target[index] = UInt8(truncatingIfNeeded: value >> Int128((count - 1 - index) * 8))
        }
        writer.advance(count)
    }
}

/// The schema of columns, as Avro writes schemas.
public enum AvroSchemaText {
    /// The schema of rows of these columns; every field may be null.
    ///
    /// - Parameter name: the record's name; what Avro's names may not have becomes an underscore.
    public static func make(_ schema: Schema, name: String) -> String {
        record(schema.fields, safe(name))
    }

    private static func record(_ fields: [Field], _ name: String) -> String {
        let members = fields.map { field in
            "{\"name\":\"\(safe(field.name))\",\"type\":[\"null\","
                + type(field.type, "\(name)_\(safe(field.name))") + "],\"default\":null}"
        }
        return "{\"type\":\"record\",\"name\":\"\(name)\",\"fields\":["
            + members.joined(separator: ",") + "]}"
    }

    private static func type(_ type: ColumnType, _ name: String) -> String {
        switch type {
        case .bool: return "\"boolean\""
        case .int64: return "\"long\""
        case .float64: return "\"double\""
        case .string: return "\"string\""
        case .bytes: return "\"bytes\""
        case .timestamp: return "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}"
        case .date: return "{\"type\":\"int\",\"logicalType\":\"date\"}"
        case .decimal(let precision, let scale):
            return "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":\(precision),"
                + "\"scale\":\(scale)}"
        case .list(let element):
            return "{\"type\":\"array\",\"items\":[\"null\","
                + self.type(element, name + "_item") + "]}"
        case .structure(let fields): return record(fields, name)
        case .interval: preconditionFailure("intervals live only inside expressions")
        }
    }

    private static func safe(_ name: String) -> String {
        let text = String(
            name.unicodeScalars.map {
                ($0 >= "a" && $0 <= "z") || ($0 >= "A" && $0 <= "Z") || ($0 >= "0" && $0 <= "9")
                    || $0 == "_" ? Character($0) : "_"
            })
        return text.first.map { $0.isNumber } ?? true ? "_" + text : text
    }
}
