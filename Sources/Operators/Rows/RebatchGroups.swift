import StreamRuntime

/// The unfinished batch of every key, by slot, and the order in which their deadlines come.
final class RebatchGroups {
    let size: Int
    private var slots: UnsafeMutablePointer<Group>
    private var capacity = 1024
    private var used = 0
    private var free: [Int] = []
    private var deadlines: [Deadline] = []
    private var nextDeadline = 0
    private(set) var touched = TouchedKeys()

    private struct Group {
        var picks: UnsafeMutablePointer<RowPick>?
        var count: Int32
        var capacity: Int32
        var deadline: Int64
        var hash: Int64
        /// Raised when the batch leaves, so that its deadline is known to be void.
        var generation: UInt32
        var isTouched: Bool
    }

    private struct Deadline {
        var time: Int64
        var hash: Int64
        var slot: Int
        var generation: UInt32
    }

    init(size: Int) {
        self.size = size
        slots = .allocate(capacity: capacity)
    }

    deinit {
        for slot in 0..<used { slots[slot].picks?.deallocate() }
        slots.deallocate()
    }

    /// A slot for a key that has none.
    func takeSlot() -> Int {
        if let slot = free.popLast() { return slot }
        if used == capacity {
            let grown = UnsafeMutablePointer<Group>.allocate(capacity: capacity * 2)
            grown.moveInitialize(from: slots, count: used)
            slots.deallocate()
            slots = grown
            capacity *= 2
        }
        (slots + used).initialize(
            to: Group(
                picks: nil, count: 0, capacity: 0, deadline: .max, hash: 0, generation: 0,
                isTouched: false))
        used += 1
        return used - 1
    }

    /// Frees the slot of a key that is forgotten.
    func giveBack(_ slot: Int) {
        slots[slot].picks?.deallocate()
        slots[slot].picks = nil
        slots[slot].capacity = 0
        free.append(slot)
    }

    @inline(__always) func count(_ slot: Int) -> Int { Int(slots[slot].count) }
    @inline(__always) func deadline(_ slot: Int) -> Int64 { slots[slot].deadline }
    @inline(__always) func hash(_ slot: Int) -> Int64 { slots[slot].hash }
    @inline(__always) func isFull(_ slot: Int) -> Bool { Int(slots[slot].count) >= size }
    @inline(__always) func picks(_ slot: Int) -> UnsafeMutablePointer<RowPick> {
        slots[slot].picks!
    }

    @inline(__always)
    func start(_ slot: Int, deadline: Int64, hash: Int64) {
        let group = slots + slot
        group.pointee.deadline = deadline
        group.pointee.hash = hash
        if deadline == .max { return }
        deadlines.append(
            Deadline(
                time: deadline, hash: hash, slot: slot, generation: group.pointee.generation))
    }

    @inline(__always)
    func add(_ pick: RowPick, to slot: Int) {
        let group = slots + slot
        if group.pointee.count == group.pointee.capacity { grow(slot) }
        group.pointee.picks![Int(group.pointee.count)] = pick
        group.pointee.count &+= 1
    }

    private func grow(_ slot: Int) {
        let old = Int(slots[slot].capacity)
        let capacity = min(max(old * 2, 8), max(size, old + 1))
        let grown = UnsafeMutablePointer<RowPick>.allocate(capacity: capacity)
        if let picks = slots[slot].picks {
            grown.update(from: picks, count: old)
            picks.deallocate()
        }
        slots[slot].picks = grown
        slots[slot].capacity = Int32(capacity)
    }

    /// Forgets the batch of `slot`, which has left.
    @inline(__always)
    func empty(_ slot: Int) {
        slots[slot].count = 0
        slots[slot].generation &+= 1
    }

    // MARK: deadlines

    /// The slots whose deadline is at or before `time`, by deadline and hash. Asked again after some
    /// of them were emptied, it gives the others.
    func due(_ time: Int64) -> [Int] {
        var found: [Deadline] = []
        if time == .max {
            for slot in 0..<used where slots[slot].count > 0 {
                let group = slots[slot]
                found.append(
                    Deadline(
                        time: group.deadline, hash: group.hash, slot: slot,
                        generation: group.generation))
            }
            found.sort(by: RebatchGroups.precedes)
            return found.map(\.slot)
        }
        var at = nextDeadline
        while at < deadlines.count, deadlines[at].time <= time {
            let deadline = deadlines[at]
            if slots[deadline.slot].generation == deadline.generation,
                slots[deadline.slot].count > 0
            {
                found.append(deadline)
            } else if at == nextDeadline {
                nextDeadline += 1
            }
            at += 1
        }
        if nextDeadline > 4096 && nextDeadline * 2 > deadlines.count {
            deadlines.removeFirst(nextDeadline)
            nextDeadline = 0
        }
        found.sort(by: RebatchGroups.precedes)
        return found.map(\.slot)
    }

    /// Puts deadlines that were started in any order into theirs.
    func sortDeadlines() { deadlines.sort(by: RebatchGroups.precedes) }

    private static func precedes(_ left: Deadline, _ right: Deadline) -> Bool {
        left.time != right.time
            ? left.time < right.time
            : UInt64(bitPattern: left.hash) < UInt64(bitPattern: right.hash)
    }

    // MARK: what changed

    /// Marks `slot` as changed since the last flush; true when it was not yet.
    @inline(__always)
    func touch(_ slot: Int) -> Bool {
        if slots[slot].isTouched { return false }
        slots[slot].isTouched = true
        return true
    }

    /// Remembers the key of a slot that changed.
    func remember(_ keys: KeyColumn, _ row: Int, _ slot: Int) { touched.append(keys, row, slot) }

    func forgetTouched() {
        for slot in touched.slots { slots[slot].isTouched = false }
        touched = TouchedKeys()
    }

    /// Calls `body` with the picks of every unfinished batch, to be changed in place.
    func forEachPicks(_ body: (UnsafeMutablePointer<RowPick>, Int) -> Void) {
        for slot in 0..<used where slots[slot].count > 0 {
            body(slots[slot].picks!, Int(slots[slot].count))
        }
    }
}

/// The keys whose unfinished batch changed since the last flush.
struct TouchedKeys {
    private let bytes = Column(.bytes, capacity: 64)
    private let hashes = Column(.int64, capacity: 64)
    private(set) var slots: [Int] = []

    var count: Int { slots.count }
    var keys: KeyColumn { KeyColumn(bytes: bytes, hashes: hashes) }

    mutating func append(_ keys: KeyColumn, _ row: Int, _ slot: Int) {
        bytes.append(keys.bytes.bytes(row))
        hashes.append(keys.hashes.int64s[row])
        slots.append(slot)
    }
}

/// Batches that are complete and wait to leave together.
struct ReadyBatches {
    /// One of them.
    struct Ready {
        let count: Int
        let deadline: Int64
        let hash: Int64
        /// Its size made it leave, not its deadline.
        let isFilled: Bool
    }

    private(set) var picks: [RowPick] = []
    private var batches: [Ready] = []

    var count: Int { batches.count }
    var rows: Int { picks.count }

    subscript(_ index: Int) -> Ready { batches[index] }

    mutating func append(_ groups: RebatchGroups, _ slot: Int, cause: RowPick?) {
        let count = groups.count(slot)
        picks.append(contentsOf: UnsafeBufferPointer(start: groups.picks(slot), count: count))
        batches.append(
            Ready(
                count: count, deadline: groups.deadline(slot), hash: groups.hash(slot),
                isFilled: cause != nil))
    }

    mutating func removeAll() {
        picks.removeAll(keepingCapacity: true)
        batches.removeAll(keepingCapacity: true)
    }
}
