import CPlatform
import Glibc

/// The entries of one state and namespace that belong to one worker.
///
/// - Note: entry addresses are stable until the entry is removed or the step returns from `process`,
///   `advance` or `flush`: nothing is evicted in between.
public final class StateTable {
    typealias Header = StateEntry.Header
    typealias Flag = StateEntry.Flag

    let layout: StateLayout
    let place: StatePlace
    let index: EntryIndex
    let log: EntryLog
    private let meter: MemoryMeter
    private let initial: UnsafeMutableRawPointer
    /// Whether changes are noted for snapshots; false when nothing is ever written.
    let tracks: Bool

    /// Entries in memory that are not removed.
    var resident = 0
    /// Entries on disk that are not in memory.
    var spilled = 0
    /// Tells most keys that are nowhere from spilled ones.
    let filter: SpillFilter
    /// Entries changed since the last snapshot.
    var dirty = 0
    /// Entries made since the last snapshot, removed ones included.
    var created = 0
    /// Entries the last snapshot took; they may not leave memory before it is on disk.
    var inFlight = 0
    /// Whether the disk may hold anything of this table.
    var persistedAny = false
    /// When the step last asked for the table, on the store's count of `relieve` calls.
    var lastUsed = 0
    /// Cursors that walk the table: entries must stay where they are.
    var pins = 0

    init(layout: StateLayout, place: StatePlace, meter: MemoryMeter) {
        self.layout = layout
        self.place = place
        self.meter = meter
        tracks = place.backend != nil
        index = EntryIndex(meter: meter)
        log = EntryLog(meter: meter)
        filter = SpillFilter(meter: meter)
        initial = .allocate(byteCount: max(layout.fixedStride, 8), alignment: 8)
        memset(initial, 0, max(layout.fixedStride, 8))
        layout.initial.withUnsafeBytes {
            if $0.count > 0 { memcpy(initial, $0.baseAddress!, $0.count) }
        }
    }

    deinit {
        freeAllBlobs()
        initial.deallocate()
    }

    /// Entries, in memory and on disk.
    public var count: Int { resident + spilled }

    /// Whether no entry is only on disk.
    public var isInMemory: Bool { spilled == 0 }

    /// About how many bytes of entries were made since the last snapshot.
    var createdBytes: Int { min(created, dirty) * layout.entryBytes(keyLength: 16) }

    /// Finds or makes the entry of each key and marks it changed.
    ///
    /// - Shape: slot i of `entries` gets the entry of row `rows[i]` (of row i, when `rows` is nil), for
    ///   i < `count`. Equal keys get the same entry; a new one has `isNew` until `settle()`.
    public func resolve(
        _ keys: KeyColumn, rows: UnsafePointer<Int32>?, count: Int,
        into entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        let missing = place.missing
        missing.clear()
        lastUsed = missing.tick
        let views = keys.bytes.views
        let base = UnsafePointer(keys.bytes.arena!.base)
        let hashes = keys.hashes.int64s
        let marks: UInt32 = Flag.dirty | Flag.used
        var begin = 0
        while begin < count {
            let end = min(begin &+ StateTable.blockRows, count)
            locate(hashes, rows, begin, end, entries)
            var slot = begin
            while slot < end {
                let row = rows == nil ? slot : Int(rows.unsafelyUnwrapped[slot])
                let view = views[row]
                let length = ByteView.length(view)
                let key = base + ByteView.start(view)
                if let header = entries[slot].header, header.pointee.hash == hashes[row],
                    Int(header.pointee.keyLength) == length,
                    StateEntry.equal(StateEntry.key(of: header), key, length),
                    header.pointee.flags & Flag.removed == 0
                {
                    let flags = header.pointee.flags
                    if flags & marks != marks {
                        header.pointee.flags = flags | marks
                        if flags & Flag.dirty == 0 {
                            log.noteChange(header)
                            dirty &+= 1
                        }
                    }
                } else if let header = present(key, length, hashes[row], changing: true) {
                    entries[slot].header = header
                } else if spilled > 0, filter.mayContain(hashes[row]) {
                    missing.add(slot)
                } else {
                    entries[slot].header = insert(key, length, hashes[row])
                }
                slot &+= 1
            }
            begin = end
        }
        if missing.count > 0 {
            try fetch(missing, keys, rows, making: true, into: entries)
        }
    }

    /// Finds the entry of each key; absent ones give an entry whose `exists` is false. Marks nothing.
    public func find(
        _ keys: KeyColumn, rows: UnsafePointer<Int32>?, count: Int,
        into entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        let missing = place.missing
        missing.clear()
        lastUsed = missing.tick
        let views = keys.bytes.views
        let base = UnsafePointer(keys.bytes.arena!.base)
        let hashes = keys.hashes.int64s
        var begin = 0
        while begin < count {
            let end = min(begin &+ StateTable.blockRows, count)
            locate(hashes, rows, begin, end, entries)
            var slot = begin
            while slot < end {
                let row = rows == nil ? slot : Int(rows.unsafelyUnwrapped[slot])
                let view = views[row]
                let key = base + ByteView.start(view)
                let at = index.slot(of: key, ByteView.length(view), hash: hashes[row])
                if at >= 0 {
                    let header = index.entry(at: at)
                    header.pointee.flags |= Flag.used
                    let isThere = header.pointee.flags & Flag.removed == 0
                    entries[slot].header = isThere ? header : nil
                } else {
                    entries[slot].header = nil
                    if spilled > 0, filter.mayContain(hashes[row]) { missing.add(slot) }
                }
                slot &+= 1
            }
            begin = end
        }
        if missing.count > 0 {
            try fetch(missing, keys, rows, making: false, into: entries)
        }
    }

    /// Notes that an entry got by `find` or from a cursor was, or is about to be, written to.
    public func markChanged(_ entry: StateEntry) {
        let header = entry.header!
        guard header.pointee.flags & Flag.dirty == 0 else { return }
        header.pointee.flags |= Flag.dirty
        log.noteChange(header)
        dirty += 1
    }

    /// Removes an entry, in memory and on disk; its address is dead afterwards.
    public func remove(_ entry: StateEntry) throws(JobFailure) {
        let header = entry.header!
        entry.freeBlobs(layout)
        resident -= 1
        if tracks, header.pointee.flags & Flag.persisted != 0 {
            // The disk has it: the entry stays as a mark that hides it there, until it is deleted.
            markChanged(entry)
            header.pointee.flags |= Flag.removed
            return
        }
        forget(header)
    }

    /// The entries in order of (hash as unsigned, key bytes), spilled ones included.
    ///
    /// The table may be changed between two `next` calls only by removing entries already returned.
    public func cursor() throws(JobFailure) -> StateCursor { StateCursor(self) }

    // MARK: inside

    private static let blockRows = 64

    /// Writes into `entries` the entry whose tag fits each row, if any, and brings it near: three
    /// walks over a block, so that the waits for memory overlap.
    @inline(__always)
    private func locate(
        _ hashes: UnsafeMutablePointer<Int64>, _ rows: UnsafePointer<Int32>?, _ begin: Int,
        _ end: Int, _ entries: UnsafeMutablePointer<StateEntry>
    ) {
        let slots = index.slots
        let shift = index.shift
        let mask = index.capacity &- 1
        let body = layout.bodyBytes
        let asksFilter = spilled > 0
        var slot = begin
        while slot < end {
            let row = rows == nil ? slot : Int(rows.unsafelyUnwrapped[slot])
            millrace_prefetch(slots + EntryIndex.start(hashes[row], shift))
            slot &+= 1
        }
        slot = begin
        while slot < end {
            let row = rows == nil ? slot : Int(rows.unsafelyUnwrapped[slot])
            let hash = hashes[row]
            let tag = EntryIndex.tag(hash)
            var at = EntryIndex.start(hash, shift)
            var word = slots[at]
            while word & ~EntryIndex.addressMask != tag || word == EntryIndex.gone, word != 0 {
                at = (at &+ 1) & mask
                word = slots[at]
            }
            let header = EntryIndex.entry(word)
            if let header {
                millrace_prefetch(header)
                millrace_prefetch(UnsafeRawPointer(header) + 64)
                // The key lies behind the value, which may be longer than a cache line.
                millrace_prefetch(UnsafeRawPointer(header) + body)
            } else if asksFilter {
                filter.prefetch(hash)
            }
            entries[slot].header = header
            slot &+= 1
        }
    }

    /// The entry of a key if it is in memory; a removed one is made anew when `changing`.
    private func present(
        _ key: UnsafePointer<UInt8>, _ length: Int, _ hash: Int64, changing: Bool
    ) -> UnsafeMutablePointer<Header>? {
        let at = index.slot(of: key, length, hash: hash)
        guard at >= 0 else { return nil }
        let header = index.entry(at: at)
        if header.pointee.flags & Flag.removed != 0 {
            guard changing else { return nil }
            revive(header)
        }
        header.pointee.flags |= Flag.used
        if changing { markChanged(StateEntry(header: header)) }
        return header
    }

    private func revive(_ header: UnsafeMutablePointer<Header>) {
        if header.pointee.flags & Flag.dirty == 0 {
            log.addGarbage(header, -Int(header.pointee.size))
        }
        header.pointee.flags = header.pointee.flags & ~Flag.removed | Flag.isNew
        memcpy(UnsafeMutableRawPointer(header + 1), initial, layout.fixedStride)
        resident += 1
    }

    /// Adds an entry for a key that is neither in memory nor on disk.
    func insert(
        _ key: UnsafePointer<UInt8>, _ length: Int, _ hash: Int64
    ) -> UnsafeMutablePointer<Header> {
        let header = make(key, length, hash)
        header.pointee.flags = Flag.isNew | Flag.dirty | Flag.used
        if tracks {
            precondition(place.owns(hash), "a key belongs to its worker's key groups")
            log.noteChange(header)
            dirty += 1
            created &+= 1
        }
        return header
    }

    /// Adds an entry that is on disk, from its value there.
    func insertLoaded(
        _ key: UnsafePointer<UInt8>, _ length: Int, _ hash: Int64, value: UnsafeRawBufferPointer
    ) throws(JobFailure) -> UnsafeMutablePointer<Header> {
        let header = make(key, length, hash)
        header.pointee.flags = Flag.persisted
        guard StateRecord.decode(value, into: StateEntry(header: header), layout) else {
            throw place.corruptValue(bytes: value.count, layout)
        }
        persistedAny = true
        return header
    }

    private func make(
        _ key: UnsafePointer<UInt8>, _ length: Int, _ hash: Int64
    ) -> UnsafeMutablePointer<Header> {
        let header = log.append(layout.entryBytes(keyLength: length))
        header.pointee.hash = hash
        header.pointee.keyLength = UInt32(length)
        let entry = StateEntry(header: header)
        memcpy(entry.value, initial, layout.fixedStride)
        if layout.blobs > 0 {
            memset(entry.blobs(layout), 0, layout.blobs * MemoryLayout<StateEntry.Blob>.stride)
            entry.meterSlot(layout).initialize(to: meter.bytes)
        }
        let at = StateEntry.key(of: header)
        let padded = (length &+ 7) & ~7
        if padded > 0 {
            (UnsafeMutableRawPointer(at) + (padded &- 8)).storeBytes(of: 0, as: UInt64.self)
            memcpy(at, key, length)
        }
        index.insert(header, in: log)
        resident &+= 1
        return header
    }

    /// Takes an entry out of memory that the disk does not know of, or need not.
    func forget(_ header: UnsafeMutablePointer<Header>) {
        index.remove(header)
        if header.pointee.flags & Flag.dirty != 0, tracks {
            log.forgetChange(header)
            dirty -= 1
        }
        log.kill(header)
    }

    /// Frees everything at once; the table is empty and knows nothing of the disk.
    func releaseAll() {
        freeAllBlobs()
        index.removeAll()
        log.releaseAll()
        filter.removeAll()
        resident = 0
        spilled = 0
        dirty = 0
        created = 0
        inFlight = 0
        persistedAny = false
    }

    private func freeAllBlobs() {
        guard layout.blobs > 0 else { return }
        for number in log.order {
            log.forEach(in: number) { StateEntry(header: $0).freeBlobs(layout) }
        }
    }
}
