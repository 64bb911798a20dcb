import Synchronization

/// A count that only grows.
public final class Counter: Sendable {
    private let cell = Atomic<Int64>(0)

    init() {}

    /// Adds `amount`.
    public func add(_ amount: Int = 1) { cell.wrappingAdd(Int64(amount), ordering: .relaxed) }

    /// The count so far.
    public var value: Int64 { cell.load(ordering: .relaxed) }
}

/// A figure that goes up and down.
public final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)

    init() {}

    /// Sets the figure.
    public func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    /// The figure last set.
    public var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// How many durations fell into each of a row of buckets.
public final class Histogram: Sendable {
    let boundNanos: [Int64]
    let counts: [Counter]
    let sumNanos = Counter()

    init(boundsSeconds: [Double]) {
        boundNanos = boundsSeconds.map { Int64(($0 * 1e9).rounded()) }
        counts = (0...boundsSeconds.count).map { _ in Counter() }
    }

    /// Counts one duration.
    public func observe(nanos: Int64) {
        var bucket = 0
        while bucket < boundNanos.count, nanos > boundNanos[bucket] { bucket &+= 1 }
        counts[bucket].add()
        sumNanos.add(Int(nanos))
    }

    /// Durations counted so far.
    public var count: Int64 { counts.reduce(0) { $0 + $1.value } }

    /// Bounds from 25 µs to 10 s, for lookups.
    public static let lookupSeconds: [Double] = [
        0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05,
        0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
}
