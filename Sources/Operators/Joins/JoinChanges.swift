import StreamRuntime

/// A change of one side of a join of tables.
struct JoinChange {
    let row: Int32
    let isRight: Bool
    let isRemoval: Bool
    /// Whether a value it is compared by is null: it has no partners.
    let hasNull: Bool
    let time: Int64
    /// Rows that came at this time or before count no longer.
    let limit: Int64
    let entry: StateEntry
    let bytes: UnsafeBufferPointer<UInt8>

    /// What it takes away, once that was looked up.
    fileprivate var old: JoinMap.Row?
    /// Its partners among those that were found, and what is known of the first.
    fileprivate var partners = 0..<0
    fileprivate var firstTruth = 0

    init(
        row: Int32, isRight: Bool, isRemoval: Bool, hasNull: Bool, time: Int64, limit: Int64,
        entry: StateEntry, bytes: UnsafeBufferPointer<UInt8>
    ) {
        self.row = row
        self.isRight = isRight
        self.isRemoval = isRemoval
        self.hasNull = hasNull
        self.time = time
        self.limit = limit
        self.entry = entry
        self.bytes = bytes
    }
}

/// Brings changes into two tables and tells what they do to their pairs.
///
/// Where pairs are tested by a condition, changes wait until many pairs can be tested at once: as many as do
/// not touch each other's rows.
final class JoinChanges {
    typealias Emit = (any Output) throws(JobFailure) -> Void
    typealias Settle = (RejectedRows, ColumnBatch) throws(JobFailure) -> Void

    private let form: JoinForm
    private let left: JoinTable
    private let right: JoinTable
    private let pairs: JoinPairs
    /// Pairs to be tested; nil when all that meet are pairs.
    private let tested: JoinPairs?
    private let found = FoundRows()
    private var waiting: [JoinChange] = []
    private var truths: [Bool] = []
    /// The number of the changes that wait together, as it is noted with their keys.
    private var segment: Int64 = 1
    private let splitsUpdates: Bool

    init(
        _ form: JoinForm, left: JoinTable, right: JoinTable, pairs: JoinPairs, tested: JoinPairs?
    ) {
        self.form = form
        self.left = left
        self.right = right
        self.pairs = pairs
        self.tested = tested
        // Of the two rows of an update the condition may hold for one.
        splitsUpdates = form.condition != nil && tested == nil
    }

    /// Takes a change, and tells what it does unless its pairs are to be tested with others.
    func take(
        _ change: JoinChange, _ emit: Emit, _ settle: Settle, into output: any Output
    ) throws(JobFailure) {
        if tested != nil, try touches(change) { try finish(emit, settle, into: output) }
        guard let change = try lookUp(change) else { return }
        guard let tested else {
            try apply(change, emit, into: output)
            found.removeAll()
            return
        }
        waiting.append(change)
        if tested.isFull { try finish(emit, settle, into: output) }
    }

    /// Tests the pairs at hand and tells what the changes that wait do.
    func finish(_ emit: Emit, _ settle: Settle, into output: any Output) throws(JobFailure) {
        guard tested != nil else { return }
        try test(settle)
        for change in waiting { try apply(change, emit, into: output) }
        waiting.removeAll(keepingCapacity: true)
        found.removeAll()
        segment += 1
    }

    // MARK: looking up

    /// Whether a change has to do with rows of another that waits; if not, notes that it will.
    private func touches(_ change: JoinChange) throws(JobFailure) -> Bool {
        let mine = change.isRight ? right : left
        // Rows that only come in find the same partners in any order.
        let work: Int64 = mine.isKeyed || change.isRemoval ? 3 : (change.isRight ? 2 : 1)
        let stamp = segment &* 4 &+ work
        let there = change.entry.value.load(
            fromByteOffset: JoinTable.stampAt, as: Int64.self)
        let isOther = !waiting.isEmpty && there >> 2 == segment && (there != stamp || work == 3)
        change.entry.value.storeBytes(
            of: isOther ? stamp + 4 : stamp, toByteOffset: JoinTable.stampAt, as: Int64.self)
        return isOther
    }

    /// Finds what the change takes away, and its partners; nil when it is none.
    private func lookUp(_ change: JoinChange) throws(JobFailure) -> JoinChange? {
        var change = change
        let mine = change.isRight ? right : left
        let theirs = change.isRight ? left : right
        change.old = try mine.old(
            change.bytes, isRemoval: change.isRemoval, after: change.limit, in: change.entry)
        if change.isRemoval, change.old == nil {
            // A row whose time is over goes without a word.
            if mine.isKeyed {
                try mine.remove(change.bytes, after: change.limit, from: change.entry)
            }
            return nil
        }
        let first = found.count
        if !change.hasNull, !theirs.map.isEmpty(change.entry) {
            try theirs.map.collect(
                change.entry, after: change.limit, isBag: !theirs.isKeyed,
                changing: theirs.keepsNotes, into: found)
        }
        change.partners = first..<found.count
        if let tested { addTests(&change, mine, theirs, tested) }
        return change
    }

    private func addTests(
        _ change: inout JoinChange, _ mine: JoinTable, _ theirs: JoinTable, _ tested: JoinPairs
    ) {
        change.firstTruth = tested.count
        if change.partners.isEmpty { return }
        let old = change.old.map { tested.copy($0.bytes) }
        let new = change.isRemoval ? nil : tested.copy(mine.content(change.bytes))
        for slot in change.partners {
            let partner = tested.copy(theirs.map.content(at: found.places[slot]))
            for (start, kind) in [(old, RowChange.delete), (new, .insert)] {
                guard let start else { continue }
                tested.add(
                    change.isRight ? partner : start, change.isRight ? start : partner, kind,
                    cause: change.row)
            }
        }
    }

    private func test(_ settle: Settle) throws(JobFailure) {
        truths.removeAll(keepingCapacity: true)
        guard let tested, let condition = form.condition, tested.count > 0 else { return }
        let order = RowOrder(capacity: tested.count)
        for _ in 0..<tested.count { order.append(eventTime: 0, watermark: 0, origin: 0, offset: 0) }
        let kinds = (0..<tested.count).map { tested.kinds[$0] }
        let rows = tested.take(places: order)
        rows.changes = nil
        var errors = RejectedRows()
        let values = condition.evaluate(rows, errors: &errors)
        var new = RejectedRows()
        for reject in errors.rejects where kinds[reject.row] == RowChange.insert.rawValue {
            new.append(row: reject.row, column: reject.column, reason: reject.reason)
        }
        try settle(new, rows)
        for row in 0..<rows.count { truths.append(values.isValid(row) && values.bools[row] != 0) }
    }

    // MARK: telling

    /// A row of the change, and where it was copied to.
    private struct Held {
        let bytes: UnsafeBufferPointer<UInt8>
        var start = -1
        var generation = -1

        mutating func place(in pairs: JoinPairs) -> Int {
            if generation != pairs.generation {
                start = pairs.copy(bytes)
                generation = pairs.generation
            }
            return start
        }
    }

    /// Whether the change's old and new row are pairs with the partner in `slot`.
    private func match(_ change: JoinChange, _ slot: Int) -> (old: Bool, new: Bool) {
        let hasOld = change.old != nil
        let hasNew = !change.isRemoval
        guard tested != nil else { return (hasOld, hasNew) }
        let width = (hasOld ? 1 : 0) + (hasNew ? 1 : 0)
        let at = change.firstTruth + (slot - change.partners.lowerBound) * width
        return (hasOld && truths[at], hasNew && truths[at + (hasOld ? 1 : 0)])
    }

    private func apply(
        _ change: JoinChange, _ emit: Emit, into output: any Output
    ) throws(JobFailure) {
        let mine = change.isRight ? right : left
        let theirs = change.isRight ? left : right
        var old = change.old.map { Held(bytes: $0.bytes) }
        var new = change.isRemoval ? nil : Held(bytes: mine.content(change.bytes))
        var partners = 0
        for slot in change.partners where match(change, slot).new { partners += 1 }
        let wasAlone = change.old.map { $0.note == 0 } ?? false
        let isAlone = new != nil && partners == 0
        if form.type.showsRight {
            let showsAlone =
                change.isRight ? form.type.showsUnmatchedRight : form.type.showsUnmatched
            let wasShown = wasAlone && showsAlone
            let isShown = isAlone && showsAlone
            for slot in change.partners {
                let match = match(change, slot)
                guard match.old, !match.new else { continue }
                try makeRoom(emit, into: output)
                lose(change, &old!, found.places[slot], theirs)
            }
            if wasShown, !isShown { tellAlone(change, &old!, .delete) }
            for slot in change.partners {
                let match = match(change, slot)
                guard match.new else { continue }
                try makeRoom(emit, into: output)
                let partner = found.places[slot]
                if match.old {
                    tell(change, &old!, theirs, partner, splitsUpdates ? .delete : .updateBefore)
                    tell(change, &new!, theirs, partner, splitsUpdates ? .insert : .updateAfter)
                } else {
                    win(change, &new!, partner, theirs)
                }
            }
            if isShown {
                if wasShown { tellAlone(change, &old!, .updateBefore) }
                tellAlone(change, &new!, wasShown ? .updateAfter : .insert)
            }
        } else if change.isRight {
            for slot in change.partners {
                let match = match(change, slot)
                guard match.old != match.new else { continue }
                try makeRoom(emit, into: output)
                note(change, found.places[slot], match.new ? 1 : -1)
            }
        } else {
            let wasShown = old != nil && wasAlone == (form.type == .anti)
            let isShown = new != nil && isAlone == (form.type == .anti)
            if wasShown { tellAlone(change, &old!, isShown ? .updateBefore : .delete) }
            if isShown { tellAlone(change, &new!, wasShown ? .updateAfter : .insert) }
        }
        try keep(change, mine, partners)
        try makeRoom(emit, into: output)
    }

    /// Brings the change into its table.
    private func keep(
        _ change: JoinChange, _ mine: JoinTable, _ partners: Int
    ) throws(JobFailure) {
        // A row that is never a partner is kept only for its own coming and going.
        if change.hasNull, !mine.isKeyed, !mine.keepsNotes { return }
        if change.isRemoval {
            try mine.remove(change.bytes, after: change.limit, from: change.entry)
        } else {
            try mine.put(
                change.bytes, at: change.time, partners: mine.keepsNotes ? partners : 0,
                into: change.entry)
        }
    }

    private func makeRoom(_ emit: Emit, into output: any Output) throws(JobFailure) {
        if pairs.isFull { try emit(output) }
    }

    /// Tells that the change's old row is no partner of `partner` any more.
    private func lose(
        _ change: JoinChange, _ old: inout Held, _ partner: UnsafeMutableRawPointer,
        _ theirs: JoinTable
    ) {
        let isLast = theirs.keepsNotes && count(partner, -1) == 0
        tell(change, &old, theirs, partner, isLast ? .updateBefore : .delete)
        if isLast { tellPartnerAlone(change, theirs, partner, .updateAfter) }
    }

    /// Tells that the change's new row is a partner of `partner`.
    private func win(
        _ change: JoinChange, _ new: inout Held, _ partner: UnsafeMutableRawPointer,
        _ theirs: JoinTable
    ) {
        let isFirst = theirs.keepsNotes && count(partner, 1) == 1
        if isFirst { tellPartnerAlone(change, theirs, partner, .updateBefore) }
        tell(change, &new, theirs, partner, isFirst ? .updateAfter : .insert)
    }

    /// Notes that a left row has a partner more or less, and tells if that makes it come or go.
    private func note(_ change: JoinChange, _ partner: UnsafeMutableRawPointer, _ more: Int64) {
        let count = count(partner, more)
        let hadAny = count - more > 0
        let hasAny = count > 0
        if hadAny == hasAny { return }
        let isThere = hasAny == (form.type == .semi)
        pairs.add(
            pairs.copy(left.map.content(at: partner)), -1, isThere ? .insert : .delete,
            cause: change.row)
    }

    /// Adds to the number of partners noted of a row; partners that were forgotten are still counted.
    private func count(_ row: UnsafeMutableRawPointer, _ more: Int64) -> Int64 {
        let count = row.loadUnaligned(fromByteOffset: 16, as: Int64.self) + more
        row.storeBytes(of: count, toByteOffset: 16, as: Int64.self)
        return count
    }

    private func tell(
        _ change: JoinChange, _ held: inout Held, _ theirs: JoinTable,
        _ partner: UnsafeMutableRawPointer, _ kind: RowChange
    ) {
        let mine = held.place(in: pairs)
        let other = pairs.copy(theirs.map.content(at: partner))
        pairs.add(
            change.isRight ? other : mine, change.isRight ? mine : other, kind, cause: change.row)
    }

    private func tellAlone(_ change: JoinChange, _ held: inout Held, _ kind: RowChange) {
        let mine = held.place(in: pairs)
        pairs.add(
            change.isRight ? -1 : mine, change.isRight ? mine : -1, kind, cause: change.row)
    }

    private func tellPartnerAlone(
        _ change: JoinChange, _ theirs: JoinTable, _ partner: UnsafeMutableRawPointer,
        _ kind: RowChange
    ) {
        let other = pairs.copy(theirs.map.content(at: partner))
        pairs.add(
            change.isRight ? other : -1, change.isRight ? -1 : other, kind, cause: change.row)
    }
}
