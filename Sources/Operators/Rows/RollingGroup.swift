import StreamRuntime

/// Aggregates of one window width that are kept in state entries: rows are added and taken out; where
/// one cannot be taken out, the entry is made anew from the log.
final class RollingGroup {
    /// The calls it computes, as positions in the width's plan.
    let positions: [Int]
    private let name: String
    private let layout: AggregateLayout
    private var state: KeyedState?
    private var running: UnsafeMutablePointer<StateEntry>
    private var results: UnsafeMutablePointer<StateEntry>
    private var values: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var capacity = 4096
    private let pool: ScratchEntries
    private var arguments: [PreparedArguments] = []
    private(set) var columns: [Column] = []

    init(name: String, calls: [AggregateCall], positions: [Int]) throws(JobFailure) {
        self.name = name
        self.positions = positions
        layout = try AggregateLayout(calls)
        pool = try ScratchEntries(layout)
        running = .allocate(capacity: capacity)
        results = .allocate(capacity: capacity)
        values = .allocate(capacity: capacity)
    }

    deinit {
        running.deallocate()
        results.deallocate()
        values.deallocate()
    }

    func open(_ context: OperatorContext) throws(JobFailure) {
        state = try context.state.state(name, of: context.stepId, layout: layout.state)
    }

    /// Begins a batch: finds the entry of every row.
    func begin(_ batch: ColumnBatch, _ keys: KeyColumn) throws(JobFailure) {
        guard let state else { preconditionFailure("a step is opened first") }
        reserve(batch.count)
        try state.table(0).resolve(keys, rows: nil, count: batch.count, into: running)
        for row in 0..<batch.count { running[row].settle() }
        var errors = RejectedRows()
        arguments = layout.arguments(of: batch, errors: &errors)
        columns = layout.calls.map { Column($0.resultType, capacity: batch.count) }
        pool.release()
    }

    private func reserve(_ count: Int) {
        guard count > capacity else { return }
        running.deallocate()
        results.deallocate()
        values.deallocate()
        capacity = max(count, capacity * 2)
        running = .allocate(capacity: capacity)
        results = .allocate(capacity: capacity)
        values = .allocate(capacity: capacity)
    }

    /// Forgets every row of the key of `row`.
    func reset(_ row: Int) { layout.reset(running[row]) }

    /// Brings the windows of the rows `range` up to their time and writes their results.
    ///
    /// - Shape: `moved` are rows that enter or leave windows, or make up the window of a late row;
    ///   `renew` appends the rows of a row's window to a batch.
    func run(
        _ batch: ColumnBatch, _ range: Range<Int>, _ moved: MovedRows, includesSelf: Bool,
        _ fates: UnsafePointer<RowFate>, errors: inout RejectedRows,
        renew: (Int, ColumnBatch) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        pool.release()
        for row in range {
            results[row] = fates[row].contains(.isLate) ? try pool.take() : running[row]
        }
        try move(moved, renew: renew)
        if includesSelf { update(batch, range, results) }
        let finished = layout.finish(
            results + range.lowerBound, count: range.count, errors: &errors)
        for (column, part) in zip(columns, finished) { column.append(contentsOf: part) }
        for row in range where fates[row].contains(.joinsAfter) {
            update(batch, row..<(row + 1), running)
        }
    }

    private func move(
        _ moved: MovedRows, renew: (Int, ColumnBatch) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let count = moved.batch.count
        guard count > 0 else { return }
        var errors = RejectedRows()
        let prepared = layout.arguments(of: moved.batch, errors: &errors)
        let targets = UnsafeMutablePointer<StateEntry>.allocate(capacity: count)
        defer { targets.deallocate() }
        for index in 0..<count {
            switch moved.moves[index] {
            case .enter(let row): targets[index] = running[row]
            case .belong(let row): targets[index] = results[row]
            case .leave: targets[index] = try pool.take()
            }
        }
        add(prepared, moved.batch.order, 0..<count, targets)
        var broken: [Int] = []
        for index in 0..<count {
            guard case .leave(let row) = moved.moves[index] else { continue }
            if !layout.subtract(targets[index], from: running[row]), broken.last != row {
                broken.append(row)
            }
        }
        for row in Set(broken).sorted() {
            layout.reset(running[row])
            let window = moved.emptyBatch()
            try renew(row, window)
            guard window.count > 0 else { continue }
            let again = layout.arguments(of: window, errors: &errors)
            let same = UnsafeMutablePointer<StateEntry>.allocate(capacity: window.count)
            defer { same.deallocate() }
            for index in 0..<window.count { same[index] = running[row] }
            add(again, window.order, 0..<window.count, same)
        }
    }

    private func add(
        _ prepared: [PreparedArguments], _ order: RowOrder, _ range: Range<Int>,
        _ targets: UnsafeMutablePointer<StateEntry>
    ) {
        withUnsafeTemporaryAllocation(
            of: UnsafeMutableRawPointer.self, capacity: max(range.upperBound, 1)
        ) { values in
            for index in range { values[index] = targets[index].value }
            layout.update(
                prepared, order: order, entries: targets, values: values.baseAddress!, range: range)
        }
    }

    private func update(
        _ batch: ColumnBatch, _ range: Range<Int>, _ entries: UnsafeMutablePointer<StateEntry>
    ) {
        for row in range { values[row] = entries[row].value }
        layout.update(
            arguments, order: batch.order, entries: entries, values: values, range: range)
    }

    /// Forgets the keys of `keys`.
    func remove(_ keys: KeyColumn) throws(JobFailure) {
        guard let state else { return }
        reserve(keys.count)
        let table = try state.table(0)
        try table.find(keys, rows: nil, count: keys.count, into: running)
        for row in 0..<keys.count where running[row].exists { try table.remove(running[row]) }
    }
}

/// What becomes of a row of a rolling step beside its result.
struct RowFate: OptionSet {
    let rawValue: UInt8
    /// Its window is computed from the log, as later rows of its key have been processed before.
    static let isLate = RowFate(rawValue: 1)
    /// It is added to the key's running windows of this width after its result.
    static let joinsAfter = RowFate(rawValue: 2)
}

/// Rows of the log on their way into or out of windows of one width.
struct MovedRows {
    /// What happens to one of them, for which row of the batch.
    enum Move {
        case enter(Int)
        case leave(Int)
        case belong(Int)
    }

    let schema: Schema
    private(set) var batch: ColumnBatch
    private(set) var moves: [Move] = []

    init(schema: Schema) {
        self.schema = schema
        batch = MovedRows.empty(schema)
    }

    func emptyBatch() -> ColumnBatch { MovedRows.empty(schema) }

    private static func empty(_ schema: Schema) -> ColumnBatch {
        let batch = ColumnBatch(schema: schema, capacity: 16)
        batch.order.elements = Column(.int64, capacity: 16)
        return batch
    }

    mutating func append(_ move: Move, _ log: RollingLog, _ entry: StateEntry, _ index: Int) {
        log.decode(entry, index, into: batch)
        moves.append(move)
    }

    mutating func removeAll() {
        guard !moves.isEmpty else { return }
        batch = MovedRows.empty(schema)
        moves.removeAll(keepingCapacity: true)
    }
}

/// State entries that belong to no key, reused from row to row.
final class ScratchEntries {
    private let layout: AggregateLayout
    private let store = StateStore()
    private let table: StateTable
    private var entries: [StateEntry] = []
    private var used = 0

    init(_ layout: AggregateLayout) throws(JobFailure) {
        self.layout = layout
        table = try store.state("scratch", of: "scratch", layout: layout.state).table(0)
    }

    /// Makes all entries free again.
    func release() { used = 0 }

    /// An entry that holds nothing.
    func take() throws(JobFailure) -> StateEntry {
        if used == entries.count { try grow() }
        let entry = entries[used]
        used += 1
        layout.reset(entry)
        return entry
    }

    private func grow() throws(JobFailure) {
        let count = 64
        let numbers = Column(.int64, capacity: count)
        for number in 0..<count { numbers.append(Int64(entries.count + number)) }
        let keys = KeyEncoder(columns: []).encode([numbers], count: count)
        let made = UnsafeMutablePointer<StateEntry>.allocate(capacity: count)
        defer { made.deallocate() }
        try table.resolve(keys, rows: nil, count: count, into: made)
        for index in 0..<count {
            made[index].settle()
            entries.append(made[index])
        }
    }
}
