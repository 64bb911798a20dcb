/// Reads the times that clients write into rows.
///
/// - Source: what pandas takes for `event_timestamp`: `2026-11-21T00:03:03.123456`, with a space for the T,
///   with or without seconds and fraction, with `Z` or an offset. Without a zone the time is UTC.
enum TimestampText {
    /// Microseconds since 1970, or nil when it is no time.
    static func micros(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard bytes.count >= 10,
            let days = CivilTime.days(UnsafeBufferPointer(rebasing: bytes[..<10]))
        else { return nil }
        var at = 10
        func digits(_ count: Int) -> Int64? {
            guard at + count <= bytes.count else { return nil }
            var value: Int64 = 0
            for index in at..<(at + count) {
                guard bytes[index] &- 0x30 < 10 else { return nil }
                value = value * 10 + Int64(bytes[index] - 0x30)
            }
            at += count
            return value
        }
        func takes(_ byte: UInt8) -> Bool {
            guard at < bytes.count, bytes[at] == byte else { return false }
            at += 1
            return true
        }
        var micros = days * 86_400_000_000
        if at == bytes.count { return micros }
        guard takes(0x54) || takes(0x74) || takes(0x20) else { return nil }
        guard let hour = digits(2), hour < 24, takes(0x3A), let minute = digits(2), minute < 60
        else { return nil }
        micros += (hour * 60 + minute) * 60_000_000
        if takes(0x3A) {
            guard let second = digits(2), second < 60 else { return nil }
            micros += second * 1_000_000
            if takes(0x2E) || takes(0x2C) {
                let start = at
                var unit: Int64 = 100_000
                while let digit = digits(1) {
                    micros += digit * unit
                    unit /= 10
                }
                guard at > start, at - start <= 9 else { return nil }
            }
        }
        if takes(0x5A) || takes(0x7A) { return at == bytes.count ? micros : nil }
        guard at < bytes.count else { return micros }
        let isBehind = takes(0x2D)
        guard isBehind || takes(0x2B), let hours = digits(2) else { return nil }
        _ = takes(0x3A)
        let minutes = at < bytes.count ? digits(2) : 0
        guard let minutes, hours < 24, minutes < 60, at == bytes.count else { return nil }
        let offset = (hours * 60 + minutes) * 60_000_000
        return isBehind ? micros + offset : micros - offset
    }
}
