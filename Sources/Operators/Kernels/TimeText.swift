import StreamRuntime

/// Reads dates and timestamps from text as SQL casts do.
struct TimeText {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = NumberText.trimmed(bytes) }

    /// Days since 1970-01-01; a time of day after the date is dropped.
    static func date(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var reader = TimeText(bytes)
        guard let (days, micros) = reader.parts() else { return nil }
        return days + CivilDate.day(ofMicros: micros)
    }

    /// Microseconds since 1970 in UTC: "2024-01-31", "2024-01-31 10:00[:00[.123456]]", a "T" for the blank,
    /// and "Z", "+02", "+02:30" or " UTC" after it. Digits beyond microseconds are dropped.
    static func timestamp(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var reader = TimeText(bytes)
        guard let (days, clock) = reader.parts() else { return nil }
        let (start, overflow) = days.multipliedReportingOverflow(by: CivilDate.microsPerDay)
        let (micros, tooLarge) = start.addingReportingOverflow(clock)
        return overflow || tooLarge ? nil : micros
    }

    private func peek(_ ahead: Int = 0) -> UInt8 {
        at + ahead < bytes.count ? bytes[at + ahead] : 0
    }

    private mutating func number(_ lengthMax: Int) -> Int64? {
        var value: Int64 = 0
        var length = 0
        while length < lengthMax, Lexer.isDigit(peek()) {
            value = value * 10 + Int64(peek() - 48)
            length += 1
            at += 1
        }
        return length == 0 ? nil : value
    }

    private mutating func accept(_ byte: Unicode.Scalar) -> Bool {
        guard at < bytes.count, peek() == UInt8(ascii: byte) else { return false }
        at += 1
        return true
    }

    /// The date in days since 1970-01-01, and the microseconds after its start.
    private mutating func parts() -> (days: Int64, micros: Int64)? {
        let isNegative = accept("-")
        guard let year = number(7) else { return nil }
        let separator = peek()
        guard separator == UInt8(ascii: "-") || separator == UInt8(ascii: "/") else { return nil }
        at += 1
        guard let month = number(2), peek() == separator else { return nil }
        at += 1
        guard let day = number(2), month >= 1, month <= 12, day >= 1 else { return nil }
        var date = CivilDate(year: isNegative ? -year : year, month: month, day: day)
        var clock: Int64 = 0
        var zone: Int64 = 0
        // The year's era stands behind the date, or behind everything.
        var isBefore = acceptBefore()
        if peek() == UInt8(ascii: "T") || (peek() == 32 && Lexer.isDigit(peek(1))) {
            at += 1
            guard let micros = self.clock() else { return nil }
            clock = micros
            guard let offset = self.zone() else { return nil }
            zone = offset
        }
        isBefore = acceptBefore() || isBefore
        if isBefore { date.year = 1 - date.year }
        guard at == bytes.count,
            date.day <= CivilDate.length(ofMonth: date.month, year: date.year)
        else { return nil }
        return (date.days, clock - zone)
    }

    /// Takes " (BC)".
    private mutating func acceptBefore() -> Bool {
        guard peek() == 32, peek(1) == UInt8(ascii: "("), peek(2) | 32 == UInt8(ascii: "b"),
            peek(3) | 32 == UInt8(ascii: "c"), peek(4) == UInt8(ascii: ")")
        else { return false }
        at += 5
        return true
    }

    private mutating func clock() -> Int64? {
        guard let hour = number(2), accept(":"), let minute = number(2) else { return nil }
        var second: Int64 = 0
        var fraction: Int64 = 0
        if accept(":") {
            guard let written = number(2) else { return nil }
            second = written
            if accept(".") {
                var unit: Int64 = 100_000
                guard Lexer.isDigit(peek()) else { return nil }
                while Lexer.isDigit(peek()) {
                    fraction += Int64(peek() - 48) * unit
                    unit /= 10
                    at += 1
                }
            }
        }
        guard minute < 60, second < 60 else { return nil }
        guard hour < 24 || (hour == 24 && minute == 0 && second == 0 && fraction == 0) else {
            return nil
        }
        return (hour * 3600 + minute * 60 + second) * 1_000_000 + fraction
    }

    /// The zone's offset in microseconds; 0 when none is written.
    private mutating func zone() -> Int64? {
        if peek() == 32, peek(1) != UInt8(ascii: "(") { at += 1 }
        if accept("Z") || accept("z") { return 0 }
        if peek() == UInt8(ascii: "U"), peek(1) == UInt8(ascii: "T"), peek(2) == UInt8(ascii: "C") {
            at += 3
            return 0
        }
        let isNegative = peek() == UInt8(ascii: "-")
        guard isNegative || peek() == UInt8(ascii: "+") else { return 0 }
        at += 1
        guard let hours = number(2), hours <= 15 else { return nil }
        var minutes: Int64 = 0
        if accept(":") || Lexer.isDigit(peek()) {
            guard let written = number(2), written < 60 else { return nil }
            minutes = written
        }
        let micros = (hours * 60 + minutes) * 60_000_000
        return isNegative ? -micros : micros
    }
}

/// Reads intervals: "1 month 2 days", "90 minutes", "1 day 02:30:00".
enum IntervalText {
    /// What one of each unit is.
    static let units: [String: Interval] = {
        let base: [(names: String, interval: Interval)] = [
            ("microsecond microseconds us usec usecs", Interval(micros: 1)),
            ("millisecond milliseconds ms msec msecs", Interval(micros: 1000)),
            ("second seconds s sec secs", Interval(micros: 1_000_000)),
            ("minute minutes m min mins", Interval(micros: 60_000_000)),
            ("hour hours h hr hrs", Interval(micros: 3_600_000_000)),
            ("day days d", Interval(days: 1)), ("week weeks w", Interval(days: 7)),
            ("month months mon mons", Interval(months: 1)),
            ("quarter quarters", Interval(months: 3)),
            ("year years y yr yrs", Interval(months: 12)),
            ("decade decades", Interval(months: 120)),
            ("century centuries", Interval(months: 1200)),
            ("millennium millennia", Interval(months: 12000)),
        ]
        var units: [String: Interval] = [:]
        for (names, interval) in base {
            for name in names.split(separator: " ") { units[String(name)] = interval }
        }
        return units
    }()

    static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Interval? {
        let words = String(decoding: bytes, as: UTF8.self).lowercased()
            .split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard !words.isEmpty else { return nil }
        var total = Interval()
        var index = 0
        while index < words.count {
            let word = String(words[index])
            var part: Interval?
            if word.contains(":") {
                part = clock(word)
                index += 1
            } else {
                let split = word.firstIndex { $0.isLetter } ?? word.endIndex
                var unit = String(word[split...])
                index += 1
                if unit.isEmpty {
                    guard index < words.count else { return nil }
                    unit = String(words[index])
                    index += 1
                }
                if let one = units[unit] { part = times(one, String(word[..<split])) }
            }
            guard let part, let sum = adding(total, part) else { return nil }
            total = sum
        }
        return total
    }

    /// `number` of `unit`; a fraction of a month or day becomes days and microseconds.
    static func times(_ unit: Interval, _ number: String) -> Interval? {
        var text = number
        let scaled = text.withUTF8 { NumberText.decimal($0, scale: 6) }
        guard let scaled, let millionths = Int64(exactly: scaled) else { return nil }
        if unit.micros != 0 {
            let (micros, overflow) = Int128(unit.micros)
                .multipliedReportingOverflow(by: Int128(millionths))
            guard !overflow, let whole = Int64(exactly: micros / 1_000_000) else { return nil }
            return Interval(micros: whole)
        }
        let whole = millionths / 1_000_000
        let fraction = millionths % 1_000_000
        if unit.days != 0 {
            guard let days = Int32(exactly: whole * Int64(unit.days)) else { return nil }
            return Interval(
                days: days,
                micros: fraction * Int64(unit.days) * (CivilDate.microsPerDay / 1_000_000))
        }
        let months = millionths.multipliedReportingOverflow(by: Int64(unit.months))
        guard !months.overflow, let wholeMonths = Int32(exactly: months.partialValue / 1_000_000)
        else { return nil }
        let days = months.partialValue % 1_000_000 * 30
        return Interval(
            months: wholeMonths, days: Int32(days / 1_000_000),
            micros: days % 1_000_000 * (CivilDate.microsPerDay / 1_000_000))
    }

    static func adding(_ left: Interval, _ right: Interval) -> Interval? {
        let months = left.months.addingReportingOverflow(right.months)
        let days = left.days.addingReportingOverflow(right.days)
        let micros = left.micros.addingReportingOverflow(right.micros)
        guard !months.overflow, !days.overflow, !micros.overflow else { return nil }
        return Interval(
            months: months.partialValue, days: days.partialValue, micros: micros.partialValue)
    }

    private static func clock(_ word: String) -> Interval? {
        let isNegative = word.hasPrefix("-")
        let parts = word.drop { $0 == "-" || $0 == "+" }
            .split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, let hours = Int64(parts[0]),
            let minutes = Int64(parts[1]), minutes < 60, hours < 1_000_000_000
        else { return nil }
        var micros = (hours * 60 + minutes) * 60_000_000
        if parts.count == 3 {
            var seconds = String(parts[2])
            guard let value = seconds.withUTF8({ NumberText.decimal($0, scale: 6) }),
                value >= 0, value < 60_000_000
            else { return nil }
            micros += Int64(value)
        }
        return Interval(micros: isNegative ? -micros : micros)
    }
}
