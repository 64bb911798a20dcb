import StreamRuntime

/// The keys that a call is about, each once, and the rows of each that are still to come.
final class ProcessKeys {
    /// One key.
    struct Key {
        var entry: StateEntry
        /// A row of it among the keys of the call.
        var keyRow: Int32
        /// Its next row and its last one; -1 for none.
        var first: Int32
        var last: Int32
    }

    private(set) var keys: UnsafeMutablePointer<Key>
    private var next: UnsafeMutablePointer<Int32>
    private var capacity = 1024
    private(set) var count = 0
    /// The keys that have something left to do.
    private(set) var active: UnsafeMutablePointer<Int32>
    var activeCount = 0

    init() {
        keys = .allocate(capacity: capacity)
        next = .allocate(capacity: capacity)
        active = .allocate(capacity: capacity)
    }

    deinit { release() }

    private func release() {
        keys.deallocate()
        next.deallocate()
        active.deallocate()
    }

    /// Forgets everything and makes room for `rows` rows.
    func begin(_ rows: Int) {
        count = 0
        activeCount = 0
        guard rows > capacity else { return }
        release()
        capacity = max(rows, capacity * 2)
        keys = .allocate(capacity: capacity)
        next = .allocate(capacity: capacity)
        active = .allocate(capacity: capacity)
    }

    /// Adds a row of the key of `entry`; true when it is the key's first.
    ///
    /// - Parameter row: -1 for a key without a row.
    func add(_ entry: StateEntry, keyRow: Int32, row: Int32) -> Bool {
        if row >= 0 { next[Int(row)] = -1 }
        let mark = ProcessRecords.mark(entry)
        if mark > 0 {
            let key = keys + (mark - 1)
            if row >= 0 {
                if key.pointee.last >= 0 {
                    next[Int(key.pointee.last)] = row
                } else {
                    key.pointee.first = row
                }
                key.pointee.last = row
            }
            return false
        }
        (keys + count).initialize(
            to: Key(entry: entry, keyRow: keyRow, first: row, last: row))
        active[count] = Int32(truncatingIfNeeded: count)
        count += 1
        activeCount = count
        ProcessRecords.setMark(entry, count)
        return true
    }

    /// Goes on to the key's next row.
    @inline(__always)
    func passRow(_ key: Int) { keys[key].first = next[Int(keys[key].first)] }
}
