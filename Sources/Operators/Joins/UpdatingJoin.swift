import StreamRuntime

/// Joins two tables and keeps the result up to date: each change of either side changes the pairs it is in.
///
/// A side with a key has one row for each key; a side without is a bag, in which each row counts for itself and a
/// delete takes one equal row away.
///
/// - Shape: input as `JoinSide` makes it, with keys; right rows come behind the key of their table if they have
///   one. A change comes out for each pair that is new, other or gone, as elements of the place of the row that
///   caused it: a full changelog. What a change takes back comes before what it brings. Of two bags that only
///   grow, an inner join or a semi join gives only inserts.
/// - Note: a row is forgotten `timeToLive` of event time after it came, without telling of it: what was told
///   stands, and what comes later does not find it.
public final class UpdatingJoin: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let form: JoinForm
    private let leftKey: [Int]
    private let timeToLive: Int64?
    private let leftPacking: RowPacking
    private let rightPacking: RowPacking
    private let entries = EntryBuffer()
    private let left: JoinTable
    private let right: JoinTable
    private let pairs: JoinPairs
    private let changes: JoinChanges
    private let found = FoundRows()
    private var rejection: Rejection
    private var state: KeyedState?
    private var counters: StepCounters?
    private var nextSweep = Int64.min
    private var nulls: [UnsafeMutablePointer<UInt8>] = []
    /// Whether a key may have been left without rows.
    private var mayBeEmpty = false

    /// What a change does depends on the changes before it.
    public var needsOrderedInput: Bool { true }

    /// A join of `form` of a left table by the columns `leftKey`, none for a bag, and a right one whose rows come
    /// behind their key if `hasRightKey`.
    public init(
        form: JoinForm, leftKey: [Int] = [], hasRightKey: Bool = false,
        timeToLive: Duration? = nil
    ) {
        self.form = form
        self.leftKey = leftKey
        self.timeToLive = timeToLive?.micros
        outputSchema = form.outputSchema
        leftPacking = RowPacking(Array(form.input.fields.dropLast()))
        rightPacking = RowPacking(form.right)
        let countsLeft = form.type != .inner && form.type != .right
        left = JoinTable(isRight: false, isKeyed: !leftKey.isEmpty, keepsNotes: countsLeft)
        right = JoinTable(
            isRight: true, isKeyed: hasRightKey, keepsNotes: form.type.showsUnmatchedRight)
        rejection = Rejection(policy: form.onError)
        let isTestedLate = form.type == .inner && form.condition != nil
        pairs = JoinPairs(
            form, left: leftPacking, right: rightPacking, readsRight: form.type.showsRight)
        changes = JoinChanges(
            form, left: left, right: right, pairs: pairs,
            tested: form.condition == nil || isTestedLate
                ? nil : JoinPairs(form, left: leftPacking, right: rightPacking, readsRight: true))
    }

    private var fingerprint: Int64 {
        (leftPacking.fingerprint &* 31 &+ rightPacking.fingerprint) | 1
    }

    /// Opens both tables.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        rejection.open(context)
        counters = context.counters
        let state = try context.state.state("both", of: context.stepId, layout: JoinTable.layout)
        try JoinMap.check(state, at: JoinTable.fingerprintAt, fingerprint, context)
        self.state = state
        for table in [left, right] {
            try table.open(context, in: state, fingerprint: fingerprint)
        }
    }

    /// Brings the rows into their tables and tells what that changes.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let state, let keys = batch.keys else {
            preconditionFailure("opened, with keys")
        }
        let count = batch.count
        let rights = batch.columns[form.rightColumn]
        let lefts = packedLefts(batch, rights)
        nulls = form.keys.compactMap { batch.columns[$0].validity }
        entries.reserve(count)
        try state.table(0).resolve(keys, rows: nil, count: count, into: entries.entries)
        pairs.begin()
        mayBeEmpty = !nulls.isEmpty || batch.changes != nil
        if form.type == .inner, !left.isKeyed, !right.isKeyed, batch.changes == nil {
            try insert(batch, lefts, rights, into: output)
        } else {
            try change(batch, lefts, rights, into: output)
        }
        try emit(batch, into: output)
        if mayBeEmpty { try removeEmpty(state.table(0), count) }
        withExtendedLifetime((lefts, rights)) {}
    }

    /// The left rows, behind the keys of their table if it has one.
    private func packedLefts(_ batch: ColumnBatch, _ rights: Column) -> Column {
        guard let isRight = rights.validity else {
            return leftPacking.pack(
                leftPacking.fields.map { Column($0.type, capacity: 0) },
                prefix: nil, count: 0)
        }
        let rows = entries.rows(of: batch.count, where: isRight, equals: 0)
        var columns = Array(batch.columns.dropLast())
        if rows.count < batch.count {
            columns = columns.map { $0.gathered(rows.start, count: rows.count) }
        }
        let prefix =
            leftKey.isEmpty
            ? nil
            : KeyEncoder(columns: []).encode(leftKey.map { columns[$0] }, count: rows.count).bytes
        return leftPacking.pack(columns, prefix: prefix, count: rows.count)
    }

    @inline(__always) private func hasNull(_ row: Int) -> Bool {
        for validity in nulls where validity[row] == 0 { return true }
        return false
    }

    // MARK: rows that stay

    /// Adds rows to two bags and tells the pairs that are new.
    private func insert(
        _ batch: ColumnBatch, _ lefts: Column, _ rights: Column, into output: any Output
    ) throws(JobFailure) {
        let count = batch.count
        let entries = self.entries.entries
        let fingerprint = fingerprint
        let isRight = rights.validity
        let (leftMap, rightMap) = (left.map, right.map)
        let leftSlices = RowSlices(lefts)
        let rightSlices = RowSlices(rights)
        let events = batch.order.eventTimes.int64s
        let marks = batch.order.watermarks.int64s
        let hasNulls = !nulls.isEmpty
        let layout = JoinTable.layout
        var leftRow = 0
        var row = 0
        while row < count {
            if row &+ 8 < count {
                entries[row &+ 8].prefetchBlob(1, of: layout)
                entries[row &+ 8].prefetchBlob(3, of: layout)
            }
            let entry = entries[row]
            if entry.isNew { settle(entry, fingerprint) }
            let isRightRow = isRight == nil || isRight.unsafelyUnwrapped[row] != 0
            let bytes = isRightRow ? rightSlices[row] : leftSlices[leftRow]
            leftRow &+= isRightRow ? 0 : 1
            if hasNulls, hasNull(row) {
                row &+= 1
                continue
            }
            let time = max(events[row], marks[row])
            let mine = isRightRow ? rightMap : leftMap
            let theirs = isRightRow ? leftMap : rightMap
            if !theirs.isEmpty(entry) {
                found.removeAll()
                try theirs.collect(
                    entry, after: limit(time), isBag: true, changing: false, into: found)
                if found.count > 0 {
                    try tell(bytes, row, isRightRow, theirs, batch, into: output)
                }
            }
            try mine.append(bytes, at: time, note: 0, to: entry)
            row &+= 1
        }
        withExtendedLifetime(batch) {}
    }

    /// Adds the pairs of a row with those that were found.
    @inline(__always)
    private func tell(
        _ bytes: UnsafeBufferPointer<UInt8>, _ row: Int, _ isRight: Bool, _ theirs: JoinMap,
        _ batch: ColumnBatch, into output: any Output
    ) throws(JobFailure) {
        let cause = Int32(truncatingIfNeeded: row)
        var start = pairs.copy(bytes)
        var slot = 0
        while slot < found.count {
            if pairs.isFull {
                try emit(batch, into: output)
                start = pairs.copy(bytes)
            }
            let partner = pairs.copy(theirs.content(at: found.places[slot]))
            pairs.add(
                isRight ? partner : start, isRight ? start : partner, .insert, cause: cause)
            slot &+= 1
        }
    }

    /// Rows that came at this time or before count no longer.
    @inline(__always) private func limit(_ time: Int64) -> Int64 {
        guard let timeToLive else { return .min }
        return TimeMath.before(time, timeToLive)
    }

    @inline(__always) private func settle(_ entry: StateEntry, _ fingerprint: Int64) {
        entry.settle()
        entry.value.storeBytes(
            of: fingerprint, toByteOffset: JoinTable.fingerprintAt, as: Int64.self)
    }

    // MARK: rows that change

    private func change(
        _ batch: ColumnBatch, _ lefts: Column, _ rights: Column, into output: any Output
    ) throws(JobFailure) {
        let entries = self.entries.entries
        let kinds = batch.changes?.bools
        let leftSlices = RowSlices(lefts)
        let rightSlices = RowSlices(rights)
        let emit = { (output: any Output) throws(JobFailure) in try self.emit(batch, into: output) }
        var leftRow = 0
        for row in 0..<batch.count {
            if entries[row].isNew { settle(entries[row], fingerprint) }
            let isRight = rights.isValid(row)
            let bytes = isRight ? rightSlices[row] : leftSlices[leftRow]
            leftRow += isRight ? 0 : 1
            let kind = kinds?[row] ?? 0
            let time = batch.order.time(row)
            let change = JoinChange(
                row: Int32(row), isRight: isRight,
                isRemoval: kind == RowChange.delete.rawValue
                    || kind == RowChange.updateBefore.rawValue,
                hasNull: hasNull(row), time: time, limit: limit(time), entry: entries[row],
                bytes: bytes)
            try changes.take(change, emit, settleTests(batch, output), into: output)
        }
        try changes.finish(emit, settleTests(batch, output), into: output)
        withExtendedLifetime((lefts, rights)) {}
    }

    /// What becomes of tested pairs that the condition fails on.
    private func settleTests(
        _ batch: ColumnBatch, _ output: any Output
    ) -> (RejectedRows, ColumnBatch) throws(JobFailure) -> Void {
        { (errors, pairs) throws(JobFailure) in
            _ = try self.rejection.settle(errors, of: pairs, into: output)
        }
    }

    // MARK: handing out

    private func emit(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        if pairs.count == 0 { return }
        let rows = pairs.take(order: batch.order)
        guard form.type == .inner, let condition = form.condition else {
            output.emit(rows)
            return
        }
        var errors = RejectedRows()
        let truths = condition.evaluate(rows, errors: &errors)
        if !errors.rejects.isEmpty {
            // A pair that is taken back was rejected when it was new.
            var new = RejectedRows()
            for reject in errors.rejects where !(rows.changes?.isRemoval(reject.row) ?? false) {
                new.append(row: reject.row, column: reject.column, reason: reject.reason)
            }
            _ = try rejection.settle(new, of: rows, into: output)
        }
        let isTrue = truths.bools
        var kept: [Int32] = []
        kept.reserveCapacity(rows.count)
        for row in 0..<rows.count where isTrue[row] != 0 && truths.isValid(row) {
            kept.append(Int32(truncatingIfNeeded: row))
        }
        if kept.isEmpty { return }
        output.emit(kept.count == rows.count ? rows : rows.gathered(kept, count: kept.count))
    }

    // MARK: forgetting

    /// Takes out the keys that have no row, each once: a mark in a word of theirs tells.
    private func removeEmpty(_ table: StateTable, _ count: Int) throws(JobFailure) {
        let entries = self.entries.entries
        let stamp = JoinTable.stampAt
        var gone: [StateEntry] = []
        for row in 0..<count
        where left.map.isEmpty(entries[row]) && right.map.isEmpty(entries[row]) {
            if entries[row].value.load(fromByteOffset: stamp, as: Int64.self) == .min { continue }
            entries[row].value.storeBytes(of: .min, toByteOffset: stamp, as: Int64.self)
            gone.append(entries[row])
        }
        for entry in gone { try table.remove(entry) }
    }

    /// Once in a time to live, forgets the rows whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let timeToLive, watermark != .endOfTime, watermark.micros >= nextSweep, let state
        else { return .done }
        nextSweep = TimeMath.after(watermark.micros, timeToLive)
        let until = TimeMath.before(watermark.micros, timeToLive)
        if until == .min { return .done }
        let table = try state.table(0)
        let cursor = try table.cursor()
        var forgotten = 0
        defer { counters?.add(.forgotten, forgotten) }
        while true {
            let count = try cursor.next(4096, into: entries.entries)
            if count == 0 { return .done }
            for slot in 0..<count {
                let entry = entries.entries[slot]
                let leftIsEmpty = try left.map.expire(entry, until: until, forgotten: &forgotten)
                let rightIsEmpty = try right.map.expire(entry, until: until, forgotten: &forgotten)
                if leftIsEmpty, rightIsEmpty { try table.remove(entry) }
            }
        }
    }
}

extension Column {
    /// Whether a row of this column of `RowChange`s takes a row away.
    fileprivate func isRemoval(_ row: Int) -> Bool {
        bools[row] == RowChange.delete.rawValue || bools[row] == RowChange.updateBefore.rawValue
    }
}

/// The bytes of the rows of a column as plain pointers, for as long as the column is there.
struct RowSlices {
    private let views: UnsafeMutablePointer<UInt64>
    private let base: UnsafePointer<UInt8>

    init(_ column: Column) {
        views = column.views
        base = UnsafePointer(column.arena!.base)
    }

    @inline(__always) subscript(row: Int) -> UnsafeBufferPointer<UInt8> {
        let view = views[row]
        return UnsafeBufferPointer(
            start: base + ByteView.start(view), count: ByteView.length(view))
    }
}
