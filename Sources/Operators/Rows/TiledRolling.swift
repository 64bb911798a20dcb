import StreamRuntime

/// Aggregates over the time before each row, kept in tiles: a row out for each row in, with state that
/// is bounded by the number of tiles, not of rows.
///
/// A tile holds what the aggregates need of a key's rows of one stretch of `grain`. For a row with event
/// time t a window of width w holds the rows of its key that come before it in the order and lie in the
/// tiles from that of t - w to that of t, and the row itself if `includesSelf`: its beginning is rounded
/// down to a whole grain. A row that is older than its key's newest one gets the tiles its window has then.
///
/// - Shape: as `Rolling`: the input columns, then the outputs of each width's plan, in the order of the rows.
/// - Note: a key keeps at most reach / grain + 2 tiles, and one running window for each width. Aggregates
///   that cannot take rows out are merged anew from the tiles when one leaves.
public final class TiledRolling: StreamRuntime.Operator {
    /// What comes out.
    public var outputSchema: Schema { rows.schema }
    private let widths: [(micros: Int64, plan: AggregatePlan)]
    private let includesSelf: Bool
    private let reach: Int64
    private let tiles: RollingTiles
    private let layout: AggregateLayout
    private let pool: ScratchEntries
    private var rows: RollingRows
    private let buffer = EntryBuffer()
    private var places: KeyedState?
    private var windows: [KeyedState] = []
    private var running: [UnsafeMutablePointer<StateEntry>] = []
    private var results: UnsafeMutablePointer<StateEntry>
    private var values: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var capacity = 4096
    private var sweep: RollingSweep

    // The words of a key: newest event time, rows of the batch at hand, the first tile of each window.
    private static let tilesWord = 2

    /// A row sees the rows before it in the order.
    public var needsOrderedInput: Bool { true }

    /// Rolling aggregates over rows of `schema`, keyed by the columns `keys`; every width has the same calls
    /// under its own names.
    ///
    /// - Throws: for an aggregate that cannot be computed over its argument.
    public init(
        schema: Schema, keys: [Int], widths: [(over: Duration, plan: AggregatePlan)],
        grain: Duration, includesSelf: Bool = true, onError: FailurePolicy = .fail
    ) throws(JobFailure) {
        precondition(!widths.isEmpty && grain > .zero, "a rolling step has windows of tiles")
        rows = RollingRows(schema, keys: keys, plans: widths.map(\.plan), onError: onError)
        self.widths = widths.map { ($0.over.micros, $0.plan) }
        self.includesSelf = includesSelf
        tiles = RollingTiles(grain: grain.micros, longest: self.widths.map(\.micros).max()!)
        reach = tiles.reach
        sweep = RollingSweep(reach: reach)
        let calls = widths[0].plan.calls
        precondition(
            widths.allSatisfy { $0.plan.calls.map(\.text) == calls.map(\.text) },
            "the widths differ in their names only")
        layout = try AggregateLayout(calls)
        pool = try ScratchEntries(layout)
        results = .allocate(capacity: capacity)
        values = .allocate(capacity: capacity)
        running = widths.map { _ in .allocate(capacity: 4096) }
    }

    deinit {
        results.deallocate()
        values.deallocate()
        for entries in running { entries.deallocate() }
    }

    /// Opens the state: each key's tiles and running windows.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rows.open(context)
        let words = TiledRolling.tilesWord + widths.count
        let initial = (0..<words).flatMap { word in
            withUnsafeBytes(of: (word == 1 ? 0 : Int64.min).littleEndian) { Array($0) }
        }
        places = try context.state.state(
            "places", of: context.stepId,
            layout: StateLayout(fixedBytes: words * 8, initial: initial))
        try tiles.open(context, layout.state)
        for width in widths {
            windows.append(
                try context.state.state(
                    "window \(width.micros)", of: context.stepId, layout: layout.state))
        }
    }

    private func words(_ row: Int) -> UnsafeMutablePointer<Int64> {
        buffer.entries[row].value.assumingMemoryBound(to: Int64.self)
    }

    /// Hands on the rows of `batch` with their results.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let places else { preconditionFailure("a step is opened first") }
        var work = batch
        _ = layout.arguments(of: work, errors: &rows.errors)
        if let sound = try rows.settle(work, into: output) {
            if sound.isEmpty { return }
            work = work.gathered(sound, count: sound.count)
        }
        reserve(work.count)
        try places.table(0).resolve(
            work.keys!, rows: nil, count: work.count, into: buffer.entries)
        for row in 0..<work.count { buffer.entries[row].settle() }
        let rounds = KeyRounds(work.count) { self.words($0) + 1 }
        var inverse: [Int32]?
        if rounds.ends.count > 1 {
            work = work.gathered(rounds.order, count: work.count)
            try places.table(0).resolve(
                work.keys!, rows: nil, count: work.count, into: buffer.entries)
            var back = rounds.order
            for (place, row) in rounds.order.enumerated() { back[Int(row)] = Int32(place) }
            inverse = back
        }
        for (index, window) in windows.enumerated() {
            try window.table(0).resolve(
                work.keys!, rows: nil, count: work.count, into: running[index])
            for row in 0..<work.count { running[index][row].settle() }
        }
        var columns = widths.map { _ in
            layout.calls.map { Column($0.resultType, capacity: work.count) }
        }
        let arguments = layout.arguments(of: work, errors: &rows.errors)
        var start = 0
        for end in rounds.ends {
            try run(start..<end, work, arguments, &columns)
            start = end
        }
        try rows.emit(work, columns, inverse, into: output)
    }

    private func reserve(_ count: Int) {
        buffer.reserve(count)
        guard count > capacity else { return }
        capacity = max(count, capacity * 2)
        results.deallocate()
        values.deallocate()
        results = .allocate(capacity: capacity)
        values = .allocate(capacity: capacity)
        for index in running.indices {
            running[index].deallocate()
            running[index] = .allocate(capacity: capacity)
        }
    }

    // MARK: one round: every key at most once

    private func run(
        _ range: Range<Int>, _ batch: ColumnBatch, _ arguments: [PreparedArguments],
        _ columns: inout [[Column]]
    ) throws(JobFailure) {
        let times = UnsafePointer(batch.order.eventTimes.int64s)
        var isLate = [Bool](repeating: false, count: range.count)
        for row in range {
            let words = words(row)
            if words[0] != .min, batch.order.time(row) >= TimeMath.after(words[0], reach) {
                try forget(row, batch.keys!)
            }
            isLate[row - range.lowerBound] = words[0] != .min && times[row] < words[0]
        }
        for index in widths.indices {
            pool.release()
            for row in range {
                if isLate[row - range.lowerBound] {
                    results[row] = try pool.take()
                    try collect(row, index, times[row], batch.keys!, into: results[row])
                } else {
                    try advance(row, index, times[row], batch.keys!)
                    results[row] = running[index][row]
                }
            }
            if includesSelf { update(batch, arguments, range, results) }
            var failed = RejectedRows()
            let finished = layout.finish(
                results + range.lowerBound, count: range.count, errors: &failed)
            for reject in failed.rejects {
                rows.errors.append(
                    row: range.lowerBound + reject.row, column: reject.column,
                    reason: reject.reason)
            }
            for (column, part) in zip(columns[index], finished) { column.append(contentsOf: part) }
            for row in range {
                let isOut = isLate[row - range.lowerBound]
                if isOut ? joins(row, index, times[row]) : !includesSelf {
                    update(batch, arguments, row..<(row + 1), running[index])
                }
            }
        }
        for row in range { words(row)[0] = max(words(row)[0], times[row]) }
        try keep(batch, arguments, range)
    }

    private func tile(_ time: Int64) -> Int64 { tiles.number(time) }

    /// The first tile of window `index` of a row of event time `time`.
    private func firstTile(_ time: Int64, _ index: Int) -> Int64 {
        tile(TimeMath.before(time, widths[index].micros))
    }

    private func joins(_ row: Int, _ index: Int, _ time: Int64) -> Bool {
        tile(time) >= words(row)[TiledRolling.tilesWord + index]
    }

    /// Takes the tiles that window `index` of a row has left out of it.
    private func advance(
        _ row: Int, _ index: Int, _ time: Int64, _ keys: KeyColumn
    ) throws(JobFailure) {
        let words = words(row)
        let first = firstTile(time, index)
        let held = words[TiledRolling.tilesWord + index]
        words[TiledRolling.tilesWord + index] = first
        guard words[0] != .min, held < first else { return }
        let newest = tile(words[0])
        let target = running[index][row]
        if first > newest { return layout.reset(target) }
        var isWhole = true
        for left in held..<first where isWhole {
            if let entry = try tiles.entry(left, row, keys) {
                isWhole = layout.subtract(entry, from: target)
            }
        }
        if isWhole { return }
        layout.reset(target)
        try merge(first...newest, row, keys, into: target)
    }

    /// Puts the window of a late row together.
    private func collect(
        _ row: Int, _ index: Int, _ time: Int64, _ keys: KeyColumn,
        into target: StateEntry
    ) throws(JobFailure) {
        let oldest = tiles.oldest(words(row)[0])
        let last = tile(time)
        if last < oldest { return }
        try merge(max(firstTile(time, index), oldest)...last, row, keys, into: target)
    }

    private func merge(
        _ range: ClosedRange<Int64>, _ row: Int, _ keys: KeyColumn,
        into target: StateEntry
    ) throws(JobFailure) {
        for number in range {
            if let entry = try tiles.entry(number, row, keys) { layout.merge(entry, into: target) }
        }
    }

    /// Adds the rows `range` to their tiles.
    private func keep(
        _ batch: ColumnBatch, _ arguments: [PreparedArguments], _ range: Range<Int>
    ) throws(JobFailure) {
        let times = UnsafePointer(batch.order.eventTimes.int64s)
        var row = range.lowerBound
        while row < range.upperBound {
            let number = tile(times[row])
            if number < tiles.oldest(words(row)[0]) {
                row += 1
                continue
            }
            // Rows that follow each other mostly lie in one tile.
            var count = 0
            while row + count < range.upperBound, tile(times[row + count]) == number,
                number >= tiles.oldest(words(row + count)[0])
            {
                buffer.rows[count] = Int32(truncatingIfNeeded: row + count)
                count += 1
            }
            try tiles.table(number).resolve(
                batch.keys!, rows: buffer.rows, count: count, into: results + row)
            for slot in row..<(row + count) { results[slot].settle() }
            update(batch, arguments, row..<(row + count), results)
            row += count
        }
    }

    private func update(
        _ batch: ColumnBatch, _ arguments: [PreparedArguments], _ range: Range<Int>,
        _ entries: UnsafeMutablePointer<StateEntry>
    ) {
        for row in range { values[row] = entries[row].value }
        layout.update(
            arguments, order: batch.order, entries: entries, values: values, range: range)
    }

    /// Forgets everything of a row's key.
    private func forget(_ row: Int, _ keys: KeyColumn) throws(JobFailure) {
        let words = words(row)
        for number in tiles.oldest(words[0])...tile(words[0]) {
            if let entry = try tiles.entry(number, row, keys) {
                try tiles.table(number).remove(entry)
            }
        }
        words[0] = .min
        for index in widths.indices {
            words[TiledRolling.tilesWord + index] = .min
            layout.reset(running[index][row])
        }
    }

    // MARK: forgetting

    /// Forgets the keys and tiles that no row to come can see.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let places, watermark != .endOfTime else { return .done }
        let time = watermark.micros
        try tiles.drop(at: time)
        guard sweep.isDue(at: time) else { return .done }
        try sweep.removeKeys(of: places.table(0), at: time, buffer) {
            (keys, _) throws(JobFailure) in
            for window in windows {
                try RollingTiles.remove(keys, from: window.table(0), running[0])
            }
            try tiles.remove(keys, before: time, running[0])
        }
        return .done
    }
}
