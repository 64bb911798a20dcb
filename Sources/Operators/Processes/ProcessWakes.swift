import StreamRuntime

/// When keys are to be woken, in order of time.
///
/// - Shape: a state with a table for each minute, for times within the hour, for each hour, within four
///   days, and for each day. A minute that has begun is in a heap as well, which holds nothing the state
///   does not. An entry whose key says another time than it is left over and means nothing.
final class ProcessWakes {
    private struct Item {
        let time: Int64
        let hash: Int64
        let start: Int
        let length: Int
    }

    private static let widths: [Int64] = [60_000_000, 3_600_000_000, 86_400_000_000]
    private let state: KeyedState
    private var heap: [Item] = []
    private let arena = ByteArena(capacity: 4096)
    /// Tables that begin at or before it are in the heap.
    private var loaded = Int64.min
    private let found = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1024)
    private let row = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

    init(_ context: OperatorContext) throws(JobFailure) {
        state = try context.state.state(
            "wakes", of: context.stepId, layout: StateLayout(fixedBytes: 8))
    }

    deinit {
        found.deallocate()
        row.deallocate()
    }

    private static func namespace(_ level: Int, _ time: Int64) -> Int64 {
        TimeMath.bucket(time, widths[level]) << 2 | Int64(level)
    }

    private static func start(_ namespace: Int64) -> Int64 {
        let (start, overflow) = (namespace >> 2).multipliedReportingOverflow(
            by: widths[Int(namespace & 3)])
        return overflow ? (namespace < 0 ? .min : .max) : start
    }

    /// Wakes the key of row `row` of `keys` at `time`, when it is `now` for it.
    ///
    /// - Parameter isLast: nothing is woken again in this run.
    func set(
        _ keys: KeyColumn, _ row: Int, at time: Int64, now: Int64, isLast: Bool = false
    ) throws(JobFailure) {
        let (distance, overflow) = time.subtractingReportingOverflow(now)
        let level =
            overflow || distance >= 4 * ProcessWakes.widths[2]
            ? 2 : distance >= ProcessWakes.widths[1] ? 1 : 0
        let namespace = ProcessWakes.namespace(level, time)
        self.row.pointee = Int32(truncatingIfNeeded: row)
        try state.table(namespace).resolve(keys, rows: self.row, count: 1, into: found)
        found[0].settle()
        found[0].value.storeBytes(of: time, as: Int64.self)
        if !isLast, ProcessWakes.start(namespace) <= loaded {
            push(time, keys.hashes.int64s[row], keys.bytes.bytes(row))
        }
    }

    /// Takes into the heap what begins at or before `time`.
    func load(through time: Int64) throws(JobFailure) {
        guard
            loaded == .min
                || TimeMath.bucket(time, ProcessWakes.widths[0])
                    > TimeMath.bucket(loaded, ProcessWakes.widths[0])
        else {
            loaded = max(loaded, time)
            return
        }
        let before = loaded
        loaded = time
        // Days become hours or minutes, and hours minutes, which may have begun as well.
        for level in [2, 1, 0] {
            for namespace in state.namespaces where Int(namespace & 3) == level {
                let start = ProcessWakes.start(namespace)
                guard start <= time else { continue }
                if level == 0, start <= before, before != .min { continue }
                try take(namespace, isMinute: level == 0, now: time)
                if level > 0 { try state.drop(namespace) }
            }
        }
    }

    private func take(
        _ namespace: Int64, isMinute: Bool, now: Int64
    ) throws(JobFailure) {
        let cursor = try state.table(namespace).cursor()
        let chunk = UnsafeMutablePointer<StateEntry>.allocate(capacity: 1024)
        defer { chunk.deallocate() }
        while true {
            let count = try cursor.next(1024, into: chunk)
            if count == 0 { return }
            if isMinute {
                for slot in 0..<count {
                    let time = chunk[slot].value.load(as: Int64.self)
                    push(time, chunk[slot].hash, chunk[slot].key)
                }
                continue
            }
            let bytes = Column(.bytes, capacity: count)
            let hashes = Column(.int64, capacity: count)
            for slot in 0..<count {
                bytes.append(chunk[slot].key)
                hashes.append(chunk[slot].hash)
            }
            let keys = KeyColumn(bytes: bytes, hashes: hashes)
            for slot in 0..<count {
                let time = chunk[slot].value.load(as: Int64.self)
                let namespace = ProcessWakes.namespace(
                    time > TimeMath.after(now, ProcessWakes.widths[1]) ? 1 : 0, time)
                row.pointee = Int32(slot)
                try state.table(namespace).resolve(keys, rows: row, count: 1, into: found)
                let held =
                    found[0].isNew ? Int64.max : found[0].value.load(as: Int64.self)
                found[0].settle()
                // One of two times is left over; the earlier one leads to the other.
                found[0].value.storeBytes(of: min(time, held), as: Int64.self)
                if namespace & 3 == 0, ProcessWakes.start(namespace) <= loaded {
                    push(time, chunk[slot].hash, chunk[slot].key)
                }
            }
        }
    }

    /// Takes the next keys to be woken at or before `time`, at most `limit`, with the time of each.
    func pop(through time: Int64, limit: Int) -> (keys: KeyColumn, times: [Int64]) {
        let bytes = Column(.bytes, capacity: 16)
        let hashes = Column(.int64, capacity: 16)
        var times: [Int64] = []
        while times.count < limit, let first = heap.first, first.time <= time {
            bytes.append(
                UnsafeBufferPointer(start: arena.base + first.start, count: first.length))
            hashes.append(first.hash)
            times.append(first.time)
            removeFirst()
        }
        if heap.isEmpty { arena.count = 0 }
        return (KeyColumn(bytes: bytes, hashes: hashes), times)
    }

    /// Forgets the minutes that ended at or before `time`, all of whose keys have been woken.
    func drop(before time: Int64) throws(JobFailure) {
        for namespace in state.namespaces where namespace & 3 == 0 {
            let end = TimeMath.after(ProcessWakes.start(namespace), ProcessWakes.widths[0])
            if end <= time { try state.drop(namespace) }
        }
    }

    // MARK: the heap

    private func push(_ time: Int64, _ hash: Int64, _ key: UnsafeBufferPointer<UInt8>) {
        if arena.count > 1 << 20, arena.count > heap.count * 128 { compact() }
        let view = arena.append(key.baseAddress ?? UnsafePointer(arena.base), key.count)
        heap.append(
            Item(
                time: time, hash: hash, start: ByteView.start(view), length: ByteView.length(view)))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard ProcessWakes.precedes(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private func removeFirst() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while true {
            var child = parent * 2 + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, ProcessWakes.precedes(heap[child + 1], heap[child]) {
                child += 1
            }
            guard ProcessWakes.precedes(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }

    private func compact() {
        let old = Array(UnsafeBufferPointer(start: arena.base, count: arena.count))
        arena.count = 0
        for index in heap.indices {
            let item = heap[index]
            let view = old.withUnsafeBufferPointer {
                arena.append($0.baseAddress! + item.start, item.length)
            }
            heap[index] = Item(
                time: item.time, hash: item.hash, start: ByteView.start(view), length: item.length)
        }
    }

    private static func precedes(_ left: Item, _ right: Item) -> Bool {
        left.time != right.time
            ? left.time < right.time
            : UInt64(bitPattern: left.hash) < UInt64(bitPattern: right.hash)
    }
}
