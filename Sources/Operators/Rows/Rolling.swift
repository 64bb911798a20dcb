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
    public var outputSchema: Schema { rows.schema }
    let widths: [RollingWidth]
    private let arguments: RollingArguments
    let includesSelf: Bool
    let delay: Int64
    /// How far back from a key's newest event time rows are kept.
    let reach: Int64
    let hasGroups: Bool
    let form: RollingRecord
    private let firstSumWord: Int
    let widthCount: Int
    /// Positions in use: one for each width, and one more for the delay.
    let positionCount: Int
    let shapes: UnsafeMutablePointer<WidthShape>
    /// Where the results of the sums of all widths are written.
    let results: UnsafeMutablePointer<UnsafeMutableRawPointer>
    let wordCount: Int
    var rows: RollingRows
    let buffer = EntryBuffer()
    private var running: KeyedState?
    var log: RollingLog?
    var moved: [MovedRows] = []
    var fates: [[RowFate]] = []
    var sums: [[Column]] = []
    private var sweep: RollingSweep

    // The running words of a key: frontier (newest event time), first and last bucket of its log, rows of
    // the batch at hand, the positions of the widths and of the delay, the sums.
    static let positionsWord = 4

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
        rows = RollingRows(schema, keys: keys, plans: widths.map(\.plan), onError: onError)
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
        widthCount = made.count
        positionCount = delay > 0 ? made.count + 1 : made.count
        firstSumWord = Rolling.positionsWord + 3 * (made.count + 1)
        shapes = .allocate(capacity: made.count)
        var sumCount = 0
        for (index, width) in made.enumerated() {
            let sums = UnsafeMutablePointer<SumShape>.allocate(capacity: max(width.sums.count, 1))
            for (place, sum) in width.sums.enumerated() {
                (sums + place).initialize(to: SumShape(sum, form))
            }
            (shapes + index).initialize(
                to: WidthShape(
                    micros: width.micros, firstWord: firstSumWord + sumCount * RollingSum.words,
                    firstSum: sumCount, sumCount: width.sums.count,
                    hasGroups: !width.groups.isEmpty, sums: sums))
            sumCount += width.sums.count
        }
        wordCount = firstSumWord + sumCount * RollingSum.words
        results = .allocate(capacity: max(sumCount, 1))
        sweep = RollingSweep(reach: reach)
        moved = made.map { _ in MovedRows(schema: arguments.schema) }
    }

    deinit {
        for width in 0..<widthCount { shapes[width].sums.deallocate() }
        shapes.deallocate()
        results.deallocate()
    }

    /// Opens the state: each key's log and running windows.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rows.open(context)
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
    func blank(_ word: Int) -> Int64 {
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
        var values = arguments.evaluate(work, errors: &rows.errors)
        if let sound = try rows.settle(work, into: output) {
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
            var row = 0
            while row < work.count {
                let record = log.turn(to: row, of: values)
                try place(row, values.order, record, log)
                try store(row, values.order, record, log)
                row &+= 1
            }
        }
        try finish(work, places, into: output)
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
        for (place, column) in sums.joined().enumerated() { results[place] = column.values }
    }

    /// The rows ordered so that each key comes once in every round; nil when there is one round only.
    /// `rounds` are the ends of the rounds.
    private func rowsByRound(_ count: Int, _ rounds: inout [Int]) -> [Int32]? {
        let made = KeyRounds(count) { self.words($0) + 3 }
        if made.ends.count <= 1 { return nil }
        rounds = made.ends
        return made.order
    }

    // MARK: rows out

    private func finish(
        _ work: ColumnBatch, _ places: [Int32]?, into output: any Output
    ) throws(JobFailure) {
        let results = widths.enumerated().map { (index, width) in
            var results = [Column?](repeating: nil, count: width.plan.calls.count)
            for (call, column) in zip(width.sumCalls, sums[index]) { results[call] = column }
            for group in width.groups {
                for (call, column) in zip(group.positions, group.columns) { results[call] = column }
            }
            return results.compactMap { $0 }
        }
        try rows.emit(work, results, places, into: output)
    }

    // MARK: forgetting

    /// Forgets the keys and log buckets that no row to come can see.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let running, let log, watermark != .endOfTime else { return .done }
        let time = watermark.micros
        guard sweep.isDue(at: time) else { return .done }
        try sweep.removeKeys(of: running.table(0), at: time, buffer) {
            (keys, entries) throws(JobFailure) in
            log.begin(keys)
            for (slot, entry) in entries.enumerated() {
                log.turn(to: slot)
                let first = entry.value.load(fromByteOffset: 8, as: Int64.self)
                _ = try log.removeAll(from: first, before: RollingLog.none)
            }
            for width in widths { for group in width.groups { try group.remove(keys) } }
        }
        // Keys that are left have rows newer than the reach, and none that is older than twice as much. Before the
        // sweep a bucket may still be in the chain of a key that is to be forgotten.
        try log.drop(before: TimeMath.before(TimeMath.before(time, reach), reach))
        return .done
    }
}
