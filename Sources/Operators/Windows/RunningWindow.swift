import StreamRuntime

/// The aggregates of the window that slides over a key's slices: slices enter at its end and leave at its
/// start, so that a window costs what changed and not what it holds.
///
/// - Shape: holds the slices that end in (`from`, `to`].
/// - Note: not part of a checkpoint; built again from the slices when the step opens.
final class RunningWindow {
    private let layout: AggregateLayout
    private let slices: KeyedState
    private let state: KeyedState
    private let scratch: KeyedState
    /// The memory of the window's own tables, and the store of the worker that it counts in.
    private let memory = StateStore()
    private let owner: StateStore
    private var counted = 0
    private(set) var from = Int64.min
    private(set) var to = Int64.min
    private let chunk = UnsafeMutablePointer<StateEntry>.allocate(capacity: RunningWindow.chunkRows)
    private let found = UnsafeMutablePointer<StateEntry>.allocate(capacity: RunningWindow.chunkRows)
    private static let chunkRows = 4096

    init(layout: AggregateLayout, slices: KeyedState, owner: StateStore) throws(JobFailure) {
        self.owner = owner
        self.layout = layout
        self.slices = slices
        state = try memory.state("running", of: "window", layout: layout.state)
        scratch = try memory.state("scratch", of: "window", layout: layout.state)
    }

    deinit {
        owner.hold(-counted)
        chunk.deallocate()
        found.deallocate()
    }

    func table() throws(JobFailure) -> StateTable { try state.table(0) }

    func isEmpty() throws(JobFailure) -> Bool { try table().count == 0 }

    func holds(_ slice: Int64) -> Bool { slice > from && slice <= to }

    /// Moves the window to the slices of `live` (ascending) that end in (`from`, `to`].
    func move(from: Int64, to: Int64, live: [Int64]) throws(JobFailure) {
        if from >= self.to {
            try state.drop(0)
            self.from = from
            self.to = from
        }
        for slice in live where slice > max(from, self.to) && slice <= to { try enter(slice) }
        let before = self.from
        self.from = max(from, self.from)
        self.to = max(to, self.to)
        for slice in live where slice > before && slice <= self.from {
            try leave(slice, live: live)
        }
        let bytes = memory.bytes
        owner.hold(bytes - counted)
        counted = bytes
    }

    private func enter(_ slice: Int64) throws(JobFailure) {
        let target = try table()
        try walk(slice) { count throws(JobFailure) in
            try target.resolve(
                StateKeys.column(self.chunk, count), rows: nil, count: count, into: self.found)
            for slot in 0..<count { self.layout.merge(self.chunk[slot], into: self.found[slot]) }
        }
    }

    private func leave(_ slice: Int64, live: [Int64]) throws(JobFailure) {
        let target = try table()
        try walk(slice) { count throws(JobFailure) in
            try target.resolve(
                StateKeys.column(self.chunk, count), rows: nil, count: count, into: self.found)
            var broken: [StateEntry] = []
            for slot in 0..<count {
                let isWhole = self.layout.subtract(self.chunk[slot], from: self.found[slot])
                if self.layout.rows(of: self.found[slot]) == 0 {
                    try target.remove(self.found[slot])
                } else if !isWhole {
                    broken.append(self.found[slot])
                }
            }
            if broken.isEmpty { return }
            for entry in broken { self.layout.reset(entry) }
            // Slices leave in order, so that what stays behind this one is the rest of the window.
            try self.merge(
                live.filter { $0 > slice && $0 <= self.to }, into: broken)
        }
    }

    private func walk(
        _ slice: Int64, _ body: (Int) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let cursor = try slices.table(slice).cursor()
        while true {
            let count = try cursor.next(RunningWindow.chunkRows, into: chunk)
            if count == 0 { return }
            try body(count)
        }
    }

    /// Merges the slices into the entries of the same keys.
    private func merge(_ parts: [Int64], into targets: [StateEntry]) throws(JobFailure) {
        let keys = targets.withUnsafeBufferPointer {
            StateKeys.column($0.baseAddress!, $0.count)
        }
        let sources = UnsafeMutablePointer<StateEntry>.allocate(capacity: targets.count)
        defer { sources.deallocate() }
        for part in parts {
            try slices.table(part).find(keys, rows: nil, count: targets.count, into: sources)
            for (slot, target) in targets.enumerated() where sources[slot].exists {
                layout.merge(sources[slot], into: target)
            }
        }
    }

    /// Gives `body` the aggregates of row `row`'s key over the slices of `live` that end in (`from`, `to`].
    func withWindow(
        of keys: KeyColumn, row: Int, from: Int64, to: Int64, live: [Int64],
        _ body: (StateEntry) throws(JobFailure) -> Void
    ) throws(JobFailure) {
        let table = try scratch.table(0)
        var index = Int32(row)
        try table.resolve(keys, rows: &index, count: 1, into: found)
        let entry = found[0]
        try merge(live.filter { $0 > from && $0 <= to }, into: [entry])
        try body(entry)
        try table.remove(entry)
    }
}

/// Keys of state entries as rows.
enum StateKeys {
    static func column(_ entries: UnsafePointer<StateEntry>, _ count: Int) -> KeyColumn {
        let bytes = Column(.bytes, capacity: count)
        let hashes = Column(.int64, capacity: count)
        for slot in 0..<count {
            bytes.append(entries[slot].key)
            hashes.append(entries[slot].hash)
        }
        return KeyColumn(bytes: bytes, hashes: hashes)
    }
}
