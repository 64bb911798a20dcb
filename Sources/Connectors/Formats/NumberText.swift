import Glibc

/// Whether a text gave a value, or why not.
enum TextVerdict: UInt8 {
    case fine
    /// Not written as a value of the type.
    case malformed
    /// A value, but beyond what the type holds.
    case outOfRange
    /// A value that the type could only hold rounded.
    case inexact
}

/// Powers of ten up to 10^38, by exponent.
nonisolated(unsafe) let powersOfTen: UnsafePointer<Int128> = {
    let powers = UnsafeMutablePointer<Int128>.allocate(capacity: 39)
    powers[0] = 1
    for exponent in 1..<39 { powers[exponent] = powers[exponent - 1] * 10 }
    return UnsafePointer(powers)
}()

/// Powers of ten that a double holds exactly, by exponent (0 to 22).
nonisolated(unsafe) let exactDoublePowers: UnsafePointer<Double> = {
    let powers = UnsafeMutablePointer<Double>.allocate(capacity: 23)
    for exponent in 0..<23 { powers[exponent] = Double(powersOfTen[exponent]) }
    return UnsafePointer(powers)
}()

/// A decimal number as written: digits × 10^exponent, exactly.
struct DecimalText {
    var isNegative = false
    /// The significant digits, without trailing zeros; at most 38 of them.
    var digits: Int128 = 0
    var exponent = 0
    /// More than 38 significant digits were written.
    var isTooLong = false

    /// Reads `[+-]digits[.digits][e[+-]digits]`, at least one digit before or after the point.
    ///
    /// - Returns: nil when the text is anything else.
    static func read(_ text: UnsafePointer<UInt8>, _ length: Int) -> DecimalText? {
        var result = DecimalText()
        var at = 0
        if at < length, text[at] == 0x2D || text[at] == 0x2B {
            result.isNegative = text[at] == 0x2D
            at += 1
        }
        var count = 0
        var zeros = 0
        var seen = 0
        var pointAt = -1
        while at < length {
            let byte = text[at]
            if byte == 0x2E, pointAt < 0 {
                pointAt = seen
                at += 1
                continue
            }
            let digit = byte &- 0x30
            guard digit <= 9 else { break }
            seen += 1
            if digit == 0 {
                if count > 0 { zeros += 1 }
            } else {
                if count + zeros + 1 > 38 {
                    result.isTooLong = true
                } else {
                    result.digits = result.digits * powersOfTen[zeros + 1] + Int128(digit)
                }
                count += zeros + 1
                zeros = 0
            }
            at += 1
        }
        guard seen > 0 else { return nil }
        result.exponent = zeros - (pointAt < 0 ? 0 : seen - pointAt)
        if at < length, text[at] | 0x20 == 0x65 {
            at += 1
            var isNegative = false
            if at < length, text[at] == 0x2D || text[at] == 0x2B {
                isNegative = text[at] == 0x2D
                at += 1
            }
            var exponent = 0
            let start = at
            while at < length, text[at] &- 0x30 <= 9 {
                exponent = min(exponent * 10 + Int(text[at] &- 0x30), 1 << 40)
                at += 1
            }
            guard at > start else { return nil }
            result.exponent += isNegative ? -exponent : exponent
        }
        if count == 0 { result.exponent = 0 }
        return at == length ? result : nil
    }

    /// The number times 10^scale as an integer of at most `precision` digits.
    ///
    /// - Parameter truncating: digits beyond the scale are cut off (towards zero) instead of refused.
    func scaled(
        _ scale: Int, precision: Int, truncating: Bool = false, into value: inout Int128
    ) -> TextVerdict {
        if isTooLong { return .outOfRange }
        let shift = exponent + scale
        var result = digits
        if digits == 0 {
            value = 0
            return .fine
        }
        if shift >= 0 {
            guard shift <= 38 else { return .outOfRange }
            let (product, overflow) = digits.multipliedReportingOverflow(
                by: powersOfTen[shift])
            if overflow { return .outOfRange }
            result = product
        } else if shift < -38 {
            guard truncating else { return .inexact }
            result = 0
        } else {
            let (quotient, rest) = digits.quotientAndRemainder(dividingBy: powersOfTen[-shift])
            guard rest == 0 || truncating else { return .inexact }
            result = quotient
        }
        guard result < powersOfTen[precision] else { return .outOfRange }
        value = isNegative ? -result : result
        return .fine
    }
}

/// The digits of a number of at most 18 of them, without an exponent, and how many stand after the
/// point; nil for any other text.
private func plainNumber(
    _ text: UnsafePointer<UInt8>, _ length: Int, scale: inout Int
) -> Int64? {
    guard length > 0, length <= 18 else { return nil }
    var at = text[0] == 0x2D ? 1 : 0
    guard at < length, text[at] &- 0x30 <= 9 else { return nil }
    var value: Int64 = 0
    var point = length
    while at < length {
        let digit = text[at] &- 0x30
        if digit <= 9 {
            value = value &* 10 &+ Int64(digit)
        } else {
            guard text[at] == 0x2E, point == length else { return nil }
            point = at &+ 1
        }
        at &+= 1
    }
    scale = length &- point
    return text[0] == 0x2D ? 0 &- value : value
}

/// Reads an int64; "17.0" and "1e3" are the integers they equal.
func readInt64(
    _ text: UnsafePointer<UInt8>, _ length: Int, into value: inout Int64
) -> TextVerdict {
    var scale = 0
    if let plain = plainNumber(text, length, scale: &scale), scale == 0 {
        value = plain
        return .fine
    }
    guard let number = DecimalText.read(text, length) else { return .malformed }
    var wide: Int128 = 0
    let verdict = number.scaled(0, precision: 38, into: &wide)
    guard verdict == .fine else { return verdict }
    guard let narrow = Int64(exactly: wide) else { return .outOfRange }
    value = narrow
    return .fine
}

/// Reads a decimal of at most `precision` digits, `scale` of them after the point, exactly.
func readDecimal(
    _ text: UnsafePointer<UInt8>, _ length: Int, precision: Int, scale: Int,
    into value: inout Int128
) -> TextVerdict {
    var written = 0
    if let plain = plainNumber(text, length, scale: &written), written <= scale,
        scale - written <= 18
    {
        let wide = Int128(plain) * powersOfTen[scale - written]
        if wide.magnitude < powersOfTen[precision].magnitude {
            value = wide
            return .fine
        }
    }
    guard let number = DecimalText.read(text, length) else { return .malformed }
    return number.scaled(scale, precision: precision, into: &value)
}

/// Reads a double, rounded to the nearest; "NaN", "Infinity" and "-Infinity" too where `named`.
func readFloat64(
    _ text: UnsafePointer<UInt8>, _ length: Int, named: Bool, into value: inout Double
) -> TextVerdict {
    guard let number = DecimalText.read(text, length) else {
        guard named else { return .malformed }
        switch String(decoding: UnsafeBufferPointer(start: text, count: length), as: UTF8.self) {
        case "NaN": value = .nan
        case "Infinity": value = .infinity
        case "-Infinity": value = -.infinity
        default: return .malformed
        }
        return .fine
    }
    if !number.isTooLong, number.digits <= 1 << 53, abs(number.exponent) <= 22 {
        let digits = Double(Int64(number.digits))
        let size =
            number.exponent < 0
            ? digits / exactDoublePowers[-number.exponent]
            : digits * exactDoublePowers[number.exponent]
        value = number.isNegative ? -size : size
        return .fine
    }
    var copy = [CChar](repeating: 0, count: length + 1)
    for at in 0..<length { copy[at] = CChar(bitPattern: text[at]) }
    value = strtod(copy, nil)
    return value.isInfinite ? .outOfRange : .fine
}
