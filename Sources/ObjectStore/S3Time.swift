import StreamRuntime

/// The forms in which S3 writes moments.
enum S3Time {
    /// `20130524T000000Z`.
    static func compact(millis: Int64) -> String {
        let date = CivilDate(days: CivilDate.day(ofMicros: millis * 1000))
        let second = (millis / 1000) % 86_400
        return pad(date.year, 4) + pad(date.month, 2) + pad(date.day, 2) + "T"
            + pad(second / 3600, 2) + pad(second / 60 % 60, 2) + pad(second % 60, 2) + "Z"
    }

    private static func pad(_ number: Int64, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// Milliseconds since 1970 of `2013-05-24T00:00:00.000Z`.
    static func millis(iso text: String) -> Int64? {
        let parts = text.split { !($0 >= "0" && $0 <= "9") }
        let numbers = parts.compactMap { Int64($0) }
        guard numbers.count >= 6, numbers.count == parts.count else { return nil }
        var millis: Int64 = 0
        if parts.count > 6 {
            let digits = parts[6].prefix(3)
            millis = (Int64(digits) ?? 0) * [100, 10, 1][digits.count - 1]
        }
        return moment(numbers[0], numbers[1], numbers[2], numbers[3...5]) + millis
    }

    /// Milliseconds since 1970 of `Fri, 24 May 2013 00:00:00 GMT`.
    static func millis(header text: String) -> Int64? {
        let words = text.split { $0 == " " || $0 == "," || $0 == ":" }
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        guard words.count >= 7, let day = Int64(words[1]),
            let month = months.firstIndex(of: String(words[2])), let year = Int64(words[3])
        else { return nil }
        let clock = words[4...6].compactMap { Int64($0) }
        guard clock.count == 3 else { return nil }
        return moment(year, Int64(month) + 1, day, clock[...])
    }

    private static func moment(
        _ year: Int64, _ month: Int64, _ day: Int64, _ clock: ArraySlice<Int64>
    ) -> Int64 {
        let days = CivilDate(year: year, month: month, day: day).days
        return (days * 86_400 + clock.reduce(0) { $0 * 60 + $1 }) * 1000
    }
}
