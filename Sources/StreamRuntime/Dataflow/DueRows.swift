/// Rows of several runs that are due, in order, and leave a batch at a time.
final class DueRows {
    /// The due rows of one run, from its head up to `cut`.
    struct Slice {
        let run: SortRun
        let cut: Int

        var count: Int { cut - run.head }
    }

    private var picks: UnsafeMutablePointer<RowPick>
    private var capacity = 64
    private var head = 0
    private var end = 0
    private var batches: [ColumnBatch] = []
    private var runs: [SortRun] = []

    init() { picks = .allocate(capacity: capacity) }

    deinit { picks.deallocate() }

    var count: Int { end - head }

    /// Takes the rows of `slices` and brings them in order, which they are in already if
    /// `isInSequence`.
    func load(_ slices: [Slice], isInSequence: Bool, _ scratch: SortScratch) {
        let total = slices.reduce(0) { $0 + $1.count }
        if total > capacity {
            picks.deallocate()
            capacity = max(total, capacity * 2)
            picks = .allocate(capacity: capacity)
        }
        head = 0
        end = total
        runs = slices.map(\.run)
        batches = runs.map(\.batch)
        if isInSequence || DueRows.arePlain(slices) {
            sortByTime(slices, isInSequence, scratch)
        } else {
            sortWholly(slices, scratch)
        }
    }

    private static func arePlain(_ slices: [Slice]) -> Bool {
        var last: SortRun?
        for slice in slices {
            guard slice.run.isPlain else { return false }
            if let last, !last.isFollowed(by: slice.run) { return false }
            last = slice.run
        }
        return true
    }

    private func sortByTime(_ slices: [Slice], _ isInSequence: Bool, _ scratch: SortScratch) {
        let keys = UnsafeMutablePointer<TimeKey>.allocate(capacity: max(end, 1))
        defer { keys.deallocate() }
        var at = 0
        for (index, slice) in slices.enumerated() {
            slice.run.times(upTo: slice.cut, batch: Int32(index), into: keys + at)
            at += slice.count
        }
        if !isInSequence { KeySort.sort(keys, end, scratch) }
        let picks = picks
        var slot = 0
        while slot < end {
            picks[slot] = keys[slot].pick
            slot &+= 1
        }
    }

    private func sortWholly(_ slices: [Slice], _ scratch: SortScratch) {
        let keys = UnsafeMutablePointer<SortKey>.allocate(capacity: max(end, 1))
        defer { keys.deallocate() }
        var bounds = [0]
        for (index, slice) in slices.enumerated() {
            let at = bounds[index]
            slice.run.keys(upTo: slice.cut, batch: Int32(index), into: keys + at)
            bounds.append(at + slice.count)
        }
        KeySort.merge(keys, bounds, scratch.room(end, of: SortKey.self))
        for slot in 0..<end { picks[slot] = keys[slot].pick }
    }

    func emit(_ limit: Int, schema: Schema, into output: any Output) {
        guard count > 0 else { return }
        let picked = min(limit, count)
        if let target = output as? any PickOutput {
            let isWhole = picked == count
            target.emit(
                PickedRows(
                    picks: picks + head, count: picked, batches: batches,
                    isLast: runs.map { isWhole && $0.left == 0 }))
            advance(picked)
        } else {
            let batch = rows(picked, schema: schema)
            advance(picked)
            output.emit(batch)
        }
    }

    private func advance(_ picked: Int) {
        head += picked
        guard count == 0 else { return }
        batches = []
        runs = []
    }

    /// The next `picked` rows, which stay.
    func rows(_ picked: Int, schema: Schema) -> ColumnBatch {
        BatchBuilder.gather(picks + head, count: picked, from: batches, schema: schema)
    }
}
