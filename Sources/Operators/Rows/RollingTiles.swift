import StreamRuntime

/// The tiles of a rolling step: what a key's rows of one stretch of event time add up to.
final class RollingTiles {
    /// How far back from a key's newest event time tiles are kept, in microseconds.
    let reach: Int64
    private let grain: Int64
    private var state: KeyedState?
    private let found = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1)
    private let one = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    private var dropped = Int64.min

    /// Tiles of `grain` for windows of up to `longest`, both in microseconds.
    init(grain: Int64, longest: Int64) {
        self.grain = grain
        reach = TimeMath.after(longest, grain)
    }

    deinit {
        found.deallocate()
        one.deallocate()
    }

    /// Opens the state of the tiles, each of `layout`.
    func open(_ context: OperatorContext, _ layout: StateLayout) throws(JobFailure) {
        state = try context.state.state("tiles", of: context.stepId, layout: layout)
    }

    /// The number of the tile that event time `time` lies in.
    @inline(__always)
    func number(_ time: Int64) -> Int64 { TimeMath.bucket(time, grain) }

    /// The oldest tile that is kept for a key whose newest event time is `newest`.
    @inline(__always)
    func oldest(_ newest: Int64) -> Int64 { number(TimeMath.before(newest, reach)) }

    /// All keys' tiles `number`.
    func table(_ number: Int64) throws(JobFailure) -> StateTable {
        guard let state else { preconditionFailure("a step is opened first") }
        return try state.table(number)
    }

    /// The tile `number` of a row's key, to be read; nil when it has none.
    func entry(
        _ number: Int64, _ row: Int, _ keys: KeyColumn
    ) throws(JobFailure) -> StateEntry? {
        one.pointee = Int32(truncatingIfNeeded: row)
        try table(number).find(keys, rows: one, count: 1, into: found)
        return found.pointee.exists ? found.pointee : nil
    }

    /// Drops the tiles that no row to come can see, now that event time has come to `time`.
    func drop(at time: Int64) throws(JobFailure) {
        guard let state else { preconditionFailure("a step is opened first") }
        let oldest = oldest(TimeMath.before(time, reach))
        guard oldest > dropped else { return }
        for number in state.namespaces where number < oldest { try state.drop(number) }
        dropped = oldest
    }

    /// Removes the tiles of `keys` that lie before `time`; `entries` has room for one of each key.
    func remove(
        _ keys: KeyColumn, before time: Int64, _ entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        guard let state else { preconditionFailure("a step is opened first") }
        let last = number(time)
        for number in state.namespaces where number <= last {
            try RollingTiles.remove(keys, from: state.table(number), entries)
        }
    }

    /// Removes what `table` has of `keys`; `entries` has room for one of each.
    static func remove(
        _ keys: KeyColumn, from table: StateTable, _ entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        try table.find(keys, rows: nil, count: keys.count, into: entries)
        for slot in 0..<keys.count where entries[slot].exists { try table.remove(entries[slot]) }
    }
}
