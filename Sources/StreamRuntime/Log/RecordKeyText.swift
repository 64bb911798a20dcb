import Glibc

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
        switch column.type {
        case .bool: column.bools[row] != 0 ? "true" : "false"
        case .int64: String(column.int64s[row])
        case .float64: String(column.float64s[row])
        case .decimal(_, let scale): decimal(column.decimals[row], scale: scale)
        case .timestamp: timestamp(column.int64s[row])
        case .date: date(column.int64s[row])
        case .string, .bytes: column.string(row)
        case .interval, .list, .structure: preconditionFailure("refused when the sink was made")
        }
    }

    private static func decimal(_ value: Int128, scale: Int) -> String {
        guard scale > 0 else { return String(value) }
        var digits = String(value.magnitude)
        if digits.count <= scale {
            digits = String(repeating: "0", count: scale + 1 - digits.count) + digits
        }
        let point = digits.index(digits.endIndex, offsetBy: -scale)
        return (value < 0 ? "-" : "") + digits[..<point] + "." + digits[point...]
    }

    private static func date(_ days: Int64) -> String {
        // Days to a civil date by eras of 400 years, counted from March.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let monthOfYear = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (monthOfYear <= 2 ? 1 : 0)
        return padded(year, 4) + "-" + padded(monthOfYear, 2) + "-" + padded(day, 2)
    }

    private static func timestamp(_ micros: Int64) -> String {
        let dayMicros: Int64 = 86_400_000_000
        let days = micros >= 0 ? micros / dayMicros : (micros + 1) / dayMicros - 1
        let rest = micros - days * dayMicros
        let seconds = rest / 1_000_000
        let fraction = rest % 1_000_000
        var text = date(days) + "T" + padded(seconds / 3600, 2) + ":"
        text += padded(seconds / 60 % 60, 2) + ":" + padded(seconds % 60, 2)
        if fraction > 0 { text += "." + padded(fraction, 6) }
        return text + "Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value.magnitude)
        let zeros = String(repeating: "0", count: max(width - digits.count, 0))
        return (value < 0 ? "-" : "") + zeros + digits
    }
}
