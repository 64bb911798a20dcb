import Glibc
import StreamRuntime

/// The rows of every key that a rolling step may still need, in order of event time.
///
/// - Shape: a table for each time bucket; an entry holds the key's records of that bucket and the number of
///   the key's next bucket. Only the buckets written to are in the next checkpoint, and old ones are
///   forgotten whole.
final class RollingLog {
    /// A position in a key's log: the first record that has not been passed.
    ///
    /// - Shape: three words of the key's running state: bucket, index there, and the record's event time,
    ///   `.max` when every record was passed.
    struct Position {
        let words: UnsafeMutablePointer<Int64>
        @inline(__always) var bucket: Int64 { words[0] }
        @inline(__always) var index: Int { Int(words[1]) }
        @inline(__always) var time: Int64 { words[2] }

        @inline(__always)
        func set(_ bucket: Int64, _ index: Int, _ time: Int64) {
            words[0] = bucket
            words[1] = Int64(index)
            words[2] = time
        }
    }

    static let none = Int64.max
    let form: RollingRecord
    private let state: KeyedState
    private let bucketWidth: Int64
    private let layout: StateLayout
    private let stride: Int
    private var keys: KeyColumn?
    private let row = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    private let known = KnownEntries()
    private let tables = KnownTables()
    private let found = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
    private let apart = ByteArena(capacity: 256)
    private let record: UnsafeMutablePointer<Int64>

    init(form: RollingRecord, state: KeyedState, bucketWidth: Int64) {
        self.form = form
        self.state = state
        self.bucketWidth = bucketWidth
        layout = state.layout
        stride = form.stride
        record = .allocate(capacity: form.stride)
    }

    deinit {
        found.deallocate()
        row.deallocate()
        record.deallocate()
    }

    static func layout() -> StateLayout {
        StateLayout(
            fixedBytes: 8, blobs: 2,
            initial: withUnsafeBytes(of: RollingLog.none.littleEndian) { Array($0) })
    }

    // MARK: the key at hand

    /// Begins a batch.
    func begin(_ keys: KeyColumn) {
        self.keys = keys
        tables.removeAll()
    }

    /// Turns to the key of `row`.
    func turn(to row: Int) {
        self.row.pointee = Int32(truncatingIfNeeded: row)
        known.removeAll()
    }

    /// Turns to the key of `row`, whose arguments are in `batch`, and returns its record.
    func turn(to row: Int, of batch: ColumnBatch) -> UnsafePointer<Int64> {
        turn(to: row)
        apart.count = 0
        form.encode(batch, row, to: record, apart: apart)
        return UnsafePointer(record)
    }

    @inline(__always) func bucket(_ time: Int64) -> Int64 { TimeMath.bucket(time, bucketWidth) }

    @inline(__always)
    private func table(_ bucket: Int64) throws(JobFailure) -> StateTable {
        if let table = tables.table(bucket) { return table }
        let table = try state.table(bucket)
        tables.keep(table, for: bucket)
        return table
    }

    /// The key's entry in `bucket`, to be read; nil when there is none.
    func entry(_ bucket: Int64) throws(JobFailure) -> StateEntry? {
        if let entry = known.entry(bucket) { return entry }
        try table(bucket).find(keys!, rows: row, count: 1, into: found)
        let entry = found[0]
        guard entry.exists else { return nil }
        known.keep(entry, for: bucket)
        return entry
    }

    /// The key's entry in `bucket`, to be changed.
    private func changed(_ bucket: Int64) throws(JobFailure) -> StateEntry {
        let table = try table(bucket)
        if let entry = known.entry(bucket) {
            table.markChanged(entry)
            return entry
        }
        try table.resolve(keys!, rows: row, count: 1, into: found)
        let entry = found[0]
        entry.settle()
        known.keep(entry, for: bucket)
        return entry
    }

    func records(_ entry: StateEntry) -> (base: UnsafePointer<Int64>, count: Int) {
        let bytes = entry.blob(0, of: layout)
        guard let base = bytes.baseAddress else { return (UnsafePointer(record), 0) }
        return (
            UnsafeRawPointer(base).assumingMemoryBound(to: Int64.self),
            bytes.count / (stride * 8)
        )
    }

    @inline(__always) private func next(_ entry: StateEntry) -> UnsafeMutablePointer<Int64> {
        entry.value.assumingMemoryBound(to: Int64.self)
    }

    /// Appends the row that the record at `position` holds to `batch`.
    func decode(_ entry: StateEntry, _ index: Int, into batch: ColumnBatch) {
        form.decode(
            records(entry).base + index * stride,
            apart: entry.blob(1, of: layout).baseAddress, into: batch)
    }

    private func remove(_ bucket: Int64) throws(JobFailure) {
        guard let entry = try entry(bucket) else { return }
        known.forget(bucket)
        try table(bucket).remove(entry)
    }

    /// Removes the key's entries from bucket `first` on that are before bucket `end`.
    ///
    /// - Returns: the first bucket that is left, or `none`.
    func removeAll(from first: Int64, before end: Int64) throws(JobFailure) -> Int64 {
        var bucket = first
        while bucket < end, let entry = try entry(bucket) {
            let after = next(entry).pointee
            try remove(bucket)
            bucket = after
        }
        return bucket
    }

    // MARK: moving

    /// Moves `position` over its record, which is in `entry`.
    func step(_ position: Position, in entry: StateEntry) throws(JobFailure) {
        let (base, count) = records(entry)
        let index = position.index + 1
        if index < count {
            return position.set(position.bucket, index, base[index * stride])
        }
        let after = next(entry).pointee
        if after == RollingLog.none { return position.set(position.bucket, count, .max) }
        guard let following = try self.entry(after) else {
            preconditionFailure("buckets that are linked are there")
        }
        position.set(after, 0, records(following).base[0])
    }

    /// Calls `body` with each record in (`after`, `upTo`], from bucket `first` on.
    func scan(
        from first: Int64, after: Int64, upTo: Int64,
        _ body: (UnsafePointer<Int64>, StateEntry, Int) -> Void
    ) throws(JobFailure) {
        var bucket = first
        while bucket != RollingLog.none, bucket <= self.bucket(upTo),
            let entry = try entry(bucket)
        {
            let (base, count) = records(entry)
            var index = bound(base, count, after)
            while index < count, base[index * stride] <= upTo {
                body(base + index * stride, entry, index)
                index += 1
            }
            bucket = next(entry).pointee
        }
    }

    /// The index of the first of `count` records with an event time above `time`.
    private func bound(_ base: UnsafePointer<Int64>, _ count: Int, _ time: Int64) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if base[middle * stride] <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: writing

    /// Puts the record of the row at hand behind all others of its key, in bucket `bucket`, and returns its
    /// index there. `first` and `last` are the key's first and last bucket, `none` without records.
    func append(
        _ bucket: Int64, first: inout Int64, last: inout Int64
    ) throws(JobFailure) -> Int {
        let entry = try changed(bucket)
        let count = records(entry).count
        place(entry, count, count)
        if bucket == last { return count }
        if first == RollingLog.none {
            first = bucket
        } else {
            next(try changed(last)).pointee = bucket
        }
        last = bucket
        return count
    }

    /// Puts the record of the row at hand among those of its key, behind others of its event time.
    ///
    /// - Precondition: the key has records, and later ones.
    func insert(
        _ bucket: Int64, first: inout Int64, last: inout Int64
    ) throws(JobFailure) -> Int {
        let isNew = try entry(bucket) == nil
        let entry = try changed(bucket)
        let (base, count) = records(entry)
        let index = bound(base, count, record[0])
        place(entry, index, count)
        guard isNew else { return index }
        precondition(bucket < last, "the key's newest record is in its last bucket")
        if bucket < first {
            next(entry).pointee = first
            first = bucket
            return index
        }
        var before = first
        while let passed = try self.entry(before), next(passed).pointee < bucket {
            before = next(passed).pointee
        }
        let link = next(try changed(before))
        next(entry).pointee = link.pointee
        link.pointee = bucket
        return index
    }

    private func place(_ entry: StateEntry, _ index: Int, _ count: Int) {
        if apart.count > 0 {
            let old = entry.blob(1, of: layout).count
            (entry.resizeBlob(1, to: old + apart.count, of: layout) + old)
                .update(from: apart.base, count: apart.count)
            for argument in 0..<form.types.count where RollingRecord.isApart(form.types[argument]) {
                // Views count from the start of the entry's bytes.
                if form.isValid(record, argument) { record[form.word(argument)] &+= Int64(old) }
            }
        }
        let bytes = stride * 8
        let raw = entry.resizeBlob(0, to: (count + 1) * bytes, of: layout)
        if index < count {
            memmove(raw + (index + 1) * bytes, raw + index * bytes, (count - index) * bytes)
        }
        memcpy(raw + index * bytes, record, bytes)
    }

    // MARK: forgetting

    /// Forgets the buckets that end at or before `time`.
    func drop(before time: Int64) throws(JobFailure) {
        let first = bucket(time)
        for bucket in state.namespaces where bucket < first { try state.drop(bucket) }
    }
}

/// The entries of one key that were found before, a few of them.
private final class KnownEntries {
    private static let room = 8
    private let buckets = UnsafeMutablePointer<Int64>.allocate(capacity: room)
    private let entries = UnsafeMutablePointer<StateEntry>.allocate(capacity: room)
    private var count = 0
    private var oldest = 0

    deinit {
        buckets.deallocate()
        entries.deallocate()
    }

    @inline(__always)
    func removeAll() {
        count = 0
        oldest = 0
    }

    @inline(__always)
    func entry(_ bucket: Int64) -> StateEntry? {
        let count = count
        var slot = 0
        while slot < count {
            if buckets[slot] == bucket { return entries[slot] }
            slot &+= 1
        }
        return nil
    }

    @inline(__always)
    func keep(_ entry: StateEntry, for bucket: Int64) {
        var slot = count
        if count < KnownEntries.room {
            count += 1
        } else {
            slot = oldest
            oldest = (oldest + 1) % KnownEntries.room
        }
        buckets[slot] = bucket
        entries[slot] = entry
    }

    func forget(_ bucket: Int64) {
        for slot in 0..<count where buckets[slot] == bucket {
            count -= 1
            buckets[slot] = buckets[count]
            entries[slot] = entries[count]
            return
        }
    }
}

/// The tables of the buckets that a batch has touched, by the low bits of the bucket.
private final class KnownTables {
    private static let room = 32
    private let buckets = UnsafeMutablePointer<Int64>.allocate(capacity: room)
    private let tables = UnsafeMutablePointer<Unmanaged<StateTable>>.allocate(capacity: room)
    /// What keeps them alive.
    private var held: [StateTable] = []

    init() { buckets.initialize(repeating: .min, count: KnownTables.room) }

    deinit {
        buckets.deallocate()
        tables.deallocate()
    }

    func removeAll() {
        buckets.update(repeating: .min, count: KnownTables.room)
        held.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    func table(_ bucket: Int64) -> StateTable? {
        let slot = Int(bucket & Int64(KnownTables.room - 1))
        return buckets[slot] == bucket ? tables[slot].takeUnretainedValue() : nil
    }

    func keep(_ table: StateTable, for bucket: Int64) {
        let slot = Int(bucket & Int64(KnownTables.room - 1))
        buckets[slot] = bucket
        tables[slot] = Unmanaged.passUnretained(table)
        held.append(table)
    }
}
