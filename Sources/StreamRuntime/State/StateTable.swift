import Glibc

/// The entries of one state and namespace that belong to one worker.
///
/// - Note: entry addresses are stable until the entry is removed or the step returns from `process`,
///   `advance` or `flush`: nothing is evicted in between.
public final class StateTable {
    private let layout: StateLayout
    private var index: [[UInt8]: UnsafeMutablePointer<StateEntry.Header>] = [:]

    init(layout: StateLayout) { self.layout = layout }

    deinit { for header in index.values { StateEntry(header: header).free(layout) } }

    public var count: Int { index.count }

    /// Finds or makes the entry of each key and marks it changed.
    ///
    /// - Shape: slot i of `entries` gets the entry of row `rows[i]` (of row i, when `rows` is nil), for
    ///   i < `count`. Equal keys get the same entry; a new one has `isNew` until `settle()`.
    public func resolve(
        _ keys: KeyColumn, rows: UnsafePointer<Int32>?, count: Int,
        into entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        for slot in 0..<count {
            let row = rows.map { Int($0[slot]) } ?? slot
            entries[slot] = entry(Array(keys.bytes.bytes(row)), hash: keys.hashes.int64s[row])
        }
    }

    /// Finds the entry of each key; absent ones give an entry whose `exists` is false. Marks nothing.
    public func find(
        _ keys: KeyColumn, rows: UnsafePointer<Int32>?, count: Int,
        into entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        for slot in 0..<count {
            let row = rows.map { Int($0[slot]) } ?? slot
            entries[slot] = StateEntry(header: index[Array(keys.bytes.bytes(row))])
        }
    }

    /// Removes an entry, in memory and on disk; its address is dead afterwards.
    public func remove(_ entry: StateEntry) throws(JobFailure) {
        index[Array(entry.key)] = nil
        entry.free(layout)
    }

    /// The entries in order of (hash as unsigned, key bytes), spilled ones included.
    ///
    /// The table may be changed between two `next` calls only by removing entries already returned.
    public func cursor() throws(JobFailure) -> StateCursor {
        StateCursor(index.values.map { StateEntry(header: $0) }.sorted { $0.precedes($1) })
    }

    private func entry(_ key: [UInt8], hash: Int64) -> StateEntry {
        if let header = index[key] { return StateEntry(header: header) }
        let made = StateEntry.make(layout, key: key, hash: hash)
        index[key] = made.header
        return made
    }
}

/// A walk over a table's entries in hash order, a chunk at a time.
public final class StateCursor {
    private let entries: [StateEntry]
    private var at = 0

    init(_ entries: [StateEntry]) { self.entries = entries }

    /// Writes the next entries into `chunk`, at most `limit`; 0 at the end.
    public func next(_ limit: Int, into chunk: UnsafeMutablePointer<StateEntry>) throws(JobFailure) -> Int {
        let count = min(limit, entries.count - at)
        for slot in 0..<count { chunk[slot] = entries[at + slot] }
        at += count
        return count
    }
}
