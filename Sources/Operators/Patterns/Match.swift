import StreamRuntime

/// Finds patterns in the rows of each key and gives out a row for each match.
///
/// A match is rows of a key that follow each other in the total order, without others between them. It begins
/// as early as it can; of the ways the rows can meet the pattern from there on it takes the preferred one. Its
/// rows are at most `within` apart, in the time at which they are processed. It is given out once it cannot
/// become another any more: with the row that decides it or, when none comes, once the time is over.
///
/// - Shape: a row out has the key columns and the outputs. It takes the place of the row that decided the match,
///   or the last moment of the time. Rows whose own conditions fail are settled by `onError` and are as if
///   they were not there. The batches must have keys. What is open counts in the worker's memory; beyond a
///   quarter of its budget rows are in state only, until their key is asked for.
public final class Match: StreamRuntime.Operator {
    /// What comes out.
    public var outputSchema: Schema { program.outputSchema }
    private let program: MatchProgram
    private let machine: MatchMachine
    private var rejection: Rejection
    private let buffer = EntryBuffer()
    private var state: KeyedState?
    private var keys: [MatchRows?] = []
    private var free: [Int] = []
    private var touched: [Int] = []
    private var visited: [Int] = []
    /// The worker's store, which counts what is held here.
    private var owner: StateStore?
    private var heldBytes = 0
    /// Bytes of rows among them, and how many there may be.
    private var rowBytes = 0
    private var rowBytesMax = Int.max
    /// The keys whose rows may be here.
    private var loaded: [Int] = []
    private var queue = MatchQueue()
    private var found: ColumnBatch
    private var origin: Int64 = 0
    /// How many matches the row or the moment at hand has given.
    private var matches: Int64 = 0

    /// The order of rows is what is looked for.
    public var needsOrderedInput: Bool { true }

    /// Looks for `program`.
    public init(program: MatchProgram, onError: FailurePolicy = .fail) {
        self.program = program
        machine = MatchMachine(program)
        rejection = Rejection(policy: onError)
        found = ColumnBatch(schema: program.resultSchema, capacity: 16)
    }

    deinit { owner?.hold(-heldBytes) }

    /// Opens the state and takes back the rows that a checkpoint holds.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rejection.open(context)
        origin = RowOrder.derived + context.ordinal
        let state = try context.state.state(
            "rows", of: context.stepId, layout: StateLayout(fixedBytes: 8, blobs: 1))
        self.state = state
        owner = context.state
        rowBytesMax = context.state.budgetBytes / 4
        let table = try state.table(0)
        let cursor = try table.cursor()
        while true {
            let count = try cursor.next(1024, into: buffer.entries)
            if count == 0 { break }
            for index in 0..<count {
                let entry = buffer.entries[index]
                let rows = MatchRows(
                    schema: program.keptSchema, key: Array(entry.key), hash: entry.hash)
                rows.restore(
                    try BatchBytes.decode(
                        entry.blob(0, of: state.layout), schema: program.keptSchema))
                let slot = takeSlot(rows)
                table.markChanged(entry)
                entry.value.storeBytes(of: Int64(slot), as: Int64.self)
                enqueue(rows, slot)
                visit(rows, slot)
                if rowBytes > rowBytesMax {
                    rows.unload(schema: program.keptSchema)
                } else {
                    loaded.append(slot)
                }
            }
            tally()
        }
    }

    private func takeSlot(_ rows: MatchRows) -> Int {
        if let slot = free.popLast() {
            keys[slot] = rows
            return slot
        }
        keys.append(rows)
        return keys.count - 1
    }

    // MARK: rows

    /// Takes the rows of `batch`.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let state, let keyColumn = batch.keys else {
            preconditionFailure("opened, with keys")
        }
        let (names, failed) = names(batch)
        let sound = try rejection.settle(failed, of: batch, into: output)
        let table = try state.table(0)
        buffer.reserve(batch.count)
        let entries = buffer.entries
        // A key that holds no rows is only of interest once a row may begin a match.
        try table.find(keyColumn, rows: nil, count: batch.count, into: entries)
        var made = 0
        for row in sound ?? (0..<Int32(batch.count)).map({ $0 }) {
            let row = Int(row)
            var picked = Int32(row)
            if !entries[row].exists, made > 0 {
                try table.find(keyColumn, rows: &picked, count: 1, into: entries + row)
            }
            if !entries[row].exists {
                guard names[row] & program.beginners != 0 else { continue }
                try table.resolve(keyColumn, rows: &picked, count: 1, into: entries + row)
                if entries[row].isNew {
                    made += 1
                    entries[row].settle()
                    let fresh = MatchRows(
                        schema: program.keptSchema, key: Array(keyColumn.bytes.bytes(row)),
                        hash: keyColumn.hashes.int64s[row])
                    let slot = takeSlot(fresh)
                    loaded.append(slot)
                    entries[row].value.storeBytes(of: Int64(slot), as: Int64.self)
                }
            }
            let slot = Int(entries[row].value.load(as: Int64.self))
            guard let rows = keys[slot] else { preconditionFailure("a slot has a key") }
            if !rows.isLoaded { try load(rows, slot, entries[row]) }
            touch(rows, slot)
            take(row, of: batch, names[row], rows)
            enqueue(rows, slot)
        }
        try relieve()
        try emit(into: output)
    }

    /// For each row the names it may have, as bits, as far as the row itself decides it.
    private func names(_ batch: ColumnBatch) -> ([UInt64], RejectedRows) {
        var names = [UInt64](repeating: 0, count: batch.count)
        var errors = RejectedRows()
        for (name, definition) in program.definitions.enumerated() {
            var may = [Bool](repeating: true, count: batch.count)
            for filter in definition.filters {
                // A part of a condition that looks back may be what keeps the rest from failing.
                var ignored = RejectedRows()
                let truths =
                    definition.condition == nil
                    ? filter.evaluate(batch, errors: &errors)
                    : filter.evaluate(batch, errors: &ignored)
                for row in 0..<batch.count
                where !truths.isValid(row) || truths.bools[row] == 0 { may[row] = false }
                for reject in ignored.rejects { may[reject.row] = true }
            }
            for row in 0..<batch.count where may[row] { names[row] |= 1 << UInt64(name) }
        }
        return (names, errors)
    }

    private func take(_ row: Int, of batch: ColumnBatch, _ names: UInt64, _ rows: MatchRows) {
        let time = batch.order.time(row)
        settle(rows, before: time)
        matches = 0
        if rows.isEmpty, names & program.beginners == 0 { return }
        if rows.count - rows.head >= program.rowsMax {
            // What the first row begins is decided with what there is.
            run(rows, now: time, cause: (batch.order, row), isFull: true)
        }
        rows.append(batch, row, program.kept, names: names)
        run(rows, now: time, cause: (batch.order, row))
        rows.compact()
    }

    /// Decides what was to be decided before `time`.
    private func settle(_ rows: MatchRows, before time: Int64) {
        while !rows.isEmpty, deadline(rows) <= time {
            matches = 0
            run(rows, now: deadline(rows), cause: nil)
        }
    }

    /// The first moment at which no row can be part of what the first row begins.
    private func deadline(_ rows: MatchRows) -> Int64 {
        TimeMath.after(TimeMath.after(rows.times[rows.head], program.within), 1)
    }

    /// Looks for matches from the first row on, as far as they are decided at `now`.
    ///
    /// - Parameters:
    ///   - cause: the row that is taken; nil when it is time that passes.
    ///   - isFull: what the first row begins is decided whatever may come.
    private func run(
        _ rows: MatchRows, now: Int64, cause: (order: RowOrder, row: Int)?, isFull: Bool = false
    ) {
        var isForced = isFull
        while !rows.isEmpty {
            let start = rows.head
            let isLast = isForced || deadline(rows) <= now
            isForced = false
            switch machine.attempt(rows, from: start, isLast: isLast) {
            case .open: return
            case .none: rows.head = start + 1
            case .match(let end):
                add(rows, start, end, now: now, cause)
                rows.head = program.skip.next(
                    start, end, machine.called, program.skipName)
            }
        }
    }

    private func add(
        _ rows: MatchRows, _ start: Int, _ end: Int, now: Int64,
        _ cause: (order: RowOrder, row: Int)?
    ) {
        for (part, key) in program.keys.enumerated() {
            let slot = program.kept.firstIndex(of: key) ?? 0
            found.columns[part].append(from: rows.batch.columns[slot], row: start)
        }
        for (index, measure) in program.measures.enumerated() {
            measure.append(
                to: found.columns[program.keys.count + index], rows, start, end, machine.called,
                column: machine.slot(measure))
        }
        var outer: Int64 = 0
        if let cause {
            outer = cause.order.elements?.int64s[cause.row] ?? 0
            found.order.eventTimes.append(cause.order.eventTimes.int64s[cause.row])
            found.order.watermarks.append(cause.order.watermarks.int64s[cause.row])
            found.order.origins.append(cause.order.origins.int64s[cause.row])
            found.order.offsets.append(cause.order.offsets.int64s[cause.row])
        } else {
            found.order.append(
                eventTime: TimeMath.before(now, 1), watermark: .min, origin: origin,
                offset: rows.hash)
        }
        let elements = found.order.elements ?? Column(.int64, capacity: 16)
        elements.append(outer << 20 | matches)
        matches += 1
        found.order.elements = elements
        found.count += 1
    }

    // MARK: time

    /// Decides what no row can change any more.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        while let (time, slot) = queue.pop(through: watermark.micros) {
            guard let rows = keys[slot], rows.queued == time else { continue }
            rows.queued = .max
            if !rows.isLoaded { try load(rows, slot, try entry(of: rows)) }
            touch(rows, slot)
            settle(rows, before: watermark.micros)
            rows.compact()
            enqueue(rows, slot)
            if found.count >= 4096 || visited.count >= 4096 {
                try relieve()
                try emit(into: output)
                return .more
            }
        }
        try relieve()
        try emit(into: output)
        return .done
    }

    private func enqueue(_ rows: MatchRows, _ slot: Int) {
        // Deadlines only get later: one that is in the queue already leads to the next one.
        guard !rows.isEmpty, rows.queued == .max else { return }
        rows.queued = deadline(rows)
        queue.push(rows.queued, slot)
    }

    private func emit(into output: any Output) throws(JobFailure) {
        guard found.count > 0 else { return }
        let matches = found
        found = ColumnBatch(schema: program.resultSchema, capacity: 16)
        var errors = RejectedRows()
        let columns =
            matches.columns.prefix(program.keys.count)
            + program.outputs.map { $0.evaluate(matches, errors: &errors) }
        let result = ColumnBatch(
            schema: program.outputSchema, columns: Array(columns), order: matches.order,
            count: matches.count)
        let results = ProcessOutput(schema: program.outputSchema)
        if let kept = try rejection.settle(errors, of: matches, into: output) {
            results.add(result.gathered(kept, count: kept.count))
        } else {
            results.add(result)
        }
        results.emit(into: output)
    }

    // MARK: state

    private func entry(of rows: MatchRows) throws(JobFailure) -> StateEntry {
        guard let state else { preconditionFailure("opened") }
        let bytes = Column(.bytes, capacity: 1)
        let hashes = Column(.int64, capacity: 1)
        rows.key.withUnsafeBufferPointer { bytes.append($0) }
        hashes.append(rows.hash)
        buffer.reserve(1)
        try state.table(0).find(
            KeyColumn(bytes: bytes, hashes: hashes), rows: nil, count: 1, into: buffer.entries)
        return buffer.entries[0]
    }

    /// Takes back the rows of a key that state has.
    private func load(
        _ rows: MatchRows, _ slot: Int, _ entry: StateEntry
    ) throws(JobFailure) {
        guard let state else { preconditionFailure("opened") }
        loaded.append(slot)
        rows.restore(
            try BatchBytes.decode(entry.blob(0, of: state.layout), schema: program.keptSchema))
    }

    /// Notes that the bytes of a key may have changed.
    private func visit(_ rows: MatchRows, _ slot: Int) {
        guard !rows.isVisited else { return }
        rows.isVisited = true
        visited.append(slot)
    }

    /// Counts what the keys that were visited hold now.
    private func tally() {
        var grown = 0
        for slot in visited {
            guard let rows = keys[slot] else { continue }
            rows.isVisited = false
            let inRows = rows.rowBytes
            rowBytes += inRows - rows.countedRows
            grown += inRows + rows.keyBytes - rows.counted
            rows.countedRows = inRows
            rows.counted = inRows + rows.keyBytes
        }
        visited.removeAll(keepingCapacity: true)
        heldBytes += grown
        owner?.hold(grown)
    }

    /// Counts what is held and, when it is too much, lets go of rows: state has them then.
    private func relieve() throws(JobFailure) {
        tally()
        guard rowBytes > rowBytesMax else { return }
        try flush()
        for slot in loaded {
            guard let rows = keys[slot], rows.isLoaded else { continue }
            rows.unload(schema: program.keptSchema)
            visit(rows, slot)
        }
        loaded.removeAll(keepingCapacity: true)
        tally()
    }

    private func touch(_ rows: MatchRows, _ slot: Int) {
        visit(rows, slot)
        guard !rows.isTouched else { return }
        rows.isTouched = true
        touched.append(slot)
    }

    /// Writes the rows of the keys that changed since the last time.
    public func flush() throws(JobFailure) {
        guard let state, !touched.isEmpty else { return }
        let table = try state.table(0)
        let bytes = Column(.bytes, capacity: touched.count)
        let hashes = Column(.int64, capacity: touched.count)
        for slot in touched {
            guard let rows = keys[slot] else { preconditionFailure("a slot has a key") }
            rows.key.withUnsafeBufferPointer { bytes.append($0) }
            hashes.append(rows.hash)
        }
        buffer.reserve(touched.count)
        try table.resolve(
            KeyColumn(bytes: bytes, hashes: hashes), rows: nil, count: touched.count,
            into: buffer.entries)
        for (index, slot) in touched.enumerated() {
            let entry = buffer.entries[index]
            guard let rows = keys[slot] else { continue }
            rows.isTouched = false
            if rows.isEmpty {
                heldBytes -= rows.counted
                rowBytes -= rows.countedRows
                owner?.hold(-rows.counted)
                try table.remove(entry)
                keys[slot] = nil
                free.append(slot)
                continue
            }
            let encoded = BatchBytes.encode(rows.current())
            entry.resizeBlob(0, to: encoded.count, of: state.layout)
                .update(from: encoded.base, count: encoded.count)
        }
        touched.removeAll(keepingCapacity: true)
        // Keys that came and went are in the list more than once.
        if loaded.count > 2 * max(keys.count, 1024) {
            loaded = keys.indices.filter { keys[$0]?.isLoaded == true }
        }
    }
}
