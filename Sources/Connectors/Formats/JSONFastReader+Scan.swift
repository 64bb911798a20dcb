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
    ///
    /// Eight bytes at a time: each test leaves the high bit of the bytes that pass it. The
    /// borrow of a subtraction may mark bytes above a true hit, never below the first one.
    @inline(__always)
    static func closingQuote(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var at = start
        var all: UInt64 = 0
        while at < end {
            let word = UnsafeRawPointer(at).loadUnaligned(as: UInt64.self)
            let quotes = word ^ (ones &* 0x22)
            let slashes = word ^ (ones &* 0x5C)
            let controls = (word &- (ones &* 0x20)) & ~word
            let hits =
                (((quotes &- ones) & ~quotes) | ((slashes &- ones) & ~slashes) | controls) & highs
            all |= word
            if hits != 0 {
                at += hits.trailingZeroBitCount &>> 3
                guard at < end, at.pointee == 0x22 else { return nil }
                if all & highs != 0, !isUTF8(start, at - start) { return nil }
                return at
            }
            at += 8
        }
        return nil
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
        if areDigits(eight) {
            result = number(eight)
            at += 8
        }
        while true {
            let digit = at.pointee &- 0x30
            guard digit <= 9 else { break }
            result = result &* 10 &+ Int64(digit)
            at += 1
            guard at - first <= 18 else { return nil }
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

    @inline(__always)
    private static func areDigits(_ word: UInt64) -> Bool {
        let high: UInt64 = 0xF0F0_F0F0_F0F0_F0F0
        let sixes: UInt64 = 0x0606_0606_0606_0606
        return (word & high) | (((word &+ sixes) & high) &>> 4) == 0x3333_3333_3333_3333
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
        return skipOther(at, end)
    }

    private static func skipOther(
        _ at: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> UnsafePointer<UInt8>? {
        var scanner = JSONScanner(at, from: 0, to: end - at)
        return scanner.skipValue(depth: 1) ? at + scanner.position : nil
    }
}
