/// Moments and dates as text: ISO-8601, years 0001 to 9999.
///
/// - Units: timestamps in microseconds, dates in days, both since 1970-01-01 (UTC).
enum TimeText {
    /// What `readTimestamp` and `readDate` return for a text that is neither.
    static let malformed = Int64.min
    /// What they return for a moment outside the years 0001 to 9999.
    static let outOfRange = Int64.min + 1

    static let timestampMin: Int64 = -62_135_596_800_000_000
    static let timestampMax: Int64 = 253_402_300_799_999_999
    static let dateMin: Int64 = -719_162
    static let dateMax: Int64 = 2_932_896

    private static let microsPerDay: Int64 = 86_400_000_000

    /// Reads `YYYY-MM-DD`, then optionally `T` or a space, `HH:MM`, `:SS`, a fraction of any length
    /// (cut at microseconds) and `Z`, `±HH`, `±HHMM` or `±HH:MM`; without a zone it is UTC.
    ///
    /// - Parameter zone: where clocks show what is written without a zone, instead of UTC.
    static func readTimestamp(
        _ text: UnsafePointer<UInt8>, _ length: Int, zone: LocalZone? = nil
    ) -> Int64 {
        guard length >= 10 else { return malformed }
        if length > 10, text[0] == 0x2B || text[0] == 0x2D || text[4] &- 0x30 <= 9 {
            return isExpandedYear(text, length) ? outOfRange : malformed
        }
        let days = readDate(text, 10)
        if days <= outOfRange { return days }
        if length == 10 {
            return zone.map { $0.utc(days &* microsPerDay) } ?? days &* microsPerDay
        }
        guard text[10] | 0x20 == 0x74 || text[10] == 0x20, length >= 16 else { return malformed }
        let hour = pair(text + 11)
        let minute = pair(text + 14)
        guard text[13] == 0x3A, hour < 24, minute < 60 else { return malformed }
        var micros = (hour &* 60 &+ minute) &* 60_000_000
        var at = 16
        if at < length, text[at] == 0x3A {
            guard at &+ 3 <= length else { return malformed }
            let second = pair(text + (at &+ 1))
            guard second < 60 else { return malformed }
            micros &+= second &* 1_000_000
            at &+= 3
            if at < length, text[at] == 0x2E || text[at] == 0x2C {
                at &+= 1
                var weight: Int64 = 100_000
                let start = at
                while at < length {
                    let digit = text[at] &- 0x30
                    guard digit <= 9 else { break }
                    micros &+= Int64(digit) &* weight
                    weight /= 10
                    at &+= 1
                }
                guard at > start else { return malformed }
            }
        }
        var moment = days &* microsPerDay &+ micros
        if at < length {
            let sign = text[at]
            if sign | 0x20 == 0x7A {
                at &+= 1
            } else {
                guard sign == 0x2B || sign == 0x2D, at &+ 3 <= length else { return malformed }
                let hours = pair(text + (at &+ 1))
                var minutes: Int64 = 0
                at &+= 3
                if at < length {
                    if text[at] == 0x3A { at &+= 1 }
                    guard at &+ 2 <= length else { return malformed }
                    minutes = pair(text + at)
                    at &+= 2
                }
                guard hours < 24, minutes < 60 else { return malformed }
                let offset = (hours &* 60 &+ minutes) &* 60_000_000
                moment = sign == 0x2B ? moment &- offset : moment &+ offset
            }
        } else if let zone {
            moment = zone.utc(moment)
        }
        guard at == length else { return malformed }
        return moment >= timestampMin && moment <= timestampMax ? moment : outOfRange
    }

    /// Reads `YYYY-MM-DD`.
    static func readDate(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int64 {
        guard length == 10, text[4] == 0x2D, text[7] == 0x2D else { return malformed }
        let high = pair(text)
        let low = pair(text + 2)
        let month = pair(text + 5)
        let day = pair(text + 8)
        guard high < 100, low < 100, month >= 1, month <= 12, day >= 1 else { return malformed }
        let year = high &* 100 &+ low
        guard day <= daysInMonth(year, month) else { return malformed }
        return year == 0 ? outOfRange : days(year, month, day)
    }

    /// Reads `YYYYMMDD`, then optionally a `T`, `HHMM`, `SS` and digits of a fraction; with 6 or 10 digits
    /// the year has two, 1970 to 2069. Behind a `T` a zone may stand as in `readTimestamp`.
    static func readBasic(
        _ text: UnsafePointer<UInt8>, _ length: Int, zone: LocalZone?
    ) -> Int64 {
        var digits = 0
        while digits < length, text[digits] &- 0x30 <= 9 { digits &+= 1 }
        if digits == 8, length > 8, text[8] | 0x20 == 0x74 {
            return readBasicClock(text, length, zone: zone)
        }
        guard digits == length else { return malformed }
        var buffer: [UInt8] = []
        if digits == 6 || digits == 10 {
            let year = pair(text)
            buffer += year < 70 ? [0x32, 0x30] : [0x31, 0x39]
        }
        buffer.append(contentsOf: UnsafeBufferPointer(start: text, count: length))
        guard buffer.count == 8 || buffer.count == 12 || buffer.count >= 14 else {
            return malformed
        }
        return readDigits(buffer, buffer.count, zone: zone)
    }

    /// Reads `YYYYMMDDTHHMM[SS[.f]]` with what may follow it.
    private static func readBasicClock(
        _ text: UnsafePointer<UInt8>, _ length: Int, zone: LocalZone?
    ) -> Int64 {
        guard length >= 13 else { return malformed }
        var extended: [UInt8] = []
        func take(_ from: Int, _ count: Int) {
            extended.append(contentsOf: UnsafeBufferPointer(start: text + from, count: count))
        }
        take(0, 4)
        extended.append(0x2D)
        take(4, 2)
        extended.append(0x2D)
        take(6, 2)
        extended.append(0x54)
        take(9, 2)
        extended.append(0x3A)
        take(11, 2)
        var at = 13
        if at + 2 <= length, text[at] &- 0x30 <= 9 {
            extended.append(0x3A)
            take(at, 2)
            at += 2
        }
        take(at, length - at)
        return readTimestamp(extended, extended.count, zone: zone)
    }

    private static func readDigits(
        _ text: UnsafePointer<UInt8>, _ length: Int, zone: LocalZone?
    ) -> Int64 {
        let high = pair(text)
        let low = pair(text + 2)
        let month = pair(text + 4)
        let day = pair(text + 6)
        guard month >= 1, month <= 12, day >= 1 else { return malformed }
        let year = high &* 100 &+ low
        guard day <= daysInMonth(year, month) else { return malformed }
        guard year > 0 else { return outOfRange }
        var moment = days(year, month, day) &* microsPerDay
        if length >= 12 {
            let hour = pair(text + 8)
            let minute = pair(text + 10)
            let second = length >= 14 ? pair(text + 12) : 0
            guard hour < 24, minute < 60, second < 60 else { return malformed }
            moment &+= ((hour &* 60 &+ minute) &* 60 &+ second) &* 1_000_000
            var weight: Int64 = 100_000
            var at = 14
            while at < length, weight > 0 {
                moment &+= Int64(text[at] &- 0x30) &* weight
                weight /= 10
                at &+= 1
            }
        }
        return zone.map { $0.utc(moment) } ?? moment
    }

    /// Reads `/Date(1492041600000)/`, also with an offset behind the number, which says nothing of the
    /// moment; nil for any other text.
    ///
    /// - Source: OData 2.0, "Primitive Types" in JSON.
    static func readODataDate(_ text: UnsafePointer<UInt8>, _ length: Int) -> Int64? {
        guard length > 8, length < 40 else { return nil }
        let bytes = Array(UnsafeBufferPointer(start: text, count: length))
        guard bytes.starts(with: Array("/Date(".utf8)), bytes.suffix(2).elementsEqual(")/".utf8)
        else { return nil }
        var at = 6
        let isNegative = bytes[at] == 0x2D
        if isNegative { at += 1 }
        var millis: Int64 = 0
        let start = at
        while bytes[at] &- 0x30 <= 9, at - start < 15 {
            millis = millis * 10 + Int64(bytes[at] - 0x30)
            at += 1
        }
        guard at > start, bytes[at] == 0x29 || bytes[at] == 0x2B || bytes[at] == 0x2D else {
            return nil
        }
        let micros = (isNegative ? -millis : millis) * 1000
        return micros >= timestampMin && micros <= timestampMax ? micros : nil
    }

    /// Two digits, or something above 99.
    @inline(__always)
    private static func pair(_ text: UnsafePointer<UInt8>) -> Int64 {
        let tens = text[0] &- 0x30
        let ones = text[1] &- 0x30
        return tens <= 9 && ones <= 9 ? Int64(tens) &* 10 &+ Int64(ones) : 1 << 20
    }

    private static func isExpandedYear(_ text: UnsafePointer<UInt8>, _ length: Int) -> Bool {
        var at = text[0] == 0x2B || text[0] == 0x2D ? 1 : 0
        let start = at
        while at < length, text[at] &- 0x30 <= 9 { at += 1 }
        return at - start >= 4 && at + 6 <= length && text[at] == 0x2D && text[at + 3] == 0x2D
    }

    private static func daysInMonth(_ year: Int64, _ month: Int64) -> Int64 {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }

    /// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, year 1 or later.
    ///
    /// - Source: Howard Hinnant, "chrono-compatible low-level date algorithms" (days_from_civil).
    static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year &- 1 : year
        let era = shifted / 400
        let yearOfEra = shifted &- era &* 400
        let dayOfYear = (153 &* (month > 2 ? month &- 3 : month &+ 9) &+ 2) / 5 &+ day &- 1
        let dayOfEra = yearOfEra &* 365 &+ yearOfEra / 4 &- yearOfEra / 100 &+ dayOfYear
        return era &* 146_097 &+ dayOfEra &- 719_468
    }
}
