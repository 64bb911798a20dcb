import StreamRuntime

/// Aggregates over the time before each row: a row out for each row in.
///
/// For a row with event time t a window of width w holds the rows of its key that come before it in the order
/// and have an event time in (t - w, t], and the row itself if `includesSelf`. With a delay d a row is seen
/// by others only d after its event time: the window is (t - d - w, t - d], and never holds the row itself.
/// Among rows of one event time the order decides. A late row gets its window as it was then, as far as rows
/// are still kept: those within the longest width (and the delay) of the key's newest event time.
///
/// - Shape: the input columns, then the outputs of each width's plan, in the order of the rows. Rows that an
///   expression fails on are settled by `onError`. The batches must have keys.
/// - Note: counts and sums of integers and decimals move with the windows at a few words per row; other
///   aggregates are added to and taken out of state entries, and made anew from the log where one cannot
///   be taken out (a minimum that leaves its window).
public final class Rolling: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let keys: [Int]
    private let widths: [RollingWidth]
    private let arguments: RollingArguments
    private let includesSelf: Bool
    private let delay: Int64
    /// How far back from a key's newest event time rows are kept.
    private let reach: Int64
    private let hasGroups: Bool
    private let form: RollingRecord
    private let firstSumWord: Int
    private let wordCount: Int
    private var rejection: Rejection
    private let buffer = EntryBuffer()
    private var running: KeyedState?
    private var log: RollingLog?
    private var moved: [MovedRows] = []
    private var fates: [[RowFate]] = []
    private var sums: [[Column]] = []
    private var errors = RejectedRows()
    private var nextSweep = Int64.min
    private var droppedBucket = Int64.min

    // The running words of a key: frontier (newest event time), first and last bucket of its log, rows of
    // the batch at hand, the positions of the widths and of the delay, the sums.
    private static let positionsWord = 4

    /// A row sees the rows before it in the order.
    public var needsOrderedInput: Bool { true }

    /// The input columns and then the outputs of `plans`.
    public static func outputSchema(_ schema: Schema, plans: [AggregatePlan]) -> Schema {
        Schema(
            schema.fields
                + plans.flatMap { $0.outputs.map { Field($0.name, $0.expression.type) } })
    }

    /// Rolling aggregates over rows of `schema`, keyed by the columns `keys`; each width has the plan of its
    /// outputs, whose results begin with the key columns.
    ///
    /// - Throws: for an aggregate that cannot be computed over its argument.
    public init(
        schema: Schema, keys: [Int], widths: [(over: Duration, plan: AggregatePlan)],
        includesSelf: Bool = true, delay: Duration = .zero, onError: FailurePolicy = .fail
    ) throws(JobFailure) {
        precondition(!widths.isEmpty, "a rolling step has windows")
        self.keys = keys
        outputSchema = Rolling.outputSchema(schema, plans: widths.map(\.plan))
        var arguments = RollingArguments()
        var made: [RollingWidth] = []
        for (over, plan) in widths {
            precondition(over > .zero, "a window has a width")
            made.append(try RollingWidth(over, plan, &arguments))
        }
        let delay = delay.micros
        self.widths = made
        self.arguments = arguments
        self.delay = delay
        self.includesSelf = includesSelf && delay == 0
        reach = TimeMath.after(made.map(\.micros).max()!, delay)
        hasGroups = made.contains { !$0.groups.isEmpty }
        form = RollingRecord(arguments.schema, keepsPlace: hasGroups)
        firstSumWord = Rolling.positionsWord + 3 * (made.count + 1)
        var words = firstSumWord
        for width in made {
            width.firstWord = words
            words += width.sums.count * RollingSum.words
        }
        wordCount = words
        rejection = Rejection(policy: onError)
        moved = made.map { _ in MovedRows(schema: arguments.schema) }
    }

    /// Opens the state: each key's log and running windows.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rejection.open(context)
        let initial = (0..<wordCount).flatMap { word in
            withUnsafeBytes(of: blank(word).littleEndian) { Array($0) }
        }
        running = try context.state.state(
            "running", of: context.stepId,
            layout: StateLayout(fixedBytes: wordCount * 8, initial: initial))
        let rows = try context.state.state(
            "log", of: context.stepId, layout: RollingLog.layout())
        log = RollingLog(form: form, state: rows, bucketWidth: max(reach / 16, 1))
        for width in widths { for group in width.groups { try group.open(context) } }
    }

    /// The value of a running word of a key without rows.
    private func blank(_ word: Int) -> Int64 {
        switch word {
        case 0: .min
        case 1, 2: RollingLog.none
        case 3: 0
        case firstSumWord...: 0
        default: (word - Rolling.positionsWord) % 3 == 1 ? 0 : .max
        }
    }

    /// Hands on the rows of `batch` with their results.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let running, let log else { preconditionFailure("a step is opened first") }
        var work = batch
        var values = arguments.evaluate(work, errors: &errors)
        if let sound = try settle(work, into: output) {
            if sound.isEmpty { return }
            work = work.gathered(sound, count: sound.count)
            values = values.gathered(sound, count: sound.count)
        }
        var keyColumn = work.keys!
        buffer.reserve(work.count)
        try running.table(0).resolve(keyColumn, rows: nil, count: work.count, into: buffer.entries)
        for row in 0..<work.count { buffer.entries[row].settle() }
        var rounds = [work.count]
        var places: [Int32]?
        if hasGroups, let order = rowsByRound(work.count, &rounds) {
            work = work.gathered(order, count: order.count)
            values = values.gathered(order, count: order.count)
            keyColumn = work.keys!
            try running.table(0).resolve(
                keyColumn, rows: nil, count: work.count, into: buffer.entries)
            var inverse = order
            for (place, row) in order.enumerated() { inverse[Int(row)] = Int32(place) }
            places = inverse
        }
        log.begin(keyColumn)
        begin(work.count)
        if hasGroups {
            for width in widths { for group in width.groups { try group.begin(values, keyColumn) } }
            var start = 0
            for end in rounds {
                try run(start..<end, values, log)
                start = end
            }
        } else {
            for row in 0..<work.count {
                let record = log.turn(to: row, of: values)
                try place(row, values.order, record, log)
                try store(row, values.order, record, log)
            }
        }
        try finish(work, places, into: output)
    }

    /// Settles what has failed so far; nil when nothing has.
    private func settle(
        _ batch: ColumnBatch, into output: any Output
    ) throws(JobFailure) -> [Int32]? {
        let failed = errors
        errors = RejectedRows()
        return try rejection.settle(failed, of: batch, into: output)
    }

    private func begin(_ count: Int) {
        if hasGroups {
            fates = widths.map { _ in [RowFate](repeating: [], count: count) }
        }
        sums = widths.map { width in
            width.sums.map {
                let column = Column($0.resultType, capacity: count)
                column.setCount(count)
                return column
            }
        }
    }

    /// The rows ordered so that each key comes once in every round; nil when there is one round only.
    /// `rounds` are the ends of the rounds.
    private func rowsByRound(_ count: Int, _ rounds: inout [Int]) -> [Int32]? {
        var turns = [Int](repeating: 0, count: count)
        var sizes: [Int] = []
        for row in 0..<count {
            let words = words(row)
            let turn = Int(words[3])
            words[3] &+= 1
            turns[row] = turn
            if turn == sizes.count { sizes.append(0) }
            sizes[turn] += 1
        }
        for row in 0..<count { words(row)[3] = 0 }
        if sizes.count <= 1 { return nil }
        var starts: [Int] = []
        var end = 0
        rounds = []
        for size in sizes {
            starts.append(end)
            end += size
            rounds.append(end)
        }
        var order = [Int32](repeating: 0, count: count)
        for row in 0..<count {
            order[starts[turns[row]]] = Int32(row)
            starts[turns[row]] += 1
        }
        return order
    }

    @inline(__always)
    private func words(_ row: Int) -> UnsafeMutablePointer<Int64> {
        buffer.entries[row].value.assumingMemoryBound(to: Int64.self)
    }

    /// Position i is that of width i; the last one is where the delay ends.
    @inline(__always)
    private func position(
        _ words: UnsafeMutablePointer<Int64>, _ index: Int
    ) -> RollingLog.Position {
        RollingLog.Position(words: words + Rolling.positionsWord + 3 * index)
    }

    /// Everything at or before this has left window `index` (or is past the delay) at time `frontier`.
    @inline(__always)
    private func threshold(_ frontier: Int64, _ index: Int) -> Int64 {
        let seen = TimeMath.before(frontier, delay)
        return index < widths.count ? TimeMath.before(seen, widths[index].micros) : seen
    }

    // MARK: one round: every key at most once

    private func run(
        _ range: Range<Int>, _ values: ColumnBatch, _ log: RollingLog
    ) throws(JobFailure) {
        for index in moved.indices { moved[index].removeAll() }
        for row in range {
            let record = log.turn(to: row, of: values)
            try place(row, values.order, record, log)
        }
        for (index, width) in widths.enumerated() {
            for group in width.groups {
                var failed = RejectedRows()
                try group.run(
                    values, range, moved[index], includesSelf: includesSelf, fates[index],
                    errors: &failed
                ) { (row, window) throws(JobFailure) in
                    try self.collect(row, index, values.order, into: window)
                }
                for reject in failed.rejects {
                    errors.append(
                        row: range.lowerBound + reject.row, column: reject.column,
                        reason: reject.reason)
                }
            }
        }
        for row in range {
            let record = log.turn(to: row, of: values)
            try store(row, values.order, record, log)
        }
    }

    /// The rows in window `index` of a row that is not late, without the row itself.
    private func collect(
        _ row: Int, _ index: Int, _ order: RowOrder, into window: ColumnBatch
    ) throws(JobFailure) {
        guard let log else { return }
        log.turn(to: row)
        let words = words(row)
        let time = order.eventTimes.int64s[row]
        try log.scan(
            from: words[1], after: threshold(time, index), upTo: TimeMath.before(time, delay)
        ) { _, entry, at in log.decode(entry, at, into: window) }
    }

    // MARK: one row

    /// Brings the windows of a row's key up to it and writes its sums.
    private func place(
        _ row: Int, _ order: RowOrder, _ record: UnsafePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        let words = words(row)
        let time = order.eventTimes.int64s[row]
        if words[1] != RollingLog.none, order.time(row) >= TimeMath.after(words[0], reach) {
            try reset(row, log)
        }
        if words[1] != RollingLog.none, time < words[0] {
            return try placeLate(row, time, words, record, log)
        }
        words[0] = time
        if delay > 0 { try enter(row, time, words, log) }
        for index in 0..<widths.count {
            let width = widths[index]
            let sums = words + width.firstWord
            let position = position(words, index)
            let limit = threshold(time, index)
            while position.time <= limit {
                let entry = try known(position, log)
                let leaving = log.records(entry).base + position.index * form.stride
                apply(width, leaving, to: sums, removes: true)
                if hasGroups, !width.groups.isEmpty {
                    moved[index].append(.leave(row), log, entry, position.index)
                }
                try log.step(position, in: entry)
            }
            if includesSelf { apply(width, record, to: sums, removes: false) }
            write(index, row, sums)
            if !includesSelf && delay == 0 {
                apply(width, record, to: sums, removes: false)
                if hasGroups { fates[index][row] = .joinsAfter }
            }
        }
        try release(words, log)
    }

    /// Lets the rows into the windows that are past the delay.
    private func enter(
        _ row: Int, _ time: Int64, _ words: UnsafeMutablePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        let position = position(words, widths.count)
        let limit = threshold(time, widths.count)
        while position.time <= limit {
            let entry = try known(position, log)
            let entering = log.records(entry).base + position.index * form.stride
            for (index, width) in widths.enumerated() {
                apply(width, entering, to: words + width.firstWord, removes: false)
                if !width.groups.isEmpty {
                    moved[index].append(.enter(row), log, entry, position.index)
                }
            }
            try log.step(position, in: entry)
        }
    }

    private func known(
        _ position: RollingLog.Position, _ log: RollingLog
    ) throws(JobFailure) -> StateEntry {
        guard let entry = try log.entry(position.bucket) else {
            preconditionFailure("a position is in a bucket that is there")
        }
        return entry
    }

    /// Removes the buckets that every window has left.
    private func release(
        _ words: UnsafeMutablePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        var oldest = RollingLog.none
        for index in 0..<(delay > 0 ? widths.count + 1 : widths.count) {
            oldest = min(oldest, position(words, index).bucket)
        }
        if oldest == RollingLog.none || words[1] >= oldest { return }
        words[1] = try log.removeAll(from: words[1], before: oldest)
    }

    /// The results of a row that is older than its key's newest one, from the log.
    private func placeLate(
        _ row: Int, _ time: Int64, _ words: UnsafeMutablePointer<Int64>,
        _ record: UnsafePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        let floor = TimeMath.before(words[0], reach)
        for (index, width) in widths.enumerated() {
            let count = max(width.sums.count * RollingSum.words, 1)
            let scratch = UnsafeMutablePointer<Int64>.allocate(capacity: count)
            defer { scratch.deallocate() }
            scratch.initialize(repeating: 0, count: count)
            try log.scan(
                from: words[1], after: max(threshold(time, index), floor),
                upTo: TimeMath.before(time, delay)
            ) { member, entry, at in
                apply(width, member, to: scratch, removes: false)
                if !width.groups.isEmpty { moved[index].append(.belong(row), log, entry, at) }
            }
            if includesSelf { apply(width, record, to: scratch, removes: false) }
            write(index, row, scratch)
            if hasGroups {
                fates[index][row] = joins(time, words[0], index) ? [.isLate, .joinsAfter] : .isLate
            }
        }
    }

    /// Whether a late row is in the running window `index` of its key.
    @inline(__always)
    private func joins(_ time: Int64, _ frontier: Int64, _ index: Int) -> Bool {
        time > threshold(frontier, index) && time <= TimeMath.before(frontier, delay)
    }

    /// Writes a row to its key's log.
    private func store(
        _ row: Int, _ order: RowOrder, _ record: UnsafePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        let words = words(row)
        let time = order.eventTimes.int64s[row]
        let frontier = words[0]
        if time <= TimeMath.before(frontier, reach) { return }
        let bucket = log.bucket(time)
        let index = try log.insert(bucket, first: &words[1], last: &words[2])
        let isLate = time < frontier
        for place in 0..<(delay > 0 ? widths.count + 1 : widths.count) {
            let position = position(words, place)
            if isLate, time <= threshold(frontier, place) {
                if position.bucket == bucket, index <= position.index { position.words[1] += 1 }
            } else if time < position.time {
                position.set(bucket, index, time)
            }
        }
        guard isLate else { return }
        for (index, width) in widths.enumerated() where joins(time, frontier, index) {
            apply(width, record, to: words + width.firstWord, removes: false)
        }
    }

    @inline(__always)
    private func apply(
        _ width: RollingWidth, _ record: UnsafePointer<Int64>,
        to words: UnsafeMutablePointer<Int64>, removes: Bool
    ) {
        var words = words
        for sum in width.sums {
            sum.apply(record, form, to: words, removes: removes)
            words += RollingSum.words
        }
    }

    private func write(_ index: Int, _ row: Int, _ words: UnsafePointer<Int64>) {
        var words = words
        let width = widths[index]
        for call in 0..<width.sums.count {
            width.sums[call].finish(words, sums[index][call], row, errors: &errors)
            words += RollingSum.words
        }
    }

    /// Forgets all rows of a row's key.
    private func reset(_ row: Int, _ log: RollingLog) throws(JobFailure) {
        let words = words(row)
        _ = try log.removeAll(from: words[1], before: RollingLog.none)
        for word in 0..<wordCount { words[word] = blank(word) }
        for width in widths { for group in width.groups { group.reset(row) } }
    }

    // MARK: rows out

    private func finish(
        _ work: ColumnBatch, _ places: [Int32]?, into output: any Output
    ) throws(JobFailure) {
        var columns = work.columns
        for (index, width) in widths.enumerated() {
            var results = [Column?](repeating: nil, count: width.plan.calls.count)
            for (call, column) in zip(width.sumCalls, sums[index]) { results[call] = column }
            for group in width.groups {
                for (call, column) in zip(group.positions, group.columns) { results[call] = column }
            }
            let batch = ColumnBatch(
                schema: width.plan.resultSchema,
                columns: keys.map { work.columns[$0] } + results.compactMap { $0 },
                order: work.order, count: work.count)
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

    /// Forgets the keys and log buckets that no row to come can see.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let running, let log, watermark != .endOfTime else { return .done }
        let time = watermark.micros
        let bucket = log.bucket(TimeMath.before(TimeMath.before(time, reach), reach))
        if bucket > droppedBucket {
            try log.drop(before: bucket)
            droppedBucket = bucket
        }
        if time < nextSweep { return .done }
        nextSweep = TimeMath.after(time, reach)
        let table = try running.table(0)
        let cursor = try table.cursor()
        while true {
            let found = try cursor.next(1024, into: buffer.entries)
            if found == 0 { return .done }
            let bytes = Column(.bytes, capacity: found)
            let hashes = Column(.int64, capacity: found)
            var over: [StateEntry] = []
            for slot in 0..<found {
                let words = words(slot)
                if time < TimeMath.after(words[0], reach) { continue }
                let entry = buffer.entries[slot]
                over.append(entry)
                bytes.append(entry.key)
                hashes.append(entry.hash)
            }
            if over.isEmpty { continue }
            let keys = KeyColumn(bytes: bytes, hashes: hashes)
            log.begin(keys)
            for (slot, entry) in over.enumerated() {
                log.turn(to: slot)
                let first = entry.value.load(fromByteOffset: 8, as: Int64.self)
                _ = try log.removeAll(from: first, before: RollingLog.none)
            }
            for width in widths { for group in width.groups { try group.remove(keys) } }
            for entry in over { try table.remove(entry) }
        }
    }
}
