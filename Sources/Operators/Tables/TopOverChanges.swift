import Glibc
import StreamRuntime

/// Keeps the rows of a table in order, and tells what comes among the first of each key, changes its number or
/// leaves when the table changes.
///
/// - Shape: a full changelog in total order, with keys; what comes out is as of `Top`. All rows of the table
///   are kept, as any of them may become one of the first. Rows equal by the order are in the order of their
///   content. A row that takes back what never came is rejected; with a time to live, after which a key whose
///   first rows did not change is forgotten, it is passed over.
public final class TopOverChanges: StreamRuntime.Operator {
    /// What comes out.
    public let outputSchema: Schema
    private let spec: TopSpec
    private var input: TopInput
    private let packing: RowPacking
    private let changes: TopChanges
    private let buffer = EntryBuffer()
    private var rows: JoinMap?
    /// There when keys are forgotten.
    private var ages: TopAges?
    /// A row as the map takes it.
    private let wanted = ByteArena()
    /// The sort key of the row looked at last.
    private let last = ByteArena()
    private var before: [Kept] = []
    private var after: [Kept] = []

    /// One of the first rows: where it was copied to, and its number.
    private struct Kept {
        let start: Int
        let length: Int
        let rank: Int
    }

    /// What is first depends on the changes before.
    public var needsOrderedInput: Bool { true }

    init(_ spec: TopSpec, schema: Schema) {
        self.spec = spec
        input = TopInput(spec)
        packing = RowPacking(schema.fields)
        changes = TopChanges(spec, schema: schema, packing: packing)
        outputSchema = changes.outputSchema
    }

    /// Opens the rows of the table.
    public func open(_ context: OperatorContext) throws(JobFailure) {
        input.open(context)
        rows = try JoinMap(context, fingerprint: packing.fingerprint, name: "rows")
        if let timeToLive = spec.timeToLive { ages = try TopAges(timeToLive, context) }
    }

    /// Brings the changes into the table and tells what that changes among the first.
    public func process(_ batch: ColumnBatch, into output: any Output) throws(JobFailure) {
        guard let map = rows else { preconditionFailure("opened first") }
        let (batch, sortKeys) = try input.take(batch, into: output)
        guard batch.count > 0, let keys = batch.keys else { return }
        let count = batch.count
        let packed = packing.pack(batch.columns, prefix: nil, count: count)
        buffer.reserve(count)
        let entries = buffer.entries
        let table = try map.directory.table(0)
        try table.resolve(keys, rows: nil, count: count, into: entries)
        try ages?.resolve(keys, batch.order)
        var unknown: [Int32] = []
        changes.begin()
        for row in 0..<count {
            let entry = entries[row]
            entry.settle()
            let kind = batch.changes?.bools[row] ?? RowChange.insert.rawValue
            let key = sortKeys.bytes(row)
            let time = batch.order.time(row)
            if let ages, ages.isOver(row, at: time) {
                try ages.forget(entry, of: map)
                ages.note(row, at: time)
            }
            try first(map, entry, into: &before)
            let isRemoval = kind >= RowChange.updateBefore.rawValue
            if isRemoval {
                guard try remove(key, packed.bytes(row), map, entry) else {
                    if ages == nil { unknown.append(Int32(row)) }
                    continue
                }
            } else {
                try put(key, packed.bytes(row), at: time, map, entry)
            }
            try first(map, entry, into: &after)
            let told = changes.count
            tell(isRemoval: isRemoval, cause: Int32(row))
            if changes.count > told { ages?.note(row, at: time) }
            if changes.isFull { changes.emit(batch.order, into: output) }
        }
        changes.emit(batch.order, into: output)
        try forgetEmpty(map, entries, count, table)
        if !unknown.isEmpty {
            try input.reject(
                unknown, of: batch, column: "", reason: "it takes back a row that never came",
                into: output)
        }
    }

    /// Once in a time to live, forgets the keys whose time is over.
    public func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        if let rows { try ages?.sweep(rows, watermark) }
        return .done
    }

    // MARK: the table

    /// Makes `wanted` the place of a row, as the map takes it: its sort key, its content, and how many equal
    /// ones are before it; then, as the row, where its content begins.
    private func place(
        _ key: UnsafeBufferPointer<UInt8>, _ row: UnsafeBufferPointer<UInt8>, _ copy: UInt32
    ) -> UnsafeBufferPointer<UInt8> {
        let length = key.count + row.count + 4
        wanted.count = 0
        wanted.reserve(8 + length)
        let target = UnsafeMutableRawPointer(wanted.base)
        target.storeBytes(of: UInt32(length), as: UInt32.self)
        memcpy(target + 4, key.baseAddress!, key.count)
        memcpy(target + 4 + key.count, row.baseAddress!, row.count)
        let end = target + 4 + key.count + row.count
        end.storeBytes(of: copy.bigEndian, as: UInt32.self)
        end.storeBytes(of: UInt32(key.count), toByteOffset: 4, as: UInt32.self)
        wanted.count = 8 + length
        return UnsafeBufferPointer(start: wanted.base, count: wanted.count)
    }

    /// How many rows like this one there are.
    private func copies(
        _ key: UnsafeBufferPointer<UInt8>, _ row: UnsafeBufferPointer<UInt8>, _ map: JoinMap,
        _ entry: StateEntry
    ) throws(JobFailure) -> UInt32 {
        var copies: UInt32 = 0
        while try map.row(of: place(key, row, copies), in: entry) != nil { copies += 1 }
        return copies
    }

    private func put(
        _ key: UnsafeBufferPointer<UInt8>, _ row: UnsafeBufferPointer<UInt8>, at time: Int64,
        _ map: JoinMap, _ entry: StateEntry
    ) throws(JobFailure) {
        let copy = try copies(key, row, map, entry)
        _ = try map.put(place(key, row, copy), at: time, into: entry)
    }

    private func remove(
        _ key: UnsafeBufferPointer<UInt8>, _ row: UnsafeBufferPointer<UInt8>, _ map: JoinMap,
        _ entry: StateEntry
    ) throws(JobFailure) -> Bool {
        let copies = try copies(key, row, map, entry)
        if copies == 0 { return false }
        _ = try map.remove(place(key, row, copies - 1), from: entry)
        return true
    }

    private func forgetEmpty(
        _ map: JoinMap, _ entries: UnsafeMutablePointer<StateEntry>, _ count: Int,
        _ table: StateTable
    ) throws(JobFailure) {
        var gone: [UnsafeMutableRawPointer: StateEntry] = [:]
        for row in 0..<count where map.isEmpty(entries[row]) {
            gone[entries[row].value] = entries[row]
        }
        for entry in gone.values { try table.remove(entry) }
    }

    // MARK: what is first

    /// Copies the first rows of a key.
    private func first(
        _ map: JoinMap, _ entry: StateEntry, into kept: inout [Kept]
    ) throws(JobFailure) {
        kept.removeAll(keepingCapacity: true)
        if map.isEmpty(entry) { return }
        var numbers = TopNumbers(spec.ties)
        var rows = map.rows(of: entry)
        last.count = 0
        while let row = try rows.next() {
            let place = row.key.baseAddress!
            let keyLength = Int(
                UnsafeRawPointer(row.bytes.baseAddress!).loadUnaligned(as: UInt32.self))
            let isSame = last.count == keyLength && memcmp(last.base, place, keyLength) == 0
            let rank = numbers.next(isSame: isSame)
            if rank > spec.count { return }
            last.count = 0
            last.append(place, keyLength)
            let length = row.key.count - keyLength - 4
            kept.append(
                Kept(start: changes.copy(place + keyLength, length), length: length, rank: rank))
        }
    }

    private func isSame(_ left: Kept, _ right: Kept) -> Bool {
        let base = changes.arena.base
        return left.length == right.length
            && memcmp(base + left.start, base + right.start, left.length) == 0
    }

    /// Tells what is different between `before` and `after`.
    private func tell(isRemoval: Bool, cause: Int32) {
        if spec.ties == .rowNumber, spec.rankName != nil || spec.count == 1 {
            for index in 0..<max(before.count, after.count) {
                let old = index < before.count ? before[index] : nil
                let new = index < after.count ? after[index] : nil
                tell(old, new, cause)
            }
            return
        }
        var first = 0
        while first < before.count, first < after.count, isSame(before[first], after[first]) {
            first += 1
        }
        // Behind the row that came or went, what was at one index is at the next, or the one before.
        var old = first
        var new = first
        if isRemoval {
            if old < before.count { tell(before[old], nil, cause) }
            old += 1
        } else {
            new += 1
        }
        var gone = max(after.count - new + old, old)
        while gone < before.count {
            tell(before[gone], nil, cause)
            gone += 1
        }
        let showsRank = spec.rankName != nil
        while old < before.count, new < after.count {
            if showsRank { tell(before[old], after[new], cause) }
            old += 1
            new += 1
        }
        while isRemoval, new < after.count {
            tell(nil, after[new], cause)
            new += 1
        }
        if !isRemoval, first < after.count { tell(nil, after[first], cause) }
    }

    private func tell(_ old: Kept?, _ new: Kept?, _ cause: Int32) {
        switch (old, new) {
        case (let old?, let new?):
            if old.rank == new.rank, isSame(old, new) { return }
            changes.add(old.start, rank: old.rank, .updateBefore, cause: cause)
            changes.add(new.start, rank: new.rank, .updateAfter, cause: cause)
        case (let old?, nil): changes.add(old.start, rank: old.rank, .delete, cause: cause)
        case (nil, let new?): changes.add(new.start, rank: new.rank, .insert, cause: cause)
        case (nil, nil): break
        }
    }
}
