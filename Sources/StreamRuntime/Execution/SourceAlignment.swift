import CPlatform

/// Keeps sources that meet downstream within `Limits.alignmentMicros` of each other, so that no sorter
/// has to hold one source's future while it waits for another's past.
///
/// - Note: one cell a task, written by that task and read by all, atomically: safe to share.
final class SourceAlignment: @unchecked Sendable {
    private let cells: UnsafeMutablePointer<UInt64>
    private let count: Int

    init(members count: Int) {
        self.count = count
        cells = .allocate(capacity: max(count, 1) * 8)
        cells.initialize(repeating: UInt64(bitPattern: .min), count: max(count, 1) * 8)
    }

    deinit { cells.deallocate() }

    /// One task's place in the alignment.
    struct Member {
        let alignment: SourceAlignment
        let index: Int

        /// Tells the others the oldest "newest event time" of the partitions still behind the end of
        /// their logs; Int64.max when there is none.
        func publish(_ newest: Int64) {
            millrace_store_release(
                alignment.cells + index * 8, UInt64(bitPattern: newest))
        }

        /// Whether a partition that has come to `newest` may go on: it is at most `micros` ahead of the
        /// others. The one that is furthest behind always may.
        func mayRead(newest: Int64, ahead micros: Int64 = Limits.alignmentMicros) -> Bool {
            guard newest != .min else { return true }
            var slowest = Int64.max
            for other in 0..<alignment.count where other != index {
                let cell = millrace_load_acquire(alignment.cells + other * 8)
                slowest = min(slowest, Int64(bitPattern: cell))
            }
            if slowest == .min { return false }
            return slowest == .max || newest <= slowest + micros
        }
    }
}
