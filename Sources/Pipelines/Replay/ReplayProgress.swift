import Glibc
import StreamRuntime

/// The line that tells how far a replay is: bar, rows a second, lag, and when it will be over.
///
/// - Shape: on a terminal one line that is written over, elsewhere a line every two seconds; with JSON an
///   object a line on standard output.
struct ReplayProgress {
    private let ranges: SourceRanges
    private let total: Int64
    private let json: Bool
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let clock = SystemClock()
    private let began: Int64
    private var shown: Int64?
    private var lastNanos: Int64
    private var lastRows: Int64 = 0
    private var lastLag: Int64?
    private var rate = 0.0
    private var pace = 0.0

    init(ranges: SourceRanges, json: Bool) {
        self.ranges = ranges
        self.json = json
        total = ranges.offsets
        began = clock.nanos
        lastNanos = began
    }

    /// Shows where `account` stands, if it is time to.
    mutating func show(_ account: RangeAccount, isLast: Bool = false) {
        let now = clock.nanos
        let pause: Int64 = isTerminal && !json ? 200_000_000 : 2_000_000_000
        guard isLast || shown.map({ now - $0 >= pause }) ?? true else { return }
        shown = now
        let rows = account.records
        let lag = lag(account.entries)
        let seconds = Double(max(now - (isLast ? began : lastNanos), 1)) / 1e9
        rate = Double(rows - (isLast ? 0 : lastRows)) / seconds
        // A pace that follows slowly makes an end that does not jump.
        let latest = Double(max((lastLag ?? lag) - lag, 0)) / seconds
        pace = pace == 0 ? latest : pace * 0.7 + latest * 0.3
        (lastNanos, lastRows, lastLag) = (now, rows, lag)
        let left = lag == 0 ? 0 : pace > 0 ? Int64(Double(lag) / pace) + 1 : nil
        if json { return Terminal.print(object(rows, lag, left)) }
        let line =
            "\(bar(lag)) rows \(Grouped.text(rows))  \(Grouped.text(Int64(rate))) rows/s  "
            + "lag \(Grouped.text(lag))  ETA \(left.map(ReplayProgress.time) ?? "-")"
        Terminal.error(isTerminal ? "\r\u{1B}[K\(line)\(isLast ? "\n" : "")" : line + "\n")
    }

    private func lag(_ entries: [String: RangeAccount.Entry]) -> Int64 {
        ranges.reduce(0) { sum, item in
            guard let to = item.value.to else { return sum }
            return sum + max(0, to - (entries[item.key]?.position ?? item.value.from))
        }
    }

    private func fraction(_ lag: Int64) -> Double {
        total > 0 ? Double(total - min(lag, total)) / Double(total) : 1
    }

    private func bar(_ lag: Int64) -> String {
        let full = Int(fraction(lag) * 24)
        let percent = String(Int(fraction(lag) * 100))
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: 24 - full)
            + "] " + String(repeating: " ", count: max(0, 3 - percent.count)) + percent + "%"
    }

    private func object(_ rows: Int64, _ lag: Int64, _ left: Int64?) -> String {
        JSONText.object([
            ("percent", .integer(Int(fraction(lag) * 100))), ("rows", .integer(Int(rows))),
            ("rows_per_second", .integer(Int(rate))), ("lag", .integer(Int(lag))),
            ("eta_seconds", left.map { .integer(Int($0)) } ?? .null),
        ]).compact + "\n"
    }

    /// `3725` as `1:02:05`.
    private static func time(_ seconds: Int64) -> String {
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return hours > 0
            ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
    }
}
