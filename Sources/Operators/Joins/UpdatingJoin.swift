import StreamRuntime

/// Joins two tables and keeps the result up to date: each change of either side changes the pairs it is in.
///
/// - Shape: input as `JoinSide` makes it, with keys; right rows come behind the key of their table. A change comes
///   out for each pair that is new, other or gone, as elements of the place of the row that caused it: a full
///   changelog. Without right rows a left row is paired with nothing, where the type is `left`.
/// - Note: a row is forgotten `timeToLive` of event time after it came, without telling of it; from then on it
///   is as if it had never been there.
public final class UpdatingJoin: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let form: JoinForm
    private let leftKey: [Int]
    private let timeToLive: Int64?
    private let leftPacking: RowPacking
    private let rightPacking: RowPacking
    private let leftEntries = EntryBuffer()
    private let rightEntries = EntryBuffer()
    private var left: JoinMap?
    private var right: JoinMap?
    private var nextSweep = Int64.min

    /// Pairs on their way out: where their rows begin in `arena`, -1 for none.
    private var arena = ByteArena()
    private var lefts: [Int] = []
    private var rights: [Int] = []
    private var causes: [Int32] = []
    private var elements: [Int64] = []
    private var kinds: [RowChange] = []

    /// What a change does depends on the changes before it.
    public var needsOrderedInput: Bool { true }

    /// A join of `form`, inner or left, of a left table by the columns `leftKey`.
    public init(form: JoinForm, leftKey: [Int], timeToLive: Duration? = nil) {
        precondition(form.type.showsRight && form.condition == nil, "inner or left, without where")
        self.form = form
        self.leftKey = leftKey
        self.timeToLive = timeToLive?.micros
        outputSchema = form.outputSchema
        leftPacking = RowPacking(Array(form.input.fields.dropLast()))
        rightPacking = RowPacking(form.right)
    }

    /// Opens both tables.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        left = try JoinMap(context, fingerprint: leftPacking.fingerprint, name: "left")
        right = try JoinMap(context, fingerprint: rightPacking.fingerprint, name: "right")
    }

    /// Brings the rows into their tables and tells what that changes.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let left, let right, let keys = batch.keys else {
            preconditionFailure("opened, with keys")
        }
        let count = batch.count
        let rightRows = batch.columns[form.rightColumn]
        let leftRows = packedLefts(batch, rightRows)
        leftEntries.reserve(count)
        rightEntries.reserve(count)
        let leftTable = try left.directory.table(0)
        let rightTable = try right.directory.table(0)
        try leftTable.resolve(keys, rows: nil, count: count, into: leftEntries.entries)
        try rightTable.resolve(keys, rows: nil, count: count, into: rightEntries.entries)
        var leftRow = 0
        for row in 0..<count {
            let mine = leftEntries.entries[row]
            let theirs = rightEntries.entries[row]
            mine.settle()
            theirs.settle()
            if rightRows.isValid(row) {
                try changeRight(rightRows.bytes(row), batch, row, mine, theirs)
            } else {
                try changeLeft(leftRows.bytes(leftRow), batch, row, mine, theirs)
                leftRow += 1
            }
            if causes.count >= 4096 { emit(batch, into: output) }
        }
        emit(batch, into: output)
        try UpdatingJoin.removeEmpty(leftEntries.entries, count, left, leftTable)
        try UpdatingJoin.removeEmpty(rightEntries.entries, count, right, rightTable)
    }

    /// The left rows behind the keys of their table.
    private func packedLefts(_ batch: ColumnBatch, _ rights: Column) -> Column {
        var rows: [Int32] = []
        for row in 0..<batch.count where !rights.isValid(row) {
            rows.append(Int32(truncatingIfNeeded: row))
        }
        let columns = batch.columns.dropLast().map { $0.gathered(rows, count: rows.count) }
        let keys = KeyEncoder(columns: []).encode(leftKey.map { columns[$0] }, count: rows.count)
        return leftPacking.pack(columns, prefix: keys.bytes, count: rows.count)
    }

    private func isRemoval(_ batch: ColumnBatch, _ row: Int) -> Bool {
        guard let changes = batch.changes else { return false }
        let kind = changes.bools[row]
        return kind == RowChange.delete.rawValue || kind == RowChange.updateBefore.rawValue
    }

    /// The rows of a key that still count at `time`, copied for pairs.
    private func partners(
        _ map: JoinMap, _ entry: StateEntry, _ time: Int64
    ) throws(JobFailure) -> [Int] {
        var found: [Int] = []
        var rows = map.rows(of: entry)
        while let row = try rows.next() {
            if isOver(row.time, time) { continue }
            found.append(copy(row.bytes))
        }
        return found
    }

    private func isOver(_ since: Int64, _ time: Int64) -> Bool {
        guard let timeToLive else { return false }
        return time >= TimeMath.after(since, timeToLive)
    }

    private func copy(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let start = arena.count
        if let base = bytes.baseAddress { arena.append(base, bytes.count) }
        return start
    }

    /// The row with the key in front of `bytes` that counts at `time`, copied; -1 for none.
    private func old(
        _ bytes: UnsafeBufferPointer<UInt8>, _ map: JoinMap, _ entry: StateEntry, _ time: Int64
    ) throws(JobFailure) -> Int {
        guard let row = try map.row(of: bytes, in: entry), !isOver(row.time, time) else {
            return -1
        }
        return copy(row.bytes)
    }

    private static func content(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        let key = Int(UnsafeRawPointer(bytes.baseAddress!).loadUnaligned(as: UInt32.self))
        return UnsafeBufferPointer(rebasing: bytes[(4 + key)...])
    }

    private func changeLeft(
        _ bytes: UnsafeBufferPointer<UInt8>, _ batch: ColumnBatch, _ row: Int, _ mine: StateEntry,
        _ theirs: StateEntry
    ) throws(JobFailure) {
        guard let left, let right else { return }
        let time = batch.order.time(row)
        let before = try old(bytes, left, mine, time)
        var after = -1
        if isRemoval(batch, row) {
            _ = try left.remove(bytes, from: mine)
        } else {
            _ = try left.put(bytes, at: time, into: mine)
            after = copy(UpdatingJoin.content(bytes))
        }
        var partners = try partners(right, theirs, time)
        if partners.isEmpty, form.type == .left { partners = [-1] }
        for partner in partners { tell((before, partner), (after, partner), row, batch) }
    }

    private func changeRight(
        _ bytes: UnsafeBufferPointer<UInt8>, _ batch: ColumnBatch, _ row: Int, _ mine: StateEntry,
        _ theirs: StateEntry
    ) throws(JobFailure) {
        guard let left, let right else { return }
        let time = batch.order.time(row)
        let before = try old(bytes, right, theirs, time)
        let others = try partners(right, theirs, time).count - (before < 0 ? 0 : 1)
        var after = -1
        if isRemoval(batch, row) {
            _ = try right.remove(bytes, from: theirs)
        } else {
            _ = try right.put(bytes, at: time, into: theirs)
            after = copy(UpdatingJoin.content(bytes))
        }
        // Alone, the row takes the place of nothing, and leaves nothing behind.
        let standsForNothing = form.type == .left && others == 0
        for partner in try partners(left, mine, time) {
            tell(
                (before < 0 && !standsForNothing ? -1 : partner, before),
                (after < 0 && !standsForNothing ? -1 : partner, after), row, batch)
        }
    }

    /// Adds what it means that a pair takes the place of another; a pair without left row is none.
    private func tell(
        _ before: (left: Int, right: Int), _ after: (left: Int, right: Int), _ row: Int,
        _ batch: ColumnBatch
    ) {
        if before == after { return }
        let isUpdate = before.left >= 0 && after.left >= 0
        if before.left >= 0 { add(before, isUpdate ? .updateBefore : .delete, row) }
        if after.left >= 0 { add(after, isUpdate ? .updateAfter : .insert, row) }
    }

    private func add(_ pair: (left: Int, right: Int), _ kind: RowChange, _ row: Int) {
        let element = causes.last == Int32(row) ? elements.last! + 1 : 0
        lefts.append(pair.left)
        rights.append(pair.right)
        causes.append(Int32(row))
        elements.append(element)
        kinds.append(kind)
    }

    private func emit(_ batch: ColumnBatch, into output: any Output) {
        let count = causes.count
        if count > 0 {
            var columns = leftPacking.unpack(arena, lefts, count: count)
            let column = Column(.structure(form.right), capacity: 1)
            column.children = rightPacking.unpack(arena, rights, count: count)
            column.reserve(count)
            column.setCount(count)
            for slot in 0..<count where rights[slot] < 0 { column.ensureValidity()[slot] = 0 }
            columns.append(column)
            var order = batch.order.gathered(causes, count: count)
            let places = Column(.int64, capacity: count)
            for slot in 0..<count {
                let outer = order.elements?.int64s[slot] ?? 0
                places.append(outer &* UpdatingJoin.elementsMax &+ elements[slot])
            }
            order.elements = places
            let result = ColumnBatch(
                schema: outputSchema, columns: columns, order: order, count: count)
            let changes = RowChange.inserts(count)
            for slot in 0..<count { changes.bools[slot] = kinds[slot].rawValue }
            result.changes = changes
            output.emit(result)
        }
        arena = ByteArena(capacity: max(arena.count, 64))
        lefts.removeAll(keepingCapacity: true)
        rights.removeAll(keepingCapacity: true)
        causes.removeAll(keepingCapacity: true)
        elements.removeAll(keepingCapacity: true)
        kinds.removeAll(keepingCapacity: true)
    }

    private static let elementsMax: Int64 = 1 << 24

    /// Takes out the keys that have no row, each once: a mark in a word of theirs tells.
    private static func removeEmpty(
        _ entries: UnsafeMutablePointer<StateEntry>, _ count: Int, _ map: JoinMap,
        _ table: StateTable
    ) throws(JobFailure) {
        var gone: [StateEntry] = []
        for row in 0..<count where map.isEmpty(entries[row]) {
            if entries[row].value.load(fromByteOffset: 8, as: Int64.self) == .min { continue }
            entries[row].value.storeBytes(of: .min, toByteOffset: 8, as: Int64.self)
            gone.append(entries[row])
        }
        for entry in gone { try table.remove(entry) }
    }

    /// Once in a time to live, forgets the rows whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        guard let timeToLive, watermark != .endOfTime, watermark.micros >= nextSweep,
            let left, let right
        else { return .done }
        nextSweep = TimeMath.after(watermark.micros, timeToLive)
        let until = TimeMath.before(watermark.micros, timeToLive)
        if until == .min { return .done }
        for map in [left, right] {
            let table = try map.directory.table(0)
            let cursor = try table.cursor()
            while true {
                let found = try cursor.next(4096, into: leftEntries.entries)
                if found == 0 { break }
                for slot in 0..<found {
                    let entry = leftEntries.entries[slot]
                    if try map.expire(entry, until: until) { try table.remove(entry) }
                }
            }
        }
        return .done
    }
}
