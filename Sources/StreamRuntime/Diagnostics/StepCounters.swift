import CPlatform

/// The figures a step keeps, written by its worker and read by the metrics endpoint at any time.
///
/// - Note: single writer; readers see a recent value. The cells are raw memory read and written
///   atomically, which is why sharing is safe.
public final class StepCounters: @unchecked Sendable {
    /// One figure.
    public enum Figure: Int, CaseIterable, Sendable {
        case rowsIn, rowsOut, batchesIn, late, rejected, duplicates, stale, stateKeys, stateBytes
        case watermarkMicros, busyNanos, blockedNanos, offsetsSkipped, skipped, passedOver,
            forgotten
        /// Of a worker's state: what is too much for its memory but in use, and so stays.
        case sparedBytes
        /// Of an output that only counts: the rows its table has, and the sum of their hashes.
        case tableRows, checksum
    }

    private let cells: UnsafeMutablePointer<UInt64>
    /// The keys that an unusual share of the step's rows have.
    public let hotKeys = HotKeys()

    /// All figures at zero.
    public init() {
        cells = .allocate(capacity: Figure.allCases.count)
        cells.initialize(repeating: 0, count: Figure.allCases.count)
    }

    deinit { cells.deallocate() }

    /// Adds to a figure; by the step's worker only.
    public func add(_ figure: Figure, _ amount: Int) {
        let cell = cells + figure.rawValue
        let grown = millrace_load_relaxed(cell) &+ UInt64(bitPattern: Int64(amount))
        millrace_store_relaxed(cell, grown)
    }

    /// Sets a figure; by the step's worker only.
    public func set(_ figure: Figure, _ value: Int64) {
        millrace_store_relaxed(cells + figure.rawValue, UInt64(bitPattern: value))
    }

    /// A recent value of a figure; from any thread.
    public func read(_ figure: Figure) -> Int64 {
        Int64(bitPattern: millrace_load_relaxed(cells + figure.rawValue))
    }
}
