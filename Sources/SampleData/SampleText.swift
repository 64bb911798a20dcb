import StreamRuntime

/// Numbers and times as the samples write them.
enum SampleText {
    static func padded(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    static func store(_ number: Int) -> String { "s" + padded(number, 3) }

    /// UTC time, with `digits` fraction digits; beyond six they are `extra`.
    static func time(_ micros: Int64, digits: Int, extra: Int = 0) -> String {
        let day = CivilDate.day(ofMicros: micros)
        let date = CivilDate(days: day)
        let rest = micros - day * CivilDate.microsPerDay
        let second = Int(rest / 1_000_000)
        let fraction = padded(Int(rest % 1_000_000), 6) + padded(extra, 3)
        return
            "\(padded(Int(date.year), 4))-\(padded(Int(date.month), 2))-\(padded(Int(date.day), 2))T"
            + "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):"
            + "\(padded(second % 60, 2)).\(fraction.prefix(digits))Z"
    }

    static func cents(_ value: Int) -> String { "\(value / 100).\(padded(value % 100, 2))" }

    /// Base64 of the unscaled big-endian bytes of a decimal, as Debezium's precise mode has it.
    static func unscaled(_ value: Int) -> String {
        var bytes = [UInt8(truncatingIfNeeded: value)]
        var rest = value >> 8
        while rest != 0 || bytes[0] > 127 {
            bytes.insert(UInt8(truncatingIfNeeded: rest), at: 0)
            rest >>= 8
        }
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        var at = 0
        while at < bytes.count {
            let part = bytes[at..<min(at + 3, bytes.count)]
            let word = part.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - part.count))
            for letter in 0..<4 {
                text += letter <= part.count ? String(letters[word >> (18 - 6 * letter) & 63]) : "="
            }
            at += 3
        }
        return text
    }
}
