import StreamRuntime

/// The batches that hold rows not yet given out.
///
/// A batch that a sorter still hands rows of on is held anyway and costs nothing; one it is through
/// with is `spent`. When the spent ones hold far more rows than are still wanted, those are copied
/// together.
final class HeldRows {
    private let schema: Schema
    private var batches: [ColumnBatch] = []
    /// For each batch whether no more of its rows will come.
    private var isSpent: [Bool] = []
    private var slots: [Column?] = []
    private var spentRows = 0
    private var spentBatches = 0
    /// Batches more rows of which will come, as they came, and where they are held.
    private var open: [ObjectIdentifier: (original: ColumnBatch, place: Int32)] = [:]
    /// Rows held that belong to an unfinished batch.
    var live = 0
    private var places: [Int32] = []

    init(schema: Schema) { self.schema = schema }

    /// Keeps `batch` and returns its index; say with `spend` that none of its rows come any more.
    func hold(_ batch: ColumnBatch) -> Int32 {
        let bare = ColumnBatch(
            schema: schema, columns: batch.columns, order: batch.order, count: batch.count)
        bare.keys = batch.keys
        batches.append(bare)
        isSpent.append(false)
        slots.append(nil)
        places.append(-1)
        return Int32(batches.count - 1)
    }

    /// Says that no more rows of a batch will come.
    func spend(_ place: Int32) {
        isSpent[Int(place)] = true
        slots[Int(place)] = nil
        spentRows += batches[Int(place)].count
        spentBatches += 1
    }

    /// Keeps a batch of which rows may come more than once, and returns its index.
    func keepOpen(_ batch: ColumnBatch) -> Int32 {
        let identity = ObjectIdentifier(batch)
        if let known = open[identity] { return known.place }
        let place = hold(batch)
        open[identity] = (batch, place)
        return place
    }

    /// Says that no more rows of a batch that is kept open will come.
    func close(_ batch: ColumnBatch) {
        guard let known = open.removeValue(forKey: ObjectIdentifier(batch)) else { return }
        spend(known.place)
    }

    /// The slots of the keys of a batch's rows, if they were found since the last `forgetSlots`.
    func slots(of place: Int32) -> Column? { slots[Int(place)] }

    /// Remembers the slots of the keys of a batch's rows.
    func setSlots(_ found: Column, of place: Int32) { slots[Int(place)] = found }

    /// Forgets all slots, some of which have other keys now.
    func forgetSlots() { for place in slots.indices { slots[place] = nil } }

    /// Fills `target` with all rows of a batch whose slots are known.
    func fill(_ target: HeldPlaces, with place: Int32) {
        let batch = batches[Int(place)]
        target.reserve(batch.count)
        target.slots.update(from: slots[Int(place)]!.int64s, count: batch.count)
        for row in 0..<batch.count {
            target.picks[row] = RowPick(batch: place, row: Int32(truncatingIfNeeded: row))
            target.times[row] = batch.order.time(row)
        }
    }

    /// Where a batch's rows are held, and what is asked of each.
    private struct Source {
        let place: Int32
        let events: UnsafePointer<Int64>
        let watermarks: UnsafePointer<Int64>
        let slots: UnsafePointer<Int64>
    }

    /// Fills `target` with rows of batches that are held at `held` and whose slots are known.
    func fill(_ target: HeldPlaces, with rows: PickedRows, at held: [Int32]) {
        target.reserve(rows.count)
        let sources = held.map { place in
            let order = batches[Int(place)].order
            return Source(
                place: place, events: UnsafePointer(order.eventTimes.int64s),
                watermarks: UnsafePointer(order.watermarks.int64s),
                slots: UnsafePointer(slots[Int(place)]!.int64s))
        }
        sources.withUnsafeBufferPointer { sources in
            let sources = sources.baseAddress!
            let from = rows.picks
            let (picks, times, slots) = (target.picks, target.times, target.slots)
            let count = rows.count
            var slot = 0
            while slot < count {
                let row = Int(from[slot].row)
                let source = sources + Int(from[slot].batch)
                picks[slot] = RowPick(batch: source.pointee.place, row: from[slot].row)
                times[slot] = max(source.pointee.events[row], source.pointee.watermarks[row])
                slots[slot] = source.pointee.slots[row]
                slot &+= 1
            }
        }
    }

    /// The keys of a batch.
    func keys(of place: Int32) -> KeyColumn {
        guard let keys = batches[Int(place)].keys else { preconditionFailure("rows have keys") }
        return keys
    }

    /// The hash of a row's key.
    func hash(of pick: RowPick) -> Int64 { keys(of: pick.batch).hashes.int64s[Int(pick.row)] }

    /// A batch of the picked rows.
    func gather(_ picks: UnsafePointer<RowPick>, count: Int) -> ColumnBatch {
        withSources(of: picks, count) { picks, batches in
            BatchBuilder.gather(picks, count: count, from: batches, schema: schema)
        }
    }

    /// The columns and the event times of the picked rows, without the rest of their order.
    func gatherColumns(
        _ picks: UnsafePointer<RowPick>, count: Int
    ) -> (columns: [Column], times: Column) {
        withSources(of: picks, count) { picks, batches in
            (
                BatchBuilder.gatherColumns(picks, count: count, from: batches, schema: schema),
                BatchBuilder.gatherEventTimes(picks, count: count, from: batches)
            )
        }
    }

    /// Calls `body` with the same picks of only those batches that they are of.
    private func withSources<Result>(
        of picks: UnsafePointer<RowPick>, _ count: Int,
        _ body: (UnsafePointer<RowPick>, [ColumnBatch]) -> Result
    ) -> Result {
        if batches.count <= 16 { return body(picks, batches) }
        var used: [Int] = []
        var local = [RowPick](unsafeUninitializedCapacity: count) { target, filled in
            for index in 0..<count {
                let pick = picks[index]
                let batch = Int(pick.batch)
                if places[batch] < 0 {
                    places[batch] = Int32(used.count)
                    used.append(batch)
                }
                target[index] = RowPick(batch: places[batch], row: pick.row)
            }
            filled = count
        }
        for batch in used { places[batch] = -1 }
        return local.withUnsafeMutableBufferPointer {
            body($0.baseAddress!, used.map { batches[$0] })
        }
    }

    /// Copies the live rows of spent batches together when those hold far more rows, or are far too
    /// many.
    func compact(_ groups: RebatchGroups) {
        guard
            spentRows > live * 3 + 32_768 || spentBatches > max(256, live / 64)
                || (live == 0 && spentBatches > 0)
        else { return }
        var kept: [ColumnBatch] = []
        var keptSlots: [Column?] = []
        var moved = [Int32](repeating: -1, count: batches.count)
        for index in batches.indices where !isSpent[index] {
            moved[index] = Int32(kept.count)
            kept.append(batches[index])
            keptSlots.append(slots[index])
        }
        let target = Int32(kept.count)
        var picks: [RowPick] = []
        groups.forEachPicks { group, count in
            for slot in 0..<count {
                let pick = group[slot]
                let place = moved[Int(pick.batch)]
                if place >= 0 {
                    group[slot].batch = place
                } else {
                    group[slot] = RowPick(batch: target, row: Int32(picks.count))
                    picks.append(pick)
                }
            }
        }
        let rest = picks.isEmpty ? nil : gather(picks, count: picks.count)
        for (identity, held) in open {
            open[identity] = (held.original, moved[Int(held.place)])
        }
        batches = kept
        slots = keptSlots
        isSpent = kept.map { _ in false }
        places = kept.map { _ in -1 }
        spentRows = 0
        spentBatches = 0
        if let rest { spend(hold(rest)) }
    }
}

/// Rows on their way into batches: where they are held, their times, the slots of their keys.
final class HeldPlaces {
    private(set) var picks: UnsafeMutablePointer<RowPick>
    private(set) var times: UnsafeMutablePointer<Int64>
    private(set) var slots: UnsafeMutablePointer<Int64>
    private var capacity = 1

    init() {
        picks = .allocate(capacity: 1)
        times = .allocate(capacity: 1)
        slots = .allocate(capacity: 1)
    }

    deinit { release() }

    private func release() {
        picks.deallocate()
        times.deallocate()
        slots.deallocate()
    }

    /// Makes room for `count` rows; what was there is gone.
    func reserve(_ count: Int) {
        guard count > capacity else { return }
        release()
        capacity = max(count, Limits.batchRows)
        picks = .allocate(capacity: capacity)
        times = .allocate(capacity: capacity)
        slots = .allocate(capacity: capacity)
    }
}
