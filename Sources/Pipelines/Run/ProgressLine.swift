import Glibc
import StreamRuntime

/// The line that tells how a run is going: rows, rows a second, watermark, late, rejected.
///
/// - Shape: on a terminal one line that is written over, elsewhere a line every two seconds; with
///   JSON an object a line.
struct ProgressLine {
    private let sources: [String]
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let json: Bool
    private let began: Int64
    private var lastShown: Int64?
    private var lastRows: Int64 = 0
    private var lastNanos: Int64

    init(sources: [String], json: Bool, now: Int64) {
        self.sources = sources
        self.json = json
        began = now
        lastNanos = now
    }

    /// A job begins, perhaps after another one: its figures start from nothing.
    mutating func begin(now: Int64) {
        lastRows = 0
        lastNanos = now
    }

    /// Shows where the job stands, if it is time to.
    mutating func show(_ job: Job, now: Int64, isLast: Bool = false) {
        show([job], shares: nil, now: now, isLast: isLast)
    }

    /// Shows where the jobs of these shares stand, taken together.
    mutating func show(_ jobs: [Job], shares: [Int]?, now: Int64, isLast: Bool = false) {
        let pause: Int64 = isTerminal && !json ? 200_000_000 : 2_000_000_000
        guard isLast || lastShown.map({ now - $0 >= pause }) ?? true else { return }
        lastShown = now
        let figures = Figures(jobs, sources: sources)
        let seconds = Double(max(now - (isLast ? began : lastNanos), 1)) / 1e9
        let rate = Double(figures.rows - (isLast ? 0 : lastRows)) / seconds
        lastRows = figures.rows
        lastNanos = now
        let watermark = figures.watermark.map(ProgressLine.moment) ?? "-"
        if json {
            Terminal.print(
                "{\"rows\":\(figures.rows),\"rows_per_second\":\(Int(rate)),"
                    + "\"watermark\":\"\(watermark)\",\"late\":\(figures.late),"
                    + "\"rejected\":\(figures.rejected),\"checkpoints\":\(figures.checkpoints)"
                    + (shares.map { ",\"shares\":\($0)" } ?? "") + "}\n"
            )
            return
        }
        let line =
            "rows \(Grouped.text(figures.rows))  \(Grouped.text(Int64(rate))) rows/s  "
            + "watermark \(watermark)  late \(Grouped.text(figures.late))  "
            + "rejected \(Grouped.text(figures.rejected))  checkpoints \(figures.checkpoints)"
            + (shares.map { "  shares " + $0.map { "\($0)" }.joined(separator: ",") } ?? "")
        Terminal.error(isTerminal ? "\r\u{1B}[K\(line)\(isLast ? "\n" : "")" : line + "\n")
    }

    /// A watermark for a person; the end of time is the end of the input.
    private static func moment(_ micros: Int64) -> String {
        if micros == .max { return "end of input" }
        var text: [UInt8] = []
        ValueText.append(timestamp: micros, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// The sums over all steps and workers.
    private struct Figures {
        var rows: Int64 = 0
        var late: Int64 = 0
        var rejected: Int64 = 0
        var watermark: Int64?
        var checkpoints = 0

        init(_ jobs: [Job], sources: [String]) {
            for job in jobs { add(job, sources) }
        }

        private mutating func add(_ job: Job, _ sources: [String]) {
            checkpoints += job.checkpoints.count
            for (name, workers) in job.counters {
                for counters in workers {
                    if sources.contains(name) { rows += counters.read(.rowsIn) }
                    late += counters.read(.late)
                    rejected += counters.read(.rejected)
                }
            }
            if let reached = job.sourceWatermark(of: sources) {
                watermark = min(watermark ?? reached, reached)
            }
        }
    }
}

/// Numbers for people.
enum Grouped {
    /// `1234567` as `1,234,567`.
    static func text(_ number: Int64) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return number < 0 ? "-" + text : text
    }
}
