import Glibc
import StreamRuntime

/// Writes values as JSON text to the end of an arena.
enum JSONText {
    static func append(_ text: StaticString, to arena: ByteArena) {
        arena.append(text.utf8Start, text.utf8CodeUnitCount)
    }

    static func append(byte: UInt8, to arena: ByteArena) {
        arena.reserve(1)
        arena.base[arena.count] = byte
        arena.count += 1
    }

    static func append(integer value: Int64, to arena: ByteArena) {
        append(digits: value.magnitude, negative: value < 0, to: arena)
    }

    private static func append(digits: UInt64, negative: Bool, to arena: ByteArena) {
        arena.reserve(20)
        if negative { append(byte: 0x2D, to: arena) }
        var count = 1
        var rest = digits / 10
        while rest > 0 {
            count += 1
            rest /= 10
        }
        rest = digits
        var at = arena.count + count - 1
        while at >= arena.count {
            arena.base[at] = 0x30 + UInt8(rest % 10)
            rest /= 10
            at -= 1
        }
        arena.count += count
    }

    /// A number that always shows a point or an exponent; infinities as strings, NaN as null.
    static func append(number value: Double, to arena: ByteArena) {
        if value.isFinite {
            var text = value.description
            text.withUTF8 { _ = arena.append($0.baseAddress!, $0.count) }
        } else if value.isNaN {
            append("null", to: arena)
        } else {
            append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"", to: arena)
        }
    }

    /// The double `digits` / 10^`decimals`, in the text that `append(number:)` gives it.
    ///
    /// - Precondition: at most six decimals, and digits below 10^13, so that the shortest text of the
    ///   double is that of the decimal.
    static func append(digits: Int64, decimals: Int, to arena: ByteArena) {
        var whole = digits.magnitude
        var places = decimals
        while places > 0, whole % 10 == 0 {
            whole /= 10
            places -= 1
        }
        // Below a ten thousandth the shortest text has an exponent.
        if places > 4, whole < (places == 5 ? 10 : 100) {
            return append(number: Double(digits) / CompactNumber.power(decimals), to: arena)
        }
        arena.reserve(24)
        if digits < 0 { append(byte: 0x2D, to: arena) }
        guard places > 0 else {
            append(digits: whole, negative: false, to: arena)
            return append(".0", to: arena)
        }
        let power = UInt64(CompactNumber.power(places))
        append(digits: whole / power, negative: false, to: arena)
        arena.base[arena.count] = 0x2E
        var rest = whole % power
        var at = arena.count + places
        while at > arena.count {
            arena.base[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            at -= 1
        }
        arena.count += places + 1
    }

    /// A decimal as a string, with all digits of its scale.
    static func append(decimal value: Int128, scale: Int, to arena: ByteArena) {
        var digits: [UInt8] = []
        var rest = value.magnitude
        while rest > 0 || digits.count <= scale {
            digits.append(0x30 + UInt8(rest % 10))
            rest /= 10
        }
        append(byte: 0x22, to: arena)
        if value < 0 { append(byte: 0x2D, to: arena) }
        for (index, digit) in digits.reversed().enumerated() {
            if index == digits.count - scale { append(byte: 0x2E, to: arena) }
            append(byte: digit, to: arena)
        }
        append(byte: 0x22, to: arena)
    }

    /// A quoted UTC time with 0, 3 or 6 fraction digits, as protobuf's JSON writes timestamps.
    static func append(timestamp micros: Int64, to arena: ByteArena) {
        let secondMicros: Int64 = 1_000_000
        var seconds = micros / secondMicros
        var fraction = micros % secondMicros
        if fraction < 0 {
            fraction += secondMicros
            seconds -= 1
        }
        var days = seconds / 86_400
        var second = seconds % 86_400
        if second < 0 {
            second += 86_400
            days -= 1
        }
        append(byte: 0x22, to: arena)
        append(civil: days, to: arena)
        append(byte: 0x54, to: arena)
        append(padded: second / 3600, width: 2, to: arena)
        append(byte: 0x3A, to: arena)
        append(padded: second / 60 % 60, width: 2, to: arena)
        append(byte: 0x3A, to: arena)
        append(padded: second % 60, width: 2, to: arena)
        if fraction != 0 {
            append(byte: 0x2E, to: arena)
            if fraction % 1000 == 0 {
                append(padded: fraction / 1000, width: 3, to: arena)
            } else {
                append(padded: fraction, width: 6, to: arena)
            }
        }
        append(byte: 0x5A, to: arena)
        append(byte: 0x22, to: arena)
    }

    /// A quoted calendar date.
    static func append(date days: Int64, to arena: ByteArena) {
        append(byte: 0x22, to: arena)
        append(civil: days, to: arena)
        append(byte: 0x22, to: arena)
    }

    private static func append(civil days: Int64, to arena: ByteArena) {
        let (year, month, day) = CivilTime.date(days: days)
        append(padded: year, width: 4, to: arena)
        append(byte: 0x2D, to: arena)
        append(padded: month, width: 2, to: arena)
        append(byte: 0x2D, to: arena)
        append(padded: day, width: 2, to: arena)
    }

    private static func append(padded value: Int64, width: Int, to arena: ByteArena) {
        if value < 0 { append(byte: 0x2D, to: arena) }
        var digits = 1
        var rest = value.magnitude / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        while digits < width {
            append(byte: 0x30, to: arena)
            digits += 1
        }
        append(digits: value.magnitude, negative: false, to: arena)
    }

    /// A quoted string; quotes, backslashes and control bytes are escaped.
    static func append(string bytes: UnsafeBufferPointer<UInt8>, to arena: ByteArena) {
        arena.reserve(bytes.count * 6 + 2)
        append(byte: 0x22, to: arena)
        for byte in bytes {
            switch byte {
            case 0x22: append("\\\"", to: arena)
            case 0x5C: append("\\\\", to: arena)
            case 0x0A: append("\\n", to: arena)
            case 0x0D: append("\\r", to: arena)
            case 0x09: append("\\t", to: arena)
            case 0..<0x20:
                append("\\u00", to: arena)
                append(byte: hexDigit(byte >> 4), to: arena)
                append(byte: hexDigit(byte & 15), to: arena)
            default: append(byte: byte, to: arena)
            }
        }
        append(byte: 0x22, to: arena)
    }

    static func append(string text: String, to arena: ByteArena) {
        var text = text
        text.withUTF8 { append(string: $0, to: arena) }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? 0x30 + value : 0x57 + value
    }

    /// Quoted base64 with padding.
    static func append(base64 bytes: UnsafeBufferPointer<UInt8>, to arena: ByteArena) {
        func letter(_ value: UInt32) -> UInt8 {
            switch UInt8(value & 63) {
            case let small where small < 26: 0x41 + small
            case let small where small < 52: 0x61 + small - 26
            case let small where small < 62: 0x30 + small - 52
            case 62: 0x2B
            default: 0x2F
            }
        }
        append(byte: 0x22, to: arena)
        var at = 0
        while at < bytes.count {
            let left = bytes.count - at
            let word =
                UInt32(bytes[at]) << 16 | (left > 1 ? UInt32(bytes[at + 1]) << 8 : 0)
                | (left > 2 ? UInt32(bytes[at + 2]) : 0)
            append(byte: letter(word >> 18), to: arena)
            append(byte: letter(word >> 12), to: arena)
            append(byte: left > 1 ? letter(word >> 6) : 0x3D, to: arena)
            append(byte: left > 2 ? letter(word) : 0x3D, to: arena)
            at += 3
        }
        append(byte: 0x22, to: arena)
    }
}
