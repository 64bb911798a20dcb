import Glibc
import StreamRuntime

/// Numbers in as few bytes as they need.
///
/// - Shape: an unsigned number is seven bits a byte, low bits first, the top bit of each byte but the last
///   set; a signed one doubled, negative ones as the odd numbers. A double that is a whole number of up to
///   six decimals and below 10^13 is its digits times 8 plus the number of decimals, as a signed number
///   whose magnitude is so scaled; any other is the byte 7 and its eight bytes.
/// - Source: the base-128 numbers of protobuf; the decimals are those of ALP (Afroozeh et al., 2023).
enum CompactNumber {
    static let decimalsMax = 6
    static let isRaw: UInt64 = 7
    private static let digitsMax = 1e13
    /// Added and taken away again, it leaves a double below 2^51 rounded.
    private static let rounder = 6_755_399_441_055_744.0

    static func power(_ decimals: Int) -> Double {
        switch decimals {
        case 0: 1
        case 1: 10
        case 2: 100
        case 3: 1000
        case 4: 10_000
        case 5: 100_000
        default: 1_000_000
        }
    }

    @inline(__always)
    static func zigzag(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
    }

    @inline(__always)
    static func unzigzag(_ value: UInt64) -> Int64 {
        Int64(bitPattern: (value &>> 1) ^ (0 &- (value & 1)))
    }

    static func append(unsigned value: UInt64, to arena: ByteArena) {
        arena.reserve(10)
        var rest = value
        var at = arena.base + arena.count
        while rest >= 0x80 {
            at.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
            rest &>>= 7
            at += 1
        }
        at.pointee = UInt8(truncatingIfNeeded: rest)
        arena.count = at - arena.base + 1
    }

    static func append(signed value: Int64, to arena: ByteArena) {
        append(unsigned: zigzag(value), to: arena)
    }

    static func append(wide value: Int128, to arena: ByteArena) {
        arena.reserve(19)
        var rest = UInt128(truncatingIfNeeded: (value &<< 1) ^ (value &>> 127))
        while rest >= 0x80 {
            arena.base[arena.count] = UInt8(truncatingIfNeeded: rest) | 0x80
            arena.count += 1
            rest &>>= 7
        }
        arena.base[arena.count] = UInt8(truncatingIfNeeded: rest)
        arena.count += 1
    }

    /// Appends a double; `hint` is what is known of the numbers before it.
    ///
    /// - Shape: `hint` starts as 0; up to 6 it is the decimals that fitted last, above that none did and it
    ///   counts how many numbers are still written in full before decimals are tried again.
    static func append(number value: Double, hint: inout UInt8, to arena: ByteArena) {
        if hint <= decimalsMax {
            if let digits = digits(of: value, decimals: Int(hint)) {
                return append(digits: digits, decimals: Int(hint), to: arena)
            }
        } else if hint > decimalsMax + 1 {
            hint &-= 1
            return append(raw: value, to: arena)
        }
        var decimals = 0
        while decimals <= decimalsMax {
            if let digits = digits(of: value, decimals: decimals) {
                hint = UInt8(decimals)
                return append(digits: digits, decimals: decimals, to: arena)
            }
            decimals &+= 1
        }
        hint = UInt8(decimalsMax + 1 + 15)
        append(raw: value, to: arena)
    }

    @inline(__always)
    private static func digits(of value: Double, decimals: Int) -> Int64? {
        let power = power(decimals)
        let scaled = value * power
        guard scaled < digitsMax, scaled > -digitsMax else { return nil }
        let rounded = (scaled + rounder) - rounder
        // The quotient is the double nearest to the decimal, which is what this one has to be.
        guard rounded / power == value, rounded != 0 || value.sign == .plus else { return nil }
        return Int64(rounded)
    }

    private static func append(digits: Int64, decimals: Int, to arena: ByteArena) {
        append(unsigned: zigzag(digits) &<< 3 | UInt64(decimals), to: arena)
    }

    private static func append(raw value: Double, to arena: ByteArena) {
        arena.reserve(9)
        arena.base[arena.count] = UInt8(isRaw)
        UnsafeMutableRawPointer(arena.base + arena.count + 1)
            .storeBytes(of: value.bitPattern.littleEndian, as: UInt64.self)
        arena.count += 9
    }
}

/// Reads compact numbers of bytes that may be damaged.
struct CompactReader {
    private let base: UnsafePointer<UInt8>
    private let end: Int
    private(set) var at: Int
    /// Whether a number did not end before the bytes did.
    private(set) var isShort = false

    init(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) {
        self.base = base
        at = start
        self.end = end
    }

    var isAtEnd: Bool { at >= end || isShort }

    mutating func byte() -> UInt8 {
        guard at < end else {
            isShort = true
            return 0
        }
        at += 1
        return base[at - 1]
    }

    mutating func unsigned() -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while at < end, shift < 64 {
            let next = base[at]
            at += 1
            value |= UInt64(next & 0x7F) &<< shift
            if next < 0x80 { return value }
            shift += 7
        }
        isShort = true
        return 0
    }

    mutating func signed() -> Int64 { CompactNumber.unzigzag(unsigned()) }

    /// The next `count` bytes, or nil when there are fewer.
    mutating func take(_ count: UInt64) -> UnsafePointer<UInt8>? {
        guard !isShort, count <= UInt64(end - at) else {
            isShort = true
            return nil
        }
        at += Int(count)
        return base + at - Int(count)
    }
}
