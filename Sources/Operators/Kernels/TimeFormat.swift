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

    private static let letters = Array("aAwudbhBmyYGHIpMSfgnzZjUWVcxXT%".utf8)
    private static let dayLetters = Array("aAwudbhBmyYGjUWV".utf8)
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
            case UInt8(ascii: "X"), UInt8(ascii: "T"): items += TimeFormat.expanded("H:M:S")
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
        case "b", "h": arena.add(String(months[Int(date.month) - 1].prefix(3)))
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

    /// The timestamp that `bytes` is in this format, or nil.
    func read(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var at = 0
        var reading = TimeReading()
        var isBehindBlank = false
        TimeFormat.skipBlanks(bytes, &at)
        for item in items {
            switch item {
            case .literal(let byte):
                let isBlank = Lexer.isBlank(byte)
                // As many blanks as there are stand for as many as are written.
                if isBlank, isBehindBlank { continue }
                guard at < bytes.count, isBlank ? Lexer.isBlank(bytes[at]) : bytes[at] == byte
                else { return nil }
                at += 1
                if isBlank { TimeFormat.skipBlanks(bytes, &at) }
                isBehindBlank = isBlank
            case .field(let letter, _):
                guard reading.read(Unicode.Scalar(letter), bytes, &at) else { return nil }
                isBehindBlank = false
            }
        }
        TimeFormat.skipBlanks(bytes, &at)
        return at == bytes.count ? reading.timestamp : nil
    }

    private static func skipBlanks(_ bytes: UnsafeBufferPointer<UInt8>, _ at: inout Int) {
        while at < bytes.count, Lexer.isBlank(bytes[at]) { at += 1 }
    }
}
