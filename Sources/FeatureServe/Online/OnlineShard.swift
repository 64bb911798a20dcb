import Glibc
import StreamRuntime

/// A share of an entity's rows: an open-addressing table in memory over `OnlineRows`.
///
/// Every method takes the shard's lock for its whole length, so writers and readers of any thread see
/// whole rows. A row that is not in memory is fetched when the shard is known to have rows at rest only.
///
/// - Note: `@unchecked Sendable` because everything mutable is raw memory behind the lock.
final class OnlineShard: @unchecked Sendable {
    private struct Entry {
        var hash: Int64
        var row: UnsafeMutableRawPointer?
    }

    private let lock = ShardLock()
    private let views: Int
    private let codec: OnlineRowCodec
    private let rows: any OnlineRows
    private let budget: Int
    private let features: [[Field]]

    private var entries: UnsafeMutablePointer<Entry>
    private var mask = 63
    private var dirty: [UnsafeMutableRawPointer] = []
    private var hand = 0
    /// Rows that a sync has collected are not on disk yet: nothing may be evicted or flushed.
    private var isPinned = false
    private var holdsAllRows = true
    private let scratch = ByteArena()
    private let spill = OnlineRowBatch()

    private(set) var rowCount = 0
    private(set) var byteCount = 0

    init(features: [[Field]], codec: OnlineRowCodec, rows: any OnlineRows, budget: Int) {
        self.features = features
        views = features.count
        self.codec = codec
        self.rows = rows
        self.budget = budget
        entries = .allocate(capacity: mask + 1)
        entries.initialize(repeating: Entry(hash: 0, row: nil), count: mask + 1)
    }

    deinit {
        for index in 0...mask {
            if let base = entries[index].row {
                OnlineRow(at: base, views: views).free(views: views)
            }
        }
        entries.deallocate()
        lock.free()
    }

    // MARK: writing

    /// Replaces the view in `slot` of the key's row unless it holds something newer.
    ///
    /// - Returns: whether it was replaced: true for a newer or equally old event time.
    func upsert(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, slot: Int, eventTime: Int64,
        visibleTime: Int64, state: OnlineRow.State, payload: UnsafePointer<UInt8>?, length: Int
    ) throws(JobFailure) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        let row: OnlineRow
        if let found = try fetch(hash, key, keyLength) {
            row = found
        } else {
            row = OnlineRow.make(hash: hash, key: key, keyLength: keyLength, views: views)
            insert(row)
        }
        let old = row.slots[slot]
        guard old.state == .absent || old.eventTime <= eventTime else { return false }
        byteCount -= Int(old.payloadCapacity) + Int(old.renderedLength)
        row.set(
            slot: slot, eventTime: eventTime, visibleTime: visibleTime, state: state,
            payload: payload, length: length)
        byteCount += Int(row.slots[slot].payloadCapacity)
        row.header.pointee.isReferenced = true
        if !row.header.pointee.isDirty {
            row.header.pointee.isDirty = true
            dirty.append(UnsafeMutableRawPointer(row.header))
        }
        if byteCount > budget { try relieve() }
        return true
    }

    /// Appends the rows changed since the last call to `batch` and pins the shard until `unpin`.
    func collectDirty(into batch: OnlineRowBatch) {
        lock.lock()
        defer { lock.unlock() }
        guard !dirty.isEmpty else { return }
        isPinned = true
        append(dirty, to: batch)
    }

    /// The rows that `collectDirty` appended are at rest.
    func unpin() {
        lock.lock()
        isPinned = false
        lock.unlock()
    }

    private func append(_ bases: [UnsafeMutableRawPointer], to batch: OnlineRowBatch) {
        for base in bases {
            let row = OnlineRow(at: base, views: views)
            row.header.pointee.isDirty = false
            batch.append { arena in
                let length = codec.appendKey(row.key, Int(row.header.pointee.keyLength), to: arena)
                codec.appendValue(row, to: arena)
                return length
            }
        }
        dirty.removeAll(keepingCapacity: true)
    }

    // MARK: reading

    /// Copies what `slots` hold of the key's row into `reads` and, rendered, to the end of `arena`.
    ///
    /// - Shape: `reads` gets one entry for each of `slots`.
    func read(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, slots: [Int],
        reads: UnsafeMutablePointer<ViewRead>, into arena: ByteArena
    ) throws(JobFailure) {
        lock.lock()
        defer { lock.unlock() }
        guard let row = try fetch(hash, key, keyLength) else {
            for index in 0..<slots.count { reads[index] = .absent }
            return
        }
        row.header.pointee.isReferenced = true
        var index = 0
        while index < slots.count {
            let slot = row.slots + slots[index]
            guard slot.pointee.state == .value else {
                reads[index] = .absent
                index &+= 1
                continue
            }
            if slot.pointee.rendered == nil { render(slot, features[slots[index]]) }
            reads[index] = ViewRead(
                isPresent: true, eventTime: slot.pointee.eventTime,
                visibleTime: slot.pointee.visibleTime, rendered: arena.count)
            arena.append(slot.pointee.rendered!, Int(slot.pointee.renderedLength))
            index &+= 1
        }
    }

    private func render(_ slot: UnsafeMutablePointer<OnlineRow.Slot>, _ features: [Field]) {
        scratch.count = 0
        _ = RenderedView.append(
            payload: slot.pointee.payload!, eventMicros: slot.pointee.eventTime,
            features: features, to: scratch)
        // Kept a multiple of four long, so that offsets stay aligned wherever blocks are lined up.
        let length = (scratch.count + 3) & ~3
        let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: length)
        memcpy(kept, scratch.base, scratch.count)
        memset(kept + scratch.count, 0, length - scratch.count)
        slot.pointee.rendered = kept
        slot.pointee.renderedLength = UInt32(length)
        byteCount += length
    }

    /// Calls `body` with every row in memory.
    func forEachRow(_ body: (OnlineRow) -> Void) {
        lock.lock()
        defer { lock.unlock() }
        for index in 0...mask {
            if let base = entries[index].row { body(OnlineRow(at: base, views: views)) }
        }
    }

    // MARK: memory and rest

    /// Takes a row at rest into memory, when a store is opened; false when the budget's share is used.
    func load(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, value: UnsafeRawBufferPointer
    ) throws(JobFailure) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard byteCount < budget / 10 * 7 else {
            holdsAllRows = false
            return false
        }
        _ = try admit(hash, key, keyLength, value)
        return true
    }

    /// There are rows at rest that were not loaded.
    func markIncomplete() {
        lock.lock()
        holdsAllRows = false
        lock.unlock()
    }

    /// Rows and bytes in memory.
    func size() -> (rows: Int, bytes: Int) {
        lock.lock()
        defer { lock.unlock() }
        return (rowCount, byteCount + (mask + 1) * MemoryLayout<Entry>.stride)
    }

    private func admit(
        _ hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int,
        _ value: UnsafeRawBufferPointer
    ) throws(JobFailure) -> OnlineRow {
        let row = OnlineRow.make(hash: hash, key: key, keyLength: keyLength, views: views)
        do throws(JobFailure) {
            try codec.read(value, into: row)
        } catch {
            row.free(views: views)
            throw error
        }
        insert(row)
        return row
    }

    /// The key's row, from memory or from rest.
    @inline(__always)
    private func fetch(
        _ hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int
    ) throws(JobFailure) -> OnlineRow? {
        var index = Int(truncatingIfNeeded: hash) & mask
        while let base = entries[index].row {
            if entries[index].hash == hash {
                let row = OnlineRow(at: base, views: views)
                if Int(row.header.pointee.keyLength) == keyLength,
                    memcmp(row.key, key, keyLength) == 0
                {
                    return row
                }
            }
            index = (index &+ 1) & mask
        }
        return holdsAllRows ? nil : try fetchAtRest(hash, key, keyLength)
    }

    private func fetchAtRest(
        _ hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int
    ) throws(JobFailure) -> OnlineRow? {
        scratch.count = 0
        let length = codec.appendKey(key, keyLength, to: scratch)
        guard let value = try rows.get(UnsafeRawBufferPointer(start: scratch.base, count: length))
        else { return nil }
        let result = value.withUnsafeBytes { bytes in
            Result { () throws(JobFailure) -> OnlineRow in try admit(hash, key, keyLength, bytes) }
        }
        let row = try result.get()
        row.header.pointee.isReferenced = true
        if byteCount > budget { try relieve(sparing: UnsafeMutableRawPointer(row.header)) }
        return row
    }

    private func insert(_ row: OnlineRow) {
        if rowCount &* 3 > mask &* 2 { grow() }
        place(row.header.pointee.hash, UnsafeMutableRawPointer(row.header))
        rowCount += 1
        byteCount += row.byteCount(views: views)
    }

    private func place(_ hash: Int64, _ base: UnsafeMutableRawPointer) {
        var index = Int(truncatingIfNeeded: hash) & mask
        while entries[index].row != nil { index = (index &+ 1) & mask }
        entries[index] = Entry(hash: hash, row: base)
    }

    private func grow() {
        let old = entries
        let count = mask + 1
        mask = count * 2 - 1
        entries = .allocate(capacity: count * 2)
        entries.initialize(repeating: Entry(hash: 0, row: nil), count: count * 2)
        for index in 0..<count {
            if let base = old[index].row { place(old[index].hash, base) }
        }
        old.deallocate()
    }

    /// Brings the shard back under its budget: rows nobody asked for lately leave memory.
    private func relieve(sparing spared: UnsafeMutableRawPointer? = nil) throws(JobFailure) {
        guard !isPinned else { return }
        if !dirty.isEmpty {
            spill.removeAll()
            append(dirty, to: spill)
            try rows.put(spill, durable: false)
        }
        let target = budget / 10 * 9
        var steps = 2 * (mask + 1)
        while byteCount > target, steps > 0 {
            steps -= 1
            hand = (hand + 1) & mask
            guard let base = entries[hand].row, base != spared else { continue }
            let row = OnlineRow(at: base, views: views)
            if row.header.pointee.isReferenced {
                row.header.pointee.isReferenced = false
            } else {
                byteCount -= row.byteCount(views: views)
                rowCount -= 1
                holdsAllRows = false
                row.free(views: views)
                removeEntry(hand)
                hand = (hand - 1) & mask
            }
        }
    }

    /// Takes the entry out and closes the gap, so that probing still finds what lay behind it.
    private func removeEntry(_ removed: Int) {
        var gap = removed
        var index = (gap + 1) & mask
        while entries[index].row != nil {
            let home = Int(truncatingIfNeeded: entries[index].hash) & mask
            if (index - home) & mask >= (index - gap) & mask {
                entries[gap] = entries[index]
                gap = index
            }
            index = (index + 1) & mask
        }
        entries[gap].row = nil
    }
}

/// What a lookup found for one entity in one view.
struct ViewRead {
    var isPresent: Bool
    var eventTime: Int64
    var visibleTime: Int64
    /// Where its `RenderedView` starts in the lookup's arena.
    var rendered: Int

    static let absent = ViewRead(isPresent: false, eventTime: 0, visibleTime: 0, rendered: 0)
}
