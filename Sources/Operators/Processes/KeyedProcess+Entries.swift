import StreamRuntime

extension KeyedProcess {
    /// What a taken entry needs to know of its cause.
    struct Cause {
        /// The time of each event: a row's place, or when the timer fired.
        let times: (Int32) -> Int64
        /// A timer set here fires this much later at the earliest.
        let delay: Int64
        /// Whether it is a row, which keeps a key alive.
        let isRow: Bool
        /// The place of what an event gives out; the number tells the rows out of one event apart.
        let place: ([Int32], _ number: Int) -> RowOrder
        let raw: ([Int32]) -> Column?
        /// Takes what failed, whose rows are events.
        let reject: (RejectedRows) -> Void
    }

    // MARK: conditions that need the row only

    /// Writes the rows that some entry may take into `rows`, ascending, and returns how many they are.
    func filter(_ batch: ColumnBatch, into rows: UnsafeMutablePointer<Int32>) -> Int {
        releaseFilters()
        let any = UnsafeMutablePointer<UInt8>.allocate(capacity: batch.count)
        defer { any.deallocate() }
        any.initialize(repeating: 0, count: batch.count)
        for entry in program.rowEntries {
            var held: UnsafeMutablePointer<UInt8>?
            for filter in entry.filters {
                var errors = RejectedRows()
                let truths = filter.evaluate(batch, errors: &errors)
                let bytes = held ?? .allocate(capacity: batch.count)
                if held == nil { bytes.initialize(repeating: 1, count: batch.count) }
                held = bytes
                let values = truths.bools
                var row = 0
                while row < batch.count {
                    bytes[row] &= values[row]
                    row &+= 1
                }
                if let validity = truths.validity { Validity.and(bytes, validity, batch.count) }
                // Whether these hold is for the whole condition to say.
                for reject in errors.rejects { bytes[reject.row] = 1 }
            }
            mayHold.append(held)
            if let held {
                var row = 0
                while row < batch.count {
                    any[row] |= held[row]
                    row &+= 1
                }
            } else {
                any.update(repeating: 1, count: batch.count)
            }
        }
        var kept = 0
        for row in 0..<batch.count {
            rows[kept] = Int32(truncatingIfNeeded: row)
            kept += Int(any[row])
        }
        return kept
    }

    func releaseFilters() {
        for bytes in mayHold { bytes?.deallocate() }
        mayHold.removeAll(keepingCapacity: true)
    }

    // MARK: rounds

    /// Tries the entries for rows on the rows of `round`.
    func run(_ round: ProcessRound, of batch: ColumnBatch) {
        let rows = round.rows
        let count = round.rowCount
        func places(_ picked: [Int32]) -> [Int32] { picked.map { rows[Int($0)] } }
        let events = ProcessEvents(
            schema: program.rowSchema, inputs: program.input.count, count: count,
            entries: round.rowEntries,
            column: { column, picked in
                batch.columns[column].gathered(places(picked), count: picked.count)
            },
            order: { picked in batch.order.gathered(places(picked), count: picked.count) })
        let numbers = program.numbersRows
        let cause = Cause(
            times: { batch.order.time(Int(rows[Int($0)])) }, delay: 1, isRow: true,
            place: { picked, number in
                var order = batch.order.gathered(places(picked), count: picked.count)
                if numbers {
                    let elements = Column(.int64, capacity: picked.count)
                    for row in 0..<picked.count {
                        let outer = order.elements?.int64s[row] ?? 0
                        elements.append(outer << 20 | Int64(number))
                    }
                    order.elements = elements
                }
                return order
            },
            raw: { picked in batch.raw?.gathered(places(picked), count: picked.count) },
            reject: { failed in
                for reject in failed.rejects {
                    self.rejected.append(
                        row: Int(rows[reject.row]), column: reject.column, reason: reject.reason)
                }
            })
        let passed = run(
            program.rowEntries, events, cause,
            mayTake: { entry, event in
                self.mayHold[entry].map { $0[Int(rows[Int(event)])] != 0 } ?? true
            })
        if passed > 0 { context?.counters.add(.passedOver, passed) }
    }

    /// Fires the timers of `round`.
    func runTimers(_ round: ProcessRound, into output: any Output) throws(JobFailure) {
        for timer in round.timers.indices where !round.timers[timer].isEmpty {
            let entries = round.timers[timer]
            var failed = RejectedRows()
            let order = entries.withUnsafeBufferPointer { keys in
                fire(timer, keys, &failed)
            }
            guard !failed.rejects.isEmpty, let context else { continue }
            let letters = ColumnBatch(
                schema: Schema([]), columns: [], order: order, count: order.count)
            try DeadLetters.settle(
                failed, of: letters, policy: policy, context: context, into: output)
        }
    }

    /// Tries the entries of a timer, which is due for `keys`; returns the places of what it gives out.
    private func fire(
        _ timer: Int, _ keys: UnsafeBufferPointer<StateEntry>, _ failed: inout RejectedRows
    ) -> RowOrder {
        let count = keys.count
        let entries = keys.baseAddress!
        let ordinal = RowOrder.derived + (context?.ordinal ?? 0)
        let now = RowOrder(capacity: count)
        let out = RowOrder(capacity: count)
        var fired: [Int64] = []
        for slot in 0..<count {
            let entry = entries[slot]
            guard let record = records.record(entry) else {
                preconditionFailure("a key whose timer fires has state")
            }
            let due = records.due(record, timer)
            let at = records.earliest(record).at
            fired.append(at)
            now.append(eventTime: due, watermark: .min, origin: ordinal, offset: entry.hash)
            // Just before what happens at that time, as window results are.
            out.append(
                eventTime: TimeMath.before(due, 1),
                watermark: at == due ? .min : TimeMath.before(at, 1), origin: ordinal,
                offset: entry.hash)
            records.cancel(entry, timer)
        }
        let types = program.keys.map { program.input.fields[$0].type }
        var decoded: [Column]?
        let events = ProcessEvents(
            schema: program.timerSchema, inputs: types.count, count: count, entries: entries,
            column: { column, picked in
                let columns = decoded ?? KeyDecoder(types).decode(entries, count: count)
                decoded = columns
                return columns[column].gathered(picked, count: picked.count)
            },
            order: { picked in now.gathered(picked, count: picked.count) })
        let numbers = program.numbersRows
        var rejects = RejectedRows()
        let cause = Cause(
            times: { fired[Int($0)] }, delay: 1000, isRow: false,
            place: { picked, number in
                var order = out.gathered(picked, count: picked.count)
                if numbers {
                    let elements = Column(.int64, capacity: picked.count)
                    for _ in picked { elements.append(Int64(timer << 10 | number)) }
                    order.elements = elements
                }
                return order
            },
            raw: { _ in nil },
            reject: { failed in
                for reject in failed.rejects {
                    rejects.append(
                        row: reject.row, column: reject.column, reason: reject.reason)
                }
            })
        _ = run(program.timerEntries[timer], events, cause, mayTake: { _, _ in true })
        failed = rejects
        return out
    }

    // MARK: entries

    /// Tries `entries` in turn and takes for each event the first whose condition holds.
    ///
    /// - Returns: how many events none was taken for.
    private func run(
        _ entries: [ProcessProgram.Entry], _ events: ProcessEvents, _ cause: Cause,
        mayTake: (Int, Int32) -> Bool
    ) -> Int {
        var open = (0..<Int32(events.count)).map { $0 }
        for (index, entry) in entries.enumerated() {
            if open.isEmpty { break }
            var tried: [Int32] = []
            var rest: [Int32] = []
            for event in open {
                if mayTake(index, event) { tried.append(event) } else { rest.append(event) }
            }
            if tried.isEmpty { continue }
            guard let condition = entry.condition, !entry.isFilter else {
                take(entry, tried, events, cause)
                open = rest
                continue
            }
            let batch = events.batch(tried, entry.tested, records)
            var errors = RejectedRows()
            let truths = condition.evaluate(batch, errors: &errors)
            var isRejected = [Bool](
                repeating: false, count: errors.rejects.isEmpty ? 0 : tried.count)
            for reject in errors.rejects { isRejected[reject.row] = true }
            reject(errors, of: tried, cause)
            var taken: [Int32] = []
            for (row, event) in tried.enumerated() {
                if !isRejected.isEmpty, isRejected[row] { continue }
                if truths.isValid(row), truths.bools[row] != 0 {
                    taken.append(event)
                } else {
                    rest.append(event)
                }
            }
            if !taken.isEmpty { take(entry, taken, events, cause) }
            rest.sort()
            open = rest
        }
        return open.count
    }

    private func reject(_ errors: RejectedRows, of picked: [Int32], _ cause: Cause) {
        guard !errors.rejects.isEmpty else { return }
        var moved = RejectedRows()
        for reject in errors.rejects {
            moved.append(
                row: Int(picked[reject.row]), column: reject.column, reason: reject.reason)
        }
        cause.reject(moved)
    }

    /// Does what `entry` says for the events `picked`.
    private func take(
        _ entry: ProcessProgram.Entry, _ picked: [Int32], _ events: ProcessEvents, _ cause: Cause
    ) {
        let batch = events.batch(picked, entry.used, records)
        var errors = RejectedRows()
        let values = entry.sets.map { $0.value.evaluate(batch, errors: &errors) }
        let dues = entry.timers.map { $0.due.evaluate(batch, errors: &errors) }
        var columns = batch.columns
        for (set, value) in zip(entry.sets, values) { columns[events.inputs + set.column] = value }
        let after = ColumnBatch(
            schema: events.schema, columns: columns, order: batch.order, count: batch.count)
        let emitted = entry.emits.map { row in
            row.map { $0.evaluate(after, errors: &errors) }
        }
        if !errors.rejects.isEmpty {
            // One failure is told of each, and what did not fail is done again without the others.
            var once = RejectedRows()
            var failed: Set<Int> = []
            for reject in errors.rejects where failed.insert(reject.row).inserted {
                once.append(row: reject.row, column: reject.column, reason: reject.reason)
            }
            self.reject(once, of: picked, cause)
            let sound = picked.indices.filter { !failed.contains($0) }.map { picked[$0] }
            if !sound.isEmpty { take(entry, sound, events, cause) }
            return
        }
        store(entry, picked, events, cause, values, dues)
        for (number, row) in emitted.enumerated() {
            let piece = ColumnBatch(
                schema: program.outputSchema, columns: row, order: cause.place(picked, number),
                count: picked.count)
            piece.raw = cause.raw(picked)
            results.add(piece)
        }
    }

    private func store(
        _ entry: ProcessProgram.Entry, _ picked: [Int32], _ events: ProcessEvents,
        _ cause: Cause, _ values: [Column], _ dues: [Column]
    ) {
        let columns = entry.sets.map(\.column)
        for (row, event) in picked.enumerated() {
            let key = events.entries[Int(event)]
            if entry.clears {
                records.clear(key)
                continue
            }
            let time = cause.times(event)
            if !columns.isEmpty { records.write(key, columns, values, row: row) }
            for (timer, due) in zip(entry.timers, dues) {
                guard due.isValid(row) else {
                    records.cancel(key, timer.timer)
                    continue
                }
                let at = due.int64s[row]
                records.setTimer(
                    key, timer.timer, due: at, at: max(at, TimeMath.after(time, cause.delay)))
            }
            if cause.isRow { ProcessRecords.touch(key, at: time) }
        }
    }
}
