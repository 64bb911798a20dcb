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
        _ text: UnsafePointer<UInt8>, _ length: Int, unit: TimeUnit, named: Bool,
        to column: Column
    ) throws(ValueProblem) {
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
        case .timestamp: column.append(try timestamp(text, length, unit: unit))
        case .date: column.append(try date(text, length, unit: unit))
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

    /// A timestamp in microseconds, of ISO-8601 text or a number of units.
    static func timestamp(
        _ text: UnsafePointer<UInt8>, _ length: Int, unit: TimeUnit
    ) throws(ValueProblem) -> Int64 {
        let micros = TimeText.readTimestamp(text, length)
        if micros > TimeText.outOfRange { return micros }
        if micros == TimeText.outOfRange { throw outOfRange(text, length) }
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
