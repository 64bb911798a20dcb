import StreamRuntime

/// Aggregates rows by key in sessions: rows less than `gap` apart, from the first row's time to the last
/// row's time plus the gap. A row exactly `gap` after the last begins a new session.
///
/// A session fires when the watermark reaches its end. A row that joins two sessions makes them one.
///
/// - A row whose W has passed its own time waits for the watermark and is applied in total order. It is
///   late iff its W is at or past the end of the session it would be part of, plus the allowed lateness.
/// - A row that changes a session that has fired corrects it: `updateAfter` where the bounds stay, else a
///   `delete` of each session that is no more and later, or at once, an `insert` of the new one.
public final class SessionAggregate: Operator {
    private let core: AggregateCore
    private let gap: Int64
    private let deferred: RowSorter
    private let released = BatchCollector()
    /// Rows released and not yet applied, in total order; only while `advance` is not done.
    private var waiting: [ColumnBatch] = []
    private var spans: KeyedState?
    private var sessions: KeyedState?
    private var progress: FiringProgress?
    private var alarms = SessionAlarms()
    private var due: [DueSession] = []
    private var fired = Int64.min
    private var forwarded = Int64.min
    private let one = UnsafeMutablePointer<StateEntry>.allocate(capacity: 2)
    /// The name of the session of each row of a batch.
    private let rowNames = SessionNames()
    /// What is looked for between batches: it serves one lookup at a time.
    private let probe = SessionNames()

    private struct DueSession {
        let span: SessionSpan
        let alarm: SessionAlarms.Alarm

        /// The order of results: by end, then by key.
        func precedes(_ other: DueSession) -> Bool {
            if span.end != other.span.end { return span.end < other.span.end }
            if alarm.hash != other.alarm.hash {
                return UInt64(bitPattern: alarm.hash) < UInt64(bitPattern: other.alarm.hash)
            }
            return alarm.key.lexicographicallyPrecedes(other.alarm.key)
        }

        func isSame(as other: DueSession) -> Bool {
            span.id == other.span.id && alarm.hash == other.alarm.hash
                && alarm.key == other.alarm.key
        }
    }

    init(_ spec: AggregateSpec, gap: Int64, input: Schema) throws(JobFailure) {
        core = try AggregateCore(spec, countsRows: false, keySuffix: SessionNames.idBytes)
        self.gap = gap
        deferred = RowSorter(schema: input, name: "deferred")
    }

    deinit { one.deallocate() }

    /// Opens the sessions and sets an alarm for each.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        core.open(context)
        try deferred.open(context)
        sessions = try context.state.state(
            "sessions", of: context.stepId, layout: core.layout.state)
        let spans = try context.state.state(
            "spans", of: context.stepId, layout: SessionSpans.layout)
        self.spans = spans
        let progress = try FiringProgress(context)
        self.progress = progress
        fired = try progress.load()
        forwarded = fired
        let cursor = try spans.table(0).cursor()
        while try cursor.next(1, into: one) > 0 {
            for span in SessionSpans(entry: one[0], layout: SessionSpans.layout).all {
                let time = span.hasFired == 0 ? span.end : span.end + core.spec.allowedLateness
                alarms.push(
                    SessionAlarms.Alarm(
                        time: time, hash: one[0].hash, key: Array(one[0].key), id: span.id))
            }
        }
    }

    /// Adds the rows that are in time to their sessions, and keeps the others for `advance`.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        if batch.count == 0 { return }
        let (rows, arguments) = try core.evaluate(batch, into: output)
        let reach = min(gap, .max / 4) + min(core.spec.allowedLateness, .max / 4)
        if isAllDirect(rows.order, rows.count, reach) { return try add(rows, arguments) }
        var direct: [Int32] = []
        var waiting: [Int32] = []
        var errors = RejectedRows()
        for row in 0..<rows.count {
            let time = rows.order.eventTimes.int64s[row]
            if time > .max - reach || time < .min + reach {
                errors.append(
                    row: row, column: "", reason: "the time is too far away for a window")
            } else if rows.order.watermarks.int64s[row] <= time, time >= fired {
                direct.append(Int32(row))
            } else {
                waiting.append(Int32(row))
            }
        }
        if !errors.rejects.isEmpty { _ = try core.settle(errors, of: rows, into: output) }
        if !waiting.isEmpty { deferred.push(rows.gathered(waiting, count: waiting.count)) }
        if direct.isEmpty { return }
        let part = rows.gathered(direct, count: direct.count)
        let (kept, again) = try core.evaluate(part, into: output)
        try add(kept, again)
    }

    /// Whether no row of a batch has to wait, or is too far away for a window: the usual case.
    private func isAllDirect(_ order: RowOrder, _ count: Int, _ reach: Int64) -> Bool {
        let times = UnsafePointer(order.eventTimes.int64s)
        let watermarks = UnsafePointer(order.watermarks.int64s)
        let lowest = max(fired, .min + reach)
        let highest = Int64.max - reach
        var row = 0
        while row < count {
            let time = times[row]
            if watermarks[row] > time || time < lowest || time > highest { return false }
            row &+= 1
        }
        return true
    }

    /// Fires the sessions that ended, in order, and applies rows that had to wait, each at its time.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        while true {
            if !due.isEmpty {
                try fire(into: output)
                return .more
            }
            let bound = min(alarms.next ?? .max, watermark.micros)
            if let first = waiting.first {
                if first.order.time(0) < bound || alarms.next == nil {
                    try apply(waiting.removeFirst(), into: output)
                    continue
                }
            } else if deferred.count > 0 {
                _ = deferred.release(before: EventTime(micros: bound), into: released)
                waiting = released.take()
                if !waiting.isEmpty { continue }
            }
            guard let time = alarms.next, time <= watermark.micros else { break }
            try collect(to: watermark.micros)
        }
        if watermark != .endOfTime { fired = max(fired, watermark.micros) }
        forwarded = max(forwarded, watermark.micros)
        return .done
    }

    /// Writes down how far sessions have fired, and the rows that wait.
    public func flush() throws(JobFailure) {
        try progress?.save(fired)
        try deferred.flush()
    }

    // MARK: adding

    private func add(
        _ rows: ColumnBatch, _ arguments: [PreparedArguments]
    ) throws(JobFailure) {
        guard rows.count > 0, let keys = rows.keys, let spans, let sessions else { return }
        let count = rows.count
        core.reserve(count)
        let entries = core.entries
        try spans.table(0).resolve(keys, rows: nil, count: count, into: entries)
        let times = UnsafePointer(rows.order.eventTimes.int64s)
        for row in 0..<count {
            let held = SessionSpans(entry: entries[row], layout: SessionSpans.layout)
            if !held.extendOnly(times[row], gap: gap) { _ = try place(times[row], held) }
        }
        rowNames.removeAll()
        for row in 0..<count {
            let held = SessionSpans(entry: entries[row], layout: SessionSpans.layout)
            rowNames.append(keys.bytes.bytes(row), id: held.id(of: times[row]))
        }
        try sessions.table(0).resolve(
            KeyColumn(bytes: rowNames.bytes, hashes: keys.hashes), rows: nil, count: count,
            into: entries)
        for row in 0..<count { core.values[row] = entries[row].value }
        core.layout.update(
            arguments, order: rows.order, entries: entries, values: core.values, range: 0..<count)
    }

    /// Makes room for a row at `time` among the key's sessions, merging those it joins.
    private func place(_ time: Int64, _ held: SessionSpans) throws(JobFailure) -> SessionSpan {
        var all = held.all
        let first = all.partitionPoint { $0.end > time }
        var last = first
        while last < all.count, all[last].start < time + gap { last += 1 }
        var span = SessionSpan(start: time, end: time + gap, id: time, hasFired: 0)
        if first < last {
            span.id = all[first].id
            span.hasFired = last == first + 1 ? all[first].hasFired : 0
            span.start = min(time, all[first].start)
            span.end = max(time + gap, all[last - 1].end)
            for other in all[(first + 1)..<last] {
                try merge(other.id, into: span.id, of: held.entry)
            }
        } else {
            alarms.push(
                SessionAlarms.Alarm(
                    time: span.end, hash: held.entry.hash, key: Array(held.entry.key), id: span.id))
        }
        all.replaceSubrange(first..<last, with: [span])
        held.all = all
        return span
    }

    private func merge(_ source: Int64, into target: Int64, of key: StateEntry) throws(JobFailure) {
        guard let table = try sessions?.table(0) else { return }
        try table.find(name(key.key, key.hash, source), rows: nil, count: 1, into: one)
        guard one[0].exists else { return }
        let from = one[0]
        try table.resolve(name(key.key, key.hash, target), rows: nil, count: 1, into: one)
        core.layout.merge(from, into: one[0])
        try table.remove(from)
    }

    /// The name of one session, good until the next is asked for.
    private func name(
        _ key: UnsafeBufferPointer<UInt8>, _ hash: Int64, _ id: Int64
    ) -> KeyColumn {
        probe.removeAll()
        probe.append(key, hash: hash, id: id)
        return probe.keys
    }

    // MARK: firing

    /// Takes alarms up to `watermark`, those of a moment together, and finds what each is about: as many
    /// moments as make a batch of results, but one at a time while rows wait to be applied between them.
    private func collect(to watermark: Int64) throws(JobFailure) {
        while let time = alarms.next, time <= watermark {
            fired = max(fired, time)
            while let next = alarms.next, next == time { try look(at: alarms.pop()) }
            if due.count >= Limits.firingRows || !waiting.isEmpty || deferred.count > 0 { break }
        }
        due.sort { $0.precedes($1) }
        // A session that was fired, corrected and lengthened can have two alarms for its end.
        var kept = 0
        for at in due.indices where at == 0 || !due[at].isSame(as: due[kept - 1]) {
            due[kept] = due[at]
            kept += 1
        }
        due.removeLast(due.count - kept)
        due.reverse()
    }

    private func look(at alarm: SessionAlarms.Alarm) throws(JobFailure) {
        guard let held = try find(alarm.key, alarm.hash), let span = held.span(alarm.id) else {
            return
        }
        let closing = span.end + core.spec.allowedLateness
        if span.hasFired == 0, span.end > alarm.time {
            again(alarm, at: span.end)
        } else if span.hasFired == 0 {
            due.append(DueSession(span: span, alarm: alarm))
        } else if closing > alarm.time {
            again(alarm, at: closing)
        } else {
            try forget(span, held)
        }
    }

    private func again(_ alarm: SessionAlarms.Alarm, at time: Int64) {
        alarms.push(
            SessionAlarms.Alarm(time: time, hash: alarm.hash, key: alarm.key, id: alarm.id))
    }

    /// Emits the next due sessions; `due` holds them with the first one last.
    private func fire(into output: any Output) throws(JobFailure) {
        guard let table = try sessions?.table(0) else { return }
        let part = due.suffix(Limits.firingRows).reversed()
        probe.removeAll()
        for session in part {
            let alarm = session.alarm
            alarm.key.withUnsafeBufferPointer { probe.append($0, hash: alarm.hash, id: alarm.id) }
        }
        core.reserve(part.count)
        try table.find(probe.keys, rows: nil, count: part.count, into: core.entries)
        for (slot, session) in part.enumerated() {
            precondition(core.entries[slot].exists, "a session has rows")
            core.add(core.entries[slot], start: session.span.start, end: session.span.end)
        }
        try core.flushResults(into: output)
        for session in part {
            guard let held = try find(session.alarm.key, session.alarm.hash) else { continue }
            if core.spec.allowedLateness == 0 {
                try forget(session.span, held)
            } else {
                var all = held.all
                for index in all.indices where all[index].id == session.span.id {
                    all[index].hasFired = 1
                }
                held.all = all
                try spans?.table(0).markChanged(held.entry)
                again(session.alarm, at: session.span.end + core.spec.allowedLateness)
            }
        }
        due.removeLast(part.count)
    }

    private func find(_ key: [UInt8], _ hash: Int64) throws(JobFailure) -> SessionSpans? {
        guard let table = try spans?.table(0) else { return nil }
        probe.removeAll()
        key.withUnsafeBufferPointer { probe.append($0, hash: hash, id: nil) }
        try table.find(probe.keys, rows: nil, count: 1, into: one)
        return one[0].exists ? SessionSpans(entry: one[0], layout: SessionSpans.layout) : nil
    }

    /// Removes a session whose result can no longer change.
    private func forget(_ span: SessionSpan, _ held: SessionSpans) throws(JobFailure) {
        guard let table = try sessions?.table(0), let spanTable = try spans?.table(0) else {
            return
        }
        // Before the key is gone with its last session.
        let session = name(held.entry.key, held.entry.hash, span.id)
        if held.count == 1 {
            try spanTable.remove(held.entry)
        } else {
            held.all = held.all.filter { $0.id != span.id }
            spanTable.markChanged(held.entry)
        }
        try table.find(session, rows: nil, count: 1, into: one)
        if one[0].exists { try table.remove(one[0]) }
    }

    // MARK: correcting

    /// Applies rows that waited, up to the first that another session must fire before; each may be
    /// late, join a session, or correct one that has fired.
    private func apply(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        let (rows, arguments) = try core.evaluate(batch, into: output)
        guard rows.count > 0, let keys = rows.keys, let spans else { return }
        core.reserve(rows.count)
        for row in 0..<rows.count {
            var index = Int32(row)
            let time = rows.order.eventTimes.int64s[row]
            let moment = max(rows.order.time(row), forwarded)
            fired = max(fired, moment == .max ? fired : moment)
            try spans.table(0).resolve(keys, rows: &index, count: 1, into: one)
            let held = SessionSpans(entry: one[0], layout: SessionSpans.layout)
            let joined = held.all.filter { $0.start < time + gap && $0.end > time }
            let end = max(time + gap, joined.last?.end ?? .min)
            if rows.order.watermarks.int64s[row] >= end + core.spec.allowedLateness {
                if held.count == 0 { try spans.table(0).remove(held.entry) }
                core.emitLate([index], of: rows, into: output)
                continue
            }
            try join(rows, arguments, row, held, joined, moment, into: output)
            if row + 1 < rows.count, let next = alarms.next, next <= rows.order.time(row + 1) {
                waiting.insert(rows.rest(from: row + 1), at: 0)
                return
            }
        }
    }

    private func join(
        _ rows: ColumnBatch, _ arguments: [PreparedArguments], _ row: Int, _ held: SessionSpans,
        _ joined: [SessionSpan], _ moment: Int64, into output: any Output
    ) throws(JobFailure) {
        guard let table = try sessions?.table(0) else { return }
        let time = rows.order.eventTimes.int64s[row]
        let start = min(time, joined.first?.start ?? .max)
        let end = max(time + gap, joined.last?.end ?? .min)
        let isSame = joined.count == 1 && joined[0].start == start && joined[0].end == end
        for span in joined where span.hasFired != 0 && !isSame {
            try table.find(
                name(held.entry.key, held.entry.hash, span.id), rows: nil, count: 1,
                into: core.entries)
            core.add(
                core.entries[0], start: span.start, end: span.end, cause: moment, change: .delete)
            try core.flushResults(into: output)
        }
        let hadFired = joined.contains { $0.hasFired != 0 }
        var span = try place(time, held)
        let name = self.name(held.entry.key, held.entry.hash, span.id)
        try table.resolve(name, rows: nil, count: 1, into: core.entries + row)
        core.values[row] = core.entries[row].value
        core.layout.update(
            arguments, order: rows.order, entries: core.entries, values: core.values,
            range: row..<(row + 1))
        let isDue = end <= fired
        if isDue {
            core.add(
                core.entries[row], start: start, end: end, cause: moment,
                change: isSame && joined[0].hasFired != 0 ? .updateAfter : .insert)
            try core.flushResults(into: output)
        }
        span.hasFired = isDue ? 1 : 0
        held.all = held.all.map { $0.id == span.id ? span : $0 }
        if isDue || hadFired {
            alarms.push(
                SessionAlarms.Alarm(
                    time: isDue ? end + core.spec.allowedLateness : end, hash: held.entry.hash,
                    key: Array(held.entry.key), id: span.id))
        }
    }
}

extension Array where Element == SessionSpan {
    /// The first position whose session satisfies `holds`, as all after it do.
    fileprivate func partitionPoint(_ holds: (SessionSpan) -> Bool) -> Int {
        firstIndex(where: holds) ?? count
    }
}
