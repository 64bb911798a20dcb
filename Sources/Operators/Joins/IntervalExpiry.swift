import Glibc
import StreamRuntime

/// Knows when the rows of an interval join have waited long enough.
///
/// Keys are kept by buckets of time in which one of their rows ends to wait. The rows of the bucket that
/// event time is in, and of those before, are in a heap, so that each left row without partner comes out
/// before event time moves past its moment.
///
/// - Shape: state `due`: a namespace for each bucket, with an entry for each key.
final class IntervalExpiry {
    private let width: Int64
    /// How long a left row waits at least.
    private let after: Int64
    private let showsUnmatched: Bool
    private let pairs: IntervalPairs
    private let layout = IntervalJoin.layout
    private let buffer = EntryBuffer()
    private var due: KeyedState?
    private var rows: KeyedState?
    /// Buckets with keys.
    private var buckets: Set<Int64> = []
    /// The last bucket whose rows are in the heap.
    private var loaded = Int64.min
    private var heap: [(moment: Int64, key: Int)] = []
    private var heapKeys = KeyColumn(
        bytes: Column(.bytes, capacity: 16), hashes: Column(.int64, capacity: 16))

    init(span: Int64, after: Int64, showsUnmatched: Bool, pairs: IntervalPairs) {
        width = max(span / 16, 1_000_000)
        self.after = after
        self.showsUnmatched = showsUnmatched
        self.pairs = pairs
    }

    func open(_ context: OperatorContext, rows: KeyedState) throws(JobFailure) {
        self.rows = rows
        let due = try context.state.state(
            "due", of: context.stepId, layout: StateLayout(fixedBytes: 0))
        self.due = due
        buckets = Set(due.namespaces)
    }

    /// Notes until when each row of `batch` waits.
    func note(
        _ batch: ColumnBatch, last: (Int) -> Int64, isLeft: (Int) -> Bool
    ) throws(JobFailure) {
        guard let due, let keys = batch.keys else { return }
        var found: [Int64: [Int32]] = [:]
        for row in 0..<batch.count {
            let moment = last(row)
            let bucket = TimeMath.bucket(moment, width)
            found[bucket, default: []].append(Int32(truncatingIfNeeded: row))
            if showsUnmatched, bucket <= loaded, isLeft(row) {
                let start = heapKeys.count
                heapKeys.bytes.append(keys.bytes.bytes(row))
                heapKeys.hashes.append(keys.hashes.int64s[row])
                push(moment, start)
            }
        }
        for (bucket, rows) in found {
            buckets.insert(bucket)
            buffer.reserve(rows.count)
            let entries = buffer.entries
            try due.table(bucket).resolve(keys, rows: rows, count: rows.count, into: entries)
            for slot in 0..<rows.count where entries[slot].isNew { entries[slot].settle() }
        }
    }

    func advance(
        to watermark: EventTime, into output: any Output
    ) throws(JobFailure) -> Progress {
        let isEnd = watermark == .endOfTime
        let current = TimeMath.bucket(watermark.micros, width)
        if showsUnmatched {
            for bucket in buckets.sorted() where bucket > loaded && bucket <= current {
                try load(bucket)
            }
            loaded = max(loaded, current)
            while let first = heap.first, isEnd || first.moment < watermark.micros {
                let keys = pop(before: isEnd ? .max : watermark.micros, isEnd: isEnd)
                try emitUnmatched(keys, before: watermark.micros, isEnd: isEnd, into: output)
                if pairs.count >= IntervalPairs.pairsMax / 2 {
                    pairs.emitUnmatched(into: output)
                    return .more
                }
            }
            pairs.emitUnmatched(into: output)
        }
        // At the end nothing comes any more that could meet what is left.
        if isEnd { return .done }
        for bucket in buckets.sorted() where bucket < current {
            try forget(bucket, before: watermark.micros)
        }
        return .done
    }

    // MARK: left rows without partner

    /// Brings the left rows of the keys of a bucket into the heap.
    private func load(_ bucket: Int64) throws(JobFailure) {
        guard let due else { return }
        let cursor = try due.table(bucket).cursor()
        while true {
            let found = try cursor.next(1024, into: buffer.entries)
            if found == 0 { return }
            let keys = IntervalExpiry.keys(buffer.entries, found)
            try rows!.table(0).find(keys, rows: nil, count: found, into: buffer.entries)
            for slot in 0..<found where buffer.entries[slot].exists {
                let content = buffer.entries[slot].blob(0, of: layout)
                var key = -1
                var at = 0
                while at < content.count {
                    let row = UnsafeRawPointer(content.baseAddress! + at)
                    at += Int(row.loadUnaligned(as: UInt32.self))
                    let moment = row.loadUnaligned(fromByteOffset: 16, as: Int64.self)
                    guard row.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == 0,
                        TimeMath.bucket(moment, width) == bucket
                    else { continue }
                    if key < 0 {
                        key = heapKeys.count
                        heapKeys.bytes.append(keys.bytes.bytes(slot))
                        heapKeys.hashes.append(keys.hashes.int64s[slot])
                    }
                    push(moment, key)
                }
            }
        }
    }

    /// Takes keys out of the heap that have rows due before `limit`, up to 256.
    private func pop(before limit: Int64, isEnd: Bool) -> KeyColumn {
        let bytes = Column(.bytes, capacity: 256)
        let hashes = Column(.int64, capacity: 256)
        var last = -1
        while let first = heap.first, isEnd || first.moment < limit, bytes.count < 256 {
            removeFirst()
            if first.key == last { continue }
            last = first.key
            bytes.append(heapKeys.bytes.bytes(first.key))
            hashes.append(heapKeys.hashes.int64s[first.key])
        }
        if heap.isEmpty {
            heapKeys.bytes.removeAll()
            heapKeys.hashes.removeAll()
        } else if heapKeys.count > heap.count * 2 + 4096 {
            compactKeys()
        }
        return KeyColumn(bytes: bytes, hashes: hashes)
    }

    private func compactKeys() {
        let picks = heap.map { Int32(truncatingIfNeeded: $0.key) }
        let old = heapKeys
        heapKeys = KeyColumn(
            bytes: Column(.bytes, capacity: picks.count),
            hashes: Column(.int64, capacity: picks.count))
        for (place, key) in picks.enumerated() {
            heapKeys.bytes.append(old.bytes.bytes(Int(key)))
            heapKeys.hashes.append(old.hashes.int64s[Int(key)])
            heap[place].key = place
        }
    }

    /// Adds the rows of `keys` to the pairs that are due and have no partner, and marks them as given out.
    private func emitUnmatched(
        _ keys: KeyColumn, before limit: Int64, isEnd: Bool, into output: any Output
    ) throws(JobFailure) {
        guard let rows else { return }
        buffer.reserve(keys.count)
        let table = try rows.table(0)
        try table.find(keys, rows: nil, count: keys.count, into: buffer.entries)
        for slot in 0..<keys.count where buffer.entries[slot].exists {
            let entry = buffer.entries[slot]
            table.markChanged(entry)
            let length = entry.blob(0, of: layout).count
            let base = entry.resizeBlob(0, to: length, of: layout)
            // Those that can be due are the first by their event times; they come out in the order they came.
            let timed = IntervalJoin.lefts(entry)
            let last = isEnd ? timed.count : timed.first(at: TimeMath.before(limit, after))
            guard last > 0, let places = timed.places else { continue }
            var offsets = (0..<last).map { TimedRows.offset(places, $0) }
            offsets.sort()
            for offset in offsets {
                let row = UnsafeMutableRawPointer(base + offset)
                let size = Int(row.loadUnaligned(as: UInt32.self))
                let moment = row.loadUnaligned(fromByteOffset: 16, as: Int64.self)
                guard row.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == 0,
                    isEnd || moment < limit
                else { continue }
                row.storeBytes(of: 1, toByteOffset: 4, as: UInt32.self)
                let content = UnsafeBufferPointer(
                    start: UnsafePointer(
                        (row + IntervalJoin.leftHead).assumingMemoryBound(to: UInt8.self)),
                    count: size - IntervalJoin.leftHead)
                pairs.addUnmatched(
                    content,
                    PairPlace(
                        eventTime: moment,
                        watermark: row.loadUnaligned(fromByteOffset: 24, as: Int64.self),
                        origin: row.loadUnaligned(fromByteOffset: 32, as: Int64.self),
                        offset: row.loadUnaligned(fromByteOffset: 40, as: Int64.self),
                        element: row.loadUnaligned(fromByteOffset: 48, as: Int64.self)))
                if pairs.isFull { pairs.emitUnmatched(into: output) }
            }
        }
    }

    // MARK: forgetting

    /// Takes the rows of a bucket's keys away that wait no longer, and the bucket.
    private func forget(_ bucket: Int64, before limit: Int64) throws(JobFailure) {
        guard let due, let rows else { return }
        let table = try rows.table(0)
        let cursor = try due.table(bucket).cursor()
        while true {
            let found = try cursor.next(1024, into: buffer.entries)
            if found == 0 { break }
            let keys = IntervalExpiry.keys(buffer.entries, found)
            try table.find(keys, rows: nil, count: found, into: buffer.entries)
            for slot in 0..<found where buffer.entries[slot].exists {
                let entry = buffer.entries[slot]
                table.markChanged(entry)
                cut(0, IntervalJoin.lefts(entry), of: entry, before: limit)
                cut(1, IntervalJoin.rights(entry), of: entry, before: limit)
                if entry.blob(0, of: layout).isEmpty, entry.blob(1, of: layout).isEmpty {
                    try table.remove(entry)
                }
            }
        }
        try due.drop(bucket)
        buckets.remove(bucket)
    }

    private func cut(
        _ blob: Int, _ timed: TimedRows, of entry: StateEntry, before limit: Int64
    ) {
        let length = entry.blob(blob, of: layout).count
        if length == 0 { return }
        let base = entry.resizeBlob(blob, to: length, of: layout)
        var at = 0
        var end = 0
        timed.removeAll()
        while at < length {
            let row = UnsafeRawPointer(base + at)
            let size = Int(row.loadUnaligned(as: UInt32.self))
            if row.loadUnaligned(fromByteOffset: 16, as: Int64.self) >= limit {
                timed.insert(
                    row.loadUnaligned(fromByteOffset: 8, as: Int64.self), offset: end)
                if end != at { memmove(base + end, base + at, size) }
                end += size
            }
            at += size
        }
        entry.resizeBlob(blob, to: end, of: layout)
    }

    private static func keys(
        _ entries: UnsafeMutablePointer<StateEntry>, _ count: Int
    ) -> KeyColumn {
        let bytes = Column(.bytes, capacity: count)
        let hashes = Column(.int64, capacity: count)
        for slot in 0..<count {
            bytes.append(entries[slot].key)
            hashes.append(entries[slot].hash)
        }
        return KeyColumn(bytes: bytes, hashes: hashes)
    }

    // MARK: heap

    private func push(_ moment: Int64, _ key: Int) {
        heap.append((moment, key))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].moment <= heap[child].moment { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private func removeFirst() {
        let last = heap.removeLast()
        if heap.isEmpty { return }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].moment < heap[least].moment {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
