import StreamRuntime

/// The state of windows that another step has made, by their ends: each is kept until the watermark reaches its
/// end, then handed out once, the earliest first, and dropped.
final class EndedWindows {
    /// How far time has come: rows of windows that end there or before are late, in microseconds.
    private(set) var reached = Int64.min
    private var state: KeyedState?
    private var progress: FiringProgress?
    /// Ends of the windows there are, ascending.
    private var live: [Int64] = []
    private var firing: StateCursor?
    private let chunkRows: Int
    private let chunk: UnsafeMutablePointer<StateEntry>

    /// Windows that are handed out in pieces of up to `chunkRows` keys.
    init(chunkRows: Int) {
        self.chunkRows = chunkRows
        chunk = .allocate(capacity: chunkRows)
    }

    deinit { chunk.deallocate() }

    /// Opens the windows that have not ended, each a table of `layout`, and returns their state.
    func open(_ context: OperatorContext, _ layout: StateLayout) throws(JobFailure) -> KeyedState {
        let state = try context.state.state("windows", of: context.stepId, layout: layout)
        self.state = state
        live = state.namespaces
        let progress = try FiringProgress(context)
        reached = try progress.load()
        self.progress = progress
        return state
    }

    /// Finds or makes the entries of the `count` rows that `rows` names, in the windows that end where `ends`
    /// says, by row.
    func resolve(
        _ keys: KeyColumn, rows: UnsafeMutablePointer<Int32>, count: Int,
        ends: UnsafeMutablePointer<Int64>, into entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        guard let state else { preconditionFailure("a step is opened first") }
        var start = 0
        while start < count {
            let end = ends[Int(rows[start])]
            var next = start
            while next < count, ends[Int(rows[next])] == end { next &+= 1 }
            let at = live.partitionPoint { $0 >= end }
            if at == live.count || live[at] != end { live.insert(end, at: at) }
            try state.table(end).resolve(
                keys, rows: rows + start, count: next &- start, into: entries + start)
            start = next
        }
    }

    /// Hands out the windows that have ended at `watermark`, in their order. `emit` takes a piece of the entries
    /// of the window that ends at a time, and returns the rows that it made of them.
    func fire(
        to watermark: EventTime,
        _ emit: (UnsafeMutablePointer<StateEntry>, Int, Int64) throws(JobFailure) -> Int
    ) throws(JobFailure) -> Progress {
        guard let state else { return .done }
        var emitted = 0
        while let end = live.first, end <= watermark.micros {
            let cursor: StateCursor
            if let firing {
                cursor = firing
            } else {
                cursor = try state.table(end).cursor()
                firing = cursor
            }
            while true {
                let found = try cursor.next(chunkRows, into: chunk)
                if found == 0 { break }
                emitted += try emit(chunk, found, end)
                if emitted >= Limits.firingRows { return .more }
            }
            firing = nil
            try state.drop(end)
            live.removeFirst()
        }
        reached = max(reached, watermark.micros)
        return .done
    }

    /// Writes down how far windows have been handed out.
    func save() throws(JobFailure) { try progress?.save(reached) }
}
