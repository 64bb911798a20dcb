import StreamRuntime

extension Rolling {
    @inline(__always)
    func words(_ row: Int) -> UnsafeMutablePointer<Int64> {
        buffer.entries[row].value.assumingMemoryBound(to: Int64.self)
    }

    /// Position i is that of width i; the last one is where the delay ends.
    @inline(__always)
    func position(
        _ words: UnsafeMutablePointer<Int64>, _ index: Int
    ) -> RollingLog.Position {
        RollingLog.Position(words: words + Rolling.positionsWord + 3 * index)
    }

    /// Everything at or before this has left window `index` (or is past the delay) at time `frontier`.
    @inline(__always)
    func threshold(_ frontier: Int64, _ index: Int) -> Int64 {
        let seen = TimeMath.before(frontier, delay)
        return index < widthCount ? TimeMath.before(seen, shapes[index].micros) : seen
    }

    // MARK: one round: every key at most once

    func run(
        _ range: Range<Int>, _ values: ColumnBatch, _ log: RollingLog
    ) throws(JobFailure) {
        // Read once: a copy for each row would count five references a row.
        let order = values.order
        for index in moved.indices { moved[index].removeAll() }
        for row in range {
            let record = log.turn(to: row, of: values)
            try place(row, order, record, log)
        }
        for (index, width) in widths.enumerated() {
            for group in width.groups {
                var failed = RejectedRows()
                try group.run(
                    values, range, moved[index], includesSelf: includesSelf, fates[index],
                    errors: &failed
                ) { (row, window) throws(JobFailure) in
                    try self.collect(row, index, order, into: window)
                }
                for reject in failed.rejects {
                    rows.errors.append(
                        row: range.lowerBound + reject.row, column: reject.column,
                        reason: reject.reason)
                }
            }
        }
        for row in range {
            let record = log.turn(to: row, of: values)
            try store(row, order, record, log)
        }
    }

    /// The rows in window `index` of a row that is not late, without the row itself.
    func collect(
        _ row: Int, _ index: Int, _ order: RowOrder, into window: ColumnBatch
    ) throws(JobFailure) {
        guard let log else { return }
        log.turn(to: row)
        let words = words(row)
        let time = order.eventTimes.int64s[row]
        let position = position(words, index)
        if position.time == .max { return }
        try log.scan(
            from: position.bucket, after: threshold(time, index),
            upTo: TimeMath.before(time, delay)
        ) { _, entry, at in log.decode(entry, at, into: window) }
    }

    // MARK: one row

    /// Brings the windows of a row's key up to it and writes its sums.
    func place(
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
        for index in 0..<widthCount {
            let width = shapes[index]
            let sums = words + width.firstWord
            let position = position(words, index)
            let limit = threshold(time, index)
            while position.time <= limit {
                let entry = try known(position, log)
                let leaving = log.records(entry).base + position.index * form.stride
                width.apply(leaving, to: sums, removes: true)
                if width.hasGroups {
                    moved[index].append(.leave(row), log, entry, position.index)
                }
                try log.step(position, in: entry)
            }
            if includesSelf { width.apply(record, to: sums, removes: false) }
            write(index, row, sums)
            if !includesSelf && delay == 0 {
                width.apply(record, to: sums, removes: false)
                if hasGroups { fates[index][row] = .joinsAfter }
            }
        }
        try release(words, log)
    }

    /// Lets the rows into the windows that are past the delay.
    func enter(
        _ row: Int, _ time: Int64, _ words: UnsafeMutablePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        let position = position(words, widthCount)
        let limit = threshold(time, widthCount)
        while position.time <= limit {
            let entry = try known(position, log)
            let entering = log.records(entry).base + position.index * form.stride
            for index in 0..<widthCount {
                let width = shapes[index]
                width.apply(entering, to: words + width.firstWord, removes: false)
                if width.hasGroups {
                    moved[index].append(.enter(row), log, entry, position.index)
                }
            }
            try log.step(position, in: entry)
        }
    }

    func known(
        _ position: RollingLog.Position, _ log: RollingLog
    ) throws(JobFailure) -> StateEntry {
        guard let entry = try log.entry(position.bucket) else {
            preconditionFailure("a position is in a bucket that is there")
        }
        return entry
    }

    /// Removes the buckets that every window has left.
    func release(
        _ words: UnsafeMutablePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        var oldest = RollingLog.none
        for index in 0..<positionCount {
            oldest = min(oldest, position(words, index).bucket)
        }
        if oldest == RollingLog.none || words[1] >= oldest { return }
        words[1] = try log.removeAll(from: words[1], before: oldest)
    }

    /// The results of a row that is older than its key's newest one, from the log.
    func placeLate(
        _ row: Int, _ time: Int64, _ words: UnsafeMutablePointer<Int64>,
        _ record: UnsafePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        let floor = TimeMath.before(words[0], reach)
        for index in 0..<widthCount {
            let width = shapes[index]
            let count = max(width.sumCount * RollingSum.words, 1)
            let scratch = UnsafeMutablePointer<Int64>.allocate(capacity: count)
            defer { scratch.deallocate() }
            scratch.initialize(repeating: 0, count: count)
            try log.scan(
                from: words[1], after: max(threshold(time, index), floor),
                upTo: TimeMath.before(time, delay)
            ) { member, entry, at in
                width.apply(member, to: scratch, removes: false)
                if width.hasGroups { moved[index].append(.belong(row), log, entry, at) }
            }
            if includesSelf { width.apply(record, to: scratch, removes: false) }
            write(index, row, scratch)
            if hasGroups {
                fates[index][row] = joins(time, words[0], index) ? [.isLate, .joinsAfter] : .isLate
            }
        }
    }

    /// Whether a late row is in the running window `index` of its key.
    @inline(__always)
    func joins(_ time: Int64, _ frontier: Int64, _ index: Int) -> Bool {
        time > threshold(frontier, index) && time <= TimeMath.before(frontier, delay)
    }

    /// Writes a row to its key's log.
    func store(
        _ row: Int, _ order: RowOrder, _ record: UnsafePointer<Int64>, _ log: RollingLog
    ) throws(JobFailure) {
        let words = words(row)
        let time = order.eventTimes.int64s[row]
        let frontier = words[0]
        if time <= TimeMath.before(frontier, reach) { return }
        let bucket = log.bucket(time)
        let isLate = time < frontier
        let index =
            isLate
            ? try log.insert(bucket, first: &words[1], last: &words[2])
            : try log.append(bucket, first: &words[1], last: &words[2])
        for place in 0..<positionCount {
            let position = position(words, place)
            if isLate, time <= threshold(frontier, place) {
                if position.bucket == bucket, index <= position.index { position.words[1] += 1 }
            } else if time < position.time {
                position.set(bucket, index, time)
            }
        }
        guard isLate else { return }
        for index in 0..<widthCount where joins(time, frontier, index) {
            let width = shapes[index]
            width.apply(record, to: words + width.firstWord, removes: false)
        }
    }

    @inline(__always)
    func write(_ index: Int, _ row: Int, _ words: UnsafePointer<Int64>) {
        let width = shapes[index]
        var sum = 0
        while sum < width.sumCount {
            let at = words + sum &* RollingSum.words
            if !width.sums[sum].finish(at, results[width.firstSum &+ sum], row) {
                writeSlowly(index, sum, row, at)
            }
            sum &+= 1
        }
    }

    func writeSlowly(_ index: Int, _ sum: Int, _ row: Int, _ words: UnsafePointer<Int64>) {
        widths[index].sums[sum].finishSlowly(words, sums[index][sum], row, errors: &rows.errors)
    }

    /// Forgets all rows of a row's key.
    func reset(_ row: Int, _ log: RollingLog) throws(JobFailure) {
        let words = words(row)
        _ = try log.removeAll(from: words[1], before: RollingLog.none)
        for word in 0..<wordCount { words[word] = blank(word) }
        for width in widths { for group in width.groups { group.reset(row) } }
    }
}
