import StreamRuntime

/// A state machine for each key: rows and timers change its state, set timers and give rows out.
///
/// The rows of a key are taken in their total order. A timer that is due at or before a row's time fires
/// before the row. A timer that is set to a time already reached fires before the next later row. Of
/// a row's or a timer's entries the first whose condition holds is taken; a row that none takes is passed
/// over and counted. With a time to live a key is forgotten, with its timers, so long after the last row
/// that an entry took.
///
/// - Shape: rows caused by a row take its place in the order. Rows caused by a timer that is due at t have
///   event time t - 1 and the place of rows made by the step. Rows that an expression fails on change
///   nothing and are settled by `onError`. The batches must have keys.
/// - Note: the rows of one key depend on each other, those of different keys do not: expressions are
///   evaluated for the next row or timer of every key of a batch at once.
public final class KeyedProcess: StreamRuntime.Operator {
    /// What comes out.
    public var outputSchema: Schema { program.outputSchema }
    let program: ProcessProgram
    let records: ProcessRecords
    var rejection: Rejection
    var policy: FailurePolicy
    var context: OperatorContext?
    private var state: KeyedState?
    private var wakes: ProcessWakes?
    private let keys = ProcessKeys()
    private let buffer = EntryBuffer()
    let results: ProcessOutput
    /// What the entries of rows need not look at: a byte for each row of the batch at hand.
    var mayHold: [UnsafeMutablePointer<UInt8>?] = []
    var rejected = RejectedRows()

    /// The order decides what a row finds.
    public var needsOrderedInput: Bool { true }

    /// The state machine `program`.
    public init(program: ProcessProgram, onError: FailurePolicy = .fail) {
        self.program = program
        records = ProcessRecords(
            fields: program.state, timers: program.timers, initial: program.initial)
        rejection = Rejection(policy: onError)
        policy = onError
        results = ProcessOutput(schema: program.outputSchema)
    }

    /// Opens the state: a record for each key, and when each is to be woken.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        self.context = context
        rejection.open(context)
        state = try context.state.state(
            "keys", of: context.stepId, layout: ProcessRecords.layout)
        wakes = try ProcessWakes(context)
    }

    // MARK: rows

    /// Takes the rows of `batch`.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let state, let wakes, let keyColumn = batch.keys else {
            preconditionFailure("opened, with keys")
        }
        let table = try state.table(0)
        buffer.reserve(batch.count)
        let rows = buffer.rows
        let wanted = filter(batch, into: rows)
        defer { releaseFilters() }
        if wanted < batch.count { context?.counters.add(.passedOver, batch.count - wanted) }
        guard wanted > 0 else { return }
        let entries = buffer.entries
        try table.resolve(keyColumn, rows: rows, count: wanted, into: entries)
        keys.begin(batch.count)
        for slot in 0..<wanted where keys.add(entries[slot], keyRow: rows[slot], row: rows[slot]) {
            entries[slot].settle()
            try records.adapt(entries[slot])
        }
        let round = ProcessRound(batch.count)
        while keys.activeCount > 0 {
            round.begin(timers: program.timers.count)
            var left = 0
            for slot in 0..<keys.activeCount {
                let index = Int(keys.active[slot])
                let row = keys.keys[index].first
                guard row >= 0 else { continue }
                let entry = keys.keys[index].entry
                if let timer = timerDue(entry, through: batch.order.time(Int(row))) {
                    round.add(entry, timer: timer)
                } else {
                    round.add(entry, row: row)
                    keys.passRow(index)
                }
                keys.active[left] = Int32(truncatingIfNeeded: index)
                left += 1
            }
            keys.activeCount = left
            if round.rowCount > 0 { run(round, of: batch) }
            try runTimers(round, into: output)
        }
        for index in 0..<keys.count {
            let key = keys.keys[index]
            let row = Int(key.keyRow)
            try finish(key.entry, keyColumn, row, batch.order.time(row), table, wakes)
        }
        results.emit(into: output)
        let failed = rejected
        rejected = RejectedRows()
        _ = try rejection.settle(failed, of: batch, into: output)
    }

    /// The timer of a key that fires at or before `time`, before the key is forgotten; forgets a key whose
    /// time is over by then.
    private func timerDue(_ entry: StateEntry, through time: Int64) -> Int? {
        guard let record = records.record(entry) else { return nil }
        let (timer, at) = records.earliest(record)
        let end = expiry(entry)
        if at <= time, at <= end { return timer }
        if end <= time { records.clear(entry) }
        return nil
    }

    private func expiry(_ entry: StateEntry) -> Int64 {
        guard let timeToLive = program.timeToLive else { return ProcessRecords.noTime }
        return TimeMath.after(ProcessRecords.touched(entry), timeToLive)
    }

    /// Puts a key away: forgets it when it has no state, or sees to it that it is woken in time.
    private func finish(
        _ entry: StateEntry, _ keyColumn: KeyColumn, _ row: Int, _ now: Int64,
        _ table: StateTable, _ wakes: ProcessWakes, isLast: Bool = false
    ) throws(JobFailure) {
        ProcessRecords.setMark(entry, 0)
        guard let record = records.record(entry) else { return try table.remove(entry) }
        let wake = min(records.earliest(record).at, expiry(entry))
        guard wake < ProcessRecords.wake(entry) else { return }
        ProcessRecords.setWake(entry, wake)
        try wakes.set(keyColumn, row, at: wake, now: now, isLast: isLast)
    }

    // MARK: timers

    /// Fires the timers that are due and forgets the keys whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let state, let wakes else { preconditionFailure("a step is opened first") }
        if program.timers.isEmpty, program.timeToLive == nil { return .done }
        let time = watermark.micros
        let isLast = watermark == .endOfTime
        // What has no timers has nothing to do at the end: no key is forgotten there.
        if isLast, program.timers.isEmpty { return .done }
        try wakes.load(through: time)
        let table = try state.table(0)
        while results.rows < 4096 {
            let (keyColumn, times) = wakes.pop(through: time, limit: 1024)
            if times.isEmpty {
                results.emit(into: output)
                if !isLast { try wakes.drop(before: time) }
                return .done
            }
            try wake(keyColumn, times, through: time, table, wakes, isLast, into: output)
        }
        results.emit(into: output)
        return .more
    }

    private func wake(
        _ keyColumn: KeyColumn, _ times: [Int64], through time: Int64, _ table: StateTable,
        _ wakes: ProcessWakes, _ isLast: Bool, into output: any Output
    ) throws(JobFailure) {
        buffer.reserve(times.count)
        let entries = buffer.entries
        try table.find(keyColumn, rows: nil, count: times.count, into: entries)
        keys.begin(times.count)
        for slot in 0..<times.count where entries[slot].exists {
            let entry = entries[slot]
            let wake = ProcessRecords.wake(entry)
            // Two times of a key may have been made one on the way here: the later one is kept in mind.
            if wake > times[slot], wake != ProcessRecords.noTime {
                try wakes.set(keyColumn, slot, at: wake, now: times[slot])
            }
            guard wake == times[slot] else { continue }
            table.markChanged(entry)
            try records.adapt(entry)
            _ = keys.add(entry, keyRow: Int32(slot), row: -1)
        }
        let round = ProcessRound(times.count)
        while keys.activeCount > 0, results.rows < 65_536 {
            round.begin(timers: program.timers.count)
            var left = 0
            for slot in 0..<keys.activeCount {
                let index = Int(keys.active[slot])
                let entry = keys.keys[index].entry
                guard let timer = isLast ? lastTimer(entry) : timerDue(entry, through: time) else {
                    continue
                }
                round.add(entry, timer: timer)
                keys.active[left] = Int32(truncatingIfNeeded: index)
                left += 1
            }
            keys.activeCount = left
            try runTimers(round, into: output)
        }
        for index in 0..<keys.count {
            let key = keys.keys[index]
            ProcessRecords.setWake(key.entry, ProcessRecords.noTime)
            // What is left at the end of the input stays where a later run finds it.
            let isOver = isLast && lastTimer(key.entry) == nil
            try finish(
                key.entry, keyColumn, Int(key.keyRow), isLast ? times[Int(key.keyRow)] : time,
                table, wakes, isLast: isOver)
        }
    }

    /// The next timer to fire when the input has ended, which no key is forgotten for.
    private func lastTimer(_ entry: StateEntry) -> Int? {
        guard let record = records.record(entry) else { return nil }
        let (timer, at) = records.earliest(record)
        return at != ProcessRecords.noTime && at <= expiry(entry) ? timer : nil
    }
}
