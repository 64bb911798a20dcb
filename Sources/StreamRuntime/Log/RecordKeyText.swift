/// The bytes by which a row's key is written into a record, as other clients would write it.
///
/// - Shape: of one column its text (a string or bytes as they are, numbers in decimal, `true`,
///   timestamps and dates in ISO 8601), null for a null; of several a JSON array of their values.
struct RecordKeyText {
    private let columns: [Int]

    init(schema: Schema, columns: [Int]) {
        for column in columns {
            precondition(KeyEncoder.accepts(schema.fields[column].type), "a key of this type")
        }
        self.columns = columns
    }

    /// Appends the key of each row of `batch` to the bytes column `keys`.
    func append(_ batch: ColumnBatch, into keys: Column) {
        let parts = columns.map { batch.columns[$0] }
        if parts.count == 1, parts[0].type.isBytes {
            for row in 0..<batch.count {
                if parts[0].isValid(row) {
                    keys.append(parts[0].bytes(row))
                } else {
                    keys.appendNull()
                }
            }
            return
        }
        for row in 0..<batch.count {
            switch parts.count {
            case 0: keys.appendNull()
            case 1:
                if parts[0].isValid(row) {
                    keys.append(RecordKeyText.text(parts[0], row))
                } else {
                    keys.appendNull()
                }
            default:
                let values = parts.map { RecordKeyText.json($0, row) }
                keys.append("[" + values.joined(separator: ",") + "]")
            }
        }
    }

    private static func json(_ column: Column, _ row: Int) -> String {
        guard column.isValid(row) else { return "null" }
        let text = text(column, row)
        switch column.type {
        case .int64, .bool, .decimal: return text
        case .float64: return column.float64s[row].isFinite ? text : "\"\(text)\""
        default: return quoted(text)
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func text(_ column: Column, _ row: Int) -> String {
        let text = column.valueText(row)
        guard column.type == .timestamp else {
            return column.type == .bytes ? column.string(row) : text
        }
        // SQL writes "2024-02-29 12:00:00.5"; ours is ISO 8601, with no or six digits of fraction.
        let fraction = text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) }
        let zeros = String(repeating: "0", count: fraction.map { max(7 - $0, 0) } ?? 0)
        return text.replacing(" ", with: "T", maxReplacements: 1) + zeros + "Z"
    }
}
