import Glibc
import StreamRuntime

/// Reads numbers from text as SQL casts do.
enum NumberText {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    static func trimmed(_ bytes: Bytes) -> Bytes {
        var start = 0
        var end = bytes.count
        while start < end, Lexer.isBlank(bytes[start]) { start += 1 }
        while end > start, Lexer.isBlank(bytes[end - 1]) { end -= 1 }
        return Bytes(rebasing: bytes[start..<end])
    }

    /// A whole number; a fraction is rounded half away from zero.
    static func int64(_ text: Bytes) -> Int64? {
        guard let value = decimal(text, scale: 0) else { return digits(text) }
        return Int64(exactly: value)
    }

    /// Hexadecimal and binary digits behind 0x and 0b, with underscores between some of them.
    private static func digits(_ text: Bytes) -> Int64? {
        guard text.count > 2, text[0] == UInt8(ascii: "0"), text[2] != UInt8(ascii: "_"),
            text[text.count - 1] != UInt8(ascii: "_")
        else { return nil }
        let radix: Int64
        switch text[1] | 32 {
        case UInt8(ascii: "x"): radix = 16
        case UInt8(ascii: "b"): radix = 2
        default: return nil
        }
        var value: Int64 = 0
        for (index, byte) in text.enumerated().dropFirst(2) {
            if byte == UInt8(ascii: "_") {
                guard text[index - 1] != byte else { return nil }
                continue
            }
            guard let digit = CastKernels.hexDigit(byte), Int64(digit) < radix else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: radix)
            guard !overflow else { return nil }
            value = shifted | Int64(digit)
        }
        return value
    }

    /// The unscaled value of a decimal with `scale` digits after the point, rounded half away from
    /// zero; nil when the text is no number or has more than 38 digits.
    static func decimal(_ text: Bytes, scale: Int) -> Int128? {
        let bytes = trimmed(text)
        var at = 0
        let isNegative = at < bytes.count && bytes[at] == UInt8(ascii: "-")
        if at < bytes.count, isNegative || bytes[at] == UInt8(ascii: "+") { at += 1 }
        var digits: [UInt8] = []
        var point: Int?
        while at < bytes.count {
            let byte = bytes[at]
            if Lexer.isDigit(byte) {
                digits.append(byte - 48)
            } else if byte == UInt8(ascii: "."), point == nil {
                point = digits.count
            } else if byte == UInt8(ascii: "_"), isBetweenDigits(bytes, at) {
                // 1_000 is 1000.
            } else {
                break
            }
            at += 1
        }
        guard !digits.isEmpty else { return nil }
        var exponent = 0
        if at < bytes.count, bytes[at] | 32 == UInt8(ascii: "e") {
            at += 1
            var sign = 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") {
                sign = bytes[at] == UInt8(ascii: "-") ? -1 : 1
                at += 1
            }
            guard at < bytes.count else { return nil }
            while at < bytes.count, Lexer.isDigit(bytes[at]) {
                exponent = min(exponent * 10 + Int(bytes[at] - 48), 10_000)
                at += 1
            }
            exponent *= sign
        }
        guard at == bytes.count else { return nil }
        // How many of the digits, or zeros after them, belong to the unscaled value.
        let wanted = (point ?? digits.count) + exponent + scale
        var value: Int128 = 0
        for index in 0..<max(0, min(wanted, 10_100)) {
            let digit = index < digits.count ? Int128(digits[index]) : 0
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            value = shifted + digit
            guard value < Decimals.limit else { return nil }
        }
        if wanted >= 0, wanted < digits.count, digits[wanted] >= 5 { value += 1 }
        guard value < Decimals.limit else { return nil }
        return isNegative ? -value : value
    }

    private static func isBetweenDigits(_ bytes: Bytes, _ at: Int) -> Bool {
        at > 0 && at + 1 < bytes.count && Lexer.isDigit(bytes[at - 1])
            && Lexer.isDigit(bytes[at + 1])
    }

    static func double(_ text: Bytes) -> Double? {
        let bytes = trimmed(text)
        guard let first = bytes.first else { return nil }
        let isPlain = Lexer.isDigit(first) || first == UInt8(ascii: ".")
        let string = String(decoding: bytes, as: UTF8.self)
        if isPlain || first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
            guard !bytes.contains(where: { $0 | 32 == UInt8(ascii: "x") }) else { return nil }
        }
        switch string.lowercased() {
        case "inf", "infinity", "+inf": return .infinity
        case "-inf", "-infinity": return -.infinity
        case "nan": return .nan
        default:
            var digits = string.hasSuffix(".") && string != "." ? string + "0" : string
            if bytes.contains(UInt8(ascii: "_")) {
                let places = bytes.indices.filter { bytes[$0] == UInt8(ascii: "_") }
                guard places.allSatisfy({ isBetweenDigits(bytes, $0) }) else { return nil }
                digits.removeAll { $0 == "_" }
            }
            guard digits.utf8.contains(where: Lexer.isDigit), let value = Double(digits),
                value.isFinite
            else { return nil }
            return value
        }
    }

    static func bool(_ text: Bytes) -> Bool? {
        switch String(decoding: trimmed(text), as: UTF8.self).lowercased() {
        case "true", "t", "yes", "y", "1": true
        case "false", "f", "no", "n", "0": false
        default: nil
        }
    }
}
