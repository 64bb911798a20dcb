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
    public let outputSchema: Schema
    private let keys: [Int]
    private let widths: [(micros: Int64, plan: AggregatePlan)]
    private let includesSelf: Bool
    private let grain: Int64
    /// How far back from a key's newest event time tiles are kept.
    private let reach: Int64
    private let layout: AggregateLayout
    private let pool: ScratchEntries
    private var rejection: Rejection
    private let buffer = EntryBuffer()
    private var places: KeyedState?
    private var tiles: KeyedState?
    private var windows: [KeyedState] = []
    private var running: [UnsafeMutablePointer<StateEntry>] = []
    private var results: UnsafeMutablePointer<StateEntry>
    private var values: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private let found = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
    private var capacity = 4096
    private var errors = RejectedRows()
    private var nextSweep = Int64.min
    private var droppedTile = Int64.min

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
        self.keys = keys
        outputSchema = Rolling.outputSchema(schema, plans: widths.map(\.plan))
        self.widths = widths.map { ($0.over.micros, $0.plan) }
        self.includesSelf = includesSelf
        self.grain = grain.micros
        reach = TimeMath.after(self.widths.map(\.micros).max()!, grain.micros)
        let calls = widths[0].plan.calls
        precondition(
            widths.allSatisfy { $0.plan.calls.map(\.text) == calls.map(\.text) },
            "the widths differ in their names only")
        layout = try AggregateLayout(calls)
        pool = try ScratchEntries(layout)
        rejection = Rejection(policy: onError)
        results = .allocate(capacity: capacity)
        values = .allocate(capacity: capacity)
        running = widths.map { _ in .allocate(capacity: 4096) }
    }

    deinit {
        results.deallocate()
        values.deallocate()
        found.deallocate()
        for entries in running { entries.deallocate() }
    }

    /// Opens the state: each key's tiles and running windows.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rejection.open(context)
        let words = TiledRolling.tilesWord + widths.count
        let initial = (0..<words).flatMap { word in
            withUnsafeBytes(of: (word == 1 ? 0 : Int64.min).littleEndian) { Array($0) }
        }
        places = try context.state.state(
            "places", of: context.stepId,
            layout: StateLayout(fixedBytes: words * 8, initial: initial))
        tiles = try context.state.state("tiles", of: context.stepId, layout: layout.state)
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
        guard let places, let tiles else { preconditionFailure("a step is opened first") }
        var work = batch
        _ = layout.arguments(of: work, errors: &errors)
        if let sound = try settle(work, into: output) {
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
        let arguments = layout.arguments(of: work, errors: &errors)
        var start = 0
        for end in rounds.ends {
            try run(start..<end, work, arguments, tiles, &columns)
            start = end
        }
        try finish(work, columns, inverse, into: output)
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

    private func settle(
        _ batch: ColumnBatch, into output: any Output
    ) throws(JobFailure) -> [Int32]? {
        let failed = errors
        errors = RejectedRows()
        return try rejection.settle(failed, of: batch, into: output)
    }

    // MARK: one round: every key at most once

    private func run(
        _ range: Range<Int>, _ batch: ColumnBatch, _ arguments: [PreparedArguments],
        _ tiles: KeyedState, _ columns: inout [[Column]]
    ) throws(JobFailure) {
        let times = UnsafePointer(batch.order.eventTimes.int64s)
        var isLate = [Bool](repeating: false, count: range.count)
        for row in range {
            let words = words(row)
            if words[0] != .min, batch.order.time(row) >= TimeMath.after(words[0], reach) {
                try forget(row, batch.keys!, tiles)
            }
            isLate[row - range.lowerBound] = words[0] != .min && times[row] < words[0]
        }
        for index in widths.indices {
            pool.release()
            for row in range {
                if isLate[row - range.lowerBound] {
                    results[row] = try pool.take()
                    try collect(row, index, times[row], batch.keys!, tiles, into: results[row])
                } else {
                    try advance(row, index, times[row], batch.keys!, tiles)
                    results[row] = running[index][row]
                }
            }
            if includesSelf { update(batch, arguments, range, results) }
            var failed = RejectedRows()
            let finished = layout.finish(
                results + range.lowerBound, count: range.count, errors: &failed)
            for reject in failed.rejects {
                errors.append(
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
        try keep(batch, arguments, range, tiles)
    }

    private func tile(_ time: Int64) -> Int64 { TimeMath.bucket(time, grain) }

    /// The first tile of window `index` of a row of event time `time`.
    private func firstTile(_ time: Int64, _ index: Int) -> Int64 {
        tile(TimeMath.before(time, widths[index].micros))
    }

    private func joins(_ row: Int, _ index: Int, _ time: Int64) -> Bool {
        tile(time) >= words(row)[TiledRolling.tilesWord + index]
    }

    /// Takes the tiles that window `index` of a row has left out of it.
    private func advance(
        _ row: Int, _ index: Int, _ time: Int64, _ keys: KeyColumn, _ tiles: KeyedState
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
            if let entry = try entry(left, row, keys, tiles) {
                isWhole = layout.subtract(entry, from: target)
            }
        }
        if isWhole { return }
        layout.reset(target)
        try merge(first...newest, row, keys, tiles, into: target)
    }

    /// Puts the window of a late row together.
    private func collect(
        _ row: Int, _ index: Int, _ time: Int64, _ keys: KeyColumn, _ tiles: KeyedState,
        into target: StateEntry
    ) throws(JobFailure) {
        let oldest = tile(TimeMath.before(words(row)[0], reach))
        let last = tile(time)
        if last < oldest { return }
        try merge(max(firstTile(time, index), oldest)...last, row, keys, tiles, into: target)
    }

    private func merge(
        _ range: ClosedRange<Int64>, _ row: Int, _ keys: KeyColumn, _ tiles: KeyedState,
        into target: StateEntry
    ) throws(JobFailure) {
        for number in range {
            if let entry = try entry(number, row, keys, tiles) { layout.merge(entry, into: target) }
        }
    }

    /// The tile `number` of a row's key, to be read.
    private func entry(
        _ number: Int64, _ row: Int, _ keys: KeyColumn, _ tiles: KeyedState
    ) throws(JobFailure) -> StateEntry? {
        buffer.rows[0] = Int32(truncatingIfNeeded: row)
        try tiles.table(number).find(keys, rows: buffer.rows, count: 1, into: found)
        return found.pointee.exists ? found.pointee : nil
    }

    /// Adds the rows `range` to their tiles.
    private func keep(
        _ batch: ColumnBatch, _ arguments: [PreparedArguments], _ range: Range<Int>,
        _ tiles: KeyedState
    ) throws(JobFailure) {
        let times = UnsafePointer(batch.order.eventTimes.int64s)
        var row = range.lowerBound
        while row < range.upperBound {
            let number = tile(times[row])
            if number < tile(TimeMath.before(words(row)[0], reach)) {
                row += 1
                continue
            }
            // Rows that follow each other mostly lie in one tile.
            var count = 0
            while row + count < range.upperBound, tile(times[row + count]) == number,
                number >= tile(TimeMath.before(words(row + count)[0], reach))
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
    private func forget(_ row: Int, _ keys: KeyColumn, _ tiles: KeyedState) throws(JobFailure) {
        let words = words(row)
        for number in tile(TimeMath.before(words[0], reach))...tile(words[0]) {
            if let entry = try entry(number, row, keys, tiles) {
                try tiles.table(number).remove(entry)
            }
        }
        words[0] = .min
        for index in widths.indices {
            words[TiledRolling.tilesWord + index] = .min
            layout.reset(running[index][row])
        }
    }

    // MARK: rows out

    private func finish(
        _ work: ColumnBatch, _ results: [[Column]], _ places: [Int32]?, into output: any Output
    ) throws(JobFailure) {
        var columns = work.columns
        for (index, width) in widths.enumerated() {
            let batch = ColumnBatch(
                schema: width.plan.resultSchema,
                columns: keys.map { work.columns[$0] } + results[index], order: work.order,
                count: work.count)
            for item in width.plan.outputs {
                columns.append(item.expression.evaluate(batch, errors: &errors))
            }
        }
        let result = work.replacingColumns(columns, schema: outputSchema)
        result.keys = work.keys
        let kept = try settle(work, into: output)
        guard kept != nil || places != nil else { return output.emit(result) }
        var isKept = [Bool](repeating: kept == nil, count: work.count)
        for row in kept ?? [] { isKept[Int(row)] = true }
        let rows = (places ?? (0..<Int32(work.count)).map { $0 }).filter { isKept[Int($0)] }
        if !rows.isEmpty { output.emit(result.gathered(rows, count: rows.count)) }
    }

    // MARK: forgetting

    /// Forgets the keys and tiles that no row to come can see.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let places, let tiles, watermark != .endOfTime else { return .done }
        let time = watermark.micros
        let oldest = tile(TimeMath.before(TimeMath.before(time, reach), reach))
        if oldest > droppedTile {
            for number in tiles.namespaces where number < oldest { try tiles.drop(number) }
            droppedTile = oldest
        }
        if time < nextSweep { return .done }
        nextSweep = TimeMath.after(time, reach)
        let table = try places.table(0)
        let cursor = try table.cursor()
        while true {
            let count = try cursor.next(1024, into: buffer.entries)
            if count == 0 { return .done }
            let bytes = Column(.bytes, capacity: count)
            let hashes = Column(.int64, capacity: count)
            var over: [StateEntry] = []
            for slot in 0..<count where time >= TimeMath.after(words(slot)[0], reach) {
                over.append(buffer.entries[slot])
                bytes.append(buffer.entries[slot].key)
                hashes.append(buffer.entries[slot].hash)
            }
            if over.isEmpty { continue }
            let keys = KeyColumn(bytes: bytes, hashes: hashes)
            for window in windows { try remove(keys, from: window.table(0)) }
            let last = tile(time)
            for number in tiles.namespaces where number <= last {
                try remove(keys, from: tiles.table(number))
            }
            for entry in over { try table.remove(entry) }
        }
    }

    private func remove(_ keys: KeyColumn, from table: StateTable) throws(JobFailure) {
        try table.find(keys, rows: nil, count: keys.count, into: running[0])
        for slot in 0..<keys.count where running[0][slot].exists {
            try table.remove(running[0][slot])
        }
    }
}
