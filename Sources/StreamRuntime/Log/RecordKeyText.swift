/// The bytes by which a row's key is written into a record, as other clients would write it.
///
/// - Shape: of one column its text (a string or bytes as they are, numbers in decimal, `true`,
///   timestamps and dates in ISO 8601), null for a null; of several a JSON array of their values.
struct RecordKeyText {
    private let columns: [Int]
    /// The key in the making; kept, so that no row asks for memory.
    private var text: [UInt8] = []

    init(schema: Schema, columns: [Int]) {
        for column in columns {
            precondition(KeyEncoder.accepts(schema.fields[column].type), "a key of this type")
        }
        self.columns = columns
    }

    /// Appends the key of each row of `batch` to the bytes column `keys`.
    mutating func append(_ batch: ColumnBatch, into keys: Column) {
        let parts = columns.map { batch.columns[$0] }
        let count = batch.count
        var row = 0
        if parts.count == 1, parts[0].type.isBytes {
            while row < count {
                if parts[0].isValid(row) {
                    keys.append(parts[0].bytes(row))
                } else {
                    keys.appendNull()
                }
                row &+= 1
            }
            return
        }
        while row < count {
            defer { row &+= 1 }
            if parts.isEmpty || (parts.count == 1 && !parts[0].isValid(row)) {
                keys.appendNull()
                continue
            }
            text.removeAll(keepingCapacity: true)
            if parts.count == 1 {
                append(parts[0], row)
            } else {
                var part = 0
                while part < parts.count {
                    text.append(part == 0 ? 0x5B : 0x2C)
                    appendJSON(parts[part], row)
                    part &+= 1
                }
                text.append(0x5D)
            }
            text.withUnsafeBufferPointer { keys.append($0) }
        }
    }

    private mutating func appendJSON(_ column: Column, _ row: Int) {
        guard column.isValid(row) else { return text.append(contentsOf: "null".utf8) }
        switch column.type {
        case .int64, .bool, .decimal: append(column, row)
        case .float64 where column.float64s[row].isFinite: append(column, row)
        case .string: JSONQuoting.append(column.bytes(row), to: &text)
        case .bytes:
            // What is no text is repaired, so that the array is JSON.
            var repaired = column.string(row)
            repaired.withUTF8 { JSONQuoting.append($0, to: &text) }
        default:
            text.append(0x22)
            append(column, row)
            text.append(0x22)
        }
    }

    private mutating func append(_ column: Column, _ row: Int) {
        let start = text.count
        column.appendValueText(row, to: &text)
        guard column.type == .timestamp else { return }
        // SQL writes "2024-02-29 12:00:00.5"; ours is ISO 8601, with no or six digits of fraction.
        var at = start
        while at < text.count, text[at] != 0x20 { at &+= 1 }
        if at < text.count { text[at] = UInt8(ascii: "T") }
        while at < text.count, text[at] != 0x2E { at &+= 1 }
        if at < text.count {
            while text.count < at + 7 { text.append(UInt8(ascii: "0")) }
        }
        text.append(UInt8(ascii: "Z"))
    }
}
