import Glibc
import StreamRuntime

/// Aggregates all rows of a key and gives the updated result after every row, in row order.
///
/// - Shape: a row out for each row in, in the same order and place: `insert` for a key's first result, then
///   `updateAfter`. With the results they replace, each is behind that one as `updateBefore`, a result
///   that stays the same is not told, and a key's last one goes as it was. A row that takes one back
///   (`updateBefore`, `delete`) is taken out; with a key's last row its result goes as a `delete`. What takes a
///   row back and what comes in its place are one change: the result between them is not told. A row that takes
///   back what never came is rejected.
public final class UpdatingAggregate: Operator {
    private let core: AggregateCore
    private let withBefore: Bool
    private let takesBack: Bool
    private var state: KeyedState?
    /// One entry, for rows to be taken back.
    private let scratch: KeyedState
    private var scratchEntry = StateEntryBox()
    /// The rows 0, 1, 2 …
    private var numbers: UnsafeMutablePointer<Int32> = .allocate(capacity: 1)
    private var capacity = 0
    private let earlier = EarlierRows()
    private var halves = HeldHalves()

    /// Rows of which the entries are found and brought up to date before the next: what a core's
    /// nearest cache but one holds.
    private static let blockRows = 512

    /// The result after a row depends on the rows before it.
    public var needsOrderedInput: Bool { true }

    init(_ spec: AggregateSpec, withBefore: Bool) throws(JobFailure) {
        core = try AggregateCore(spec, countsRows: true, onlyGrows: !spec.takesBack)
        self.withBefore = withBefore
        takesBack = spec.takesBack
        scratch = try StateStore().state("scratch", of: "row", layout: core.layout.state)
    }

    deinit { numbers.deallocate() }

    /// Opens the totals.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        core.open(context)
        state = try context.state.state("totals", of: context.stepId, layout: core.layout.state)
        let key = KeyEncoder(columns: []).encode([], count: 1)
        try scratch.table(0).resolve(key, rows: nil, count: 1, into: scratchEntry.entry)
    }

    /// Updates the totals of the rows' keys and emits the result after each change.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let whole = takesBack ? halves.take(batch) : batch else { return }
        try update(whole, into: output)
    }

    /// Takes the rows that waited for others in their place.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        if let rest = halves.takeRest() { try update(rest, into: output) }
        return .done
    }

    /// Nothing is outside the tables.
    public func flush() throws(JobFailure) {
        precondition(halves.isEmpty, "rows are passed by time before a barrier")
    }

    private func update(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        var (rows, arguments) = try core.evaluate(batch, into: output, takesBack: true)
        guard rows.count > 0, let state, rows.keys != nil else { return }
        try resolve(rows, in: state)
        var turns = Turns(rows, core)
        if !turns.unknown.isEmpty {
            var errors = RejectedRows()
            for row in turns.unknown {
                errors.append(
                    row: Int(row), column: "", reason: "it takes back a row that never came")
            }
            turns.undo(rows, core)
            rows = try core.settle(errors, of: rows, into: output)
            guard rows.count > 0 else { return try forgetEmpty(batch, state) }
            (rows, arguments) = try core.evaluate(rows, into: output, takesBack: true)
            try resolve(rows, in: state)
            turns = Turns(rows, core)
        }
        var pairs: ChangePairs?
        if withBefore || turns.takenBack != nil {
            earlier.find(core.entries, rows.count)
            pairs = earlier.joinPairs(of: rows)
            if let pairs { turns.join(pairs) }
        }
        if withBefore {
            try processWithBefore(rows, arguments, turns, pairs, into: output)
        } else {
            let (made, errors) = trace(rows, arguments, turns)
            made.changes = turns.kinds
            try emit(made, errors, turns, pairs, into: output)
        }
        if takesBack { try forgetEmpty(rows, state) }
    }

    /// Finds or makes the entry of every row.
    private func resolve(_ rows: ColumnBatch, in state: KeyedState) throws(JobFailure) {
        let count = rows.count
        core.reserve(count)
        if count > capacity {
            numbers.deallocate()
            capacity = max(count, Limits.batchRows)
            numbers = .allocate(capacity: capacity)
            for row in 0..<capacity { numbers[row] = Int32(truncatingIfNeeded: row) }
        }
        try state.table(0).resolve(rows.keys!, rows: nil, count: count, into: core.entries)
        let entries = core.entries
        let values = core.values
        var row = 0
        while row < count {
            values[row] = entries[row].value
            row &+= 1
        }
    }

    /// Brings the totals up to date and gives the result after each row, with the rows that have none.
    private func trace(
        _ rows: ColumnBatch, _ arguments: [PreparedArguments], _ turns: Turns
    ) -> (ColumnBatch, RejectedRows) {
        let count = rows.count
        var errors = RejectedRows()
        let columns = core.layout.resultColumns(count)
        var start = 0
        while start < count {
            let end = min(start &+ UpdatingAggregate.blockRows, count)
            let traced = TracedRows(
                range: start..<end, takenBack: turns.takenBack.map { UnsafePointer($0.bools) },
                scratch: scratchEntry.entry[0])
            core.layout.trace(
                arguments, order: rows.order, entries: core.entries, values: core.values, traced,
                into: columns, errors: &errors)
            start = end
        }
        let made = core.results(
            keysOf: core.entries, count: count, finished: columns, order: rows.order, bounds: [],
            errors: &errors)
        return (made, errors)
    }

    /// Emits results without those that failed and those of the first rows of pairs; of a key without rows nothing is
    /// told but that it goes.
    private func emit(
        _ made: ColumnBatch, _ errors: RejectedRows, _ turns: Turns, _ pairs: ChangePairs?,
        into output: any Output
    ) throws(JobFailure) {
        var made = made
        // Where each row has gone; empty when all stay where they are.
        var places: [Int] = []
        if let pairs {
            places = Array(repeating: 0, count: made.count)
            var told: [Int32] = []
            for row in 0..<made.count where !pairs.isFirst(row) {
                places[row] = told.count
                told.append(Int32(truncatingIfNeeded: row))
            }
            made = made.gathered(told, count: told.count)
        }
        if errors.rejects.isEmpty { return output.emit(made) }
        var kept = RejectedRows()
        for reject in errors.rejects
        where !turns.isDelete(reject.row) && pairs?.isFirst(reject.row) != true {
            let row = places.isEmpty ? reject.row : places[reject.row]
            kept.append(row: row, column: reject.column, reason: reject.reason)
        }
        output.emit(
            kept.rejects.isEmpty ? made : try core.settle(kept, of: made, into: output))
    }

    // MARK: with what is replaced

    private func processWithBefore(
        _ rows: ColumnBatch, _ arguments: [PreparedArguments], _ turns: Turns,
        _ pairs: ChangePairs?, into output: any Output
    ) throws(JobFailure) {
        let count = rows.count
        // The results there are, of each key once, before the first row of it changes them.
        let firsts = earlier.firsts
        var unchanged = RejectedRows()
        let picked = firsts.map { core.entries[Int($0)] }
        let standing = picked.withUnsafeBufferPointer {
            core.results(
                of: $0.baseAddress ?? UnsafePointer(core.entries), count: picked.count,
                order: rows.order.gathered(firsts, count: firsts.count), bounds: [], changes: nil,
                errors: &unchanged)
        }
        let (made, errors) = trace(rows, arguments, turns)
        var failed = [Bool](repeating: false, count: count)
        var told = RejectedRows()
        for reject in errors.rejects {
            failed[reject.row] = true
            if !turns.isDelete(reject.row), pairs?.isFirst(reject.row) != true {
                told.append(row: reject.row, column: reject.column, reason: reject.reason)
            }
        }
        var missing = [Bool](repeating: false, count: firsts.count)
        for reject in unchanged.rejects { missing[reject.row] = true }
        let before = earlier.before
        var picks: [RowPick] = []
        var causes: [Int32] = []
        var kinds: [UInt8] = []
        picks.reserveCapacity(2 * count)
        causes.reserveCapacity(2 * count)
        kinds.reserveCapacity(2 * count)
        let same = Sameness.mask(made, standing, before, skipping: core.keyCount)
        for row in 0..<count where pairs?.isFirst(row) != true {
            let kind = turns.kinds.bools[row]
            let old = before[row]
            let isInStanding = old < 0
            let at = isInStanding ? ~old : old
            let hasOld =
                kind != RowChange.insert.rawValue
                && !(isInStanding ? missing[Int(at)] : failed[Int(at)])
            let oldPick = RowPick(batch: isInStanding ? 0 : 1, row: at)
            if kind == RowChange.delete.rawValue {
                if hasOld {
                    picks.append(oldPick)
                    causes.append(Int32(row))
                    kinds.append(kind)
                }
                continue
            }
            if hasOld {
                if !failed[row], same[row] != 0 { continue }
                picks.append(oldPick)
                causes.append(Int32(row))
                kinds.append(
                    failed[row] ? RowChange.delete.rawValue : RowChange.updateBefore.rawValue)
            }
            if !failed[row] {
                picks.append(RowPick(batch: 1, row: Int32(row)))
                causes.append(Int32(row))
                kinds.append(hasOld ? RowChange.updateAfter.rawValue : RowChange.insert.rawValue)
            }
        }
        if !told.rejects.isEmpty { _ = try core.settle(told, of: made, into: output) }
        if picks.isEmpty { return }
        let columns = BatchBuilder.gatherColumns(
            picks, count: picks.count, from: [standing, made], schema: core.schema)
        let result = ColumnBatch(
            schema: core.schema, columns: columns, order: places(rows.order, causes),
            count: picks.count)
        let changes = Column(.bool, capacity: kinds.count)
        memcpy(changes.bools, kinds, kinds.count)
        changes.setCount(kinds.count)
        result.changes = changes
        output.emit(result)
    }

    /// The places of the rows at `causes`: what is replaced comes before what replaces it.
    private func places(_ order: RowOrder, _ causes: [Int32]) -> RowOrder {
        var places = order.gathered(causes, count: causes.count)
        let elements = Column(.int64, capacity: causes.count)
        let outer = places.elements?.int64s
        for slot in 0..<causes.count {
            let isSecond = slot > 0 && causes[slot - 1] == causes[slot]
            elements.int64s[slot] = (outer?[slot] ?? 0) &* 2 &+ (isSecond ? 1 : 0)
        }
        elements.setCount(causes.count)
        places.elements = elements
        return places
    }

    /// Gives up the totals of keys whose last row was taken back.
    private func forgetEmpty(_ rows: ColumnBatch, _ state: KeyedState) throws(JobFailure) {
        guard rows.changes != nil else { return }
        let entries = core.entries
        var empty: [UnsafeMutableRawPointer: StateEntry] = [:]
        for row in 0..<rows.count where core.layout.rows(of: entries[row]) == 0 {
            empty[entries[row].value] = entries[row]
        }
        for entry in empty.values { try state.table(0).remove(entry) }
    }
}

/// Memory for one entry.
private final class StateEntryBox {
    let entry = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
    deinit { entry.deallocate() }
}
