/// A batch whose rows are, or were brought, in order; the first `head` of them have left.
final class SortRun {
    let batch: ColumnBatch
    var head = 0
    /// The rows in order; nil when the batch is in order as it is.
    private let sorted: UnsafeMutablePointer<TimeKey>?
    /// Whether the rows are of one origin and lie in the order of their offsets, no two of a record.
    let isPlain: Bool
    /// What the batch takes in memory, about.
    let bytes: Int

    init(_ batch: ColumnBatch, _ scratch: SortScratch) {
        self.batch = batch
        bytes = batch.byteCount
        let count = batch.count
        isPlain = SortRun.isPlain(batch.order, count)
        if SortRun.isOrdered(batch.order, count) {
            sorted = nil
            return
        }
        let keys = UnsafeMutablePointer<TimeKey>.allocate(capacity: count)
        if isPlain {
            let events = batch.order.eventTimes.int64s
            let marks = batch.order.watermarks.int64s
            var row = 0
            while row < count {
                keys[row] = TimeKey(
                    time: max(events[row], marks[row]),
                    pick: RowPick(batch: 0, row: Int32(truncatingIfNeeded: row)))
                row &+= 1
            }
            KeySort.sort(keys, count, scratch)
        } else {
            let whole = UnsafeMutablePointer<SortKey>.allocate(capacity: count)
            defer { whole.deallocate() }
            for row in 0..<count { whole[row] = SortKey(batch.order, row) }
            KeySort.merge(whole, count, scratch.room(count, of: SortKey.self))
            for slot in 0..<count {
                keys[slot] = TimeKey(time: whole[slot].time, pick: whole[slot].pick)
            }
        }
        sorted = keys
    }

    deinit { sorted?.deallocate() }

    var left: Int { batch.count - head }
    var isIdentity: Bool { sorted == nil }

    @inline(__always)
    private func row(_ slot: Int) -> Int { sorted.map { Int($0[slot].pick.row) } ?? slot }

    @inline(__always)
    private func time(_ slot: Int) -> Int64 { sorted?[slot].time ?? batch.order.time(slot) }

    func key(_ slot: Int) -> SortKey { SortKey(batch.order, row(slot)) }

    /// Whether rows of `next` of the same time all come after those here, both being plain.
    func isFollowed(by next: SortRun) -> Bool {
        let order = batch.order
        let other = next.batch.order
        return order.origins.int64s[0] == other.origins.int64s[0]
            && UInt64(bitPattern: order.offsets.int64s[batch.count - 1])
                <= UInt64(bitPattern: other.offsets.int64s[0])
    }

    /// Writes the keys of the rows from `head` up to slot `cut` as those of batch `index`.
    func times(upTo cut: Int, batch index: Int32, into keys: UnsafeMutablePointer<TimeKey>) {
        var slot = head
        var at = 0
        if let sorted {
            while slot < cut {
                keys[at] = sorted[slot]
                keys[at].pick.batch = index
                slot &+= 1
                at &+= 1
            }
            return
        }
        let events = batch.order.eventTimes.int64s
        let marks = batch.order.watermarks.int64s
        while slot < cut {
            keys[at] = TimeKey(
                time: max(events[slot], marks[slot]),
                pick: RowPick(batch: index, row: Int32(truncatingIfNeeded: slot)))
            slot &+= 1
            at &+= 1
        }
    }

    /// Writes the whole keys of the rows from `head` up to slot `cut` as those of batch `index`.
    func keys(upTo cut: Int, batch index: Int32, into keys: UnsafeMutablePointer<SortKey>) {
        for slot in head..<cut {
            keys[slot - head] = SortKey(batch.order, row(slot), batch: index)
        }
    }

    /// The first slot from `head` on that is not before `place`.
    func cut(before place: OrderPlace) -> Int {
        if place.time == .max { return batch.count }
        var low = head
        var high = batch.count
        if low < high, precedes(high - 1, place) { return high }
        while low < high {
            let middle = (low + high) / 2
            if precedes(middle, place) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func precedes(_ slot: Int, _ place: OrderPlace) -> Bool {
        let time = time(slot)
        if time != place.time { return time < place.time }
        let row = row(slot)
        let origin = batch.order.origins.int64s[row]
        if origin != place.origin { return origin < place.origin }
        return UInt64(bitPattern: batch.order.offsets.int64s[row]) < place.offset
    }

    /// The rows from `head` to `end` of a batch in order, the whole batch when it is all of them.
    func take(upTo end: Int, _ scratch: SortScratch) -> ColumnBatch {
        let start = head
        head = end
        if start == 0 && end == batch.count { return batch }
        let rows = scratch.room(end - start, of: Int32.self)
        for slot in 0..<(end - start) { rows[slot] = Int32(truncatingIfNeeded: start + slot) }
        return batch.gathered(rows, count: end - start)
    }

    /// The rows from `head` to `end` of a batch in order, where they lie; good until `scratch` is used.
    func pick(upTo end: Int, _ scratch: SortScratch) -> PickedRows {
        let count = end - head
        let picks = scratch.room(count, of: RowPick.self)
        for slot in 0..<count {
            picks[slot] = RowPick(batch: 0, row: Int32(truncatingIfNeeded: head + slot))
        }
        head = end
        return PickedRows(picks: picks, count: count, batches: [batch], isLast: [left == 0])
    }

    private static func isPlain(_ order: RowOrder, _ count: Int) -> Bool {
        guard order.elements == nil else { return false }
        let origins = order.origins.int64s
        let offsets = order.offsets.int64s
        var row = 1
        while row < count {
            let before = UInt64(bitPattern: offsets[row &- 1])
            if origins[row] != origins[0] || UInt64(bitPattern: offsets[row]) < before {
                return false
            }
            row &+= 1
        }
        return true
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
}
