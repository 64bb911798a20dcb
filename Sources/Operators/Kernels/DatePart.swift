import StreamRuntime

/// A part of a date or time: what `date_part`, `date_trunc`, `date_diff` and `date_sub` name.
enum DatePart: String, CaseIterable {
    case year, quarter, month, week, day, hour, minute, second, millisecond, microsecond
    case dayofweek, isodow, dayofyear, isoyear, yearweek, decade, century, millennium, era
    case epoch, julian

    private static let aliases: [String: DatePart] = [
        "y": .year, "yr": .year, "years": .year, "yrs": .year, "quarters": .quarter,
        "mon": .month, "months": .month, "mons": .month, "weeks": .week, "w": .week,
        "weekofyear": .week, "days": .day, "d": .day, "dayofmonth": .day, "hours": .hour,
        "h": .hour, "hr": .hour, "hrs": .hour, "minutes": .minute, "m": .minute, "min": .minute,
        "mins": .minute, "seconds": .second, "s": .second, "sec": .second, "secs": .second,
        "milliseconds": .millisecond, "ms": .millisecond, "msec": .millisecond,
        "microseconds": .microsecond, "us": .microsecond, "usec": .microsecond,
        "dow": .dayofweek, "weekday": .dayofweek, "doy": .dayofyear, "decades": .decade,
        "centuries": .century, "millennia": .millennium, "millenium": .millennium,
    ]

    /// Every name a part has.
    static var names: [String] { allCases.map(\.rawValue) }

    init?(name: String) {
        let lower = name.lowercased()
        guard let part = DatePart(rawValue: lower) ?? DatePart.aliases[lower] else { return nil }
        self = part
    }

    /// Whether its value is a double.
    var isFractional: Bool { self == .epoch || self == .julian }

    /// The part of a timestamp.
    @inline(__always)
    func value(of micros: Int64) -> Int64 {
        let day = CivilDate.day(ofMicros: micros)
        let clock = micros &- day &* CivilDate.microsPerDay
        switch self {
        case .hour: return clock / 3_600_000_000
        case .minute: return clock / 60_000_000 % 60
        case .second: return clock / 1_000_000 % 60
        case .millisecond: return clock / 1000 % 60_000
        case .microsecond: return clock % 60_000_000
        case .epoch: return micros / 1_000_000
        default: return value(ofDay: day)
        }
    }

    private func value(ofDay day: Int64) -> Int64 {
        let date = CivilDate(days: day)
        switch self {
        case .year: return date.year
        case .quarter: return (date.month - 1) / 3 + 1
        case .month: return date.month
        case .day: return date.day
        case .dayofweek: return DatePart.isoWeekday(day) % 7
        case .isodow: return DatePart.isoWeekday(day)
        case .dayofyear: return day - CivilDate(year: date.year, month: 1, day: 1).days + 1
        case .week: return DatePart.isoWeek(day).week
        case .isoyear: return DatePart.isoWeek(day).year
        case .yearweek:
            let (year, week) = DatePart.isoWeek(day)
            return year * 100 + (year <= 0 ? -week : week)
        case .decade: return date.year / 10
        case .century: return date.year > 0 ? (date.year - 1) / 100 + 1 : date.year / 100 - 1
        case .millennium: return date.year > 0 ? (date.year - 1) / 1000 + 1 : date.year / 1000 - 1
        case .era: return date.year > 0 ? 1 : 0
        default: return 0
        }
    }

    /// The part of a timestamp as a double.
    func fraction(of micros: Int64) -> Double {
        self == .julian
            ? Double(micros) / Double(CivilDate.microsPerDay) + 2_440_588
            : Double(micros) / 1_000_000
    }

    /// The part of an interval; nil for a part that intervals do not have.
    func value(of interval: Interval) -> Int64? {
        switch self {
        case .year: Int64(interval.months / 12)
        case .quarter: Int64(interval.months % 12 / 3 + 1)
        case .month: Int64(interval.months % 12)
        case .decade: Int64(interval.months / 120)
        case .century: Int64(interval.months / 1200)
        case .millennium: Int64(interval.months / 12000)
        case .day: Int64(interval.days)
        case .hour: interval.micros / 3_600_000_000
        case .minute: interval.micros / 60_000_000 % 60
        case .second: interval.micros / 1_000_000 % 60
        case .millisecond: interval.micros / 1000 % 60_000
        case .microsecond: interval.micros % 60_000_000
        default: nil
        }
    }

    /// 1 for Monday to 7 for Sunday.
    static func isoWeekday(_ day: Int64) -> Int64 {
        let shifted = (day + 3) % 7
        return (shifted < 0 ? shifted + 7 : shifted) + 1
    }

    /// The ISO 8601 week of a day and the year it belongs to.
    static func isoWeek(_ day: Int64) -> (year: Int64, week: Int64) {
        let thursday = day - isoWeekday(day) + 4
        let year = CivilDate(days: thursday).year
        return (year, (thursday - CivilDate(year: year, month: 1, day: 1).days) / 7 + 1)
    }

    /// Microseconds of a part of fixed length; nil for days and longer parts.
    private var micros: Int64? {
        switch self {
        case .hour: 3_600_000_000
        case .minute: 60_000_000
        case .second, .epoch: 1_000_000
        case .millisecond: 1000
        case .microsecond: 1
        default: nil
        }
    }

    /// Months of a part that is made of months.
    private var months: Int64? {
        switch self {
        case .month: 1
        case .quarter: 3
        case .year, .isoyear: 12
        case .decade: 120
        case .century: 1200
        case .millennium: 12000
        default: nil
        }
    }

    /// Whether timestamps can be cut to it and differences counted in it.
    var isUnit: Bool {
        micros != nil || months != nil || self == .day || self == .week
            || self == .dayofweek || self == .isodow || self == .dayofyear || self == .yearweek
    }

    /// The start of the part that a timestamp lies in.
    func truncated(_ micros: Int64) -> Int64 {
        let day = CivilDate.day(ofMicros: micros)
        if let unit = self.micros {
            let clock = micros &- day &* CivilDate.microsPerDay
            return micros &- clock % unit
        }
        return startDay(day) &* CivilDate.microsPerDay
    }

    private func startDay(_ day: Int64) -> Int64 {
        switch self {
        case .week, .yearweek: return day - DatePart.isoWeekday(day) + 1
        case .isoyear:
            let (year, _) = DatePart.isoWeek(day)
            let fourth = CivilDate(year: year, month: 1, day: 4).days
            return fourth - DatePart.isoWeekday(fourth) + 1
        default: break
        }
        guard let months else { return day }
        let date = CivilDate(days: day)
        let month = months >= 12 ? 1 : (date.month - 1) / months * months + 1
        let years = max(1, months / 12)
        return CivilDate(year: date.year / years * years, month: month, day: 1).days
    }

    /// How many starts of the part lie between two timestamps.
    func boundaries(_ from: Int64, _ to: Int64) -> Int64 {
        if let unit = micros { return floored(to, unit) - floored(from, unit) }
        let fromDay = CivilDate.day(ofMicros: from)
        let toDay = CivilDate.day(ofMicros: to)
        // Weeks do not count Mondays: they are stretches of seven days.
        if self == .week || self == .yearweek { return (toDay - fromDay) / 7 }
        if self == .isoyear {
            return DatePart.isoWeek(toDay).year - DatePart.isoWeek(fromDay).year
        }
        guard let months else { return toDay - fromDay }
        // Decades and longer parts are whole ones of the year's number, also before Christ.
        if months > 12 {
            let years = months / 12
            return floored(monthNumber(toDay), 12) / years
                - floored(monthNumber(fromDay), 12) / years
        }
        return floored(monthNumber(toDay), months) - floored(monthNumber(fromDay), months)
    }

    private func floored(_ value: Int64, _ unit: Int64) -> Int64 {
        value / unit - (value % unit < 0 ? 1 : 0)
    }

    private func monthNumber(_ day: Int64) -> Int64 {
        let date = CivilDate(days: day)
        return date.year * 12 + date.month - 1
    }

    /// How many whole parts fit between two timestamps; nil on overflow.
    func wholes(_ from: Int64, _ to: Int64) -> Int64? {
        guard let months else {
            let (difference, overflow) = to.subtractingReportingOverflow(from)
            let day = CivilDate.microsPerDay
            return overflow
                ? nil
                : difference / (micros ?? (self == .week || self == .yearweek ? 7 * day : day))
        }
        if from > to { return wholes(to, from).map { -$0 } }
        let fromDay = CivilDate.day(ofMicros: from)
        let toDay = CivilDate.day(ofMicros: to)
        var count = monthNumber(toDay) - monthNumber(fromDay)
        let start = CivilDate(days: fromDay)
        let end = CivilDate(days: toDay)
        let endIsLast = end.day == CivilDate.length(ofMonth: end.month, year: end.year)
        let fromClock = from - fromDay * CivilDate.microsPerDay
        let toClock = to - toDay * CivilDate.microsPerDay
        let isShort =
            start.day > end.day
            ? !endIsLast || fromClock > toClock
            : start.day == end.day && fromClock > toClock
        if isShort { count -= 1 }
        return count / months
    }
}
