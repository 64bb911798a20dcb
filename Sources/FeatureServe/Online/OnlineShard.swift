import Glibc
import StreamRuntime

/// A share of an entity's rows: an open-addressing table in memory over `OnlineRows`.
///
/// Every method takes the shard's lock, so writers and readers of any thread see whole rows; it is let
/// go while a row is read from rest, which happens only when the shard is known to have such.
///
/// - Note: `@unchecked Sendable` because everything mutable is raw memory behind the lock.
final class OnlineShard: @unchecked Sendable {
    private struct Entry {
        var hash: Int64
        var row: UnsafeMutableRawPointer?
    }

    let lock = ShardLock()
    let views: Int
    private let codec: OnlineRowCodec
    private let rows: any OnlineRows
    /// The rows again, where others keep them too.
    let remote: (any RemoteRows)?
    private let pool: OnlineBudget
    /// The bytes that it may always hold; more, as long as others leave theirs.
    private let budget: Int
    let features: [[Field]]
    private let epochs: StoreEpochs
    private let histories: [ViewHistory?]
    /// Where the entities are, by slot; nil where no view says.
    let geo: [GeoPart?]

    private var entries: UnsafeMutablePointer<Entry>
    private var mask = 63
    private var dirty: [UnsafeMutableRawPointer] = []
    /// Rows with older versions, which stay in memory until these are not needed any more.
    private var layered: [UnsafeMutableRawPointer] = []
    private var hand = 0
    /// Rows that a sync has collected are not on disk yet: nothing may be evicted or flushed.
    private var isPinned = false
    private(set) var holdsAllRows = true
    /// Rows that have left memory so far: what was read from rest before one more did may be old.
    private var departures = 0
    /// The bytes above which rows leave memory: the budget, or more where that was in vain.
    private var limit: Int
    let scratch = ByteArena()
    let valueScratch = ByteArena()
    private let spill = OnlineRowBatch()

    private(set) var rowCount = 0
    var byteCount = 0 {
        didSet { pool.note(byteCount &- oldValue) }
    }

    /// Rows that are handled before others get the lock.
    private static let pieceRows = 64
    /// Reads from rest without the lock before one is made with it.
    private static let triesMax = 3

    init(
        features: [[Field]], codec: OnlineRowCodec, rows: any OnlineRows, pool: OnlineBudget,
        histories: [ViewHistory?], geo: [GeoIndex?] = []
    ) {
        self.features = features
        self.histories = histories
        self.geo = geo.contains { $0 != nil } ? geo.map { $0.map(GeoPart.init) } : []
        views = features.count
        self.codec = codec
        epochs = codec.epochs
        self.rows = rows
        remote = rows as? any RemoteRows
        self.pool = pool
        budget = pool.share
        limit = budget
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

    /// What became of a row that was written.
    struct Upserted {
        /// True for a newer or equally old event time.
        let isApplied: Bool
        /// When the version became readable; of an older one, which never was, when it came.
        let visibleTime: Int64
    }

    /// Replaces the view in `slot` of the key's row unless it holds something newer.
    ///
    /// The very version that is there already, as a run after a crash writes it again, keeps the time at
    /// which it was first readable.
    ///
    /// - Parameter now: asked while nobody can read the row, so that no version is readable before its time.
    func upsert(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, slot: Int,
        _ given: ViewVersion, payload: UnsafePointer<UInt8>?, length: Int, now: () -> Int64
    ) throws(JobFailure) -> Upserted {
        lock.lock()
        defer { lock.unlock() }
        let row: OnlineRow
        if let found = try fetch(hash, key, keyLength) {
            row = found
        } else {
            row = OnlineRow.make(hash: hash, key: key, keyLength: keyLength, views: views)
            insert(row)
        }
        var version = given
        version.visibleTime = now()
        if let known = row.visibleTime(
            slot: slot, of: version, payload: payload, length: length, features: features[slot])
        {
            version.visibleTime = known
        }
        let before = row.bytes(slot: slot)
        let isReplaced = row.write(
            slot: slot, version, payload: payload, length: length, completed: epochs.newest)
        byteCount += row.bytes(slot: slot) - before
        note(row, slot: slot)
        let upserted = Upserted(isApplied: isReplaced, visibleTime: version.visibleTime)
        guard isReplaced || row.slots[slot].older != nil else { return upserted }
        row.header.pointee.isReferenced = true
        markDirty(row)
        if byteCount > limit, pool.isSpent { try relieve() }
        if isReplaced, !geo.isEmpty {
            geo[slot]?.write(
                hash: hash, key: key, keyLength: keyLength,
                payload: version.state == .value ? payload : nil, eventTime: version.eventTime,
                now: version.visibleTime)
        }
        if isReplaced, let history = histories[slot] {
            try history.append(
                key: key, keyLength: keyLength, version, payload: payload, length: length)
        }
        return upserted
    }

    /// Remembers that the row has to be put to rest again.
    @inline(__always)
    func markDirty(_ row: OnlineRow) {
        guard !row.header.pointee.isDirty else { return }
        row.header.pointee.isDirty = true
        dirty.append(UnsafeMutableRawPointer(row.header))
    }

    /// Keeps in mind that the slot has older versions, if it has.
    @inline(__always)
    private func note(_ row: OnlineRow, slot: Int) {
        guard row.slots[slot].older != nil, !row.header.pointee.hasOlder else { return }
        row.header.pointee.hasOlder = true
        layered.append(UnsafeMutableRawPointer(row.header))
    }

    /// Forgets the versions that no snapshot from the newest checkpoint on shows.
    func settle() {
        lock.lock()
        defer { lock.unlock() }
        let completed = epochs.newest
        var open: [UnsafeMutableRawPointer] = []
        swap(&open, &layered)
        var handled = 0
        for base in open {
            let row = OnlineRow(at: base, views: views)
            var hasOlder = false
            for slot in 0..<views where row.slots[slot].older != nil {
                let before = row.bytes(slot: slot)
                row.trim(slot: slot, completed: completed)
                byteCount += row.bytes(slot: slot) - before
                if row.slots[slot].older != nil { hasOlder = true }
            }
            row.header.pointee.hasOlder = hasOlder
            if hasOlder { layered.append(base) }
            handled += 1
            if handled % OnlineShard.pieceRows == 0 { letOthersIn() }
        }
        limit = budget
    }

    private func letOthersIn() {
        lock.unlock()
        lock.lock()
    }

    /// Appends the rows changed since the last call to `batch` and pins the shard until `unpin`.
    func collectDirty(into batch: OnlineRowBatch) {
        lock.lock()
        defer { lock.unlock() }
        guard !dirty.isEmpty else { return }
        isPinned = true
        var collected: [UnsafeMutableRawPointer] = []
        swap(&collected, &dirty)
        var first = 0
        while first < collected.count {
            let end = min(first + OnlineShard.pieceRows, collected.count)
            append(collected[first..<end], to: batch)
            first = end
            if first < collected.count { letOthersIn() }
        }
    }

    /// Appends the key's row to `batch`; a row that left memory is at rest already.
    ///
    /// - Returns: whether the shard was pinned by this call, until `unpin`.
    func collect(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, into batch: OnlineRowBatch
    ) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard let row = inMemory(hash, key, keyLength) else { return false }
        batch.append { arena in
            let length = codec.appendKey(row.key, Int(row.header.pointee.keyLength), to: arena)
            codec.appendValue(row, to: arena)
            return length
        }
        guard !isPinned else { return false }
        isPinned = true
        return true
    }

    /// The rows that `collectDirty` appended are at rest.
    func unpin() {
        lock.lock()
        isPinned = false
        lock.unlock()
    }

    private func append(
        _ bases: ArraySlice<UnsafeMutableRawPointer>, to batch: OnlineRowBatch
    ) {
        for base in bases {
            let row = OnlineRow(at: base, views: views)
            row.header.pointee.isDirty = false
            batch.append { arena in
                let length = codec.appendKey(row.key, Int(row.header.pointee.keyLength), to: arena)
                codec.appendValue(row, to: arena)
                return length
            }
        }
    }

    // MARK: reading

    /// Copies what `slots` hold of the key's row into `reads` and, rendered, to the end of `arena`.
    ///
    /// - Shape: `reads` gets one entry for each of `slots`.
    /// - Parameters:
    ///   - epoch: the checkpoint whose snapshot is wanted; `ViewVersion.orphan` for the newest values.
    ///   - fetches: whether to wait for a row that is not in memory.
    ///   - withPayloads: whether payloads are copied too, for features computed from the values.
    ///   - asValues: whether `RenderedValues` are wanted, Feast's bytes, instead of JSON.
    /// - Returns: false when something has to be waited for, or cannot be known, and `reads` says of which views.
    @discardableResult
    func read(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, slots: [Int],
        epoch: UInt32 = ViewVersion.orphan, fetches: Bool = true, withPayloads: Bool = false,
        asValues: Bool = false, reads: UnsafeMutablePointer<ViewRead>, into arena: ByteArena
    ) throws(JobFailure) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        var found = inMemory(hash, key, keyLength)
        if found == nil, !holdsAllRows {
            guard fetches else {
                for index in 0..<slots.count { reads[index] = .cold }
                return false
            }
            found = try fetch(hash, key, keyLength)
        }
        var isUnknown = false
        if remote != nil, lacks(found, slots) {
            isUnknown = true
            if fetches {
                isUnknown = !ask(hash, key, keyLength)
                found = try fetch(hash, key, keyLength)
            }
        }
        guard let row = found else {
            for index in 0..<slots.count { reads[index] = isUnknown ? .cold : .absent }
            return !isUnknown
        }
        row.header.pointee.isReferenced = true
        var index = 0
        while index < slots.count {
            let slot = row.slots + slots[index]
            if slot.pointee.version.epoch > epoch {
                reads[index] = readOlder(
                    slot, features[slots[index]], epoch: epoch, withPayload: withPayloads,
                    asValues: asValues, into: arena)
                index &+= 1
                continue
            }
            guard slot.pointee.version.state == .value else {
                let isGone = slot.pointee.version.state == .deleted
                reads[index] = isUnknown && !isGone ? .cold : .absent
                index &+= 1
                continue
            }
            reads[index] = ViewRead(slot.pointee.version, rendered: arena.count)
            if asValues {
                let block = rendered(values: slot, features[slots[index]])
                arena.append(block, Int(slot.pointee.valuesLength))
            } else {
                if slot.pointee.rendered == nil { render(slot, features[slots[index]]) }
                arena.append(slot.pointee.rendered!, Int(slot.pointee.renderedLength))
            }
            if withPayloads {
                reads[index].payload = copy(
                    slot.pointee.payload, slot.pointee.payloadLength, to: arena)
            }
            index &+= 1
        }
        return !isUnknown
    }

    /// Whether any of `slots` was never written here.
    private func lacks(_ row: OnlineRow?, _ slots: [Int]) -> Bool {
        guard let row else { return true }
        for slot in slots where row.slots[slot].state == .absent { return true }
        return false
    }

    /// Reads the newest version that the snapshot of `epoch` shows, below the current one.
    private func readOlder(
        _ slot: UnsafeMutablePointer<OnlineRow.Slot>, _ features: [Field], epoch: UInt32,
        withPayload: Bool, asValues: Bool, into arena: ByteArena
    ) -> ViewRead {
        var node = slot.pointee.older
        while let this = node, this.pointee.version.epoch > epoch { node = this.pointee.next }
        guard let this = node, this.pointee.version.state == .value else { return .absent }
        var read = ViewRead(this.pointee.version, rendered: arena.count)
        if asValues {
            RenderedValues.append(
                payload: this.pointee.payload!, eventMicros: this.pointee.version.eventTime,
                features: features, to: arena, scratch: valueScratch)
        } else {
            _ = RenderedView.append(
                block: this.pointee.payload!, eventMicros: this.pointee.version.eventTime,
                features: features, to: arena)
        }
        if withPayload {
            read.payload = copy(this.pointee.payload, this.pointee.payloadLength, to: arena)
        }
        return read
    }

    /// Appends a payload and returns where it starts.
    private func copy(
        _ payload: UnsafeMutablePointer<UInt8>?, _ length: UInt32, to arena: ByteArena
    ) -> Int {
        let start = arena.count
        // As long as a multiple of four, so that the next rendered view stays aligned.
        arena.reserve(Int(length) + 3)
        if let payload { memcpy(arena.base + start, payload, Int(length)) }
        arena.count += (Int(length) + 3) & ~3
        return start
    }

    private func render(_ slot: UnsafeMutablePointer<OnlineRow.Slot>, _ features: [Field]) {
        scratch.count = 0
        _ = RenderedView.append(
            block: slot.pointee.payload!, eventMicros: slot.pointee.version.eventTime,
            features: features, to: scratch)
        let length = scratch.count
        let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: length)
        memcpy(kept, scratch.base, length)
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
        guard byteCount < budget / 10 * 7 || pool.hasRoomToLoad else {
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
        let completed = epochs.newest
        for slot in 0..<views where row.slots[slot].older != nil {
            row.trim(slot: slot, completed: completed)
            note(row, slot: slot)
        }
        insert(row)
        return row
    }

    /// The key's row, if it is in memory.
    @inline(__always)
    func inMemory(
        _ hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int
    ) -> OnlineRow? {
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
        return nil
    }

    /// Where a hash begins to be looked for.
    @inline(__always) func entryPlace(_ hash: Int64) -> UnsafeRawPointer {
        UnsafeRawPointer(entries + (Int(truncatingIfNeeded: hash) & mask))
    }

    /// A row in memory with that hash: the key's own, but for one in 2^64.
    @inline(__always) func likely(_ hash: Int64) -> OnlineRow? {
        var index = Int(truncatingIfNeeded: hash) & mask
        while let base = entries[index].row {
            if entries[index].hash == hash { return OnlineRow(at: base, views: views) }
            index = (index &+ 1) & mask
        }
        return nil
    }

    /// The key's row, from memory or from rest; the lock is let go while the disk is read.
    @inline(__always)
    func fetch(
        _ hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int
    ) throws(JobFailure) -> OnlineRow? {
        if let row = inMemory(hash, key, keyLength) { return row }
        return holdsAllRows ? nil : try fetchAtRest(hash, key, keyLength)
    }

    private func fetchAtRest(
        _ hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int
    ) throws(JobFailure) -> OnlineRow? {
        var value: [UInt8]?
        var tries = 0
        while true {
            tries += 1
            let seen = departures
            let isOpen = tries <= OnlineShard.triesMax
            if isOpen { lock.unlock() }
            let result = Result { () throws(JobFailure) -> [UInt8]? in try atRest(key, keyLength) }
            if isOpen { lock.lock() }
            value = try result.get()
            if let row = inMemory(hash, key, keyLength) { return row }
            if !isOpen || departures == seen { break }
        }
        guard let value else { return nil }
        let result = value.withUnsafeBytes { bytes in
            Result { () throws(JobFailure) -> OnlineRow in try admit(hash, key, keyLength, bytes) }
        }
        let row = try result.get()
        row.header.pointee.isReferenced = true
        if byteCount > limit, pool.isSpent {
            try relieve(sparing: UnsafeMutableRawPointer(row.header))
        }
        return row
    }

    private func atRest(
        _ key: UnsafePointer<UInt8>, _ keyLength: Int
    ) throws(JobFailure) -> [UInt8]? {
        let place = ByteArena(capacity: keyLength + 2)
        let length = codec.appendKey(key, keyLength, to: place)
        return try rows.get(UnsafeRawBufferPointer(start: place.base, count: length))
    }

    var tableId: UInt16 { codec.tableId }

    func insert(_ row: OnlineRow) {
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
            append(dirty[...], to: spill)
            dirty.removeAll(keepingCapacity: true)
            try rows.put(spill, durable: false)
        }
        // One that has taken what others left gives it back a piece at a time.
        let target = max(budget / 10 * 9, byteCount / 8 * 7)
        var steps = 2 * (mask + 1)
        while byteCount > target, steps > 0 {
            steps -= 1
            hand = (hand + 1) & mask
            guard let base = entries[hand].row, base != spared else { continue }
            let row = OnlineRow(at: base, views: views)
            if row.header.pointee.isReferenced {
                row.header.pointee.isReferenced = false
            } else if !row.header.pointee.hasOlder {
                departures += 1
                byteCount -= row.byteCount(views: views)
                rowCount -= 1
                holdsAllRows = false
                row.free(views: views)
                removeEntry(hand)
                hand = (hand - 1) & mask
            }
        }
        // Where snapshots need most rows, looking again at each write would not help.
        limit = max(budget, byteCount + budget / 16)
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
