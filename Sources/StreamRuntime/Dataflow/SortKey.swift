/// What rows can be sorted by: a place in the order, and where the row lies.
protocol OrderedKey: BitwiseCopyable {
    func precedes(_ other: Self) -> Bool
}

/// Where a row stands in the total order, and where it lies.
struct SortKey: OrderedKey {
    var time: Int64
    var origin: Int64
    var offset: UInt64
    var element: Int64
    var pick: RowPick

    @inline(__always)
    init(_ order: RowOrder, _ row: Int, batch: Int32 = 0) {
        time = order.time(row)
        origin = order.origins.int64s[row]
        offset = UInt64(bitPattern: order.offsets.int64s[row])
        element = order.elements?.int64s[row] ?? 0
        pick = RowPick(batch: batch, row: Int32(truncatingIfNeeded: row))
    }

    @inline(__always)
    func precedes(_ other: SortKey) -> Bool {
        if time != other.time { return time < other.time }
        if origin != other.origin { return origin < other.origin }
        if offset != other.offset { return offset < other.offset }
        return element < other.element
    }
}

/// A row's time and where it lies: all the order there is among rows of one origin that lie in the
/// order of their offsets, since sorting keeps equal ones as they are.
struct TimeKey: OrderedKey {
    var time: Int64
    var pick: RowPick

    @inline(__always)
    func precedes(_ other: TimeKey) -> Bool { time < other.time }
}

/// Memory that sorting reuses.
final class SortScratch {
    private(set) var memory: UnsafeMutableRawPointer
    private var capacity = 4096 * MemoryLayout<SortKey>.stride

    init() { memory = .allocate(byteCount: capacity, alignment: 16) }

    deinit { memory.deallocate() }

    /// Room for `count` keys; what was there before is gone.
    func room<Key: BitwiseCopyable>(
        _ count: Int, of _: Key.Type
    ) -> UnsafeMutablePointer<Key> {
        let wanted = count * MemoryLayout<Key>.stride
        if wanted > capacity {
            capacity = max(wanted, capacity * 2)
            memory.deallocate()
            memory = .allocate(byteCount: capacity, alignment: 16)
        }
        return memory.bindMemory(to: Key.self, capacity: count)
    }
}

/// Stable sorts of keys in place.
enum KeySort {
    /// Sorts keys by time, equal ones staying as they are.
    ///
    /// - Shape: by digits of the times' distance to the smallest, eleven bits a pass, where the rows'
    ///   times are within hours of each other; else by merging.
    static func sort(
        _ keys: UnsafeMutablePointer<TimeKey>, _ count: Int, _ scratch: SortScratch
    ) {
        guard count > 1 else { return }
        let other = scratch.room(count, of: TimeKey.self)
        var low = keys[0].time
        var high = low
        var slot = 1
        while slot < count {
            low = min(low, keys[slot].time)
            high = max(high, keys[slot].time)
            slot &+= 1
        }
        let range = UInt64(bitPattern: high) &- UInt64(bitPattern: low)
        let bits = 64 - range.leadingZeroBitCount
        guard count >= 256, bits <= 33 else { return merge(keys, count, other) }
        var from = keys
        var to = other
        var shift: UInt64 = 0
        while shift < bits {
            pass(from, count, low, shift, to)
            swap(&from, &to)
            shift += 11
        }
        if from != keys { keys.update(from: from, count: count) }
    }

    private static func pass(
        _ from: UnsafeMutablePointer<TimeKey>, _ count: Int, _ low: Int64, _ shift: UInt64,
        _ to: UnsafeMutablePointer<TimeKey>
    ) {
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2048) { room in
            let starts = room.baseAddress!
            starts.initialize(repeating: 0, count: 2048)
            var slot = 0
            while slot < count {
                let distance = UInt64(bitPattern: from[slot].time &- low)
                starts[Int(truncatingIfNeeded: distance &>> shift) & 2047] &+= 1
                slot &+= 1
            }
            var total: Int32 = 0
            slot = 0
            while slot < 2048 {
                let size = starts[slot]
                starts[slot] = total
                total &+= size
                slot &+= 1
            }
            slot = 0
            while slot < count {
                let distance = UInt64(bitPattern: from[slot].time &- low)
                let digit = Int(truncatingIfNeeded: distance &>> shift) & 2047
                to[Int(starts[digit])] = from[slot]
                starts[digit] &+= 1
                slot &+= 1
            }
        }
    }

    /// Sorts keys, equal ones staying as they are: short blocks by insertion, then merges.
    static func merge<Key: OrderedKey>(
        _ keys: UnsafeMutablePointer<Key>, _ count: Int, _ other: UnsafeMutablePointer<Key>
    ) {
        let block = 16
        var start = 0
        while start < count {
            let end = min(start &+ block, count)
            var slot = start &+ 1
            while slot < end {
                let key = keys[slot]
                var at = slot
                while at > start, key.precedes(keys[at &- 1]) {
                    keys[at] = keys[at &- 1]
                    at &-= 1
                }
                keys[at] = key
                slot &+= 1
            }
            start = end
        }
        var bounds = Array(stride(from: 0, to: count, by: block))
        bounds.append(count)
        merge(keys, bounds, other)
    }

    /// Merges neighbouring ordered slices of keys until one is left; slice i ends at `bounds[i + 1]`.
    static func merge<Key: OrderedKey>(
        _ keys: UnsafeMutablePointer<Key>, _ bounds: [Int], _ other: UnsafeMutablePointer<Key>
    ) {
        var bounds = bounds
        var from = keys
        var to = other
        let count = bounds[bounds.count - 1]
        while bounds.count > 2 {
            var next = [0]
            var slice = 0
            while slice + 1 < bounds.count {
                let middle = bounds[slice + 1]
                let end = slice + 2 < bounds.count ? bounds[slice + 2] : middle
                mergePair(from, bounds[slice], middle, end, to)
                next.append(end)
                slice += 2
            }
            bounds = next
            swap(&from, &to)
        }
        if from != keys { keys.update(from: from, count: count) }
    }

    @inline(__always)
    private static func mergePair<Key: OrderedKey>(
        _ from: UnsafeMutablePointer<Key>, _ start: Int, _ middle: Int, _ end: Int,
        _ to: UnsafeMutablePointer<Key>
    ) {
        var left = start
        var right = middle
        var at = start
        while left < middle && right < end {
            if from[right].precedes(from[left]) {
                to[at] = from[right]
                right &+= 1
            } else {
                to[at] = from[left]
                left &+= 1
            }
            at &+= 1
        }
        if left < middle { (to + at).update(from: from + left, count: middle &- left) }
        at &+= middle &- left
        if right < end { (to + at).update(from: from + right, count: end &- right) }
    }
}
