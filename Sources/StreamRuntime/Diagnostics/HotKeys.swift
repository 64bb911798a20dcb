import Synchronization

/// The most frequent of very many keys, found in little memory.
///
/// - Shape: `capacity` keys with how often each was seen at most, and how much of that it may have taken over
///   from a key it displaced.
/// - Source: Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
///   Streams" (2005), the Space-Saving algorithm.
public struct KeySketch {
    /// Keys that are kept.
    public static let capacity = 32
    /// Keys seen after which all counts are halved, so that what was frequent once is forgotten.
    private static let totalMax = 1 << 17

    private var hashes = [Int64](repeating: 0, count: KeySketch.capacity)
    private var counts = [Int](repeating: 0, count: KeySketch.capacity)
    private var errors = [Int](repeating: 0, count: KeySketch.capacity)
    private var keys = [[UInt8]](repeating: [], count: KeySketch.capacity)
    /// Keys seen, the older ones for less.
    public private(set) var total = 0

    /// Nothing seen.
    public init() {}

    /// Counts one row of a key.
    public mutating func add(_ hash: Int64, _ key: UnsafeBufferPointer<UInt8>) {
        total += 1
        var least = 0
        for slot in 0..<KeySketch.capacity {
            if hashes[slot] == hash, counts[slot] > 0 {
                counts[slot] += 1
                return
            }
            if counts[slot] < counts[least] { least = slot }
        }
        errors[least] = counts[least]
        counts[least] += 1
        hashes[least] = hash
        keys[least] = Array(key)
        if total >= KeySketch.totalMax { halve() }
    }

    private mutating func halve() {
        total /= 2
        for slot in 0..<KeySketch.capacity {
            counts[slot] /= 2
            errors[slot] /= 2
        }
    }

    /// The keys that surely have at least `share` of what was seen, the most frequent first.
    public func hot(share: Double) -> [(key: [UInt8], count: Int)] {
        (0..<KeySketch.capacity).filter {
            Double(counts[$0] - errors[$0]) >= share * Double(max(total, 1)) && counts[$0] > 0
        }.sorted { (counts[$0], hashes[$0]) > (counts[$1], hashes[$1]) }
            .map { (keys[$0], counts[$0]) }
    }
}

/// The keys that an unusual share of a step's rows have, for whoever looks at the step.
public final class HotKeys: Sendable {
    /// A key by its values, and its share of the rows.
    public struct Key: Equatable, Sendable {
        /// The values of the key's columns.
        public let text: String
        /// Of all rows, from 0 to 1.
        public let share: Double
    }

    /// The part of the rows from which on a key is told of.
    public static let share = 0.02
    /// Of so many rows one is looked at.
    public static let sampling = 64
    /// Rows looked at before anything is told.
    static let rowsMin = 256

    private struct Seen {
        var total = 0
        var keys: [(text: String, count: Int)] = []
    }

    private let seen = Mutex<[ObjectIdentifier: Seen]>([:])

    init() {}

    /// Takes over what `watcher` has seen; from its thread, now and then.
    public func publish(_ watcher: AnyObject, _ sketch: KeySketch, types: [ColumnType]) {
        let decoder = KeyDecoder(types)
        let keys = sketch.hot(share: HotKeys.share).prefix(8).map { key, count in
            let columns = types.map { Column($0, capacity: 1) }
            key.withUnsafeBufferPointer { decoder.decode($0, into: columns) }
            return (text: columns.map { $0.valueText(0) }.joined(separator: ", "), count: count)
        }
        let id = ObjectIdentifier(watcher)
        seen.withLock { $0[id] = Seen(total: sketch.total, keys: keys) }
    }

    /// The hottest keys of all these figures together, the hottest first.
    public static func together(_ parts: [HotKeys]) -> [Key] {
        var total = 0
        var counts: [String: Int] = [:]
        for part in parts {
            part.seen.withLock { seen in
                for watcher in seen.values {
                    total += watcher.total
                    for key in watcher.keys { counts[key.text, default: 0] += key.count }
                }
            }
        }
        guard total >= rowsMin else { return [] }
        return counts.map { Key(text: $0.key, share: Double($0.value) / Double(total)) }
            .filter { $0.share >= share }
            .sorted { ($0.share, $1.text) > ($1.share, $0.text) }
    }
}

/// Looks at the keys of rows on their way and tells `HotKeys` which are frequent.
public final class KeyWatch {
    private let hotKeys: HotKeys
    private let types: [ColumnType]
    private var sketch = KeySketch()
    private var next = 0
    private var published = 0

    /// Batches' worth of rows between two tellings.
    private static let tellingRows = 1 << 12

    /// A watch over keys made of columns of `types`.
    public init(_ hotKeys: HotKeys, types: [ColumnType]) {
        self.hotKeys = hotKeys
        self.types = types
    }

    /// Looks at some of the keys: one in `step`.
    public func look(_ keys: KeyColumn, every step: Int = HotKeys.sampling) {
        var row = next
        while row < keys.count {
            sketch.add(keys.hashes.int64s[row], keys.bytes.bytes(row))
            published += 1
            row += step
        }
        next = row - keys.count
        if published >= KeyWatch.tellingRows || (published > 0 && sketch.total <= 4096) {
            published = 0
            hotKeys.publish(self, sketch, types: types)
        }
    }
}
