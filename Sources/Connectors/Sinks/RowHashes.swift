import CPlatform

/// The hash of the row of each key, and which keys have changed since that was last asked.
///
/// - Shape: open addressing; a key whose row is gone keeps its slot until the table grows.
final class RowHashes {
    private struct Slot {
        var key: Int64
        var hash: UInt64
    }

    private static let known: UInt8 = 1
    private static let there: UInt8 = 2
    private static let changed: UInt8 = 4

    private var slots: UnsafeMutablePointer<Slot>
    private var states: UnsafeMutablePointer<UInt8>
    private var capacity = 0
    private var used = 0
    private var hasChanges = false

    init() {
        capacity = 64
        slots = .allocate(capacity: capacity)
        states = .allocate(capacity: capacity)
        states.initialize(repeating: 0, count: capacity)
    }

    deinit {
        slots.deallocate()
        states.deallocate()
    }

    /// Forgets every key.
    func removeAll() {
        states.update(repeating: 0, count: capacity)
        used = 0
        hasChanges = false
    }

    /// Asks for the slot of `key` from memory, for a use that comes soon.
    @inline(__always)
    func prefetch(_ key: Int64) {
        let slot = start(key)
        millrace_prefetch(slots + slot)
        millrace_prefetch(states + slot)
    }

    /// Gives `key` another row's hash, or none, and returns the one it had.
    func replace(_ key: Int64, by hash: UInt64?) -> UInt64? {
        var slot = find(key)
        if states[slot] == 0 {
            guard hash != nil else { return nil }
            if (used &+ 1) &* 4 > capacity &* 3 {
                grow()
                slot = find(key)
            }
            used &+= 1
            slots[slot].key = key
            states[slot] = RowHashes.known
        }
        let state = states[slot]
        let before = state & RowHashes.there != 0 ? slots[slot].hash : nil
        hasChanges = true
        if let hash {
            slots[slot].hash = hash
            states[slot] = RowHashes.known | RowHashes.there | RowHashes.changed
        } else {
            states[slot] = RowHashes.known | RowHashes.changed
        }
        return before
    }

    /// Calls `body` for each key that has changed, with its row's hash or none, once.
    func takeChanges<Failure: Error>(
        _ body: (Int64, UInt64?) throws(Failure) -> Void
    ) throws(Failure) {
        guard hasChanges else { return }
        for slot in 0..<capacity where states[slot] & RowHashes.changed != 0 {
            states[slot] &= ~RowHashes.changed
            try body(
                slots[slot].key, states[slot] & RowHashes.there != 0 ? slots[slot].hash : nil)
        }
        hasChanges = false
    }

    /// Counts what changed so far as told.
    func forgetChanges() { takeChanges { _, _ in } }

    @inline(__always)
    private func start(_ key: Int64) -> Int {
        let mixed = UInt64(bitPattern: key) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: (mixed ^ mixed &>> 32) & UInt64(capacity &- 1))
    }

    @inline(__always)
    private func find(_ key: Int64) -> Int {
        var slot = start(key)
        while states[slot] != 0 && slots[slot].key != key {
            slot = (slot &+ 1) & (capacity &- 1)
        }
        return slot
    }

    private func grow() {
        let (old, oldStates, count) = (slots, states, capacity)
        capacity *= 2
        slots = .allocate(capacity: capacity)
        states = .allocate(capacity: capacity)
        states.initialize(repeating: 0, count: capacity)
        used = 0
        // A key whose row is gone, and was told to be, is not needed any more.
        for slot in 0..<count where oldStates[slot] > RowHashes.known {
            let place = find(old[slot].key)
            slots[place] = old[slot]
            states[place] = oldStates[slot]
            used += 1
        }
        old.deallocate()
        oldStates.deallocate()
    }
}
