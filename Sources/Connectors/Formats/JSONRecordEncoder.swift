import StreamRuntime

/// Writes each row as one JSON object with a member for every column, in their order.
///
/// Decimals are numbers with all digits of their scale; timestamps are ISO-8601 in UTC, with
/// microseconds only where there are some; dates are `YYYY-MM-DD`; bytes are base64; doubles are the
/// shortest text that reads back the same, always with a point or an exponent, and NaN and the
/// infinities are strings; nulls are written. Equal rows give equal bytes. Deleted rows have no value.
public final class JSONRecordEncoder: RecordEncoder {
    private let cells: JSONCells
    private let writer = ByteWriter()

    /// An encoder of batches of this schema.
    public init(schema: Schema) { cells = JSONCells(schema: schema) }

    /// Appends one document a row; null for a deleted one.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        let changes = batch.changes?.bools
        let columns = batch.columns
        let cells = cells
        let writer = writer
        cells.bind(columns)
        values.reserve(batch.count)
        writer.write(to: values.arena!) {
            var row = 0
            while row < batch.count {
                if let changes, changes[row] == RowChange.delete.rawValue {
                    values.appendNull()
                } else {
                    let start = writer.count
                    cells.append(row, to: writer)
                    values.append(
                        view: ByteView.pack(start: start, length: writer.count &- start))
                }
                row &+= 1
            }
        }
        cells.unbind()
        withExtendedLifetime(columns) {}
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

    @inline(__always)
    static func append(_ value: Double, to writer: ByteWriter) {
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
        let target = writer.room(2)
        guard let text = bytes.baseAddress else {
            target[0] = 0x22
            target[1] = 0x22
            return writer.advance(2)
        }
        target[0] = 0x22
        writer.advance(1)
        appendEscaped(text, bytes.count, to: writer)
    }

    /// A string in quotes out of memory that can be read 8 bytes past its end, as an arena's can.
    @inline(__always)
    static func appendString(
        padded text: UnsafePointer<UInt8>, _ length: Int, to writer: ByteWriter
    ) {
        let target = UnsafeMutableRawPointer(writer.room(length &+ 10))
        let source = UnsafeRawPointer(text)
        target.storeBytes(of: 0x22, as: UInt8.self)
        var at = 0
        while at < length {
            let word = source.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            target.storeBytes(of: word, toByteOffset: 1 &+ at, as: UInt64.self)
            // Bytes past the end count as spaces.
            let over = max(8 &- (length &- at), 0)
            let shift = UInt64(truncatingIfNeeded: over &* 8)
            let spaces: UInt64 = 0x2020_2020_2020_2020
            let checked = over == 0 ? word : (word &<< shift) &>> shift | spaces &<< (64 &- shift)
            if needsEscape(checked) {
                writer.advance(1 &+ at)
                return appendEscaped(text + at, length &- at, to: writer)
            }
            at &+= 8
        }
        target.storeBytes(of: 0x22, toByteOffset: 1 &+ length, as: UInt8.self)
        writer.advance(length &+ 2)
    }

    /// Whether a byte of the word is a control character, a quote or a backslash.
    ///
    /// - Source: Sean Eron Anderson, "Bit Twiddling Hacks", hasless and haszero.
    @inline(__always)
    private static func needsEscape(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ ones &* 0x22
        let slash = word ^ ones &* 0x5C
        let below = (word &- ones &* 0x20) & ~word
        let found = below | (quote &- ones) & ~quote | (slash &- ones) & ~slash
        return found & 0x8080_8080_8080_8080 != 0
    }

    /// The rest of a string from `text` on, and the quote that ends it.
    private static func appendEscaped(
        _ text: UnsafePointer<UInt8>, _ length: Int, to writer: ByteWriter
    ) {
        var at = 0
        let target = writer.room(length * 6 + 1)
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
