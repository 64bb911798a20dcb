import StreamRuntime

/// `TiledRolling` of counts and exact sums only: a key's windows are words of one entry, and rows are taken one
/// after the other.
///
/// - Shape: as `TiledRolling`. A key's entry holds its newest event time, the first tile of each window, and
///   what each window holds; a tile's entry holds what its rows add to each call.
/// - Note: a row costs the entry of its key, that of its tile, and those of the tiles that leave its windows.
public final class TiledSums: StreamRuntime.Operator {
    /// What comes out.
    public var outputSchema: Schema { rows.schema }
    private let widths: [(micros: Int64, plan: AggregatePlan)]
    private let includesSelf: Bool
    private let grain: Int64
    private let reach: Int64
    private let tiles: RollingTiles
    private let arguments: RollingArguments
    private let sums: [RollingSum]
    private let shapes: UnsafeMutablePointer<TileSum>
    private let callCount: Int
    /// Words of all calls, in a tile and in each window.
    private let callWords: Int
    private let wordCount: Int
    private var rows: RollingRows
    private let buffer = EntryBuffer()
    private var tileEntries: UnsafeMutablePointer<StateEntry>
    private var tileCapacity = 4096
    private var places: KeyedState?
    /// The window of a late row, put together from its tiles.
    private let window: UnsafeMutablePointer<Int64>
    private var sweep: RollingSweep

    /// A row sees the rows before it in the order.
    public var needsOrderedInput: Bool { true }

    /// Whether all of `plan` is counts and exact sums.
    public static func fits(_ plan: AggregatePlan) -> Bool {
        plan.calls.allSatisfy { RollingSum($0, 0, nil) != nil }
    }

    /// Rolling counts and sums over rows of `schema`, keyed by the columns `keys`; every width has the same
    /// calls under its own names.
    ///
    /// - Precondition: the plans fit.
    public init(
        schema: Schema, keys: [Int], widths: [(over: Duration, plan: AggregatePlan)],
        grain: Duration, includesSelf: Bool = true, onError: FailurePolicy = .fail
    ) {
        precondition(!widths.isEmpty && grain > .zero, "a rolling step has windows of tiles")
        rows = RollingRows(schema, keys: keys, plans: widths.map(\.plan), onError: onError)
        self.widths = widths.map { ($0.over.micros, $0.plan) }
        self.includesSelf = includesSelf
        self.grain = grain.micros
        tiles = RollingTiles(grain: grain.micros, longest: self.widths.map(\.micros).max()!)
        reach = tiles.reach
        sweep = RollingSweep(reach: reach)
        let calls = widths[0].plan.calls
        precondition(
            widths.allSatisfy { $0.plan.calls.map(\.text) == calls.map(\.text) },
            "the widths differ in their names only")
        var arguments = RollingArguments()
        var sums: [RollingSum] = []
        for call in calls {
            let columns = call.arguments.map { arguments.add($0) }
            let filter = call.filter.map { arguments.add($0) }
            guard let sum = RollingSum(call, columns.first, filter) else {
                preconditionFailure("counts and sums only")
            }
            sums.append(sum)
        }
        self.arguments = arguments
        self.sums = sums
        callCount = sums.count
        shapes = .allocate(capacity: max(sums.count, 1))
        var words = 0
        for (index, sum) in sums.enumerated() {
            (shapes + index).initialize(to: TileSum(sum, at: words))
            words += sum.isCount ? 1 : RollingSum.words
        }
        callWords = words
        wordCount = 1 + widths.count + widths.count * words
        window = .allocate(capacity: max(words, 1))
        tileEntries = .allocate(capacity: tileCapacity)
    }

    deinit {
        shapes.deallocate()
        window.deallocate()
        tileEntries.deallocate()
    }

    /// Opens the state: each key's windows, and its tiles.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rows.open(context)
        let times = 1 + widths.count
        let initial = (0..<wordCount).flatMap { word in
            withUnsafeBytes(of: (word < times ? Int64.min : 0).littleEndian) { Array($0) }
        }
        places = try context.state.state(
            "windows", of: context.stepId,
            layout: StateLayout(fixedBytes: wordCount * 8, initial: initial))
        try tiles.open(context, StateLayout(fixedBytes: max(callWords, 1) * 8))
    }

    @inline(__always)
    private func words(_ entry: StateEntry) -> UnsafeMutablePointer<Int64> {
        entry.value.assumingMemoryBound(to: Int64.self)
    }

    /// Hands on the rows of `batch` with their results.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let places else { preconditionFailure("a step is opened first") }
        var work = batch
        var values = arguments.evaluate(work, errors: &rows.errors)
        if let sound = try rows.settle(work, into: output) {
            if sound.isEmpty { return }
            work = work.gathered(sound, count: sound.count)
            values = values.gathered(sound, count: sound.count)
        }
        let count = work.count
        reserve(count)
        try places.table(0).resolve(work.keys!, rows: nil, count: count, into: buffer.entries)
        try findTiles(of: work)
        let columns = widths.map { _ in
            sums.map { sum in
                let column = Column(sum.resultType, capacity: count)
                column.setCount(count)
                return column
            }
        }
        for index in 0..<callCount {
            let sum = sums[index]
            shapes[index].bind(
                sum.argument.map { values.columns[$0] }, sum.filter.map { values.columns[$0] })
        }
        try run(work, columns)
        withExtendedLifetime(values) {}
        try rows.emit(work, columns, nil, into: output)
    }

    private func reserve(_ count: Int) {
        buffer.reserve(count)
        guard count > tileCapacity else { return }
        tileCapacity = max(count, tileCapacity * 2)
        tileEntries.deallocate()
        tileEntries = .allocate(capacity: tileCapacity)
    }

    @inline(__always)
    private func tile(_ time: Int64) -> Int64 { TimeMath.bucket(time, grain) }

    /// Finds or makes the tile of every row that is not too old for one.
    private func findTiles(of batch: ColumnBatch) throws(JobFailure) {
        let times = UnsafePointer(batch.order.eventTimes.int64s)
        let marks = UnsafePointer(batch.order.watermarks.int64s)
        let rows = buffer.rows
        var row = 0
        while row < batch.count {
            // Rows that follow each other mostly lie in one tile.
            let number = tile(times[row])
            let start = row
            var count = 0
            while row < batch.count, tile(times[row]) == number {
                let newest = words(buffer.entries[row])[0]
                // What is too old for its key is not, once the key has been forgotten.
                if isKept(number, newest: newest)
                    || max(times[row], marks[row]) >= TimeMath.after(newest, reach)
                {
                    rows[count] = Int32(truncatingIfNeeded: row)
                    count += 1
                }
                row += 1
            }
            guard count > 0 else { continue }
            let entries = tileEntries + start
            try tiles.table(number).resolve(batch.keys!, rows: rows, count: count, into: entries)
            // To the places of their rows, from the last one on.
            var slot = count
            while slot > 0 {
                slot &-= 1
                let entry = entries[slot]
                entry.settle()
                tileEntries[Int(rows[slot])] = entry
            }
        }
    }

    /// Whether rows of tile `number` are still kept for a key whose newest event time is `newest`.
    @inline(__always)
    private func isKept(_ number: Int64, newest: Int64) -> Bool {
        newest == .min || number >= tiles.oldest(newest)
    }

    // MARK: rows

    private func run(_ batch: ColumnBatch, _ columns: [[Column]]) throws(JobFailure) {
        let times = UnsafePointer(batch.order.eventTimes.int64s)
        let marks = UnsafePointer(batch.order.watermarks.int64s)
        let entries = buffer.entries
        let keyColumn = batch.keys!
        let results = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(
            capacity: max(callCount * widths.count, 1))
        defer { results.deallocate() }
        for (place, column) in columns.joined().enumerated() { results[place] = column.values }
        let widthCount = widths.count
        let sumsWord = 1 + widthCount
        var row = 0
        while row < batch.count {
            let entry = entries[row]
            if entry.isNew { entry.settle() }
            let words = words(entry)
            let time = times[row]
            let number = tile(time)
            if words[0] != .min, max(time, marks[row]) >= TimeMath.after(words[0], reach) {
                try forget(row, words, keyColumn)
            }
            let isLate = words[0] != .min && time < words[0]
            var index = 0
            while index < widthCount {
                let running = words + (sumsWord &+ index &* callWords)
                var target = running
                if isLate {
                    try collect(row, index, time, words, keyColumn)
                    target = window
                } else {
                    let first = tile(TimeMath.before(time, widths[index].micros))
                    if first != words[1 &+ index] {
                        try advance(row, index, to: first, words, running, keyColumn)
                    }
                }
                if includesSelf { add(row, to: target) }
                write(row, index, target, results, columns)
                if isLate ? number >= words[1 &+ index] : !includesSelf { add(row, to: running) }
                index &+= 1
            }
            let known = words[0]
            words[0] = max(known, time)
            if isKept(number, newest: known), isKept(number, newest: words[0]) {
                add(row, to: self.words(tileEntries[row]))
            }
            row &+= 1
        }
    }

    @inline(__always)
    private func add(_ row: Int, to words: UnsafeMutablePointer<Int64>) {
        var call = 0
        while call < callCount {
            shapes[call].add(row, to: words)
            call &+= 1
        }
    }

    @inline(__always)
    private func write(
        _ row: Int, _ index: Int, _ words: UnsafeMutablePointer<Int64>,
        _ results: UnsafeMutablePointer<UnsafeMutableRawPointer>, _ columns: [[Column]]
    ) {
        var call = 0
        while call < callCount {
            if !shapes[call].finish(words, results[index &* callCount &+ call], row) {
                sums[call].finishSlowly(
                    words + shapes[call].at, columns[index][call], row, errors: &rows.errors)
            }
            call &+= 1
        }
    }

    /// Takes the tiles that window `index` of a row has left out of it.
    private func advance(
        _ row: Int, _ index: Int, to first: Int64, _ words: UnsafeMutablePointer<Int64>,
        _ running: UnsafeMutablePointer<Int64>, _ keys: KeyColumn
    ) throws(JobFailure) {
        let held = words[1 + index]
        words[1 + index] = first
        guard words[0] != .min, held < first else { return }
        if first > tile(words[0]) {
            running.update(repeating: 0, count: callWords)
            return
        }
        for left in held..<first {
            guard let entry = try tiles.entry(left, row, keys) else { continue }
            let gone = self.words(entry)
            for call in 0..<callCount { shapes[call].combine(gone, into: running, removes: true) }
        }
    }

    /// Puts the window of a late row together.
    private func collect(
        _ row: Int, _ index: Int, _ time: Int64, _ words: UnsafeMutablePointer<Int64>,
        _ keys: KeyColumn
    ) throws(JobFailure) {
        window.update(repeating: 0, count: callWords)
        let oldest = tiles.oldest(words[0])
        let last = tile(time)
        guard last >= oldest else { return }
        let first = max(tile(TimeMath.before(time, widths[index].micros)), oldest)
        for number in first...last {
            guard let entry = try tiles.entry(number, row, keys) else { continue }
            let held = self.words(entry)
            for call in 0..<callCount { shapes[call].combine(held, into: window, removes: false) }
        }
    }

    /// Forgets everything of a row's key; its tiles stay, with nothing in them, until their time is over.
    private func forget(
        _ row: Int, _ words: UnsafeMutablePointer<Int64>, _ keys: KeyColumn
    ) throws(JobFailure) {
        for number in tiles.oldest(words[0])...tile(words[0]) {
            guard let entry = try tiles.entry(number, row, keys) else { continue }
            try tiles.table(number).markChanged(entry)
            self.words(entry).update(repeating: 0, count: callWords)
        }
        for word in 0...widths.count { words[word] = .min }
        (words + 1 + widths.count).update(repeating: 0, count: widths.count * callWords)
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
            reserve(keys.count)
            try tiles.remove(keys, before: time, tileEntries)
        }
        return .done
    }
}
