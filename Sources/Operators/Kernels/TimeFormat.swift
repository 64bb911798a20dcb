import StreamRuntime

/// A format of `strftime` and `strptime`, taken apart once.
struct TimeFormat {
    private enum Item {
        case literal(UInt8)
        /// A specifier's letter; `isPadded` is false after "%-".
        case field(UInt8, isPadded: Bool)
    }

    private let items: [Item]
    /// Whether every moment of a day has the same text.
    let isByDay: Bool

    /// A format with a specifier there is none of.
    struct Invalid: Error {
        let specifier: String
    }

    private static let letters = Array("aAwudbBmyYGHIpMSfgnzZjUWVcxX%".utf8)
    private static let dayLetters = Array("aAwudbBmyYGjUWV".utf8)
    static let weekdays = [
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    ]
    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ]

    init(_ text: String) throws(Invalid) {
        var items: [Item] = []
        let bytes = Array(text.utf8)
        var at = 0
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "%") else {
                items.append(.literal(bytes[at]))
                at += 1
                continue
            }
            at += 1
            let isPadded = at >= bytes.count || bytes[at] != UInt8(ascii: "-")
            if !isPadded { at += 1 }
            guard at < bytes.count, TimeFormat.letters.contains(bytes[at]) else {
                let rest = at < bytes.count ? String(decoding: [bytes[at]], as: UTF8.self) : ""
                throw Invalid(specifier: "%" + (isPadded ? "" : "-") + rest)
            }
            switch bytes[at] {
            case UInt8(ascii: "%"): items.append(.literal(bytes[at]))
            case UInt8(ascii: "c"): items += TimeFormat.expanded("Y-m-d H:M:S")
            case UInt8(ascii: "x"): items += TimeFormat.expanded("Y-m-d")
            case UInt8(ascii: "X"): items += TimeFormat.expanded("H:M:S")
            default: items.append(.field(bytes[at], isPadded: isPadded))
            }
            at += 1
        }
        self.items = items
        isByDay = items.allSatisfy {
            guard case .field(let letter, _) = $0 else { return true }
            return TimeFormat.dayLetters.contains(letter)
        }
    }

    private static func expanded(_ text: String) -> [Item] {
        text.utf8.map {
            letters.contains($0) ? .field($0, isPadded: true) : .literal($0)
        }
    }

    // MARK: writing

    func write(_ micros: Int64, to arena: ByteArena) {
        let day = CivilDate.day(ofMicros: micros)
        let clock = micros &- day &* CivilDate.microsPerDay
        let date = CivilDate(days: day)
        for item in items {
            switch item {
            case .literal(let byte): arena.add(byte)
            case .field(let letter, let isPadded):
                TimeFormat.write(
                    Unicode.Scalar(letter), isPadded, micros, day, clock, date, arena)
            }
        }
    }

    private static func number(_ value: Int64, _ width: Int, _ isPadded: Bool, _ arena: ByteArena) {
        if value < 0 { arena.add(UInt8(ascii: "-")) }
        var power: UInt64 = 1
        var digits = 1
        while digits < 20, value.magnitude / power >= 10 {
            power *= 10
            digits += 1
        }
        // The sign is one of the places.
        let places = width - (value < 0 ? 1 : 0)
        if isPadded { for _ in 0..<max(0, places - digits) { arena.add(48) } }
        var rest = value.magnitude
        while power > 0 {
            arena.add(48 + UInt8(rest / power))
            rest %= power
            power /= 10
        }
    }

    private static func write(
        _ letter: Unicode.Scalar, _ isPadded: Bool, _ micros: Int64, _ day: Int64, _ clock: Int64,
        _ date: CivilDate, _ arena: ByteArena
    ) {
        let hour = clock / 3_600_000_000
        let weekday = Int(DatePart.isoWeekday(day) % 7)
        func two(_ value: Int64) { number(value, 2, isPadded, arena) }
        switch letter {
        case "a": arena.add(String(weekdays[weekday].prefix(3)))
        case "A": arena.add(weekdays[weekday])
        case "w": number(Int64(weekday), 1, isPadded, arena)
        case "u": number(DatePart.isoWeekday(day), 1, isPadded, arena)
        case "d": two(date.day)
        case "b": arena.add(String(months[Int(date.month) - 1].prefix(3)))
        case "B": arena.add(months[Int(date.month) - 1])
        case "m": two(date.month)
        case "y": two(abs(date.year % 100))
        case "Y": number(date.year, 4, isPadded, arena)
        case "G": number(DatePart.isoWeek(day).year, 4, isPadded, arena)
        case "H": two(hour)
        case "I": two(hour % 12 == 0 ? 12 : hour % 12)
        case "p": arena.add(hour < 12 ? "AM" : "PM")
        case "M": two(clock / 60_000_000 % 60)
        case "S": two(clock / 1_000_000 % 60)
        case "f": number(clock % 1_000_000, 6, true, arena)
        case "g": number(clock / 1000 % 1000, 3, true, arena)
        case "n": number(clock % 1_000_000 * 1000, 9, true, arena)
        case "z": arena.add("+00")
        case "Z": break
        case "j": number(DatePart.dayofyear.value(of: micros), 3, isPadded, arena)
        case "U": two((DatePart.dayofyear.value(of: micros) + 6 - Int64(weekday)) / 7)
        case "W":
            two((DatePart.dayofyear.value(of: micros) + 7 - DatePart.isoWeekday(day)) / 7)
        case "V": two(DatePart.isoWeek(day).week)
        default: break
        }
    }

    // MARK: reading

    private struct Reading {
        var year: Int64 = 1900
        var month: Int64 = 1
        var day: Int64 = 1
        var dayOfYear: Int64?
        var hour: Int64 = 0
        var minute: Int64 = 0
        var second: Int64 = 0
        var micros: Int64 = 0
        var isAfternoon: Bool?
        var offset: Int64 = 0
    }

    /// The timestamp that `bytes` is in this format, or nil.
    func read(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var at = 0
        var reading = Reading()
        // Blanks around the whole are no part of it.
        if case .field = items.first {
            while at < bytes.count, Lexer.isBlank(bytes[at]) { at += 1 }
        }
        for item in items {
            switch item {
            case .literal(let byte):
                guard at < bytes.count, bytes[at] == byte else { return nil }
                at += 1
            case .field(let letter, _):
                guard TimeFormat.read(Unicode.Scalar(letter), bytes, &at, &reading) else {
                    return nil
                }
            }
        }
        while at < bytes.count, Lexer.isBlank(bytes[at]) { at += 1 }
        guard at == bytes.count else { return nil }
        return TimeFormat.micros(of: reading)
    }

    private static func micros(of reading: Reading) -> Int64? {
        var hour = reading.hour
        if let isAfternoon = reading.isAfternoon {
            guard (1...12).contains(hour) else { return nil }
            hour = hour % 12 + (isAfternoon ? 12 : 0)
        }
        guard (1...12).contains(reading.month), reading.day >= 1,
            reading.day <= CivilDate.length(ofMonth: reading.month, year: reading.year), hour < 24,
            reading.minute < 60, reading.second < 60
        else { return nil }
        var days = CivilDate(year: reading.year, month: reading.month, day: reading.day).days
        if let dayOfYear = reading.dayOfYear {
            guard (1...(CivilDate.isLeap(reading.year) ? 366 : 365)).contains(dayOfYear) else {
                return nil
            }
            days = CivilDate(year: reading.year, month: 1, day: 1).days + dayOfYear - 1
        }
        let seconds = (hour * 60 + reading.minute) * 60 + reading.second
        return days * CivilDate.microsPerDay + seconds * 1_000_000 + reading.micros - reading.offset
    }

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

    private static func read(
        _ letter: Unicode.Scalar, _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int,
        _ reading: inout Reading
    ) -> Bool {
        func take(_ lengthMax: Int, _ target: inout Int64, _ at: inout Int) -> Bool {
            guard let value = number(bytes, &at, lengthMax) else { return false }
            target = value
            return true
        }
        switch letter {
        case "Y":
            let isNegative = at < bytes.count && bytes[at] == UInt8(ascii: "-")
            if isNegative { at += 1 }
            guard take(4, &reading.year, &at) else { return false }
            if isNegative { reading.year = -reading.year }
        case "y":
            guard take(2, &reading.year, &at) else { return false }
            reading.year += reading.year < 69 ? 2000 : 1900
        case "m": return take(2, &reading.month, &at)
        case "d": return take(2, &reading.day, &at)
        case "H", "I": return take(2, &reading.hour, &at)
        case "M": return take(2, &reading.minute, &at)
        case "S": return take(2, &reading.second, &at)
        case "f", "g", "n":
            let start = at
            guard let digits = number(bytes, &at, letter == "g" ? 3 : (letter == "n" ? 9 : 6))
            else {
                return false
            }
            var value = digits
            var length = at - start
            while length < 6 {
                value *= 10
                length += 1
            }
            while length > 6 {
                value /= 10
                length -= 1
            }
            reading.micros = value
        case "j":
            var day: Int64 = 0
            guard take(3, &day, &at) else { return false }
            reading.dayOfYear = day
        case "b", "B":
            guard let month = name(bytes, &at, months, isShort: letter == "b") else { return false }
            reading.month = Int64(month + 1)
        case "a", "A": return name(bytes, &at, weekdays, isShort: letter == "a") != nil
        case "p":
            guard let half = name(bytes, &at, ["am", "pm"], isShort: false) else { return false }
            reading.isAfternoon = half == 1
        case "z": return offset(bytes, &at, &reading.offset)
        case "Z":
            guard let zone = name(bytes, &at, ["utc", "gmt", "z"], isShort: false) else {
                return false
            }
            return zone >= 0
        default: return false
        }
        return true
    }

    private static func offset(
        _ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int, _ target: inout Int64
    ) -> Bool {
        guard at < bytes.count else { return false }
        if bytes[at] == UInt8(ascii: "Z") {
            at += 1
            return true
        }
        let isNegative = bytes[at] == UInt8(ascii: "-")
        guard isNegative || bytes[at] == UInt8(ascii: "+") else { return false }
        at += 1
        guard let hours = number(bytes, &at, 2) else { return false }
        if at < bytes.count, bytes[at] == UInt8(ascii: ":") { at += 1 }
        let minutes = number(bytes, &at, 2) ?? 0
        target = (hours * 60 + minutes) * 60_000_000 * (isNegative ? -1 : 1)
        return true
    }
}
