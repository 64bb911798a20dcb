/// Where a row stands in the total order, and where it lies.
struct SortKey: BitwiseCopyable {
    var time: Int64
    var origin: Int64
    var offset: UInt64
    var element: Int64
    var pick: RowPick

    @inline(__always)
    func precedes(_ other: SortKey) -> Bool {
        if time != other.time { return time < other.time }
        if origin != other.origin { return origin < other.origin }
        if offset != other.offset { return offset < other.offset }
        return element < other.element
    }
}

/// Memory that sorting reuses.
final class SortScratch {
    private(set) var keys: UnsafeMutablePointer<SortKey>
    private(set) var rows: UnsafeMutablePointer<Int32>
    private var capacity = 4096

    init() {
        keys = .allocate(capacity: capacity)
        rows = .allocate(capacity: capacity)
    }

    deinit {
        keys.deallocate()
        rows.deallocate()
    }

    func reserve(_ count: Int) {
        guard count > capacity else { return }
        capacity = max(count, capacity * 2)
        keys.deallocate()
        rows.deallocate()
        keys = .allocate(capacity: capacity)
        rows = .allocate(capacity: capacity)
    }
}

/// A batch whose rows are, or were brought, in order; the first `head` of them have left.
final class SortRun {
    let batch: ColumnBatch
    var head = 0
    /// The rows in order; nil when the batch is in order as it is.
    private let sorted: UnsafeMutablePointer<SortKey>?

    init(_ batch: ColumnBatch, _ scratch: SortScratch) {
        self.batch = batch
        if SortRun.isOrdered(batch.order, batch.count) {
            sorted = nil
            return
        }
        let keys = UnsafeMutablePointer<SortKey>.allocate(capacity: batch.count)
        for row in 0..<batch.count { keys[row] = SortRun.key(batch.order, row) }
        scratch.reserve(batch.count)
        SortRun.sort(keys, batch.count, scratch.keys)
        sorted = keys
    }

    deinit { sorted?.deallocate() }

    var left: Int { batch.count - head }
    var isIdentity: Bool { sorted == nil }

    @inline(__always)
    func key(_ slot: Int) -> SortKey { sorted?[slot] ?? SortRun.key(batch.order, slot) }

    @inline(__always)
    private static func key(_ order: RowOrder, _ row: Int) -> SortKey {
        SortKey(
            time: order.time(row), origin: order.origins.int64s[row],
            offset: UInt64(bitPattern: order.offsets.int64s[row]),
            element: order.elements?.int64s[row] ?? 0,
            pick: RowPick(batch: 0, row: Int32(truncatingIfNeeded: row)))
    }

    /// The first slot from `head` on whose time is not before `watermark`.
    func cut(before watermark: Int64) -> Int {
        if watermark == .max { return batch.count }
        var low = head
        var high = batch.count
        if low < high, key(high - 1).time < watermark { return high }
        while low < high {
            let middle = (low + high) / 2
            if key(middle).time < watermark { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The rows from `head` to `end` of a batch in order, the whole batch when it is all of them.
    func take(upTo end: Int, _ scratch: SortScratch) -> ColumnBatch {
        let start = head
        head = end
        if start == 0 && end == batch.count { return batch }
        scratch.reserve(end - start)
        let rows = scratch.rows
        for slot in 0..<(end - start) { rows[slot] = Int32(truncatingIfNeeded: start + slot) }
        return batch.gathered(rows, count: end - start)
    }

    private static func isOrdered(_ order: RowOrder, _ count: Int) -> Bool {
        let events = order.eventTimes.int64s
        let watermarks = order.watermarks.int64s
        let origins = order.origins.int64s
        let offsets = order.offsets.int64s
        let elements = order.elements?.int64s
        var time = max(events[0], watermarks[0])
        var row = 1
        while row < count {
            let next = max(events[row], watermarks[row])
            if next <= time {
                if next < time || origins[row] < origins[row &- 1] { return false }
                if origins[row] == origins[row &- 1] {
                    let before = UInt64(bitPattern: offsets[row &- 1])
                    let offset = UInt64(bitPattern: offsets[row])
                    if offset < before { return false }
                    if offset == before, let elements, elements[row] < elements[row &- 1] {
                        return false
                    }
                }
            }
            time = next
            row &+= 1
        }
        return true
    }

    /// Sorts `keys`, equal ones staying as they are: short blocks by insertion, then merges.
    static func sort(
        _ keys: UnsafeMutablePointer<SortKey>, _ count: Int, _ other: UnsafeMutablePointer<SortKey>
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

    /// Merges neighbouring ordered slices of `keys` until one is left; slice i ends at `bounds[i + 1]`.
    static func merge(
        _ keys: UnsafeMutablePointer<SortKey>, _ bounds: [Int],
        _ other: UnsafeMutablePointer<SortKey>
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
    private static func mergePair(
        _ from: UnsafeMutablePointer<SortKey>, _ start: Int, _ middle: Int, _ end: Int,
        _ to: UnsafeMutablePointer<SortKey>
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

/// Rows of several runs that are due, in order, and leave a batch at a time.
final class DueRows {
    private var keys: UnsafeMutablePointer<SortKey>
    private var capacity = 64
    private var head = 0
    private var end = 0
    private var batches: [ColumnBatch] = []
    private var bounds: [Int] = [0]

    init() { keys = .allocate(capacity: capacity) }

    deinit { keys.deallocate() }

    var count: Int { end - head }

    /// Empties the list and makes room for `count` rows.
    func begin(_ count: Int) {
        if count > capacity {
            keys.deallocate()
            capacity = max(count, capacity * 2)
            keys = .allocate(capacity: capacity)
        }
        head = 0
        end = 0
        batches = []
        bounds = [0]
    }

    /// Adds the rows of `run` from its head up to slot `cut`.
    func append(_ run: SortRun, upTo cut: Int) {
        let index = Int32(batches.count)
        for slot in run.head..<cut {
            var key = run.key(slot)
            key.pick.batch = index
            keys[end] = key
            end &+= 1
        }
        batches.append(run.batch)
        bounds.append(end)
    }

    /// Adds the rows that `other` has not yet let go.
    func append(_ other: DueRows) {
        guard other.count > 0 else { return }
        let first = Int32(batches.count)
        for slot in other.head..<other.end {
            var key = other.keys[slot]
            key.pick.batch += first
            keys[end] = key
            end &+= 1
        }
        batches += other.batches
        bounds.append(end)
    }

    func sort(_ scratch: SortScratch) {
        scratch.reserve(end)
        SortRun.merge(keys, bounds, scratch.keys)
    }

    func emit(_ limit: Int, schema: Schema, into output: any Output) {
        guard count > 0 else { return }
        output.emit(take(min(limit, count), schema: schema))
        if count == 0 { batches = [] }
    }

    func take(_ picked: Int, schema: Schema) -> ColumnBatch {
        let keys = keys + head
        head += picked
        return withUnsafeTemporaryAllocation(of: RowPick.self, capacity: max(picked, 1)) { picks in
            for slot in 0..<picked { picks[slot] = keys[slot].pick }
            return BatchBuilder.gather(
                picks.baseAddress!, count: picked, from: batches, schema: schema)
        }
    }
}
