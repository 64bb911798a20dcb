import HTTP
import StreamRuntime

/// How long a service asks not to be asked.
enum RetryAfter {
    /// Until when, in microseconds since 1970; nil when it does not say.
    ///
    /// - Source: RFC 9110 (`Retry-After`: seconds or a date); `X-RateLimit-Remaining` and `-Reset` (seconds
    ///   since 1970, or from now where the number is small).
    static func until(_ response: HTTPResponse, now: Int64) -> Int64? {
        if let text = response.header("retry-after") {
            if let seconds = Double(text), seconds >= 0, seconds < 1e9 {
                return now + Int64(seconds * 1e6)
            }
            if let date = micros(text) { return date }
        }
        let remaining = response.header("x-ratelimit-remaining").flatMap { Double($0) }
        guard response.status == 429 || remaining.map({ $0 < 1 }) ?? false,
            let text = response.header("x-ratelimit-reset"), let reset = Double(text), reset >= 0,
            reset < 1e12
        else { return nil }
        return reset > 1e8 ? Int64(reset * 1e6) : now + Int64(reset * 1e6)
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Microseconds since 1970 of a date such as `Wed, 21 Oct 2015 07:28:00 GMT`.
    ///
    /// - Source: RFC 9110, IMF-fixdate.
    private static func micros(_ text: String) -> Int64? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let day = Int64(words[1]),
            let month = months.firstIndex(of: String(words[2])), let year = Int64(words[3])
        else { return nil }
        let clock = words[4].split(separator: ":").compactMap { Int64($0) }
        guard clock.count == 3, (1...31).contains(day) else { return nil }
        let days = CivilDate(year: year, month: Int64(month) + 1, day: day).days
        return (days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]) * 1_000_000
    }
}
