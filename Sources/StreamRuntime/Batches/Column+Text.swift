extension Column {
    /// The value of a row as SQL writes it when cast to a string: "1.50", "2024-01-01 00:00:00",
    /// "[a, b]", "{'a': 1}", "NULL".
    ///
    /// - Note: allocates; for edges, messages, tables and tests.
    public func valueText(_ row: Int) -> String {
        var bytes: [UInt8] = []
        appendValueText(row, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends what `valueText` returns as UTF-8 to `text`.
    ///
    /// - Source: DuckDB's casts to VARCHAR, also of nested values.
    public func appendValueText(_ row: Int, to text: inout [UInt8]) {
        guard isValid(row) else { return text.append(contentsOf: "NULL".utf8) }
        switch type {
        case .bool: text.append(contentsOf: (bools[row] != 0 ? "true" : "false").utf8)
        case .int64: ValueText.append(int64s[row], to: &text)
        case .float64: text.append(contentsOf: ValueText.of(float64s[row]).utf8)
        case .decimal(_, let scale): ValueText.append(decimals[row], scale: scale, to: &text)
        case .timestamp: ValueText.append(timestamp: int64s[row], to: &text)
        case .date: ValueText.append(date: int64s[row], to: &text)
        case .interval: ValueText.append(intervals[row], to: &text)
        case .string: text.append(contentsOf: bytes(row))
        case .bytes: ValueText.append(blob: bytes(row), to: &text)
        case .list:
            text.append(UInt8(ascii: "["))
            let view = views[row]
            for index in 0..<ByteView.length(view) {
                if index > 0 { text.append(contentsOf: ", ".utf8) }
                children[0].appendElementText(ByteView.start(view) + index, to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .structure(let fields):
            text.append(UInt8(ascii: "{"))
            for (index, field) in fields.enumerated() {
                if index > 0 { text.append(contentsOf: ", ".utf8) }
                ValueText.append(quoted: Array(field.name.utf8), to: &text)
                text.append(contentsOf: ": ".utf8)
                children[index].appendElementText(row, to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    private func appendElementText(_ row: Int, to text: inout [UInt8]) {
        let start = text.count
        appendValueText(row, to: &text)
        switch type {
        case .string, .timestamp, .date, .interval, .bytes:
            guard isValid(row) else { return }
            let element = Array(text[start...])
            guard ValueText.needsQuotes(element) else { return }
            text.removeLast(element.count)
            ValueText.append(quoted: element, to: &text)
        default: return
        }
    }
}

/// The text of single values, as SQL casts them.
public enum ValueText {
    static func append(_ value: Int64, to text: inout [UInt8]) {
        append(magnitude: UInt128(value.magnitude), negative: value < 0, scale: 0, to: &text)
    }

    /// Appends a decimal given as its unscaled value, with exactly `scale` digits after the point.
    public static func append(_ value: Int128, scale: Int, to text: inout [UInt8]) {
        append(magnitude: value.magnitude, negative: value < 0, scale: scale, to: &text)
    }

    private static func append(
        magnitude: UInt128, negative: Bool, scale: Int, to text: inout [UInt8]
    ) {
        if negative { text.append(UInt8(ascii: "-")) }
        // 39 digits are the most a magnitude has; zeros fill up to the scale.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(40, scale + 1)) { digits in
            var count = 0
            var rest = magnitude
            while rest > UInt128(UInt64.max) {
                let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
                digits[count] = UInt8(ascii: "0") + UInt8(remainder)
                count &+= 1
                rest = quotient
            }
            var small = UInt64(rest)
            while small > 0 || count <= scale {
                digits[count] = UInt8(ascii: "0") + UInt8(small % 10)
                count &+= 1
                small /= 10
            }
            while count > 0 {
                count &-= 1
                text.append(digits[count])
                if count == scale, count > 0 { text.append(UInt8(ascii: ".")) }
            }
        }
    }

    /// A double in the fewest digits that read back as the same double.
    public static func of(_ value: Double) -> String {
        // Between 2^53 and 10^16 all are whole, and have sixteen digits.
        let isWhole = value.magnitude >= 0x1p53 && value.magnitude < 1e16
        return isWhole ? "\(Int64(value)).0" : value.description
    }

    private static func append(padded value: Int64, width: Int, to text: inout [UInt8]) {
        var digits = 1
        var rest = value / 10
        while rest != 0 {
            digits &+= 1
            rest /= 10
        }
        for _ in 0..<max(0, width - digits) { text.append(UInt8(ascii: "0")) }
        append(value, to: &text)
    }

    /// Appends a date given in days since 1970-01-01.
    public static func append(date days: Int64, to text: inout [UInt8]) {
        let date = CivilDate(days: days)
        append(padded: date.year > 0 ? date.year : 1 - date.year, width: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        append(padded: date.month, width: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        append(padded: date.day, width: 2, to: &text)
        if date.year <= 0 { text.append(contentsOf: " (BC)".utf8) }
    }

    /// Appends a timestamp given in microseconds since 1970, in UTC.
    public static func append(timestamp micros: Int64, to text: inout [UInt8]) {
        let day = CivilDate.day(ofMicros: micros)
        append(date: day, to: &text)
        text.append(UInt8(ascii: " "))
        append(clock: micros &- day &* CivilDate.microsPerDay, to: &text)
    }

    /// Appends hours, minutes, seconds and the fraction without trailing zeros.
    private static func append(clock micros: Int64, to text: inout [UInt8]) {
        append(padded: micros / 3_600_000_000, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(padded: micros / 60_000_000 % 60, width: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(padded: micros / 1_000_000 % 60, width: 2, to: &text)
        guard micros % 1_000_000 != 0 else { return }
        text.append(UInt8(ascii: "."))
        append(padded: micros % 1_000_000, width: 6, to: &text)
        while text.last == UInt8(ascii: "0") { text.removeLast() }
    }

    /// Appends an interval: "1 year 2 months 3 days 04:05:06".
    public static func append(_ interval: Interval, to text: inout [UInt8]) {
        let start = text.count
        func part(_ value: Int64, _ unit: String) {
            guard value != 0 else { return }
            if text.count > start { text.append(UInt8(ascii: " ")) }
            text.append(contentsOf: "\(value) \(unit)\(value == 1 || value == -1 ? "" : "s")".utf8)
        }
        part(Int64(interval.months / 12), "year")
        part(Int64(interval.months % 12), "month")
        part(Int64(interval.days), "day")
        guard interval.micros != 0 || text.count == start else { return }
        if text.count > start { text.append(UInt8(ascii: " ")) }
        if interval.micros < 0 { text.append(UInt8(ascii: "-")) }
        let magnitude = interval.micros == .min ? Int64.max : abs(interval.micros)
        append(clock: magnitude, to: &text)
    }

    /// Appends bytes: printable ASCII as itself, everything else as \xHH.
    public static func append(blob: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in blob {
            let isPlain =
                byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\\")
                && byte != UInt8(ascii: "'") && byte != UInt8(ascii: "\"")
            if isPlain {
                text.append(byte)
            } else {
                text.append(contentsOf: "\\x".utf8)
                text.append(digits[Int(byte >> 4)])
                text.append(digits[Int(byte & 15)])
            }
        }
    }

    static func needsQuotes(_ text: [UInt8]) -> Bool {
        guard let first = text.first, let last = text.last else { return true }
        if isBlank(first) || isBlank(last) { return true }
        if text.count == 4, String(decoding: text, as: UTF8.self).lowercased() == "null" {
            return true
        }
        let special = Array(",[]{}()'\":=\\".utf8)
        return text.contains { special.contains($0) }
    }

    /// Whether the byte is a space, a tab or another of C's white space.
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }

    static func append(quoted bytes: [UInt8], to text: inout [UInt8]) {
        text.append(UInt8(ascii: "'"))
        for byte in bytes {
            if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\\") {
                text.append(UInt8(ascii: "\\"))
            }
            text.append(byte)
        }
        text.append(UInt8(ascii: "'"))
    }
}
