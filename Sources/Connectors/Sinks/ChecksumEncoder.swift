import StreamRuntime

/// Writes each row as plain bytes that other programs can make, too: what checksums of tables are taken of.
///
/// - Shape: column after column, in order: 0 for null, otherwise 1 and the value, little-endian. Numbers,
///   timestamps (microseconds) and dates (days) are 8 bytes, a double with one zero and one NaN; decimals 16,
///   unscaled; bools one; texts and bytes their length in 4 bytes and themselves; lists their length and their
///   elements, structs their fields, each as a column.
public final class ChecksumEncoder: RecordEncoder {
    private enum Kind { case word, double, decimal, bool, bytes, other }

    private struct Cell {
        var kind = Kind.other
        var column = 0
        var values: UnsafeMutableRawPointer?
        var validity: UnsafeMutablePointer<UInt8>?
        var bytes: UnsafeMutablePointer<UInt8>?
    }

    private let cells: UnsafeMutablePointer<Cell>
    private let count: Int
    private let writer = ByteWriter()

    /// An encoder of batches of this schema.
    public init(schema: Schema) {
        count = schema.fields.count
        cells = .allocate(capacity: max(count, 1))
        for (place, field) in schema.fields.enumerated() {
            var cell = Cell()
            cell.column = place
            switch field.type {
            case .int64, .timestamp, .date: cell.kind = .word
            case .float64: cell.kind = .double
            case .decimal: cell.kind = .decimal
            case .bool: cell.kind = .bool
            case .string, .bytes: cell.kind = .bytes
            case .interval, .list, .structure: cell.kind = .other
            }
            (cells + place).initialize(to: cell)
        }
    }

    deinit { cells.deallocate() }

    /// Appends the bytes of each row, whatever it does to a table.
    public func encode(_ batch: ColumnBatch, into values: Column) {
        let columns = batch.columns
        for (place, column) in columns.enumerated() {
            cells[place].values = column.values
            cells[place].validity = column.validity
            cells[place].bytes = column.arena?.base
        }
        let cells = cells
        let writer = writer
        values.reserve(batch.count)
        writer.write(to: values.arena!) {
            var row = 0
            while row < batch.count {
                let start = writer.count
                var place = 0
                while place < count {
                    append(cells + place, row, columns, writer)
                    place &+= 1
                }
                values.append(view: ByteView.pack(start: start, length: writer.count &- start))
                row &+= 1
            }
        }
    }

    @inline(__always)
    private func append(
        _ cell: UnsafeMutablePointer<Cell>, _ row: Int, _ columns: [Column], _ writer: ByteWriter
    ) {
        if let validity = cell.pointee.validity, validity[row] == 0 {
            return writer.append(byte: 0)
        }
        let values = cell.pointee.values.unsafelyUnwrapped
        switch cell.pointee.kind {
        case .word: ChecksumEncoder.put(values.assumingMemoryBound(to: UInt64.self)[row], writer)
        case .double:
            let value = values.assumingMemoryBound(to: Double.self)[row]
            ChecksumEncoder.put(ChecksumEncoder.bits(value), writer)
        case .bytes:
            let view = values.assumingMemoryBound(to: UInt64.self)[row]
            let length = ByteView.length(view)
            let target = UnsafeMutableRawPointer(writer.room(5))
            target.storeBytes(of: 1, as: UInt8.self)
            target.storeBytes(
                of: UInt32(truncatingIfNeeded: length).littleEndian, toByteOffset: 1,
                as: UInt32.self)
            writer.advance(5)
            if length > 0 {
                writer.append(cell.pointee.bytes.unsafelyUnwrapped + ByteView.start(view), length)
            }
        case .bool:
            writer.append(byte: 1)
            writer.append(byte: values.assumingMemoryBound(to: UInt8.self)[row])
        case .decimal:
            ChecksumEncoder.put(values.assumingMemoryBound(to: Int128.self)[row], writer)
        case .other: ChecksumEncoder.append(columns[cell.pointee.column], row, writer)
        }
    }

    /// A value of any type.
    private static func append(_ column: Column, _ row: Int, _ writer: ByteWriter) {
        guard column.isValid(row) else { return writer.append(byte: 0) }
        switch column.type {
        case .int64, .timestamp, .date: put(UInt64(bitPattern: column.int64s[row]), writer)
        case .float64: put(bits(column.float64s[row]), writer)
        case .decimal: put(column.decimals[row], writer)
        case .bool:
            writer.append(byte: 1)
            writer.append(byte: column.bools[row])
        case .string, .bytes:
            let bytes = column.bytes(row)
            writer.append(byte: 1)
            put(length: bytes.count, writer)
            writer.append(bytes)
        case .interval:
            let interval = column.intervals[row]
            put(UInt64(bitPattern: Int64(interval.months)), writer)
            put(UInt64(bitPattern: Int64(interval.days)), writer)
            put(UInt64(bitPattern: interval.micros), writer)
        case .list:
            let view = column.views[row]
            let start = ByteView.start(view)
            writer.append(byte: 1)
            put(length: ByteView.length(view), writer)
            for element in start..<(start + ByteView.length(view)) {
                append(column.children[0], element, writer)
            }
        case .structure:
            writer.append(byte: 1)
            for child in column.children { append(child, row, writer) }
        }
    }

    private static func bits(_ value: Double) -> UInt64 {
        if value == 0 { return 0 }
        return value.isNaN ? 0x7FF8_0000_0000_0000 : value.bitPattern
    }

    private static func put(length: Int, _ writer: ByteWriter) {
        UnsafeMutableRawPointer(writer.room(4)).storeBytes(
            of: UInt32(truncatingIfNeeded: length).littleEndian, as: UInt32.self)
        writer.advance(4)
    }

    @inline(__always)
    private static func put(_ word: UInt64, _ writer: ByteWriter) {
        let target = UnsafeMutableRawPointer(writer.room(9))
        target.storeBytes(of: 1, as: UInt8.self)
        target.storeBytes(of: word.littleEndian, toByteOffset: 1, as: UInt64.self)
        writer.advance(9)
    }

    private static func put(_ value: Int128, _ writer: ByteWriter) {
        let target = UnsafeMutableRawPointer(writer.room(17))
        target.storeBytes(of: 1, as: UInt8.self)
        target.storeBytes(of: value.littleEndian, toByteOffset: 1, as: Int128.self)
        writer.advance(17)
    }
}
