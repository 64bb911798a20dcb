import Glibc
import RocksDB

extension StateTable {
    /// Asks the disk for the keys of the missing slots, in lookups of a bounded number of keys.
    ///
    /// - Parameter making: whether a key that is nowhere gets a new entry, and all are marked changed.
    func fetch(
        _ missing: MissingRows, _ keys: KeyColumn, _ rows: UnsafePointer<Int32>?, making: Bool,
        into entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        var begin = 0
        while begin < missing.count {
            let end = min(begin + MissingRows.lookupKeys, missing.count)
            try fetch(missing, begin..<end, keys, rows, making: making, into: entries)
            begin = end
        }
        missing.clear()
    }

    private func fetch(
        _ missing: MissingRows, _ range: Range<Int>, _ keys: KeyColumn,
        _ rows: UnsafePointer<Int32>?, making: Bool,
        into entries: UnsafeMutablePointer<StateEntry>
    ) throws(JobFailure) {
        let views = keys.bytes.views
        let base = UnsafePointer(keys.bytes.arena!.base)
        let hashes = keys.hashes.int64s
        var bytes = 0
        for at in range {
            let slot = Int(missing.slots[at])
            bytes +=
                StatePlace.prefixBytes + ByteView.length(views[rows.map { Int($0[slot]) } ?? slot])
        }
        var room = missing.room(bytes)
        for at in range {
            let slot = Int(missing.slots[at])
            let row = rows.map { Int($0[slot]) } ?? slot
            let length = ByteView.length(views[row])
            StatePlace.writePrefix(
                place.state, place.namespace, UInt64(bitPattern: hashes[row]), to: room)
            memcpy(room + StatePlace.prefixBytes, base + ByteView.start(views[row]), length)
            let diskLength = StatePlace.prefixBytes + length
            missing.lookup!.add(UnsafeRawBufferPointer(start: room, count: diskLength))
            room += diskLength
        }
        defer { missing.lookup!.clear() }
        do { try missing.lookup!.run() } catch { throw JobFailure(error) }
        for (asked, at) in range.enumerated() {
            let slot = Int(missing.slots[at])
            let row = rows.map { Int($0[slot]) } ?? slot
            let key = base + ByteView.start(views[row])
            let length = ByteView.length(views[row])
            var header: UnsafeMutablePointer<Header>?
            let there = index.slot(of: key, length, hash: hashes[row])
            if there >= 0 {
                // An earlier row of the batch has the same key.
                header = index.entry(at: there)
            } else if let value = missing.lookup!.value(asked) {
                header = try insertLoaded(key, length, hashes[row], value: value)
                header!.pointee.flags |= Flag.used
                spilled -= 1
            } else if making {
                header = insert(key, length, hashes[row])
            }
            entries[slot].header = header
            if making, let header { markChanged(StateEntry(header: header)) }
        }
    }

    /// Makes the filter anew when most keys in it are no longer on disk.
    func refreshFilter() throws(JobFailure) {
        guard filter.added > 4 * (spilled + resident) + (64 << 10) else { return }
        filter.removeAll()
        guard spilled > 0, let backend = place.backend else { return }
        let cursor = backend.database.cursor(from: place.lower, to: place.upper)
        while cursor.isValid {
            filter.add(Int64(bitPattern: StatePlace.hash(of: cursor.key)))
            cursor.next()
        }
        do { try cursor.check() } catch { throw JobFailure(error) }
    }

    // MARK: leaving memory

    /// What may leave memory when a segment is emptied.
    enum Eviction {
        /// Only garbage.
        case none
        /// Entries that were not used since the last time.
        case unused
        /// All that may.
        case all
    }

    /// What an eviction spares: an entry of so much memory that each batch uses would be written out whole
    /// to be read back by the next one.
    struct Spared {
        /// The number of the eviction, from 1 to 255; 0 spares nothing.
        let eviction: UInt32
        /// Bytes of blobs from which on an entry is large.
        let bytesMin: Int
        /// Bytes of the blobs of all that was spared.
        var bytes = 0

        static var nothing: Spared { Spared(eviction: 0, bytesMin: .max) }

        /// Marks a large entry that was used since the eviction before, or that this one has marked already.
        @inline(__always)
        mutating func take(
            _ header: UnsafeMutablePointer<StateEntry.Header>, _ layout: StateLayout
        ) -> Bool {
            guard layout.blobs > 0, eviction > 0 else { return false }
            let size = StateEntry(header: header).blobBytes(layout)
            guard size >= bytesMin else { return false }
            let flags = header.pointee.flags
            if (flags & Flag.evictionMask) >> Flag.evictionShift == eviction { return true }
            guard flags & Flag.used != 0 else { return false }
            header.pointee.flags = flags & ~Flag.evictionMask | eviction << Flag.evictionShift
            bytes += size
            return true
        }
    }

    /// Empties a segment and frees it: what must stay moves to the newest segment, what may leave
    /// leaves, changed entries by way of `records`.
    ///
    /// - Parameters:
    ///   - spared: large entries in use, which stay.
    ///   - state: says which entries a snapshot still needs here.
    func empty(
        _ number: Int, _ eviction: Eviction, sparing spared: inout Spared, state: KeyedState,
        records: RecordBuffer
    ) {
        log.seal(number)
        let ask = { (header: UnsafeMutablePointer<Header>) in
            self.index.prefetch(header.pointee.hash)
            self.filter.prefetch(header.pointee.hash)
        }
        log.forEach(in: number, soon: ask) { header in
            let flags = header.pointee.flags
            let isRemoved = flags & Flag.removed != 0
            let isDirty = flags & Flag.dirty != 0
            let isBound = isDirty ? state.isFrozen : state.isInFlight(flags)
            let leaves: Bool
            switch eviction {
            case .none: leaves = isRemoved && !isDirty
            case .unused: leaves = isRemoved && !isDirty || flags & Flag.used == 0
            case .all: leaves = true
            }
            // Before a used entry moves, which takes its mark of use away, too.
            let isSpared = !isRemoved && spared.take(header, layout)
            if !leaves || isSpared || isBound || (!tracks && !isRemoved) {
                move(header)
                return
            }
            if isDirty {
                StateRecord.append(header, layout, to: records)
                dirty -= 1
                persistedAny = true
            }
            StateEntry(header: header).freeBlobs(layout)
            index.remove(header)
            header.pointee.flags = Flag.dead
            if !isRemoved {
                resident -= 1
                spilled += 1
                filter.add(header.pointee.hash)
            }
        }
        log.release(number)
    }

    private func move(_ header: UnsafeMutablePointer<Header>) {
        let size = Int(header.pointee.size)
        let moved = log.append(size)
        let segment = moved.pointee.segment
        memcpy(moved, header, size)
        moved.pointee.segment = segment
        moved.pointee.flags &= ~Flag.used
        index.move(header, to: moved)
        if moved.pointee.flags & Flag.dirty != 0 {
            if tracks { log.noteChange(moved) }
        } else if moved.pointee.flags & Flag.removed != 0 {
            log.addGarbage(moved, size)
        }
        header.pointee.flags = Flag.dead
    }

    /// Writes the changed entries (all of them, without a disk) into `records` and marks them clean.
    func copyChanges(into records: RecordBuffer, epoch: UInt32) {
        if !tracks {
            for number in log.order {
                log.forEach(in: number) { StateRecord.append($0, layout, to: records) }
            }
            return
        }
        guard dirty > 0 else { return }
        let mark = epoch &<< Flag.epochShift | Flag.persisted
        let keep = ~(Flag.dirty | Flag.isNew | Flag.epochMask)
        inFlight = dirty
        for number in log.order where log.segments[number].dirty > 0 {
            let segment = log.segments[number]
            let words = EntryLog.changeWords(segment.used)
            var garbage = 0
            var at = 0
            while at < words {
                var word = segment.changes[at]
                segment.changes[at] = 0
                while word != 0 {
                    let unit = at &* 64 &+ word.trailingZeroBitCount
                    word &= word &- 1
                    let header = (segment.base + unit &* 16)
                        .assumingMemoryBound(to: Header.self)
                    let flags = header.pointee.flags
                    guard flags & (Flag.dirty | Flag.dead) == Flag.dirty else { continue }
                    StateRecord.append(header, layout, to: records)
                    header.pointee.flags = flags & keep | mark
                    if flags & Flag.removed != 0 { garbage &+= Int(header.pointee.size) }
                }
                at &+= 1
            }
            log.segments[number].dirty = 0
            log.collectable(number, garbage)
        }
        dirty = 0
        created = 0
        persistedAny = true
    }
}
