import Synchronization

/// Holds the readers of a job to a number of rows a second, together.
///
/// - Note: shared by all workers' readers; a tenth of a second may be read in one burst.
public final class RowThrottle: Sendable {
    private struct Bucket {
        var rows: Double
        var filledAt: Int64
    }

    private let rowsPerSecond: Double
    private let clock: any Clock
    private let bucket: Mutex<Bucket>

    /// A throttle at `rowsPerSecond`, which is at least 1.
    public init(rowsPerSecond: Int, clock: any Clock = SystemClock()) {
        precondition(rowsPerSecond >= 1, "a throttle lets something through")
        self.rowsPerSecond = Double(rowsPerSecond)
        self.clock = clock
        bucket = Mutex(Bucket(rows: 0, filledAt: clock.nanos))
    }

    /// How many of `wanted` rows may be read now; 0 is a reason to wait.
    public func grant(_ wanted: Int) -> Int {
        let now = clock.nanos
        return bucket.withLock { bucket in
            let gained = Double(now - bucket.filledAt) / 1e9 * rowsPerSecond
            bucket.filledAt = now
            bucket.rows = min(bucket.rows + gained, max(rowsPerSecond / 10, 1))
            let granted = min(wanted, Int(bucket.rows))
            bucket.rows -= Double(granted)
            return granted
        }
    }

    /// Gives back rows that were granted and turned out not to be there.
    public func giveBack(_ rows: Int) {
        guard rows > 0 else { return }
        bucket.withLock { $0.rows += Double(rows) }
    }
}
