import StreamRuntime

/// The parts of a time while a text is read by a format.
///
/// Which day it is may be told in several ways. A day or month in digits decides; else the first of a week of
/// the year, a day of the year, or ISO's year and week does. A year of the calendar replaces ISO's when it comes
/// behind it.
struct TimeReading {
    /// What decides which day it is.
    private enum Basis {
        case none
        case year
        case month
        case dayOfYear
        case week(beginsSunday: Bool)
        case iso
    }

    private var basis = Basis.none
    private var year: Int64 = 1900
    private var month: Int64 = 1
    private var day: Int64 = 1
    private var dayOfYear: Int64 = 1
    private var week: Int64 = 0
    /// From Sunday, 0.
    private var weekday: Int64?
    private var isoYear: Int64?
    private var isoWeek: Int64?
    /// From Monday, 1.
    private var isoWeekday: Int64?
    private var hour: Int64 = 0
    private var minute: Int64 = 0
    private var second: Int64 = 0
    private var micros: Int64 = 0
    private var isAfternoon: Bool?
    private var offset: Int64 = 0

    // MARK: fields

    /// Reads the field of a specifier's letter at `at`; false when it is not there or does not fit the others.
    mutating func read(
        _ letter: Unicode.Scalar, _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int
    ) -> Bool {
        switch letter {
        case "b", "h", "B":
            guard let found = Self.name(bytes, &at, TimeFormat.months, isShort: letter != "B")
            else { return false }
            month = Int64(found + 1)
        case "a", "A":
            return Self.name(bytes, &at, TimeFormat.weekdays, isShort: letter == "a") != nil
        case "p":
            guard let half = Self.name(bytes, &at, ["am", "pm"], isShort: false) else {
                return false
            }
            isAfternoon = half == 1
        case "z": return readOffset(bytes, &at)
        case "Z": return Self.name(bytes, &at, ["utc", "gmt", "z"], isShort: false) != nil
        case "f", "g", "n":
            let start = at
            let places = letter == "g" ? 3 : (letter == "n" ? 9 : 6)
            guard var nanos = Self.number(bytes, &at, places) else { return false }
            for _ in 0..<(9 - (at - start)) { nanos *= 10 }
            micros = (nanos + 500) / 1000
        default:
            guard let (places, range) = Self.bounds(of: letter),
                let value = Self.number(bytes, &at, places), range.contains(value)
            else { return false }
            return take(letter, value)
        }
        return true
    }

    /// How many digits the number of a specifier has at most, and what it may be.
    private static func bounds(of letter: Unicode.Scalar) -> (Int, ClosedRange<Int64>)? {
        switch letter {
        case "Y", "G": (4, 0...9999)
        case "y": (2, 0...99)
        case "m": (2, 1...12)
        case "d": (2, 1...31)
        case "H": (2, 0...23)
        case "I": (2, 1...12)
        case "M", "S": (2, 0...59)
        case "j": (3, 1...366)
        case "U", "W": (2, 0...53)
        case "V": (2, 1...53)
        case "w": (1, 0...6)
        case "u": (1, 1...7)
        default: nil
        }
    }

    private mutating func take(_ letter: Unicode.Scalar, _ value: Int64) -> Bool {
        switch letter {
        case "H", "I": hour = value
        case "M": minute = value
        case "S": second = value
        case "m":
            month = value
            basis = .month
        case "d":
            day = value
            basis = .month
        case "Y", "y":
            year = letter == "Y" ? value : value + (value < 69 ? 2000 : 1900)
            switch basis {
            case .none, .iso: basis = .year
            default: break
            }
        case "w": weekday = value
        case "u":
            guard isoWeekday == nil else { return false }
            isoWeekday = value
        case "j":
            dayOfYear = value
            return decide(.dayOfYear)
        case "U", "W":
            week = value
            return decide(.week(beginsSunday: letter == "U"))
        case "G":
            if case .iso = basis, isoYear != nil { return false }
            isoYear = value
            return decideISO(besideYear: true)
        case "V":
            if case .iso = basis, isoWeek != nil { return false }
            isoWeek = value
            return decideISO(besideYear: false)
        default: return false
        }
        return true
    }

    /// Lets the day be told by `other`, if nothing but a year tells it yet; beside a month that decides, it is
    /// read and not used.
    private mutating func decide(_ other: Basis) -> Bool {
        switch basis {
        case .none, .year: basis = other
        case .month: break
        default: return false
        }
        return true
    }

    private mutating func decideISO(besideYear: Bool) -> Bool {
        switch basis {
        case .none: basis = .iso
        case .iso, .month: break
        case .year: return besideYear
        default: return false
        }
        return true
    }

    // MARK: the whole

    /// The timestamp of the parts; nil when there is none.
    var timestamp: Int64? {
        var hour = hour
        if let isAfternoon {
            guard hour <= 12 else { return nil }
            hour = hour % 12 + (isAfternoon ? 12 : 0)
        }
        guard let days else { return nil }
        let seconds = (hour * 60 + minute) * 60 + second
        return days * CivilDate.microsPerDay + seconds * 1_000_000 + micros - offset
    }

    private var days: Int64? {
        switch basis {
        case .none, .year, .month:
            guard day <= CivilDate.length(ofMonth: month, year: year) else { return nil }
            return CivilDate(year: year, month: month, day: day).days
        case .dayOfYear: return firstDay + dayOfYear - 1
        case .week(let beginsSunday):
            // Week 1 begins with the first Sunday, or Monday; the days before are in week 0.
            let first = DatePart.isoWeekday(firstDay) - 1
            let into = beginsSunday ? (first + 1) % 7 : first
            let start = firstDay - (into == 0 ? 7 : into)
            return start + week * 7 + (weekday.map { beginsSunday ? $0 : ($0 + 6) % 7 } ?? 0)
        case .iso:
            // ISO's first week is that of January 4.
            let fourth = CivilDate(year: isoYear ?? 1900, month: 1, day: 4).days
            let start = fourth - (DatePart.isoWeekday(fourth) - 1)
            return start + ((isoWeek ?? 1) - 1) * 7 + (isoWeekday ?? 1) - 1
        }
    }

    private var firstDay: Int64 { CivilDate(year: year, month: 1, day: 1).days }

    // MARK: texts

    private static func number(
        _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int, _ lengthMax: Int
    ) -> Int64? {
        var value: Int64 = 0
        let start = at
        while at < bytes.count, at - start < lengthMax, Lexer.isDigit(bytes[at]) {
            value = value * 10 + Int64(bytes[at] - 48)
            at += 1
        }
        return at == start ? nil : value
    }

    /// The place in `names` of the one that comes next, whole or its first three letters.
    private static func name(
        _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int, _ names: [String], isShort: Bool
    ) -> Int? {
        for (index, name) in names.enumerated() {
            let wanted = Array((isShort ? String(name.prefix(3)) : name).lowercased().utf8)
            guard bytes.count - at >= wanted.count else { continue }
            if (0..<wanted.count).allSatisfy({ bytes[at + $0] | 0x20 == wanted[$0] }) {
                at += wanted.count
                return index
            }
        }
        return nil
    }

    private mutating func readOffset(
        _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int
    ) -> Bool {
        guard at < bytes.count else { return false }
        if bytes[at] == UInt8(ascii: "Z") {
            at += 1
            return true
        }
        let isNegative = bytes[at] == UInt8(ascii: "-")
        guard isNegative || bytes[at] == UInt8(ascii: "+") else { return false }
        at += 1
        guard let hours = Self.number(bytes, &at, 2) else { return false }
        if at < bytes.count, bytes[at] == UInt8(ascii: ":") { at += 1 }
        let minutes = Self.number(bytes, &at, 2) ?? 0
        offset = (hours * 60 + minutes) * 60_000_000 * (isNegative ? -1 : 1)
        return true
    }
}
