import Glibc
import StreamRuntime

/// Aggregates rows by key in tumbling, hopping or cumulating windows of event time.
///
/// Each row is added once, to the slice it lies in. A window fires when the watermark reaches its end and
/// gives one row for each key with rows in it: the keys, `window_start`, `window_end`, the outputs.
///
/// - A row is late for a window iff its own W is at or past the window's end plus the allowed lateness. A
///   row late for all its windows leaves unchanged on the late port; one late for some counts in the others.
/// - A row whose W has passed the end of its first window waits for the watermark and is then applied in
///   total order: windows that ended before it get a correction (`updateAfter`, or `insert` for a key that
///   had no result), caused by the row. So a firing holds the same rows at any speed.
/// - A row for a window that was fired by idleness is not late: it too makes a correction, as long as the
///   window is kept; after that it is treated as late.
public final class WindowAggregate: Operator {
    private let core: AggregateCore
    private let shape: SliceShape
    private let deferred: RowSorter
    private let released = BatchCollector()
    /// Rows released and not yet applied, in total order; only while `advance` is not done.
    private var waiting: [ColumnBatch] = []
    private var sorting: SliceSorting
    private var slices: KeyedState?
    private var progress: FiringProgress?
    /// Nil where every slice is a window.
    private var running: RunningWindow?
    /// Ends of the slices there are, ascending.
    private var live: [Int64] = []
    /// Every window that ends at or before this has fired, or had no rows.
    private var fired = Int64.min
    /// The watermark handed on last.
    private var forwarded = Int64.min
    private var firing: (end: Int64, cursor: StateCursor)?
    /// Rows of which the entries are found and brought up to date before the next: as many as a
    /// core's nearest cache but one holds the entries of.
    private static let blockRows = 512
    /// Results of one piece of a firing, for the same reason.
    private static let firingRows = 1024
    /// The rows 0, 1, 2 …
    private var rowNumbers: UnsafeMutablePointer<Int32>
    private var groups: UnsafeMutablePointer<Int32>
    private var groupCapacity = 0
    private var batchEntries: UnsafeMutablePointer<StateEntry>
    private let input: Schema
    /// An entry for what rows came to before they moved here.
    private let parts: KeyedState
    private let chunk = UnsafeMutablePointer<StateEntry>.allocate(
        capacity: WindowAggregate.firingRows)

    init(_ spec: AggregateSpec, shape: SliceShape, input: Schema) throws(JobFailure) {
        core = try AggregateCore(spec, countsRows: !shape.isTumbling)
        self.shape = shape
        sorting = SliceSorting(shape)
        deferred = RowSorter(schema: input, name: "deferred")
        self.input = input
        parts = try StateStore().state("part", of: "row", layout: core.layout.state)
        groups = .allocate(capacity: 1)
        rowNumbers = .allocate(capacity: 1)
        batchEntries = .allocate(capacity: 1)
    }

    deinit {
        groups.deallocate()
        rowNumbers.deallocate()
        batchEntries.deallocate()
        chunk.deallocate()
    }

    /// Opens the slices, and builds the running window of a hop from them.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        core.open(context)
        try deferred.open(context)
        let slices = try context.state.state(
            "slices", of: context.stepId, layout: core.layout.state)
        let progress = try FiringProgress(context)
        self.slices = slices
        self.progress = progress
        live = slices.namespaces
        fired = try progress.load()
        forwarded = fired
        if !shape.isTumbling {
            let running = try RunningWindow(
                layout: core.layout, slices: slices, owner: context.state)
            if fired > .min {
                let last = shape.windowEnd(upTo: fired)
                try running.move(
                    from: shape.start(ofWindow: last + shape.every), to: last, live: live)
            }
            self.running = running
        }
    }

    /// Adds rows to their slices; hands late ones on; keeps back those that only correct.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        if batch.count == 0 { return }
        guard core.spec.takesPartials, let sums = batch.columns.last else {
            return try add(batch, into: output)
        }
        let rows = ColumnBatch(
            schema: input, columns: Array(batch.columns.dropLast()), order: batch.order,
            count: batch.count)
        rows.keys = batch.keys
        rows.changes = batch.changes
        rows.raw = batch.raw
        if let validity = sums.validity, memchr(validity, 1, batch.count) == nil {
            return try add(rows, into: output)
        }
        var plain: [Int32] = []
        for row in 0..<batch.count {
            if sums.isValid(row) {
                try merge(rows, row, sums.bytes(row))
            } else {
                plain.append(Int32(truncatingIfNeeded: row))
            }
        }
        if plain.count == rows.count { return try add(rows, into: output) }
        if !plain.isEmpty { try add(rows.gathered(plain, count: plain.count), into: output) }
    }

    /// Adds what several rows of a key and slice came to.
    private func merge(
        _ rows: ColumnBatch, _ row: Int, _ sum: UnsafeBufferPointer<UInt8>
    ) throws(JobFailure) {
        guard let slices, let keys = rows.keys else { return }
        let end = shape.sliceEnd(of: rows.order.eventTimes.int64s[row])
        let empty = KeyEncoder(columns: []).encode([], count: 1)
        try parts.table(0).resolve(empty, rows: nil, count: 1, into: chunk)
        let part = chunk[0]
        guard part.readValue(sum, core.layout.state), shape.firstEnd(ofSlice: end) > fired else {
            throw JobFailure(
                .step, "rows that were summed up came for a window that has fired",
                at: "step \(core.context?.stepId ?? "")",
                remedy: "this is a fault of the engine: please report it with the pipelines file")
        }
        noteLive(end)
        var index = Int32(truncatingIfNeeded: row)
        try slices.table(end).resolve(keys, rows: &index, count: 1, into: chunk)
        core.layout.merge(part, into: chunk[0])
    }

    private func add(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let (rows, arguments) = try core.evaluate(batch, into: output)
        sorting.sort(rows.order, count: rows.count, fired: fired)
        if sorting.isPlain { return try add(rows, arguments) }
        core.emitLate(
            sorting.rows(SliceSorting.Verdict.late, count: rows.count), of: rows, into: output)
        let waiting = sorting.rows(SliceSorting.Verdict.deferred, count: rows.count)
        if !waiting.isEmpty { deferred.push(rows.gathered(waiting, count: waiting.count)) }
        let unplaceable = sorting.rows(SliceSorting.Verdict.unplaceable, count: rows.count)
        if !unplaceable.isEmpty {
            var errors = RejectedRows()
            for row in unplaceable {
                errors.append(
                    row: Int(row), column: "", reason: "the time is too far away for a window"
                )
            }
            _ = try core.settle(errors, of: rows, into: output)
        }
        let placed = sorting.placed(count: rows.count)
        if placed.isEmpty { return }
        let part = rows.gathered(placed, count: placed.count)
        let (kept, again) = try core.evaluate(part, into: output)
        sorting.sort(kept.order, count: kept.count, fired: fired)
        try add(kept, again)
    }

    /// Fires the windows that ended, in order, and applies rows that had to wait, each at its time.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        var emitted = 0
        while true {
            if let current = firing {
                emitted += try fire(current.end, current.cursor, into: output)
                if firing != nil || emitted >= Limits.firingRows { return .more }
            }
            let due = try nextWindowEnd().flatMap { $0 <= watermark.micros ? $0 : nil }
            if let first = waiting.first {
                if first.order.time(0) < due ?? .max {
                    emitted += try correct(waiting.removeFirst(), into: output)
                    if emitted >= Limits.firingRows { return .more }
                    continue
                }
            } else if deferred.count > 0 {
                let bound = due.map { EventTime(micros: $0) } ?? watermark
                _ = deferred.release(before: bound, into: released)
                waiting = released.take()
                if !waiting.isEmpty { continue }
            }
            guard let end = due else { break }
            try begin(end)
        }
        try retire(watermark)
        return .done
    }

    /// Writes down how far windows have fired, and the rows that wait.
    public func flush() throws(JobFailure) {
        try progress?.save(fired)
        try deferred.flush()
    }

    // MARK: adding

    private func add(
        _ rows: ColumnBatch, _ arguments: [PreparedArguments]
    ) throws(JobFailure) {
        guard rows.count > 0, let slices else { return }
        guard let keys = rows.keys else {
            preconditionFailure("rows come to an aggregate with their keys")
        }
        core.reserve(rows.count)
        reserve(rows.count)
        let entries = core.entries
        let values = core.values
        let count = rows.count
        if sorting.binCount == 1 {
            let end = sorting.bin(0).end
            noteLive(end)
            let table = try slices.table(end)
            // Reads from disk are better asked for together.
            let block = table.isInMemory ? WindowAggregate.blockRows : count
            var start = 0
            while start < count {
                let next = min(start &+ block, count)
                try table.resolve(
                    keys, rows: rowNumbers + start, count: next &- start, into: entries + start)
                var row = start
                while row < next {
                    values[row] = entries[row].value
                    row &+= 1
                }
                core.layout.update(
                    arguments, order: rows.order, entries: entries, values: values,
                    range: start..<next)
                start = next
            }
            return
        }
        sorting.group(count: count, into: groups)
        var start = 0
        for bin in 0..<sorting.binCount {
            let (end, size) = (sorting.bin(bin).end, sorting.bin(bin).count)
            if size == 0 { continue }
            noteLive(end)
            let picks = groups + start
            let found = batchEntries
            try slices.table(end).resolve(keys, rows: picks, count: size, into: found)
            var slot = 0
            while slot < size {
                let row = Int(picks[slot])
                entries[row] = found[slot]
                values[row] = found[slot].value
                slot &+= 1
            }
            start += size
        }
        core.layout.update(
            arguments, order: rows.order, entries: entries, values: values, range: 0..<count)
    }

    private func noteLive(_ end: Int64) {
        if let last = live.last, last >= end {
            if last == end { return }
            let at = live.partitionPoint { $0 >= end }
            if live[at] != end { live.insert(end, at: at) }
        } else {
            live.append(end)
        }
    }

    private func reserve(_ count: Int) {
        guard count > groupCapacity else { return }
        groups.deallocate()
        rowNumbers.deallocate()
        batchEntries.deallocate()
        groupCapacity = max(count, Limits.batchRows)
        groups = .allocate(capacity: groupCapacity)
        batchEntries = .allocate(capacity: groupCapacity)
        rowNumbers = .allocate(capacity: groupCapacity)
        for row in 0..<groupCapacity { rowNumbers[row] = Int32(truncatingIfNeeded: row) }
    }

    // MARK: firing

    /// The end of the first window with rows that has not fired.
    private func nextWindowEnd() throws(JobFailure) -> Int64? {
        if let running, try !running.isEmpty() { return shape.windowEnd(after: fired) }
        let at = live.partitionPoint { shape.lastEnd(ofSlice: $0) > fired }
        if at == live.count { return nil }
        return max(shape.firstEnd(ofSlice: live[at]), shape.windowEnd(after: fired))
    }

    private func begin(_ end: Int64) throws(JobFailure) {
        if let running {
            try running.move(from: shape.start(ofWindow: end), to: end, live: live)
            firing = (end, try running.table().cursor())
        } else if let slices {
            firing = (end, try slices.table(end).cursor())
        }
    }

    /// Emits the next results of a window; ends the firing after the last.
    private func fire(
        _ end: Int64, _ cursor: StateCursor, into output: any Output
    ) throws(JobFailure) -> Int {
        let count = try cursor.next(WindowAggregate.firingRows, into: chunk)
        try core.emitWindow(
            chunk, count: count, start: shape.start(ofWindow: end), end: end, into: output)
        if count == WindowAggregate.firingRows {
            // What is behind can let go of these results before the window has wholly fired.
            output.promise(core.place(of: chunk[count - 1], end: end))
        } else {
            firing = nil
            fired = end
            try running?.move(
                from: shape.start(ofWindow: end + shape.every), to: end, live: live)
        }
        return count
    }

    /// Drops the slices that no window needs any more.
    private func retire(_ watermark: EventTime) throws(JobFailure) {
        if watermark == .endOfTime {
            if let last = live.last { fired = max(fired, shape.closing(ofSlice: last)) }
        } else {
            fired = max(fired, watermark.micros)
        }
        forwarded = max(forwarded, watermark.micros)
        while let first = live.first, shape.closing(ofSlice: first) <= fired {
            try slices?.drop(first)
            live.removeFirst()
        }
    }

    // MARK: correcting

    /// Adds rows that waited, each with corrections of the windows that ended before it, up to the
    /// first row that another window must fire before.
    private func correct(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) -> Int {
        let (rows, arguments) = try core.evaluate(batch, into: output)
        guard rows.count > 0, let keys = rows.keys, let slices else { return 0 }
        var emitted = 0
        for row in 0..<rows.count {
            let time = rows.order.time(row)
            fired = max(fired, min(time, shape.timeMax))
            let end = shape.sliceEnd(of: rows.order.eventTimes.int64s[row])
            var index = Int32(row)
            core.reserve(rows.count)
            let entries = core.entries
            let table = try slices.table(end)
            try table.find(keys, rows: &index, count: 1, into: chunk)
            let isKnown = chunk[0].exists
            noteLive(end)
            try table.resolve(keys, rows: &index, count: 1, into: entries + row)
            addOne(rows, arguments, row)
            let entry = entries[row]
            if let running, running.holds(end) {
                try running.table().resolve(keys, rows: &index, count: 1, into: entries + row)
                addOne(rows, arguments, row)
            }
            emitted += try emitCorrections(
                rows, row, slice: end, entry: entry, isKnown: isKnown, into: output)
            if row + 1 < rows.count, let next = try nextWindowEnd(),
                next <= rows.order.time(row + 1)
            {
                waiting.insert(rows.rest(from: row + 1), at: 0)
                break
            }
        }
        return emitted
    }

    private func addOne(_ rows: ColumnBatch, _ arguments: [PreparedArguments], _ row: Int) {
        core.values[row] = core.entries[row].value
        core.layout.update(
            arguments, order: rows.order, entries: core.entries, values: core.values,
            range: row..<(row + 1))
    }

    private func emitCorrections(
        _ rows: ColumnBatch, _ row: Int, slice: Int64, entry: StateEntry, isKnown: Bool,
        into output: any Output
    ) throws(JobFailure) -> Int {
        let watermark = rows.order.watermarks.int64s[row]
        let cause = max(rows.order.time(row), forwarded)
        var end = shape.firstEnd(ofSlice: slice)
        let last = min(shape.lastEnd(ofSlice: slice), fired)
        var emitted = 0
        while end <= last {
            if watermark < end + shape.allowedLateness {
                let start = shape.start(ofWindow: end)
                if let running {
                    try running.withWindow(
                        of: rows.keys!, row: row, from: start, to: end, live: live
                    ) { entry throws(JobFailure) in
                        let isFirst = self.core.layout.rows(of: entry) == 1
                        self.core.add(
                            entry, start: start, end: end, cause: cause,
                            change: isFirst ? .insert : .updateAfter)
                        try self.core.flushResults(into: output)
                    }
                } else {
                    core.add(
                        entry, start: start, end: end, cause: cause,
                        change: isKnown ? .updateAfter : .insert)
                    try core.flushResults(into: output)
                }
                emitted += 1
            }
            end += shape.every
        }
        return emitted
    }
}

extension ColumnBatch {
    /// The rows from `first` on.
    func rest(from first: Int) -> ColumnBatch {
        let rows = (first..<count).map { Int32($0) }
        return gathered(rows, count: rows.count)
    }
}

extension Array where Element == Int64 {
    /// The first position whose element, like all after it, satisfies `holds`; `count` if none does.
    func partitionPoint(_ holds: (Int64) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
