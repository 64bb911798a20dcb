import Glibc
import StreamRuntime

/// Bytes in the making: what an encoder writes a batch's rows to before they are handed on at once.
///
/// - Note: one arena that grows and is kept, or that of a column; used by one thread.
final class ByteWriter {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0
    /// The digits after the point of the double written last, and ten to their number.
    private var usualScale = 0
    private var usualPower = 1.0
    private let own: ByteArena
    private var arena: ByteArena
    /// The seconds written last and their texts, by a few bits of the second: rows in order share
    /// their seconds, and windows their bounds.
    private let seconds: UnsafeMutablePointer<SecondText>

    /// A second as `YYYY-MM-DDThh:mm:ss`.
    private struct SecondText: BitwiseCopyable {
        var second = Int64.min
        var text: (UInt64, UInt64, UInt32) = (0, 0, 0)
    }

    init(capacity: Int = 1 << 16) {
        own = ByteArena(capacity: capacity)
        arena = own
        base = own.base
        self.capacity = own.capacity
        seconds = .allocate(capacity: 16)
        seconds.initialize(repeating: SecondText(), count: 16)
    }

    deinit { seconds.deallocate() }

    func removeAll() { count = 0 }

    /// Forgets what was written from `length` on.
    func cut(to length: Int) { count = min(count, length) }

    /// Has `body` write behind what `target` holds.
    @inline(__always)
    func write(to target: ByteArena, _ body: () -> Void) {
        use(target, count: target.count)
        body()
        target.count = count
        use(own, count: 0)
    }

    private func use(_ next: ByteArena, count: Int) {
        arena = next
        base = next.base
        capacity = next.capacity
        self.count = count
    }

    /// Makes room for `extra` bytes and returns where they go; say how many were written to `advance`.
    @inline(__always)
    func room(_ extra: Int) -> UnsafeMutablePointer<UInt8> {
        if count &+ extra > capacity { grow(extra) }
        return base + count
    }

    @inline(__always)
    func advance(_ written: Int) { count &+= written }

    private func grow(_ extra: Int) {
        arena.count = count
        arena.reserve(extra)
        base = arena.base
        capacity = arena.capacity
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

    /// Appends out of memory that can be read 16 bytes past its end.
    @inline(__always)
    func append(padded bytes: UnsafePointer<UInt8>, _ length: Int) {
        let target = UnsafeMutableRawPointer(room(length &+ 16))
        let source = UnsafeRawPointer(bytes)
        var at = 0
        while at < length {
            let words = source.loadUnaligned(fromByteOffset: at, as: (UInt64, UInt64).self)
            target.storeBytes(of: words, toByteOffset: at, as: (UInt64, UInt64).self)
            at &+= 16
        }
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
        if value < 10 {
            target[0] = UInt8(truncatingIfNeeded: value) &+ 0x30
            count &+= 1
            return
        }
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
            // Up to 15 digits a decimal is told apart by its double: if the scale of the number before
            // fits, and the last digit is not a zero, there is no shorter text.
            let scaled = size * usualPower
            let whole = scaled < 0x1p52 ? (scaled + 0x1p52) - 0x1p52 : scaled
            if whole < 1e15, whole / usualPower == size, UInt64(whole) % 10 != 0, usualScale > 0 {
                if value.sign == .minus { append(byte: 0x2D) }
                let digits = UInt64(whole)
                let divisor = UInt64(usualPower)
                append(unsigned: digits / divisor)
                append(byte: 0x2E)
                return append(digits % divisor, width: usualScale)
            }
            // The first power of ten that makes it whole gives the fewest digits; up to 15 digits
            // every decimal is told apart by its double.
            var power = 1.0
            var scale = 0
            while scale <= 6 {
                let scaled = size * power
                // Beyond 2^52 there is no fraction, and below it the addition rounds it off.
                let whole = scaled < 0x1p52 ? (scaled + 0x1p52) - 0x1p52 : scaled
                if whole < 1e15, whole / power == size {
                    usualScale = scale
                    usualPower = power
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
        var seconds = micros / 1_000_000
        var fraction = micros &- seconds &* 1_000_000
        if fraction < 0 {
            fraction &+= 1_000_000
            seconds &-= 1
        }
        let known = self.seconds + ByteWriter.slot(of: seconds)
        if seconds == known.pointee.second {
            let target = UnsafeMutableRawPointer(room(20))
            target.storeBytes(of: known.pointee.text.0, as: UInt64.self)
            target.storeBytes(of: known.pointee.text.1, toByteOffset: 8, as: UInt64.self)
            target.storeBytes(of: known.pointee.text.2, toByteOffset: 16, as: UInt32.self)
            count &+= 19
        } else {
            append(seconds: seconds)
        }
        if fraction != 0 {
            append(byte: 0x2E)
            append(UInt64(fraction), width: 6)
        }
        append(byte: 0x5A)
    }

    /// Where the text of a second is kept: neighbours, and the bounds of usual windows, lie apart.
    @inline(__always)
    private static func slot(of second: Int64) -> Int {
        let mixed = UInt64(bitPattern: second) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed &>> 60)
    }

    private func append(seconds: Int64) {
        let perDay: Int64 = 86_400
        let days = seconds >= 0 ? seconds / perDay : (seconds + 1) / perDay - 1
        let rest = seconds - days * perDay
        let start = count
        append(date: days)
        append(byte: 0x54)
        append(UInt64(rest / 3600), width: 2)
        append(byte: 0x3A)
        append(UInt64(rest / 60 % 60), width: 2)
        append(byte: 0x3A)
        append(UInt64(rest % 60), width: 2)
        guard count - start == 19 else { return }
        _ = room(1)
        let text = UnsafeRawPointer(base + start)
        self.seconds[ByteWriter.slot(of: seconds)] = SecondText(
            second: seconds,
            text: (
                text.loadUnaligned(as: UInt64.self),
                text.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                text.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
            ))
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
