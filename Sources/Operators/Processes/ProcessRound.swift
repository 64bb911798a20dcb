import StreamRuntime

/// What is done at once: the next row or timer of keys that are all different.
final class ProcessRound {
    private(set) var rows: UnsafeMutablePointer<Int32>
    private(set) var rowEntries: UnsafeMutablePointer<StateEntry>
    private(set) var rowCount = 0
    /// The keys whose timer fires, by timer.
    private(set) var timers: [ContiguousArray<StateEntry>] = []

    /// Room for `count` keys.
    init(_ count: Int) {
        rows = .allocate(capacity: max(count, 1))
        rowEntries = .allocate(capacity: max(count, 1))
    }

    deinit {
        rows.deallocate()
        rowEntries.deallocate()
    }

    func begin(timers count: Int) {
        rowCount = 0
        if timers.count != count {
            timers = (0..<count).map { _ in [] }
        } else {
            for timer in timers.indices where !timers[timer].isEmpty {
                timers[timer].removeAll(keepingCapacity: true)
            }
        }
    }

    @inline(__always)
    func add(_ entry: StateEntry, row: Int32) {
        rows[rowCount] = row
        rowEntries[rowCount] = entry
        rowCount &+= 1
    }

    func add(_ entry: StateEntry, timer: Int) { timers[timer].append(entry) }
}

/// Rows or timers of different keys on which entries are tried, all of one cause.
struct ProcessEvents {
    /// The schema that the entries were compiled for: what comes before the state, then the state.
    let schema: Schema
    /// How many columns come before the state.
    let inputs: Int
    let count: Int
    let entries: UnsafePointer<StateEntry>
    /// What an input column has for some of the events.
    let column: (Int, [Int32]) -> Column
    /// The order of some of the events, as `now()` sees it.
    let order: ([Int32]) -> RowOrder

    /// The columns `wanted` of the events `picked`, and others of no meaning.
    func batch(_ picked: [Int32], _ wanted: Set<Int>, _ records: ProcessRecords) -> ColumnBatch {
        let unread = Column(.bool, capacity: picked.count)
        unread.setCount(picked.count)
        let states = ContiguousArray(picked.map { entries[Int($0)] })
        let columns = (0..<schema.count).map { index in
            guard wanted.contains(index) else { return unread }
            if index < inputs { return column(index, picked) }
            return states.withUnsafeBufferPointer {
                records.read(index - inputs, $0.baseAddress!, picked.count)
            }
        }
        return ColumnBatch(
            schema: schema, columns: columns, order: order(picked), count: picked.count)
    }
}
