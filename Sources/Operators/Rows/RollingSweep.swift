import StreamRuntime

/// Finds the keys of a rolling step whose newest row is too old for any row to come, once in every reach of event
/// time.
///
/// - Note: a key's entry begins with the event time of its newest row, in microseconds.
struct RollingSweep {
    private let reach: Int64
    private var next = Int64.min

    /// Keys are over `reach` microseconds after their newest row.
    init(reach: Int64) { self.reach = reach }

    /// Whether it is time to look through the keys once more, now that event time has come to `time`.
    mutating func isDue(at time: Int64) -> Bool {
        if time < next { return false }
        next = TimeMath.after(time, reach)
        return true
    }

    /// Removes the keys from `table` that are over at `time`, after `remove` has removed what else is kept of them.
    func removeKeys(
        of table: StateTable, at time: Int64, _ buffer: EntryBuffer,
        _ remove: (KeyColumn, [StateEntry]) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let cursor = try table.cursor()
        while true {
            let count = try cursor.next(1024, into: buffer.entries)
            if count == 0 { return }
            let bytes = Column(.bytes, capacity: count)
            let hashes = Column(.int64, capacity: count)
            var over: [StateEntry] = []
            for slot in 0..<count {
                let entry = buffer.entries[slot]
                let newest = entry.value.load(as: Int64.self)
                if time < TimeMath.after(newest, reach) { continue }
                over.append(entry)
                bytes.append(entry.key)
                hashes.append(entry.hash)
            }
            if over.isEmpty { continue }
            try remove(KeyColumn(bytes: bytes, hashes: hashes), over)
            for entry in over { try table.remove(entry) }
        }
    }
}
