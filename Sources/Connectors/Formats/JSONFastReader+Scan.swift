import CText

extension JSONFastReader {
    static let null: UInt32 = 0x6C6C_756E
    static let `true`: UInt32 = 0x6575_7274
    static let fals: UInt32 = 0x736C_6166

    @inline(__always)
    static func word(_ at: UnsafePointer<UInt8>) -> UInt32 {
        UnsafeRawPointer(at).loadUnaligned(as: UInt32.self)
    }

    @inline(__always)
    static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    /// The quote that ends a plain string; nil for one with escapes or control characters, of bad
    /// UTF-8, or without an end.
    @inline(__always)
    static func closingQuote(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var high: UInt32 = 0
        let stop = millrace_string_stop(start, end, &high)!
        guard stop < end, stop.pointee == 0x22 else { return nil }
        if high != 0, !isUTF8(start, stop - start) { return nil }
        return stop
    }

    /// Reads an integer of at most 18 digits, as JSON writes it.
    @inline(__always)
    static func integer(
        _ start: UnsafePointer<UInt8>, into value: inout Int64
    ) -> UnsafePointer<UInt8>? {
        var at = start
        let isNegative = at.pointee == 0x2D
        if isNegative { at += 1 }
        let first = at
        var result: Int64 = 0
        let eight = UnsafeRawPointer(at).loadUnaligned(as: UInt64.self)
        let others = notDigits(eight)
        if others == 0 {
            result = number(eight)
            at += 8
            while true {
                let digit = at.pointee &- 0x30
                guard digit <= 9 else { break }
                result = result &* 10 &+ Int64(digit)
                at += 1
                guard at - first <= 18 else { return nil }
            }
        } else {
            // Fewer than eight digits: zeros are shifted in before them.
            let bits = UInt64(others.trailingZeroBitCount) & ~7
            guard bits != 0 else { return nil }
            result = number((eight &<< (64 &- bits)) | (0x3030_3030_3030_3030 &>> bits))
            at += Int(bits &>> 3)
        }
        guard at > first, first.pointee != 0x30 || at - first == 1 else { return nil }
        value = isNegative ? 0 &- result : result
        return at
    }

    /// Reads a number without an exponent, of at most 18 digits: digits × 10^-scale.
    @inline(__always)
    static func fraction(
        _ start: UnsafePointer<UInt8>, into digits: inout Int64, scale: inout Int,
        isNegative: inout Bool
    ) -> UnsafePointer<UInt8>? {
        var at = start
        isNegative = at.pointee == 0x2D
        if isNegative { at += 1 }
        let first = at
        var result: Int64 = 0
        while true {
            let digit = at.pointee &- 0x30
            guard digit <= 9 else { break }
            result = result &* 10 &+ Int64(digit)
            at += 1
            guard at - first <= 18 else { return nil }
        }
        guard at > first, first.pointee != 0x30 || at - first == 1 else { return nil }
        if at.pointee == 0x2E {
            at += 1
            let point = at
            while true {
                let digit = at.pointee &- 0x30
                guard digit <= 9 else { break }
                result = result &* 10 &+ Int64(digit)
                at += 1
                guard at - first <= 19 else { return nil }
            }
            guard at > point else { return nil }
            scale = at - point
        } else {
            scale = 0
        }
        digits = result
        return at
    }

    /// Bits in the bytes of a word that are no digits, right up to the first such byte.
    @inline(__always)
    private static func notDigits(_ word: UInt64) -> UInt64 {
        let zeroed = word ^ 0x3030_3030_3030_3030
        return (zeroed | (zeroed &+ 0x0606_0606_0606_0606)) & 0xF0F0_F0F0_F0F0_F0F0
    }

    /// The number that eight digits write.
    @inline(__always)
    private static func number(_ word: UInt64) -> Int64 {
        var value = word &- 0x3030_3030_3030_3030
        value = (value &* 10 &+ (value &>> 8)) & 0x00FF_00FF_00FF_00FF
        value = (value &* 100 &+ (value &>> 16)) & 0x0000_FFFF_0000_FFFF
        value = (value &* 10_000 &+ (value &>> 32)) & 0x0000_0000_FFFF_FFFF
        return Int64(truncatingIfNeeded: value)
    }

    /// Passes a value nobody wants, checking it; nil when the strict reader must.
    @inline(__always)
    static func skip(
        _ at: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        if at.pointee == 0x22 {
            guard let close = closingQuote(at + 1, end) else { return nil }
            return close + 1
        }
        if at.pointee &- 0x30 <= 9 {
            var digits: Int64 = 0
            if let next = integer(at, into: &digits), isBehindNumber(next.pointee) { return next }
        }
        return skipOther(at, end)
    }

    /// Whether an integer that ends before this byte is no part of a longer number.
    @inline(__always)
    private static func isBehindNumber(_ byte: UInt8) -> Bool {
        byte == 0x2C || byte == 0x7D || byte == 0x5D || isSpace(byte)
    }

    private static func skipOther(
        _ at: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var scanner = JSONScanner(at, from: 0, to: end - at)
        return scanner.skipValue(depth: 1) ? at + scanner.position : nil
    }
}
