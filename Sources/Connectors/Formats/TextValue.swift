import StreamRuntime

/// Why one value of a record could not be used.
struct ValueProblem: Error {
    /// The field, with the members inside it that lead to the value.
    var field: String
    let reason: String

    init(_ reason: String, field: String = "") {
        self.field = field
        self.reason = reason
    }

    /// The same problem, seen from one level further out.
    func inside(_ name: String) -> ValueProblem {
        ValueProblem(reason, field: field.isEmpty ? name : name + "." + field)
    }
}

/// Reads scalar values from text: the one place that says how a value of each type is written.
enum TextValue {
    /// Appends the value that `text` is written for.
    ///
    /// - Parameter named: "NaN", "Infinity" and "-Infinity" are doubles.
    /// - Throws: with the text and what was expected, when it is not a value of the column's type.
    static func append(
        _ text: UnsafePointer<UInt8>, _ length: Int, unit: TimeUnit, zone: LocalZone? = nil,
        named: Bool, to column: Column
    ) throws(ValueProblem) {
        if length > 1, text[length - 1] == 0x2D, text[0] &- 0x30 <= 9 || text[0] == 0x2E,
            column.type.isNumber
        {
            return try appendNegative(text, length - 1, to: column)
        }
        switch column.type {
        case .int64:
            var value: Int64 = 0
            try check(readInt64(text, length, into: &value), text, length, column.type)
            column.append(value)
        case .float64:
            var value = 0.0
            try check(
                readFloat64(text, length, named: named, into: &value), text, length, column.type)
            column.append(value)
        case .decimal(let precision, let scale):
            var value: Int128 = 0
            try check(
                readDecimal(text, length, precision: precision, scale: scale, into: &value),
                text, length, column.type)
            column.append(value)
        case .timestamp, .date:
            if unit == .basic, isZeros(text, length) { return column.appendNull() }
            if column.type == .date {
                column.append(try date(text, length, unit: unit))
            } else {
                column.append(try timestamp(text, length, unit: unit, zone: zone))
            }
        case .bool: column.append(try bool(text, length))
        case .bytes:
            var bytes = [UInt8](repeating: 0, count: length / 4 * 3 + 3)
            let count = Base64Text.decode(text, length, into: &bytes)
            guard count >= 0 else { throw ValueProblem("\(excerpt(text, length)) is not base64") }
            bytes.withUnsafeBufferPointer {
                column.append(UnsafeBufferPointer(rebasing: $0[0..<count]))
            }
        case .string: column.append(UnsafeBufferPointer(start: text, count: length))
        case .interval, .list, .structure:
            throw ValueProblem("text cannot hold a \(column.type)")
        }
    }

    private static func check(
        _ verdict: TextVerdict, _ text: UnsafePointer<UInt8>, _ length: Int, _ type: ColumnType
    ) throws(ValueProblem) {
        let wanted: String =
            switch type {
            case .int64: "an int64"
            case .float64: "a double"
            default: "a \(type)"
            }
        switch verdict {
        case .fine: return
        case .malformed: throw ValueProblem("\(excerpt(text, length)) is not \(wanted)")
        case .outOfRange:
            throw ValueProblem("\(excerpt(text, length)) is beyond the range of \(wanted)")
        case .inexact:
            throw ValueProblem("\(excerpt(text, length)) would have to be rounded to be \(wanted)")
        }
    }

    /// A number whose minus stands behind it ("10.000-", as SAP writes), its `length` bytes before that.
    private static func appendNegative(
        _ text: UnsafePointer<UInt8>, _ length: Int, to column: Column
    ) throws(ValueProblem) {
        var turned: [UInt8] = [0x2D]
        turned.append(contentsOf: UnsafeBufferPointer(start: text, count: length))
        guard !turned.contains(0x65), !turned.contains(0x45) else {
            throw ValueProblem("\(excerpt(text, length + 1)) is not a \(column.type)")
        }
        try append(turned, turned.count, unit: .automatic, named: false, to: column)
    }

    /// Whether a date is written as nothing but zeros, which stands for none.
    private static func isZeros(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        for at in 0..<length where text[at] != 0x30 { return false }
        return length > 0
    }

    /// A timestamp in microseconds, of ISO-8601 text or a number of units.
    ///
    /// - Parameter zone: where clocks show what text without a zone says; UTC when nil.
    static func timestamp(
        _ text: UnsafePointer<UInt8>, _ length: Int, unit: TimeUnit, zone: LocalZone? = nil
    ) throws(ValueProblem) -> Int64 {
        let micros =
            unit == .basic
            ? TimeText.readBasic(text, length, zone: zone)
            : TimeText.readTimestamp(text, length, zone: zone)
        if micros > TimeText.outOfRange { return micros }
        if micros == TimeText.outOfRange { throw outOfRange(text, length) }
        if unit == .basic {
            let extended = TimeText.readTimestamp(text, length, zone: zone)
            if extended > TimeText.outOfRange { return extended }
            throw ValueProblem(
                "\(excerpt(text, length)) is not a time as yyyymmdd or yyyymmddhhmmss")
        }
        if let micros = TimeText.readODataDate(text, length) { return micros }
        guard let number = DecimalText.read(text, length) else {
            throw ValueProblem("\(excerpt(text, length)) is not a timestamp")
        }
        let exponent: Int
        switch unit {
        case .iso:
            throw ValueProblem("\(excerpt(text, length)) is a number, but the unit is iso")
        case .days:
            var days: Int128 = 0
            guard number.scaled(0, precision: 18, into: &days) == .fine,
                days >= Int128(TimeText.dateMin), days <= Int128(TimeText.dateMax)
            else { throw outOfRange(text, length) }
            return Int64(days) * 86_400_000_000
        default: exponent = unit.microsExponent ?? 0
        }
        var wide: Int128 = 0
        guard number.scaled(exponent, precision: 38, truncating: true, into: &wide) == .fine,
            wide >= Int128(TimeText.timestampMin), wide <= Int128(TimeText.timestampMax)
        else { throw outOfRange(text, length) }
        return Int64(wide)
    }

    /// A date in days, of ISO-8601 text or a number of days.
    static func date(
        _ text: UnsafePointer<UInt8>, _ length: Int, unit: TimeUnit
    ) throws(ValueProblem) -> Int64 {
        if unit == .basic, length == 8 || length == 6 {
            let micros = TimeText.readBasic(text, length, zone: nil)
            if micros > TimeText.outOfRange { return micros / 86_400_000_000 }
        }
        let days = TimeText.readDate(text, length)
        if days > TimeText.outOfRange { return days }
        if days == TimeText.outOfRange { throw outOfRange(text, length) }
        guard unit == .days || unit == .automatic else {
            throw ValueProblem("\(excerpt(text, length)) is not a date")
        }
        var value: Int64 = 0
        guard readInt64(text, length, into: &value) == .fine else {
            throw ValueProblem("\(excerpt(text, length)) is not a date")
        }
        guard value >= TimeText.dateMin, value <= TimeText.dateMax else {
            throw outOfRange(text, length)
        }
        return value
    }

    private static func outOfRange(
        _ text: UnsafePointer<UInt8>, _ length: Int
    ) -> ValueProblem {
        ValueProblem("\(excerpt(text, length)) is outside the years 0001 to 9999")
    }

    private static func bool(
        _ text: UnsafePointer<UInt8>, _ length: Int
    ) throws(ValueProblem) -> Bool {
        let word = String(
            decoding: UnsafeBufferPointer(start: text, count: min(length, 6)), as: UTF8.self)
        switch word.lowercased() {
        case "true", "t", "1": return true
        case "false", "f", "0": return false
        default: throw ValueProblem("\(excerpt(text, length)) is not a bool")
        }
    }
}

extension Column {
    /// Appends a view of bytes that are in the column's arena already.
    func append(view: UInt64) {
        reserve(1)
        views[count] = view
        if let validity { validity[count] = 1 }
        setCount(count + 1)
    }

    /// Forgets the rows from `rows` on, with what they hold inside; elements of forgotten lists stay
    /// behind unused.
    func cut(to rows: Int) {
        if count > rows { setCount(rows) }
        switch type {
        case .structure: for child in children { child.cut(to: rows) }
        case .list: children[0].align()
        default: return
        }
    }

    /// Makes the fields of a struct as long as the struct again.
    private func align() {
        switch type {
        case .structure: for child in children { child.cut(to: count) }
        case .list: children[0].align()
        default: return
        }
    }

    /// Makes `arena` the arena of every string and bytes column at or below this one.
    func adopt(_ arena: ByteArena) {
        if type.isBytes { self.arena = arena }
        for child in children { child.adopt(arena) }
    }
}

extension ColumnType {
    /// Whether values are numbers.
    fileprivate var isNumber: Bool {
        switch self {
        case .int64, .float64, .decimal: true
        default: false
        }
    }
}
