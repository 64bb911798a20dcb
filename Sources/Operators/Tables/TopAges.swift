import StreamRuntime

/// When the first rows of each key changed last, for a `top` over changes that forgets keys.
///
/// - Shape: state `changed`, by key: an event time of 8 bytes. It is apart from the rows, so that a step may
///   begin to forget.
final class TopAges {
    private let timeToLive: Int64
    private let changed: KeyedState
    private let counters: StepCounters
    /// The entries of the rows at hand.
    private let buffer = EntryBuffer()
    private let swept = EntryBuffer()
    private let forgotten = EntryBuffer()
    private var next = Int64.min
    /// Whether there may be keys from before the step began to forget.
    private var mayMiss: Bool

    init(_ timeToLive: Int64, _ context: OperatorContext) throws(JobFailure) {
        self.timeToLive = timeToLive
        counters = context.counters
        changed = try context.state.state(
            "changed", of: context.stepId, layout: StateLayout(fixedBytes: 8))
        mayMiss = try changed.table(0).cursor().next(1, into: swept.entries) == 0
    }

    /// Finds the ages of the keys of rows; those of new ones begin with the row.
    func resolve(_ keys: KeyColumn, _ order: RowOrder) throws(JobFailure) {
        buffer.reserve(keys.count)
        let entries = buffer.entries
        try changed.table(0).resolve(keys, rows: nil, count: keys.count, into: entries)
        for row in 0..<keys.count where entries[row].isNew {
            entries[row].settle()
            note(row, at: order.time(row))
        }
    }

    /// Whether the time of the key of `row` was over before a row at `time`.
    func isOver(_ row: Int, at time: Int64) -> Bool {
        time >= TimeMath.after(buffer.entries[row].value.load(as: Int64.self), timeToLive)
    }

    /// Notes that the first rows of the key of `row` changed.
    func note(_ row: Int, at time: Int64) {
        buffer.entries[row].value.storeBytes(of: time, as: Int64.self)
    }

    /// Takes the rows of a key away.
    func forget(_ entry: StateEntry, of map: JoinMap) throws(JobFailure) {
        var count = 0
        _ = try map.expire(entry, until: .max, forgotten: &count)
        counters.add(.forgotten, count)
    }

    /// Once in a time to live, forgets the keys whose time is over.
    func sweep(_ map: JoinMap, _ watermark: EventTime) throws(JobFailure) {
        guard watermark != .endOfTime, watermark.micros >= next else { return }
        next = TimeMath.after(watermark.micros, timeToLive)
        let ages = try changed.table(0)
        let rows = try map.directory.table(0)
        if mayMiss {
            mayMiss = false
            try begin(rows, watermark.micros)
        }
        let cursor = try ages.cursor()
        while true {
            let count = try cursor.next(4096, into: swept.entries)
            if count == 0 { return }
            var over: [StateEntry] = []
            for slot in 0..<count {
                let entry = swept.entries[slot]
                let since = entry.value.load(as: Int64.self)
                if watermark.micros >= TimeMath.after(since, timeToLive) { over.append(entry) }
            }
            if over.isEmpty { continue }
            forgotten.reserve(over.count)
            try rows.find(
                TopAges.keys(of: over), rows: nil, count: over.count, into: forgotten.entries)
            for (slot, age) in over.enumerated() {
                let entry = forgotten.entries[slot]
                if entry.exists {
                    try forget(entry, of: map)
                    try rows.remove(entry)
                }
                try ages.remove(age)
            }
        }
    }

    /// Lets the ages of keys that have none begin at `time`.
    private func begin(_ rows: StateTable, _ time: Int64) throws(JobFailure) {
        let cursor = try rows.cursor()
        while true {
            let count = try cursor.next(4096, into: swept.entries)
            if count == 0 { return }
            let there = (0..<count).map { swept.entries[$0] }
            forgotten.reserve(count)
            let found = forgotten.entries
            try changed.table(0).resolve(
                TopAges.keys(of: there), rows: nil, count: count, into: found)
            for slot in 0..<count where found[slot].isNew {
                found[slot].settle()
                found[slot].value.storeBytes(of: time, as: Int64.self)
            }
        }
    }

    private static func keys(of entries: [StateEntry]) -> KeyColumn {
        let bytes = Column(.bytes, capacity: entries.count)
        let hashes = Column(.int64, capacity: entries.count)
        for entry in entries {
            bytes.append(entry.key)
            hashes.append(entry.hash)
        }
        return KeyColumn(bytes: bytes, hashes: hashes)
    }
}
