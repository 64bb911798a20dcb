import StreamRuntime
import Testing

/// Tables as a test writes them: a header line, then a line for each row, cells apart by spaces. A cell
/// with spaces is put in quotes or is a list `[a, b]` or struct `{x: 1, y: b}`; `null` has no value.
enum TableText {
    /// A table or value that cannot be read.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    static let changes = ["insert", "updateAfter", "updateBefore", "delete"]

    // MARK: reading

    /// The schema of cells `name:type`; a cell `time` alone stands for the event time.
    static func schema(_ header: String) throws -> Schema {
        var fields: [Field] = []
        for cell in cells(header) where cell != "time" {
            let parts = cell.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { throw Malformed(description: "no type in \(cell)") }
            fields.append(Field(String(parts[0]), try type(String(parts[1]))))
        }
        return Schema(fields)
    }

    static func table(_ text: String) throws -> (header: [String], rows: [[String]]) {
        let lines = text.split(separator: "\n").map { cells(String($0)) }.filter { !$0.isEmpty }
        guard let header = lines.first else { throw Malformed(description: "a table has a header") }
        for line in lines where line.count != header.count {
            throw Malformed(description: "\(line.count) cells under \(header.count): \(line)")
        }
        return (header, Array(lines.dropFirst()))
    }

    static func rows(_ text: String) throws -> [[String: String]] {
        let table = try table(text)
        return table.rows.map { Dictionary(uniqueKeysWithValues: zip(table.header, $0)) }
    }

    /// The cells of a line: spaces part them outside quotes and brackets.
    static func cells(_ line: String) -> [String] { split(line, at: " ") }

    private static func split(_ text: String, at separator: Character) -> [String] {
        var parts: [String] = []
        var part = ""
        var depth = 0
        var isQuoted = false
        for character in text {
            if character == "'" { isQuoted.toggle() }
            if !isQuoted {
                if "[{<(".contains(character) { depth += 1 }
                if "]}>)".contains(character) { depth -= 1 }
                if depth == 0, character == separator {
                    parts.append(part)
                    part = ""
                    continue
                }
            }
            part.append(character)
        }
        parts.append(part)
        let trimmed = parts.map { trim($0) }
        return separator == " " ? trimmed.filter { !$0.isEmpty } : trimmed
    }

    private static func trim(_ text: String) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    /// Appends the value that `text` writes to `column`.
    static func append(_ text: String, to column: Column) throws {
        if text == "null" || text == "NULL" { return column.appendNull() }
        switch column.type {
        case .bool: column.append(text == "true")
        case .int64, .date: column.append(try number(text))
        case .float64:
            guard let value = Double(text) else {
                throw Malformed(description: "no double: \(text)")
            }
            column.append(value)
        case .decimal(_, let scale): column.append(try decimal(text, scale))
        case .timestamp: column.append(try micros(text))
        case .string, .bytes: column.append(unquoted(text))
        case .list:
            let start = column.children[0].count
            let inner = String(text.dropFirst().dropLast())
            for item in split(inner, at: ",") where !item.isEmpty {
                try append(item, to: column.children[0])
            }
            column.appendList(from: start)
        case .structure(let fields):
            var values: [String: String] = [:]
            for item in split(String(text.dropFirst().dropLast()), at: ",") {
                let pair = item.split(separator: ":", maxSplits: 1).map { trim(String($0)) }
                guard pair.count == 2 else { throw Malformed(description: "no field: \(item)") }
                values[pair[0]] = pair[1]
            }
            for (field, child) in zip(fields, column.children) {
                try append(values[field.name] ?? "null", to: child)
            }
            column.appendStructure()
        case .interval: throw Malformed(description: "intervals have no text here")
        }
    }

    private static func unquoted(_ text: String) -> String {
        text.hasPrefix("'") && text.hasSuffix("'") && text.count > 1
            ? String(text.dropFirst().dropLast()) : text
    }

    private static func number(_ text: String) throws -> Int64 {
        guard let value = Int64(text) else { throw Malformed(description: "no integer: \(text)") }
        return value
    }

    private static func decimal(_ text: String, _ scale: Int) throws -> Int128 {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count > 1 ? String(parts[1]) : ""
        let digits =
            parts[0] + fraction + String(repeating: "0", count: max(0, scale - fraction.count))
        guard let value = Int128(digits) else {
            throw Malformed(description: "no decimal: \(text)")
        }
        return value
    }

    static func type(_ text: String) throws -> ColumnType {
        let open = text.firstIndex { "<(".contains($0) } ?? text.endIndex
        let inner = open < text.endIndex ? String(text[text.index(after: open)...].dropLast()) : ""
        switch text[..<open] {
        case "bool": return .bool
        case "int64": return .int64
        case "double": return .float64
        case "timestamp": return .timestamp
        case "date": return .date
        case "string": return .string
        case "bytes": return .bytes
        case "decimal":
            let parts = split(inner, at: ",").compactMap { Int($0) }
            return .decimal(precision: parts[0], scale: parts.count > 1 ? parts[1] : 0)
        case "list": return .list(try type(inner))
        case "struct":
            return .structure(
                try split(inner, at: ",").map {
                    let pair = $0.split(separator: ":", maxSplits: 1).map { trim(String($0)) }
                    return Field(pair[0], try type(pair[1]))
                })
        default: throw Malformed(description: "no type: \(text)")
        }
    }

    // MARK: times

    /// Microseconds of `mm:ss[.f]`, `hh:mm:ss[.f]`, `yyyy-mm-ddThh:mm:ss[.f]`, `min` or `max`.
    static func micros(_ text: String) throws -> Int64 {
        if text == "min" { return .min }
        if text == "max" { return .max }
        let halves = text.replacing("Z", with: "").split(separator: "T")
        var total: Int64 = 0
        if halves.count == 2 {
            let date = halves[0].split(separator: "-").compactMap { Int64($0) }
            guard date.count == 3 else { throw Malformed(description: "no time: \(text)") }
            total = days(year: date[0], month: date[1], day: date[2]) * 86_400_000_000
        }
        let isBefore = halves.last?.hasPrefix("-") == true
        let clock = (halves.last.map { isBefore ? $0.dropFirst() : $0 } ?? "").split(separator: ":")
        guard (2...3).contains(clock.count) else {
            throw Malformed(description: "no time: \(text)")
        }
        let seconds = clock[clock.count - 1].split(separator: ".")
        let fraction = seconds.count > 1 ? String(seconds[1]) : ""
        let whole = clock.dropLast().compactMap { Int64($0) }.reduce(0) { $0 * 60 + $1 } * 60
        guard let second = Int64(seconds[0]), let micro = Int64(padded(fraction, 6)) else {
            throw Malformed(description: "no time: \(text)")
        }
        let time = (whole + second) * 1_000_000 + micro
        return total + (isBefore ? -time : time)
    }

    private static func padded(_ digits: String, _ count: Int) -> String {
        digits + String(repeating: "0", count: max(0, count - digits.count))
    }

    /// A time as a table writes it: `mm:ss` within the first hour, `hh:mm:ss` within the first day.
    static func time(_ micros: Int64) -> String {
        if micros == .min { return "min" }
        if micros == .max { return "max" }
        if micros < 0 && micros > -86_400_000_000 { return "-" + time(-micros) }
        let seconds = micros.flooredQuotient(1_000_000)
        let fraction = micros - seconds * 1_000_000
        let day = seconds.flooredQuotient(86_400)
        let second = seconds - day * 86_400
        var clock = two(second / 60 % 60) + ":" + two(second % 60)
        if day != 0 || second >= 3600 { clock = two(second / 3600) + ":" + clock }
        if fraction != 0 {
            let digits = String(fraction)
            clock += "." + String(repeating: "0", count: 6 - digits.count) + digits
            while clock.hasSuffix("0") { clock.removeLast() }
        }
        return day == 0 ? clock : date(day) + "T" + clock
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// Source: Howard Hinnant, chrono-compatible low-level date algorithms.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.flooredQuotient(400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }

    private static func date(_ days: Int64) -> String {
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let year = yearOfEra + era * 400 + (month < 10 ? 0 : 1)
        return "\(year)-" + two(month < 10 ? month + 3 : month - 9) + "-" + two(day)
    }

    // MARK: writing

    /// The text of row `row` of `column`.
    static func text(_ column: Column, _ row: Int) -> String {
        guard column.isValid(row) else { return "null" }
        switch column.type {
        case .bool: return column.bools[row] == 0 ? "false" : "true"
        case .int64, .date: return "\(column.int64s[row])"
        case .float64: return "\(column.float64s[row])"
        case .decimal(_, let scale): return decimalText(column.decimals[row], scale)
        case .timestamp: return time(column.int64s[row])
        case .interval: return "\(column.intervals[row])"
        case .string, .bytes:
            let text = column.string(row)
            return text.isEmpty || text.contains(" ") ? "'\(text)'" : text
        case .list:
            let start = ByteView.start(column.views[row])
            let items = start..<(start + ByteView.length(column.views[row]))
            return "[" + items.map { text(column.children[0], $0) }.joined(separator: ", ") + "]"
        case .structure(let fields):
            let pairs = zip(fields, column.children).map { "\($0.name): \(text($1, row))" }
            return "{" + pairs.joined(separator: ", ") + "}"
        }
    }

    private static func decimalText(_ value: Int128, _ scale: Int) -> String {
        if scale == 0 { return "\(value)" }
        let digits = "\(value.magnitude)"
        let wide = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
        return (value < 0 ? "-" : "") + wide.dropLast(scale) + "." + wide.suffix(scale)
    }

    /// A table in columns of one width.
    static func render(_ header: [String], _ rows: [[String]]) -> String {
        let lines = [header] + rows
        let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { cells in
            zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
                .joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

extension Int64 {
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor != 0 && (self < 0) != (divisor < 0) ? quotient - 1 : quotient
    }
}
