import Glibc
import StreamRuntime

/// The line that tells how far reading the feature log has got, and how long it will take.
struct ScanProgress {
    private let total: Int64
    private let isShown: Bool
    private let clock: any Clock
    private let began: Int64
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastShown: Int64?
    /// Versions of scans that have ended.
    private var earlier: Int64 = 0

    /// Progress through `total` versions.
    init(total: Int64, isShown: Bool, clock: any Clock) {
        self.total = total
        self.isShown = isShown
        self.clock = clock
        began = clock.nanos
    }

    /// Shows that the scan under way has read `count` versions, if it is time to.
    mutating func show(_ count: Int) {
        let now = clock.nanos
        let pause: Int64 = isTerminal ? 200_000_000 : 5_000_000_000
        guard isShown, now - (lastShown ?? began) >= pause else { return }
        lastShown = now
        write(earlier + Int64(count), now: now)
    }

    /// The scan under way has ended after `count` versions.
    mutating func end(_ count: Int) { earlier += Int64(count) }

    /// Closes the line.
    func finish() {
        guard isShown, isTerminal, lastShown != nil else { return }
        write(earlier, now: clock.nanos)
        Terminal.error("\n")
    }

    private func write(_ count: Int64, now: Int64) {
        let seconds = max(Double(now - began) / 1e9, 0.001)
        let rate = Double(count) / seconds
        var line = "versions \(Grouped.text(count))"
        if total > 0 {
            let part = min(Double(count) / Double(total), 1)
            let left = rate > 0 ? Double(max(total - count, 0)) / rate : 0
            let cells = Int(part * 30)
            line =
                "[" + String(repeating: "#", count: cells)
                + String(repeating: ".", count: 30 - cells) + "] \(Int(part * 100)) %  " + line
                + " of \(Grouped.text(total))  \(Grouped.text(Int64(rate)))/s  \(Int(left)) s left"
        }
        Terminal.error(isTerminal ? "\r\u{1B}[K\(line)" : line + "\n")
    }
}
