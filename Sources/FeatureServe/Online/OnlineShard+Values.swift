import Glibc
import StreamRuntime

/// Some neighbouring fragments of a view's `RenderedValues`, as they are asked for.
struct ValueRun: BitwiseCopyable {
    /// The view's slot.
    var slot: Int
    /// The first fragment.
    var first: Int
    /// The last fragment.
    var last: Int
}

extension OnlineShard {
    /// Appends the fragments that `runs` name, framed, one after the other; `absent` for each that is not there.
    ///
    /// - Parameter fetches: whether to wait for a row that is not in memory.
    /// - Returns: how many of the runs were of views that have a value; -1, with nothing appended, when the row has
    ///   to be waited for.
    @discardableResult
    func appendValues(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, runs: UnsafePointer<ValueRun>,
        count: Int, absent: StaticString, fetches: Bool = true, to arena: ByteArena
    ) throws(JobFailure) -> Int {
        lock.lock()
        defer { lock.unlock() }
        var row = inMemory(hash, key, keyLength)
        if row == nil, !holdsAllRows {
            guard fetches else { return -1 }
            row = try fetch(hash, key, keyLength)
        }
        if remote != nil {
            var index = 0
            while index < count, row.map({ $0.slots[runs[index].slot].state != .absent }) ?? false {
                index &+= 1
            }
            if index < count {
                guard fetches else { return -1 }
                _ = ask(hash, key, keyLength)
                row = try fetch(hash, key, keyLength)
            }
        }
        row?.header.pointee.isReferenced = true
        var found = 0
        var index = 0
        while index < count {
            let run = runs[index]
            index &+= 1
            if let row, row.slots[run.slot].state == .value {
                let names = features[run.slot].count
                let values = rendered(values: row.slots + run.slot, features[run.slot])
                let bytes = RenderedValues.framed(
                    values, features: names, from: run.first, through: run.last)
                arena.append(bytes.baseAddress!, bytes.count)
                found &+= 1
            } else {
                for _ in run.first...run.last { JSONText.append(absent, to: arena) }
            }
        }
        return found
    }

    /// The values of a slot that holds some, rendered now if they were not.
    @inline(__always)
    func rendered(
        values slot: UnsafeMutablePointer<OnlineRow.Slot>, _ features: [Field]
    ) -> UnsafePointer<UInt8> {
        if let values = slot.pointee.values { return UnsafePointer(values) }
        return render(values: slot, features)
    }

    private func render(
        values slot: UnsafeMutablePointer<OnlineRow.Slot>, _ features: [Field]
    ) -> UnsafePointer<UInt8> {
        scratch.count = 0
        RenderedValues.append(
            payload: slot.pointee.payload!, eventMicros: slot.pointee.eventTime,
            features: features, to: scratch, scratch: valueScratch)
        let length = scratch.count
        let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: length)
        memcpy(kept, scratch.base, length)
        slot.pointee.values = kept
        slot.pointee.valuesLength = UInt32(length)
        byteCount += length
        return UnsafePointer(kept)
    }

    /// Takes in what is kept elsewhere of the key's row, where nothing is held here; the lock is let go meanwhile.
    ///
    /// - Returns: false when nobody could be asked.
    func ask(_ hash: Int64, _ key: UnsafePointer<UInt8>, _ keyLength: Int) -> Bool {
        guard let remote else { return true }
        lock.unlock()
        let result = Result { () throws(JobFailure) -> [RemoteView] in
            try remote.fetch(
                tableId: tableId, key: UnsafeBufferPointer(start: key, count: keyLength))
        }
        lock.lock()
        guard case .success(let found) = result else { return false }
        guard !found.isEmpty else { return true }
        let row: OnlineRow
        if let known = try? fetch(hash, key, keyLength) {
            row = known
        } else {
            row = OnlineRow.make(hash: hash, key: key, keyLength: keyLength, views: views)
            insert(row)
        }
        for view in found where row.slots[view.slot].state == .absent {
            let before = row.bytes(slot: view.slot)
            view.payload.withUnsafeBufferPointer {
                row.set(
                    slot: view.slot, view.version, payload: $0.baseAddress, length: $0.count)
            }
            notePlace(row, slot: view.slot, hash: hash, key, keyLength, now: view.version.eventTime)
            byteCount += row.bytes(slot: view.slot) - before
        }
        return true
    }

    /// Whether the key's row can be read, changed and looked for without waiting.
    func holds(hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard let row = inMemory(hash, key, keyLength) else {
            return holdsAllRows && remote == nil
        }
        guard remote != nil else { return true }
        return (0..<views).allSatisfy { row.slots[$0].state != .absent }
    }

    /// Which views of the key's row have a value.
    func presence(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int
    ) throws(JobFailure) -> [Bool] {
        lock.lock()
        defer { lock.unlock() }
        guard let row = try fetch(hash, key, keyLength) else {
            return [Bool](repeating: false, count: views)
        }
        return (0..<views).map { row.slots[$0].state == .value }
    }

    /// Copies the payload that the key's row holds in `slot` to the end of `arena`.
    ///
    /// - Returns: its event time, or nil when there is no value.
    func copyPayload(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, slot: Int, into arena: ByteArena
    ) throws(JobFailure) -> Int64? {
        lock.lock()
        defer { lock.unlock() }
        guard let row = try fetch(hash, key, keyLength), row.slots[slot].state == .value,
            let payload = row.slots[slot].payload
        else { return nil }
        arena.append(payload, Int(row.slots[slot].payloadLength))
        return row.slots[slot].eventTime
    }

    /// Forgets what the key's row holds in `slot` up to `eventTime`, as if it had never been written.
    ///
    /// - Returns: whether there was a value.
    func remove(
        hash: Int64, key: UnsafePointer<UInt8>, keyLength: Int, slot: Int,
        upTo eventTime: Int64 = .max
    ) throws(JobFailure) -> Bool {
        lock.lock()
        defer { lock.unlock() }
        guard let row = try fetch(hash, key, keyLength), row.slots[slot].state != .absent,
            row.slots[slot].eventTime <= eventTime
        else { return false }
        let held = row.slots[slot].state == .value
        let before = row.bytes(slot: slot)
        _ = OlderVersion.free(row.slots[slot].older)
        row.slots[slot].older = nil
        row.set(slot: slot, .none, payload: nil, length: 0)
        if !geo.isEmpty { geo[slot]?.remove(hash: hash, key: key, keyLength: keyLength) }
        byteCount += row.bytes(slot: slot) - before
        markDirty(row)
        return held
    }
}
