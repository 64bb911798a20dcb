import StreamRuntime

/// Joins rows with a table elsewhere that is asked by key: each row gets what the table had when it was asked for it.
///
/// What a table elsewhere says is no function of the log, so its answers are written down before a row goes on with
/// them (`LookupSource`), and hold for all rows of their key and cell of event time. Rows keep their places in the order.
///
/// - Shape: input with keys. Each row comes out once at most, where it did before. An inner join gives rows that have an
///   answer which holds the condition, with the answer as a struct; a left join also the others, with null. A semi
///   join gives the former as they are, an anti join the others. A null in the key is no question.
public final class LookupJoin: StreamRuntime.Operator, AskingOperator {
    /// Rows that wait for one answer.
    private struct Group {
        var key: [UInt8] = []
        var hash: Int64 = 0
        var parts: [LookupKey] = []
        var cell: Int64 = 0
        /// The event time it is asked for.
        var asked: Int64 = 0
        /// The moments the rows are asked for, and when they are processed.
        var waiting: [(event: Int64, time: Int64)] = []
    }

    private struct GroupKey: Hashable {
        let key: [UInt8]
        let cell: Int64
    }

    /// What comes out.
    public let outputSchema: Schema
    private let form: LookupForm
    private let source: any LookupSource
    private let decoder: any RecordDecoder
    private var rejection: Rejection
    private var cache: LookupCache
    private var inbox = LookupInbox {}
    private var isOpen = false
    private var groups: [Group] = []
    /// The first time of the rows of each group; `Int64.max` for a group that is free.
    private var firstTimes: [Int64] = []
    private var free: [Int] = []
    private var byKey: [GroupKey: Int] = [:]
    private var released = Int64.min
    private var reached = EventTime.earliest
    private var earliest = Int64.max

    /// Groups that wait at most before no further rows are taken.
    private static let groupsMax = 8192

    /// Rows wait for answers in the sorter, and leave it in order.
    public var needsOrderedInput: Bool { true }

    /// A join of `form` that asks `source`, whose answers `decoder` reads.
    public init(form: LookupForm, source: any LookupSource, decoder: any RecordDecoder) {
        self.form = form
        self.source = source
        self.decoder = decoder
        outputSchema = form.outputSchema
        rejection = Rejection(policy: form.onError)
        cache = LookupCache(form.fields, rows: form.cacheRows, terms: source.terms)
    }

    /// Opens what is asked.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rejection.open(context)
        cache = LookupCache(
            form.fields, rows: form.cacheRows / max(context.workers, 1), terms: source.terms)
        inbox = LookupInbox(wake: context.wake)
        try source.open()
        isOpen = true
    }

    /// Lets go of what is asked.
    public func close() {
        if isOpen { source.close() }
        isOpen = false
    }

    // MARK: asking

    /// When the first row is processed that has no answer.
    public var answered: EventTime { EventTime(micros: earliest) }

    /// Whether many questions are open.
    public var isFull: Bool { byKey.count >= LookupJoin.groupsMax }

    /// Asks for the rows whose answers are not at hand.
    public func prepare(_ batch: ColumnBatch) throws(JobFailure) {
        guard let keys = batch.keys else { preconditionFailure("rows to join have keys") }
        cache.turn(released: released)
        let nulls = form.keys.compactMap { batch.columns[$0].validity }
        let hashes = keys.hashes.int64s
        let events = batch.order.eventTimes.int64s
        let watermarks = batch.order.watermarks.int64s
        let terms = cache.terms
        var questions: [LookupQuestion] = []
        var hits = 0
        var row = 0
        let count = batch.count
        while row < count {
            if LookupJoin.isNull(nulls, row) {
                row &+= 1
                continue
            }
            let key = keys.bytes.bytes(row)
            let moment = terms.moment(event: events[row], watermark: watermarks[row])
            let entry = cache.resolve(key, hash: hashes[row], time: moment)
            if entry >= 0 {
                cache.need(entry, at: batch.order.time(row))
                hits &+= 1
            } else {
                wait(batch, row, key, hashes[row], moment, &questions)
            }
            row &+= 1
        }
        source.noteHits(hits)
        if questions.isEmpty { return }
        source.ask(questions, for: inbox)
        _ = try takeAnswers()
    }

    private static func isNull(_ nulls: [UnsafeMutablePointer<UInt8>], _ row: Int) -> Bool {
        for validity in nulls where validity[row] == 0 { return true }
        return false
    }

    private func wait(
        _ batch: ColumnBatch, _ row: Int, _ key: UnsafeBufferPointer<UInt8>, _ hash: Int64,
        _ event: Int64, _ questions: inout [LookupQuestion]
    ) {
        let time = batch.order.time(row)
        let bytes = Array(key)
        let cell = cache.terms.cell(.found, hash: hash, time: event)
        let name = GroupKey(key: bytes, cell: cell)
        if time < earliest { earliest = time }
        if let index = byKey[name] {
            groups[index].waiting.append((event, time))
            firstTimes[index] = min(firstTimes[index], time)
            return
        }
        let index = free.popLast() ?? groups.count
        if index == groups.count {
            groups.append(Group())
            firstTimes.append(.max)
        }
        groups[index] = Group(
            key: bytes, hash: hash,
            parts: form.keys.map { LookupJoin.part(batch.columns[$0], row) }, cell: cell,
            asked: event, waiting: [(event, time)])
        firstTimes[index] = time
        byKey[name] = index
        questions.append(question(index))
    }

    private static func part(_ column: Column, _ row: Int) -> LookupKey {
        switch column.type {
        case .int64: .integer(column.int64s[row])
        default: .text(column.string(row))
        }
    }

    private func question(_ index: Int) -> LookupQuestion {
        let group = groups[index]
        return LookupQuestion(
            number: index, key: group.key, hash: group.hash, parts: group.parts, time: group.asked)
    }

    // MARK: answers

    /// Takes what has arrived; rows of other moments than a failure, or than a miss holds, are asked for again.
    public func takeAnswers() throws(JobFailure) -> Bool {
        var isChanged = false
        while true {
            let answers = try inbox.take()
            if answers.isEmpty { break }
            isChanged = true
            let (columns, rows, refused) = decoded(answers)
            var questions: [LookupQuestion] = []
            for (place, answer) in answers.enumerated() {
                let again: Bool
                switch answer.outcome {
                case .found:
                    if let row = rows[place] {
                        again = settle(answer.number) { cache, group, needed in
                            group.key.withUnsafeBufferPointer {
                                cache.addFound(
                                    $0, hash: group.hash, time: group.asked, columns: columns,
                                    row: row, needed: needed, exceptions: answer.exceptions)
                            }
                        } isFor: { _, _ in
                            true
                        }
                    } else {
                        again = fail(answer.number, refused[place] ?? "the answer cannot be read")
                    }
                case .missing:
                    let kind = cache.missingKind
                    let terms = cache.terms
                    again = settle(answer.number) { cache, group, needed in
                        group.key.withUnsafeBufferPointer {
                            _ = cache.addMissing(
                                $0, hash: group.hash, time: group.asked, needed: needed,
                                exceptions: answer.exceptions)
                        }
                    } isFor: { group, event in
                        terms.cell(kind, hash: group.hash, time: event)
                            == terms.cell(kind, hash: group.hash, time: group.asked)
                    }
                case .failed(let reason): again = fail(answer.number, reason)
                }
                if again { questions.append(question(answer.number)) }
            }
            if !questions.isEmpty { source.ask(questions, for: inbox) }
        }
        if isChanged { earliest = firstTimes.min() ?? .max }
        return isChanged
    }

    private func fail(_ index: Int, _ reason: String) -> Bool {
        settle(index) { cache, group, needed in
            group.key.withUnsafeBufferPointer {
                _ = cache.addFailed(
                    $0, hash: group.hash, time: group.asked, reason: reason, needed: needed)
            }
        } isFor: { group, event in
            event == group.asked
        }
    }

    /// Notes an answer for the rows it is for.
    ///
    /// - Returns: whether rows are left that have to be asked for.
    private func settle(
        _ index: Int, _ add: (inout LookupCache, Group, Int64) -> Void,
        isFor: (Group, Int64) -> Bool
    ) -> Bool {
        let group = groups[index]
        var rest: [(event: Int64, time: Int64)] = []
        var needed = Int64.min
        for row in group.waiting {
            if isFor(group, row.event) {
                needed = max(needed, row.time)
            } else {
                rest.append(row)
            }
        }
        add(&cache, group, needed)
        if rest.isEmpty {
            byKey[GroupKey(key: group.key, cell: group.cell)] = nil
            groups[index] = Group()
            firstTimes[index] = .max
            free.append(index)
            return false
        }
        groups[index].waiting = rest
        groups[index].asked = rest[0].event
        firstTimes[index] = rest.map(\.time).min() ?? .max
        return true
    }

    /// The values of the answers that have some: for each its row in the columns, or why it cannot be read.
    private func decoded(
        _ answers: [LookupAnswer]
    ) -> (columns: [Column], rows: [Int: Int], refused: [Int: String]) {
        let records = RecordBatch(partition: 0, capacity: answers.count)
        var places: [Int] = []
        for (place, answer) in answers.enumerated() {
            guard case .found(let bytes) = answer.outcome else { continue }
            records.keys.appendNull()
            bytes.withUnsafeBufferPointer { records.values.append($0) }
            records.timestamps.append(Int64(0))
            records.offsets.append(Int64(places.count))
            places.append(place)
        }
        if places.isEmpty { return ([], [:], [:]) }
        if form.fields.isEmpty {
            let rows = Dictionary(uniqueKeysWithValues: places.map { ($0, 0) })
            return ([], rows, [:])
        }
        let found = DecodedRows(schema: Schema(form.fields), capacity: places.count)
        var rejects = RejectedRows()
        decoder.decode(records, into: found, rejects: &rejects)
        var rows: [Int: Int] = [:]
        for row in 0..<found.count { rows[places[Int(found.records.int64s[row])]] = row }
        var refused: [Int: String] = [:]
        for reject in rejects.rejects {
            refused[places[reject.row]] =
                reject.column.isEmpty ? reject.reason : "\(reject.column): \(reject.reason)"
        }
        return (found.columns, rows, refused)
    }

    // MARK: rows

    /// Puts the rows and their answers together.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let keys = batch.keys else { preconditionFailure("rows to join have keys") }
        let nulls = form.keys.compactMap { batch.columns[$0].validity }
        let hashes = keys.hashes.int64s
        let events = batch.order.eventTimes.int64s
        let watermarks = batch.order.watermarks.int64s
        let terms = cache.terms
        let count = batch.count
        var picks = [Int32](repeating: 0, count: count)
        var failed = RejectedRows()
        var row = 0
        while row < count {
            if !LookupJoin.isNull(nulls, row) {
                let moment = terms.moment(event: events[row], watermark: watermarks[row])
                let index = cache.resolve(keys.bytes.bytes(row), hash: hashes[row], time: moment)
                precondition(index >= 0, "a row comes when its answer is there")
                let entry = cache.young.entries[index]
                if entry.kind != .failed {
                    picks[row] = entry.row
                } else if !form.takesFailureAsMissing {
                    failed.append(
                        row: row, column: form.alias,
                        reason: cache.young.reasons[Int(entry.row)])
                }
            }
            row &+= 1
        }
        if form.condition != nil { test(&picks, batch, &failed) }
        let sound = try rejection.settle(failed, of: batch, into: output)
        emit(batch, picks, sound, into: output)
    }

    /// Takes the answers away that do not hold the condition.
    private func test(_ picks: inout [Int32], _ batch: ColumnBatch, _ failed: inout RejectedRows) {
        guard let condition = form.condition else { return }
        let asked = (0..<batch.count).filter { picks[$0] > 0 }.map { Int32($0) }
        if asked.isEmpty { return }
        let pairs = asked.withUnsafeBufferPointer { rows in
            ColumnBatch(
                schema: form.pairSchema,
                columns: batch.columns.map { $0.gathered(rows.baseAddress!, count: rows.count) }
                    + [values(asked.map { picks[Int($0)] }, hasNulls: false)],
                order: batch.order.gathered(rows.baseAddress!, count: rows.count),
                count: rows.count)
        }
        var errors = RejectedRows()
        let truths = condition.evaluate(pairs, errors: &errors)
        for reject in errors.rejects {
            failed.append(
                row: Int(asked[reject.row]), column: reject.column, reason: reject.reason)
        }
        for (slot, row) in asked.enumerated()
        where !truths.isValid(slot) || truths.bools[slot] == 0 {
            picks[Int(row)] = 0
        }
    }

    /// Hands out what the type of the join asks for; of the rows in `sound` alone, where some are not.
    private func emit(
        _ batch: ColumnBatch, _ picks: [Int32], _ sound: [Int32]?, into output: any Output
    ) {
        let count = batch.count
        let showsBoth = form.type == .left
        let wantsAnswer = form.type != .anti
        var kept: [Int32] = []
        kept.reserveCapacity(count)
        for row in sound ?? (0..<count).map({ Int32(truncatingIfNeeded: $0) })
        where showsBoth || (picks[Int(row)] > 0) == wantsAnswer {
            kept.append(row)
        }
        if kept.isEmpty { return }
        let isWhole = kept.count == count
        var columns = batch.columns
        var order = batch.order
        if !isWhole {
            kept.withUnsafeBufferPointer { rows in
                columns = columns.map { $0.gathered(rows.baseAddress!, count: rows.count) }
                order = order.gathered(rows.baseAddress!, count: rows.count)
            }
        }
        if form.type.showsRight {
            let found = isWhole ? picks : kept.map { picks[Int($0)] }
            columns.append(values(found, hasNulls: found.contains(0)))
        }
        output.emit(
            ColumnBatch(schema: outputSchema, columns: columns, order: order, count: kept.count))
    }

    /// A struct column of the answers at `picks`; what is in the cache may grow, so texts are copied.
    private func values(_ picks: [Int32], hasNulls: Bool) -> Column {
        let column = Column(.structure(form.fields), capacity: picks.count)
        column.children = cache.young.columns.map { values in
            switch values.type {
            case .string, .bytes, .list, .structure:
                let copy = Column(values.type, capacity: picks.count)
                for pick in picks { copy.append(from: values, row: Int(pick)) }
                return copy
            default:
                return picks.withUnsafeBufferPointer {
                    values.gathered($0.baseAddress!, count: picks.count)
                }
            }
        }
        column.setCount(picks.count)
        if hasNulls {
            let validity = column.ensureValidity()
            for (slot, pick) in picks.enumerated() { validity[slot] = pick > 0 ? 1 : 0 }
        }
        return column
    }

    /// Notes how far rows have gone on: answers only earlier ones needed may be forgotten.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        released = watermark.micros
        // The end of the input is no event time: more may come when the job goes on.
        if watermark < .endOfTime { reached = watermark }
        return .done
    }

    /// Tells how far rows have gone on at a barrier.
    public func pass(checkpoint: Int64) { source.pass(checkpoint: checkpoint, reached: reached) }
}
