import StreamRuntime

/// Keeps the first rows of each key by an order, and tells what comes among them, changes its number or leaves.
///
/// - Shape: rows in total order, with keys. A change comes out for each row that enters (`insert`) or leaves
///   (`delete`), in the place of the row that caused it; of one row a key, the other takes its place
///   (`updateBefore`, `updateAfter`). With numbers, what stands at a number is replaced likewise.
public final class Top: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let spec: TopSpec
    private var input: TopInput
    private let packing: RowPacking
    private let changes: TopChanges
    private let buffer = EntryBuffer()
    private var kept: KeyedState?
    private var sweep: TopSweep
    /// Where rows behind the new one were copied to.
    private var shifted: [Int] = []
    private var numbers: [Int] = []

    /// What is first depends on the rows before.
    public var needsOrderedInput: Bool { true }

    init(_ spec: TopSpec, schema: Schema) {
        self.spec = spec
        input = TopInput(spec)
        packing = RowPacking(schema.fields)
        changes = TopChanges(spec, schema: schema, packing: packing)
        outputSchema = changes.outputSchema
        sweep = TopSweep(spec.timeToLive)
    }

    /// Opens the rows that are kept.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        input.open(context)
        let state = try context.state.state(
            "first", of: context.stepId, layout: TopList.layout())
        try TopInput.check(state, packing.fingerprint, context)
        kept = state
    }

    /// Brings the rows among the first of their keys and tells what that changes.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let kept else { preconditionFailure("opened first") }
        let (rows, sortKeys) = try input.take(batch, into: output)
        guard rows.count > 0, let keys = rows.keys else { return }
        buffer.reserve(rows.count)
        let entries = buffer.entries
        try kept.table(0).resolve(keys, rows: nil, count: rows.count, into: entries)
        let found = candidates(rows, sortKeys, kept.layout)
        if found == 0 { return }
        let picks = buffer.rows
        let columns =
            found == rows.count
            ? rows.columns : rows.columns.map { $0.gathered(picks, count: found) }
        let packed = packing.pack(columns, prefix: nil, count: found)
        insert(found, packed, sortKeys, rows.order, kept.layout, into: output)
        changes.emit(rows.order, into: output)
    }

    /// Picks the rows that may come among the first: the others are behind all of them already.
    private func candidates(
        _ rows: ColumnBatch, _ sortKeys: Column, _ layout: StateLayout
    ) -> Int {
        let entries = buffer.entries
        let picks = buffer.rows
        let views = sortKeys.views
        let base = UnsafePointer(sortKeys.arena!.base)
        let limit = Int64(spec.count)
        // Rows equal to the last one may share its number.
        let bound = spec.ties == .rowNumber ? 0 : 1
        let isDense = spec.ties == .denseRank
        let count = rows.count
        let fingerprint = packing.fingerprint
        var slot = 0
        while slot < count {
            entries[slot].prefetchBlob(0, of: layout)
            slot &+= 1
        }
        var found = 0
        var row = 0
        while row < count {
            let entry = entries[row]
            let list = TopList(entry: entry, layout: layout)
            var mayEnter = true
            if entry.isNew {
                entry.settle()
                list.fixed[2] = fingerprint
                list.fixed[3] = rows.order.time(row)
            } else if list.fixed[0] >= limit, !isDense,
                !sweep.isOver(list.fixed[3], rows.order, row)
            {
                let view = views[row]
                mayEnter =
                    list.compareToLast(base + ByteView.start(view), ByteView.length(view)) < bound
            }
            picks[found] = Int32(truncatingIfNeeded: row)
            found &+= mayEnter ? 1 : 0
            row &+= 1
        }
        return found
    }

    private func insert(
        _ found: Int, _ packed: Column, _ sortKeys: Column, _ order: RowOrder,
        _ layout: StateLayout, into output: any Output
    ) {
        let entries = buffer.entries
        let picks = buffer.rows
        let views = sortKeys.views
        let base = UnsafePointer(sortKeys.arena!.base)
        let rowViews = packed.views
        let rowBase = UnsafePointer(packed.arena!.base)
        let isSingle = spec.count == 1 && spec.ties == .rowNumber
        let showsBefore = spec.changes == .full
        changes.begin()
        var slot = 0
        while slot < found {
            let row = picks[slot]
            let list = TopList(entry: entries[Int(row)], layout: layout)
            let key = base + ByteView.start(views[Int(row)])
            let keyLength = ByteView.length(views[Int(row)])
            let bytes = rowBase + ByteView.start(rowViews[slot])
            let length = ByteView.length(rowViews[slot])
            if sweep.isOver(list.fixed[3], order, Int(row)) { list.cut(to: 0) }
            if !isSingle {
                let didEnter =
                    spec.ties == .rowNumber
                    ? insertNumbered(list, key, keyLength, bytes, length, cause: row)
                    : insertTied(list, key, keyLength, bytes, length, cause: row)
                if didEnter { list.fixed[3] = order.time(Int(row)) }
            } else if list.fixed[0] == 0 {
                list.replaceAll(key, keyLength, bytes, length)
                list.fixed[3] = order.time(Int(row))
                changes.add(changes.copy(bytes, length), rank: 1, .insert, cause: row)
            } else if list.compareToLast(key, keyLength) < 0 {
                if showsBefore {
                    let old = TopList.Row(start: list.base.unsafelyUnwrapped)
                    let before = changes.copy(old.row, old.rowLength)
                    changes.add(before, rank: 1, .updateBefore, cause: row)
                }
                list.replaceAll(key, keyLength, bytes, length)
                list.fixed[3] = order.time(Int(row))
                changes.add(changes.copy(bytes, length), rank: 1, .updateAfter, cause: row)
            }
            if changes.isFull { changes.emit(order, into: output) }
            slot &+= 1
        }
    }

    /// Puts a row in its place, numbers being unique.
    private func insertNumbered(
        _ list: TopList, _ key: UnsafePointer<UInt8>, _ keyLength: Int,
        _ bytes: UnsafePointer<UInt8>, _ length: Int, cause: Int32
    ) -> Bool {
        let limit = spec.count
        let held = list.count
        let place = list.place(of: key, keyLength)
        if place.index == limit { return false }
        if spec.rankName == nil {
            if held == limit, let base = list.base {
                let last = TopList.Row(start: base + Int(list.fixed[1]))
                let gone = changes.copy(last.row, last.rowLength)
                changes.add(gone, rank: 0, .delete, cause: cause)
            }
            changes.add(changes.copy(bytes, length), rank: 0, .insert, cause: cause)
        } else {
            shifted.removeAll(keepingCapacity: true)
            var at = place.at
            for _ in place.index..<held {
                let row = TopList.Row(start: list.base.unsafelyUnwrapped + at)
                shifted.append(changes.copy(row.row, row.rowLength))
                at += row.size
            }
            var coming = changes.copy(bytes, length)
            var rank = place.index + 1
            for there in shifted {
                changes.add(there, rank: rank, .updateBefore, cause: cause)
                changes.add(coming, rank: rank, .updateAfter, cause: cause)
                coming = there
                rank += 1
            }
            if held < limit { changes.add(coming, rank: rank, .insert, cause: cause) }
        }
        list.insert(key, keyLength, bytes, length, at: place.at, index: place.index)
        list.cut(to: limit)
        return true
    }

    /// Puts a row in its place, equal rows having one number.
    private func insertTied(
        _ list: TopList, _ key: UnsafePointer<UInt8>, _ keyLength: Int,
        _ bytes: UnsafePointer<UInt8>, _ length: Int, cause: Int32
    ) -> Bool {
        let held = list.count
        numbers.removeAll(keepingCapacity: true)
        shifted.removeAll(keepingCapacity: true)
        number(list) { rank, row in
            numbers.append(rank)
            shifted.append(changes.copy(row.row, row.rowLength))
        }
        let place = list.place(of: key, keyLength)
        list.insert(key, keyLength, bytes, length, at: place.at, index: place.index)
        var ranks: [Int] = []
        ranks.reserveCapacity(held + 1)
        number(list) { rank, _ in ranks.append(rank) }
        let staying = ranks.partition { $0 > spec.count }
        list.cut(to: staying)
        if place.index >= staying { return false }
        for index in place.index..<held where index + 1 >= staying {
            changes.add(shifted[index], rank: numbers[index], .delete, cause: cause)
        }
        if spec.rankName != nil {
            for index in place.index..<held
            where index + 1 < staying && numbers[index] != ranks[index + 1] {
                changes.add(shifted[index], rank: numbers[index], .updateBefore, cause: cause)
                changes.add(shifted[index], rank: ranks[index + 1], .updateAfter, cause: cause)
            }
        }
        changes.add(
            changes.copy(bytes, length), rank: ranks[place.index], .insert, cause: cause)
        return true
    }

    private func number(_ list: TopList, _ body: (Int, TopList.Row) -> Void) {
        guard let base = list.base else { return }
        var numbers = TopNumbers(spec.ties)
        var at = 0
        for _ in 0..<list.count {
            let row = TopList.Row(start: base + at)
            body(numbers.next(row.key, row.keyLength), row)
            at += row.size
        }
    }

    /// Once in a time to live, forgets the keys whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        if let kept { try sweep.run(kept, watermark, buffer.entries) }
        return .done
    }
}

/// Forgets keys whose time is over.
struct TopSweep {
    private let timeToLive: Int64
    private var next = Int64.min

    init(_ timeToLive: Int64?) { self.timeToLive = timeToLive ?? .max }

    /// Whether a key whose last change was at `since` is forgotten when a row comes.
    @inline(__always)
    func isOver(_ since: Int64, _ order: RowOrder, _ row: Int) -> Bool {
        timeToLive != .max && order.time(row) >= TimeMath.after(since, timeToLive)
    }

    /// Removes what is over, once in a time to live.
    mutating func run(
        _ state: KeyedState, _ watermark: EventTime, _ entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        guard timeToLive != .max, watermark != .endOfTime, watermark.micros >= next else { return }
        next = TimeMath.after(watermark.micros, timeToLive)
        let table = try state.table(0)
        let cursor = try table.cursor()
        while true {
            let found = try cursor.next(4096, into: entries)
            if found == 0 { return }
            for slot in 0..<found {
                let last = entries[slot].value.load(fromByteOffset: 24, as: Int64.self)
                if watermark.micros >= TimeMath.after(last, timeToLive) {
                    try table.remove(entries[slot])
                }
            }
        }
    }
}

extension Array where Element == Int {
    /// How many elements come before the first that satisfies `isBehind`; all after it do too.
    fileprivate func partition(_ isBehind: (Int) -> Bool) -> Int {
        var index = 0
        while index < count, !isBehind(self[index]) { index += 1 }
        return index
    }
}
