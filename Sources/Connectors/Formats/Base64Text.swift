/// Base64 of RFC 4648, standard or URL alphabet, padding optional at the end.
enum Base64Text {
    /// Decodes `text` into `bytes`, which has room for `length / 4 * 3 + 3`.
    ///
    /// - Returns: how many bytes, or -1 when the text is not base64.
    static func decode(
        _ text: UnsafePointer<UInt8>, _ length: Int, into bytes: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var count = length
        while count > 0, length - count < 2, text[count - 1] == 0x3D { count -= 1 }
        if count != length, length % 4 != 0 { return -1 }
        guard count % 4 != 1 else { return -1 }
        var bits: UInt32 = 0
        var pending = 0
        var made = 0
        for at in 0..<count {
            let digit = value(text[at])
            guard digit < 64 else { return -1 }
            bits = bits << 6 | digit
            pending += 6
            if pending >= 8 {
                pending -= 8
                bytes[made] = UInt8(truncatingIfNeeded: bits >> UInt32(pending))
                made += 1
            }
        }
        return bits & (1 << UInt32(pending) - 1) == 0 ? made : -1
    }

    private static func value(_ byte: UInt8) -> UInt32 {
        switch byte {
        case 0x41...0x5A: UInt32(byte - 0x41)
        case 0x61...0x7A: UInt32(byte - 0x61 + 26)
        case 0x30...0x39: UInt32(byte - 0x30 + 52)
        case 0x2B, 0x2D: 62
        case 0x2F, 0x5F: 63
        default: 64
        }
    }

    /// Writes the standard base64 of `count` bytes to `text`, which has room for
    /// `(count + 2) / 3 * 4`.
    static func encode(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, into text: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var made = 0
        var at = 0
        while at < count {
            let left = count - at
            let first = UInt32(bytes[at]) << 16
            let second = left > 1 ? UInt32(bytes[at + 1]) << 8 : 0
            let group = first | second | (left > 2 ? UInt32(bytes[at + 2]) : 0)
            text[made] = digit(group >> 18)
            text[made + 1] = digit(group >> 12)
            text[made + 2] = left > 1 ? digit(group >> 6) : 0x3D
            text[made + 3] = left > 2 ? digit(group) : 0x3D
            made += 4
            at += 3
        }
        return made
    }

    private static func digit(_ value: UInt32) -> UInt8 {
        let value = UInt8(value & 63)
        switch value {
        case 0..<26: return value + 0x41
        case 26..<52: return value - 26 + 0x61
        case 52..<62: return value - 52 + 0x30
        case 62: return 0x2B
        default: return 0x2F
        }
    }
}
