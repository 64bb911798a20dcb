import Glibc
import StreamRuntime

/// Bytes in the making: what an encoder writes a batch's rows to before they are handed on at once.
///
/// - Note: one allocation that grows and is kept; used by one thread.
final class ByteWriter {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0

    init(capacity: Int = 1 << 16) {
        self.capacity = capacity
        base = .allocate(capacity: capacity + 64)
    }

    deinit { base.deallocate() }

    func removeAll() { count = 0 }

    /// Makes room for `extra` bytes and returns where they go; say how many were written to `advance`.
    @inline(__always)
    func room(_ extra: Int) -> UnsafeMutablePointer<UInt8> {
        if count &+ extra > capacity { grow(extra) }
        return base + count
    }

    @inline(__always)
    func advance(_ written: Int) { count &+= written }

    private func grow(_ extra: Int) {
        capacity = max(count + extra, capacity * 2)
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity + 64)
        memcpy(grown, base, count)
        base.deallocate()
        base = grown
    }

    @inline(__always)
    func append(byte: UInt8) {
        room(1).pointee = byte
        count &+= 1
    }

    @inline(__always)
    func append(_ bytes: UnsafePointer<UInt8>, _ length: Int) {
        memcpy(room(length), bytes, length)
        count &+= length
    }

    func append(_ text: StaticString) { append(text.utf8Start, text.utf8CodeUnitCount) }

    func append(_ bytes: [UInt8]) { bytes.withUnsafeBufferPointer { append($0) } }

    func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        if let start = bytes.baseAddress { append(start, bytes.count) }
    }
}

// MARK: scalars as text

extension ByteWriter {
    func append(int64 value: Int64) {
        if value < 0 { append(byte: 0x2D) }
        append(unsigned: value.magnitude)
    }

    @inline(__always)
    func append(unsigned value: UInt64) {
        let target = room(20)
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, value >= bound {
            digits &+= 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        var rest = value
        var at = digits
        while at > 0 {
            at &-= 1
            let quotient = rest / 10
            target[at] = UInt8(truncatingIfNeeded: rest &- quotient &* 10) &+ 0x30
            rest = quotient
        }
        count &+= digits
    }

    /// Exactly `width` digits, zeros in front.
    @inline(__always)
    func append(_ value: UInt64, width: Int) {
        let target = room(width)
        var rest = value
        var at = width
        while at > 0 {
            at &-= 1
            let quotient = rest / 10
            target[at] = UInt8(truncatingIfNeeded: rest &- quotient &* 10) &+ 0x30
            rest = quotient
        }
        count &+= width
    }

    /// A decimal with all `scale` digits after the point.
    func append(decimal value: Int128, scale: Int) {
        if value < 0 { append(byte: 0x2D) }
        let size = value.magnitude
        if size <= UInt128(UInt64.max), scale <= 18 {
            let power = UInt64(powersOfTen[scale])
            let narrow = UInt64(size)
            append(unsigned: narrow / power)
            guard scale > 0 else { return }
            append(byte: 0x2E)
            return append(narrow % power, width: scale)
        }
        var digits = [UInt8](repeating: 0x30, count: 40)
        var rest = size
        var at = 40
        while rest > 0 || 40 - at <= scale {
            at -= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            digits[at] = UInt8(digit) + 0x30
            rest = quotient
        }
        digits.withUnsafeBufferPointer { text in
            append(text.baseAddress! + at, 40 - at - scale)
            guard scale > 0 else { return }
            append(byte: 0x2E)
            append(text.baseAddress! + (40 - scale), scale)
        }
    }

    /// The shortest text that reads back as the same double, with a point or an exponent.
    ///
    /// - Precondition: `value` is finite.
    func append(float64 value: Double) {
        let size = value.magnitude
        if size < 1e15 {
            // The first power of ten that makes it whole gives the fewest digits; up to 15 digits
            // every decimal is told apart by its double.
            var power = 1.0
            var scale = 0
            while scale <= 6 {
                let scaled = size * power
                let whole = scaled.rounded(.toNearestOrEven)
                if whole < 1e15, whole / power == size {
                    if value.sign == .minus { append(byte: 0x2D) }
                    let digits = UInt64(whole)
                    let divisor = UInt64(power)
                    append(unsigned: digits / divisor)
                    append(byte: 0x2E)
                    return append(digits % divisor, width: max(scale, 1))
                }
                power *= 10
                scale += 1
            }
        }
        var text = value.description
        text.withUTF8 { append($0) }
    }

    /// ISO-8601 in UTC, microseconds only where there are some.
    func append(timestamp micros: Int64) {
        let perDay: Int64 = 86_400_000_000
        var days = micros / perDay
        var rest = micros - days * perDay
        if rest < 0 {
            rest += perDay
            days -= 1
        }
        append(date: days)
        let seconds = rest / 1_000_000
        append(byte: 0x54)
        append(UInt64(seconds / 3600), width: 2)
        append(byte: 0x3A)
        append(UInt64(seconds / 60 % 60), width: 2)
        append(byte: 0x3A)
        append(UInt64(seconds % 60), width: 2)
        let fraction = rest % 1_000_000
        if fraction != 0 {
            append(byte: 0x2E)
            append(UInt64(fraction), width: 6)
        }
        append(byte: 0x5A)
    }

    /// `YYYY-MM-DD`; years outside 0000 to 9999 have a sign and six digits.
    ///
    /// - Source: Howard Hinnant, "chrono-compatible low-level date algorithms" (civil_from_days).
    func append(date days: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        if year < 0 || year > 9999 {
            append(byte: year < 0 ? 0x2D : 0x2B)
            append(year.magnitude, width: 6)
        } else {
            append(UInt64(year), width: 4)
        }
        append(byte: 0x2D)
        append(UInt64(month), width: 2)
        append(byte: 0x2D)
        append(UInt64(day), width: 2)
    }

    func append(base64 bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        let target = room((bytes.count + 2) / 3 * 4)
        advance(Base64Text.encode(start, bytes.count, into: target))
    }
}
