import StreamRuntime

/// A record's bytes in the making; emptied and filled again for each, so that making millions allocates nothing.
struct LoadText {
    private(set) var bytes: [UInt8] = []
    private var day = Int64.min
    private var date = CivilDate(days: 0)

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    /// The first `count` bytes, as a record is cut short.
    mutating func cut(to count: Int) { bytes.removeLast(bytes.count - count) }

    mutating func add(_ text: StaticString) {
        bytes.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func add(_ other: [UInt8]) { bytes.append(contentsOf: other) }

    mutating func add(byte: UInt8) { bytes.append(byte) }

    /// A number that is not negative, with zeros before it up to `width` digits.
    mutating func add(_ number: Int, width: Int = 1) {
        var digits = 1
        var bound = 10
        while bound <= number {
            digits += 1
            let (next, isOver) = bound.multipliedReportingOverflow(by: 10)
            if isOver { break }
            bound = next
        }
        let count = max(digits, width)
        let end = bytes.count + count
        for _ in 0..<count { bytes.append(48) }
        var rest = number
        var at = end - 1
        while rest > 0 {
            bytes[at] = 48 &+ UInt8(rest % 10)
            rest /= 10
            at -= 1
        }
    }

    mutating func add(_ flag: Bool) { if flag { add("true") } else { add("false") } }

    /// An amount with two decimals.
    mutating func add(cents: Int) {
        add(cents / 100)
        add(byte: 46)
        add(cents % 100, width: 2)
    }

    /// UTC time with `digits` fraction digits; `gap` stands between day and time.
    mutating func add(time micros: Int64, digits: Int, gap: UInt8 = 84) {
        let day = CivilDate.day(ofMicros: micros)
        if day != self.day {
            self.day = day
            date = CivilDate(days: day)
        }
        let rest = Int(micros - day * CivilDate.microsPerDay)
        let second = rest / 1_000_000
        add(Int(date.year), width: 4)
        add(byte: 45)
        add(Int(date.month), width: 2)
        add(byte: 45)
        add(Int(date.day), width: 2)
        add(byte: gap)
        add(second / 3600, width: 2)
        add(byte: 58)
        add(second / 60 % 60, width: 2)
        add(byte: 58)
        add(second % 60, width: 2)
        guard digits > 0 else { return }
        add(byte: 46)
        var fraction = rest % 1_000_000
        for _ in digits..<6 { fraction /= 10 }
        add(fraction, width: digits)
    }
}
