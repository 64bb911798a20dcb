import StreamRuntime

/// Groups the rows of a key into batches: one row out for each, its members in a list.
///
/// A batch is given out when it has `size` rows, when `linger` of event time has passed since its first
/// row, or at the end of the input. It is never empty and never mixes keys. Which rows are in it is a
/// function of the log: a row at or after a batch's deadline starts the next one.
///
/// - Shape: a row out has the key columns, `batch_id` (the same in every run), `size`, `items` (a list of
///   structs of all input columns) and `first_event_time`, `last_event_time`. It takes the place in the
///   order of the row that filled it, or the last moment before its deadline. Input must have keys.
public final class Rebatch: PickingOperator {
    /// What comes out.
    public let outputSchema: Schema
    private let schema: Schema
    private let keys: [Int]
    private let linger: Int64?
    private let groups: RebatchGroups
    private let held: HeldRows
    private let buffer = EntryBuffer()
    private let places = HeldPlaces()
    private var full = ReadyBatches()
    private var due: [Int] = []
    private var nextDue = 0
    private var state: KeyedState?
    private var stepId = ""
    private var origin: Int64 = 0

    /// The order decides which rows share a batch.
    public var needsOrderedInput: Bool { true }

    /// The schema of the batches of rows of `schema` grouped by the columns `keys`.
    public static func outputSchema(_ schema: Schema, keys: [Int]) -> Schema {
        Schema(
            keys.map { schema.fields[$0] } + [
                Field("batch_id", .string), Field("size", .int64),
                Field("items", .list(.structure(schema.fields))),
                Field("first_event_time", .timestamp), Field("last_event_time", .timestamp),
            ])
    }

    /// Batches of at most `size` rows of `schema`, grouped by the columns `keys`.
    public init(schema: Schema, keys: [Int], size: Int, linger: Duration?) {
        precondition(size > 0, "a batch has rows")
        self.schema = schema
        self.keys = keys
        self.linger = linger?.micros
        outputSchema = Rebatch.outputSchema(schema, keys: keys)
        groups = RebatchGroups(size: size)
        held = HeldRows(schema: schema)
    }

    /// Opens the state and takes back the unfinished batches a checkpoint holds.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        stepId = context.stepId
        origin = RowOrder.derived + context.ordinal
        let state = try context.state.state(
            "open", of: context.stepId, layout: StateLayout(fixedBytes: 8, blobs: 1))
        self.state = state
        let table = try state.table(0)
        let cursor = try table.cursor()
        while true {
            let found = try cursor.next(1024, into: buffer.entries)
            if found == 0 { break }
            for index in 0..<found {
                let entry = buffer.entries[index]
                let batch = try BatchBytes.decode(entry.blob(0, of: state.layout), schema: schema)
                let slot = groups.takeSlot()
                // Slots are this run's own: an entry that left memory unchanged would come back with
                // that of the run before.
                table.markChanged(entry)
                entry.value.storeBytes(of: Int64(slot), as: Int64.self)
                table.markChanged(entry)
                let base = held.hold(batch)
                held.spend(base)
                for row in 0..<batch.count {
                    groups.add(RowPick(batch: base, row: Int32(row)), to: slot)
                }
                held.live += batch.count
                groups.start(
                    slot, deadline: deadline(batch.order.time(0)), hash: entry.hash)
            }
        }
        groups.sortDeadlines()
    }

    /// Adds the rows of `batch` to their keys' batches and gives out those that are full.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let place = held.hold(batch)
        try findSlots(place)
        held.fill(places, with: place)
        held.spend(place)
        try add(batch.count, into: output)
    }

    /// Adds rows that stay where they lie until their batch leaves.
    public func process(_ rows: PickedRows, into output: any Output) throws(JobFailure) {
        var held: [Int32] = []
        for batch in rows.batches {
            let place = self.held.keepOpen(batch)
            try findSlots(place)
            held.append(place)
        }
        self.held.fill(places, with: rows, at: held)
        for (index, isLast) in rows.isLast.enumerated() where isLast {
            self.held.close(rows.batches[index])
        }
        try add(rows.count, into: output)
    }

    /// Finds the slots of the keys of a held batch, all at once, unless they are known.
    ///
    /// - Note: a key without a slot gets one here, before its first row is added; `flush` forgets it
    ///   again if that does not come before.
    private func findSlots(_ place: Int32) throws(JobFailure) {
        guard let state else { preconditionFailure("a step is opened first") }
        guard held.slots(of: place) == nil else { return }
        let keys = held.keys(of: place)
        let count = keys.count
        buffer.reserve(count)
        try state.table(0).resolve(keys, rows: nil, count: count, into: buffer.entries)
        let entries = buffer.entries
        let slots = Column(.int64, capacity: count)
        for row in 0..<count {
            let entry = entries[row]
            if entry.isNew {
                entry.settle()
                let slot = groups.takeSlot()
                entry.value.storeBytes(of: Int64(slot), as: Int64.self)
                if groups.touch(slot) { groups.remember(keys, row, slot) }
            }
            slots.int64s[row] = entry.value.load(as: Int64.self)
        }
        slots.setCount(count)
        held.setSlots(slots, of: place)
    }

    /// Adds the rows at `places`, which are held, to the batches of their keys.
    private func add(_ count: Int, into output: any Output) throws(JobFailure) {
        let picks = places.picks
        let times = places.times
        let slots = places.slots
        var row = 0
        while row < count {
            let slot = Int(slots[row])
            if groups.touch(slot) { remember(picks[row], slot) }
            let time = times[row]
            if groups.count(slot) > 0, time >= groups.deadline(slot) { close(slot) }
            if groups.count(slot) == 0 {
                groups.start(slot, deadline: deadline(time), hash: held.hash(of: picks[row]))
            }
            groups.add(picks[row], to: slot)
            if groups.isFull(slot) {
                full.append(groups, slot, cause: picks[row])
                groups.empty(slot)
                held.live -= groups.size
            }
            row &+= 1
        }
        held.live += count
        emitReady(into: output)
        held.compact(groups)
    }

    private func remember(_ pick: RowPick, _ slot: Int) {
        groups.remember(held.keys(of: pick.batch), Int(pick.row), slot)
    }

    /// Gives out the batches whose deadline has come.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        if nextDue == due.count {
            due = groups.due(watermark.micros)
            nextDue = 0
        }
        while nextDue < due.count && full.rows < 4096 {
            let slot = due[nextDue]
            nextDue += 1
            if groups.count(slot) > 0, groups.deadline(slot) <= watermark.micros { close(slot) }
        }
        emitReady(into: output)
        if nextDue < due.count { return .more }
        held.compact(groups)
        return .done
    }

    /// Writes the unfinished batches that changed since the last time.
    public func flush() throws(JobFailure) {
        guard let state else { return }
        let table = try state.table(0)
        let touched = groups.touched
        guard touched.count > 0 else { return }
        buffer.reserve(touched.count)
        try table.resolve(touched.keys, rows: nil, count: touched.count, into: buffer.entries)
        for (index, slot) in touched.slots.enumerated() {
            let entry = buffer.entries[index]
            if groups.count(slot) == 0 {
                try table.remove(entry)
                groups.giveBack(slot)
                continue
            }
            let rows = held.gather(groups.picks(slot), count: groups.count(slot))
            let bytes = BatchBytes.encode(rows)
            entry.resizeBlob(0, to: bytes.count, of: state.layout)
                .update(from: bytes.base, count: bytes.count)
        }
        groups.forgetTouched()
        held.forgetSlots()
    }

    private func deadline(_ time: Int64) -> Int64 {
        linger.map { TimeMath.after(time, $0) } ?? .max
    }

    /// Makes the batch of `slot` ready because its deadline has come.
    private func close(_ slot: Int) {
        let first = groups.picks(slot)[0]
        if groups.touch(slot) { remember(first, slot) }
        full.append(groups, slot, cause: nil)
        held.live -= groups.count(slot)
        groups.empty(slot)
    }

    private func emitReady(into output: any Output) {
        guard full.count > 0 else { return }
        let rows = full.rows
        let (items, times) = held.gatherColumns(full.picks, count: rows)
        let count = full.count
        let sizes = Column(.int64, capacity: count)
        let lists = Column(.list(.structure(schema.fields)), capacity: count)
        let structs = Column(.structure(schema.fields), capacity: 1)
        structs.children = items
        structs.reserve(rows)
        structs.setCount(rows)
        lists.children = [structs]
        let starts = Column(.timestamp, capacity: count)
        let ends = Column(.timestamp, capacity: count)
        var order = RowOrder(capacity: count)
        let events = times.int64s
        var firsts: [RowPick] = []
        var lasts: [RowPick] = []
        var start = 0
        for index in 0..<count {
            let size = full[index].count
            firsts.append(full.picks[start])
            lasts.append(full.picks[start + size - 1])
            sizes.append(Int64(size))
            lists.views[index] = ByteView.pack(start: start, length: size)
            var earliest = events[start]
            var latest = earliest
            for row in start..<(start + size) {
                earliest = min(earliest, events[row])
                latest = max(latest, events[row])
            }
            starts.append(earliest)
            ends.append(latest)
            start += size
        }
        lists.setCount(count)
        let leaders = held.gather(firsts, count: count)
        let closers = held.gather(lasts, count: count).order
        for index in 0..<count {
            if full[index].isFilled {
                order.append(from: closers, row: index)
            } else {
                place(full[index], last: closers.eventTimes.int64s[index], in: &order)
            }
        }
        let columns =
            keys.map { leaders.columns[$0] } + [ids(leaders), sizes, lists, starts, ends]
        full.removeAll()
        output.emit(ColumnBatch(schema: outputSchema, columns: columns, order: order, count: count))
    }

    /// Appends the place of a batch that was not filled: just before its deadline or, without one, at the
    /// end of the input.
    private func place(_ ready: ReadyBatches.Ready, last: Int64, in order: inout RowOrder) {
        let isOpen = ready.deadline == .max
        order.append(
            from: RowOrder.made(
                eventTime: isOpen ? last : ready.deadline - 1, watermark: isOpen ? .max : .min,
                origin: origin, offset: ready.hash), row: 0)
    }

    /// Sixteen bytes in hexadecimal, from the step, the key and the place of the first row in the log.
    private func ids(_ leaders: ColumnBatch) -> Column {
        let steps = Column(.string, capacity: leaders.count)
        for _ in 0..<leaders.count { steps.append(stepId) }
        let order = leaders.order
        var parts = keys.map { leaders.columns[$0] }
        parts += [order.eventTimes, order.origins, order.offsets]
        parts.append(order.elements ?? Rebatch.zeros(leaders.count))
        let high = KeyEncoder(columns: []).encode([steps] + parts, count: leaders.count).hashes
        let low = KeyEncoder(columns: []).encode(parts + [steps], count: leaders.count).hashes
        let ids = Column(.string, capacity: leaders.count)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { text in
            for row in 0..<leaders.count {
                Rebatch.hex(UInt64(bitPattern: high.int64s[row]), into: text.baseAddress!)
                Rebatch.hex(UInt64(bitPattern: low.int64s[row]), into: text.baseAddress! + 16)
                ids.append(UnsafeBufferPointer(text))
            }
        }
        return ids
    }

    /// What `elements` says where every row is a whole record: ids must not depend on how that is kept.
    private static func zeros(_ count: Int) -> Column {
        let column = Column(.int64, capacity: count)
        for _ in 0..<count { column.append(Int64(0)) }
        return column
    }

    private static func hex(_ word: UInt64, into text: UnsafeMutablePointer<UInt8>) {
        for digit in 0..<16 {
            let value = UInt8(truncatingIfNeeded: word >> UInt64(60 - digit * 4)) & 15
            text[digit] = value < 10 ? 48 + value : 87 + value
        }
    }
}
