import StreamRuntime

/// An entry of `tests:`.
struct TestSpec: Sendable {
    let name: Located<String>
    /// The day of times without one, in microseconds since 1970.
    let day: Int64
    let given: [TestStep]
    /// What comes out in the end.
    let expect: [TestExpectation]
    /// Whether the inputs end after the last step.
    let ends: Bool
    /// What lookups are answered, by the step's id.
    var answers: [(step: Located<String>, rows: [SpecNode])] = []

    /// Every expectation, those on the way first.
    var expectations: [TestExpectation] {
        given.flatMap { step -> [TestExpectation] in
            if case .expect(let expectations) = step { expectations } else { [] }
        } + expect
    }
}

/// Something that happens in a test.
enum TestStep: Sendable {
    /// Records arrive; rows without an event time have `at`.
    case rows(at: Int64, [TestRows])
    /// Event time goes on to this moment, with nothing arriving.
    case advance(to: Int64)
    /// The engine is killed and goes on from its last checkpoint, with this many workers if that is said.
    case killAndRestore(workers: Int?)
    /// What has come out so far.
    case expect([TestExpectation])
    /// Rows are pushed into a view.
    case push(at: Int64, [TestRows])
}

/// Rows of one stream, or for one view.
struct TestRows: Sendable {
    let name: Located<String>
    let rows: [SpecNode]
}

/// What is expected of one output.
struct TestExpectation: Sendable {
    /// How the rows named are compared with those that came out.
    enum Mode: Sendable {
        /// These rows, in this order, and no others.
        case exactly
        /// These rows, in whatever order, and no others.
        case anyOrder
        /// These rows among others.
        case contains
    }

    let target: Located<String>
    let mode: Mode
    /// nil when only their number is said.
    let rows: [SpecNode]?
    let count: Located<Int>?
    /// When features are looked up; nil for the last time there was.
    let at: Int64?
}

/// Times of a test.
enum TestTime {
    /// The day of tests that name none: 2026-01-01.
    static let usualDay: Int64 = 1_767_225_600_000_000

    /// Reads `12:00`, `12:00:00.5`, `2026-01-15`, `2026-01-15 12:00:00` or `2026-01-15T12:00:00Z`.
    ///
    /// - Returns: microseconds since 1970; nil for other text.
    static func parse(_ text: String, day: Int64) -> Int64? {
        var rest = Substring(text)
        if rest.hasSuffix("Z") { rest = rest.dropLast() }
        let halves = rest.split(
            maxSplits: 1, omittingEmptySubsequences: false,
            whereSeparator: { $0 == " " || $0 == "T" })
        if halves.count == 2 {
            guard let date = date(halves[0]), let clock = clock(halves[1]) else { return nil }
            return date + clock
        }
        return date(rest) ?? clock(rest).map { day + $0 }
    }

    /// A day in microseconds since 1970.
    static func date(_ text: Substring) -> Int64? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 4, parts[1].utf8.count == 2,
            parts[2].utf8.count == 2, let year = number(parts[0]), let month = number(parts[1]),
            let day = number(parts[2]), (1...12).contains(month),
            (1...CivilDate.length(ofMonth: month, year: year)).contains(day)
        else { return nil }
        return CivilDate(year: year, month: month, day: day).days * CivilDate.microsPerDay
    }

    private static func clock(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, let hour = number(parts[0]), hour < 24,
            let minute = number(parts[1]), minute < 60
        else { return nil }
        var micros = (hour * 60 + minute) * 60_000_000
        guard parts.count == 3 else { return micros }
        let seconds = parts[2].split(separator: ".", omittingEmptySubsequences: false)
        guard seconds.count <= 2, let whole = number(seconds[0]), whole < 60 else { return nil }
        micros += whole * 1_000_000
        guard seconds.count == 2 else { return micros }
        guard (1...6).contains(seconds[1].utf8.count), let fraction = number(seconds[1]) else {
            return nil
        }
        return micros
            + (0..<(6 - seconds[1].utf8.count)).reduce(fraction) { value, _ in value * 10 }
    }

    private static func number(_ text: Substring) -> Int64? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(text) : nil
    }

    /// A moment as ISO 8601 in UTC.
    static func iso(_ micros: Int64) -> String {
        var text: [UInt8] = []
        ValueText.append(timestamp: micros, to: &text)
        return String(decoding: text, as: UTF8.self).replacing(" ", with: "T") + "Z"
    }
}
