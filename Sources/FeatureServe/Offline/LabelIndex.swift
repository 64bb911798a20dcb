import Glibc
import StreamRuntime

/// Moments of entities that values are wanted for, found by key and in the order of time.
///
/// - Shape: labels of one key lie side by side, by time; a *place* is a position in that order.
/// - Note: `@unchecked Sendable` because it is only read once it is made.
public final class LabelIndex: @unchecked Sendable {
    /// The number of labels.
    public let count: Int
    /// The label at each place, by its position in the columns given.
    let labels: UnsafeMutablePointer<Int32>
    /// The time at each place.
    let times: UnsafeMutablePointer<Int64>
    /// The place of each label: the inverse of `labels`.
    let places: UnsafeMutablePointer<Int32>

    /// The number of different keys.
    let keyCount: Int
    /// Where each key's places begin, and at the end where the last one's end.
    let firsts: UnsafeMutablePointer<Int32>
    private let hashes: UnsafeMutablePointer<Int64>
    private let views: UnsafeMutablePointer<UInt64>
    private let arena: ByteArena
    private let table: UnsafeMutablePointer<Int32>
    private let mask: Int

    /// Bytes of memory a label takes besides its key.
    static let bytesEach = 40

    /// An index of labels of these keys at these times, in microseconds.
    ///
    /// - Precondition: fewer than 2^31 labels; one time for each key.
    public init(keys: KeyColumn, times given: UnsafePointer<Int64>) {
        count = keys.bytes.count
        arena = keys.bytes.arena!
        var slots = 64
        while slots < count * 2 { slots *= 2 }
        mask = slots - 1
        let table = UnsafeMutablePointer<Int32>.allocate(capacity: slots)
        table.initialize(repeating: -1, count: slots)
        let hashes = UnsafeMutablePointer<Int64>.allocate(capacity: max(count, 1))
        let views = UnsafeMutablePointer<UInt64>.allocate(capacity: max(count, 1))
        let owners = UnsafeMutablePointer<Int32>.allocate(capacity: max(count, 1))
        defer { owners.deallocate() }
        let keyHashes = keys.hashes.int64s
        let keyViews = keys.bytes.views
        let base = arena.base
        var found = 0
        var row = 0
        while row < count {
            let hash = keyHashes[row]
            let view = keyViews[row]
            var slot = Int(truncatingIfNeeded: hash) & mask
            var owner: Int32 = -1
            while table[slot] >= 0 {
                let key = Int(table[slot])
                if hashes[key] == hash, ByteView.length(views[key]) == ByteView.length(view),
                    memcmp(
                        base + ByteView.start(views[key]), base + ByteView.start(view),
                        ByteView.length(view)) == 0
                {
                    owner = table[slot]
                    break
                }
                slot = (slot &+ 1) & mask
            }
            if owner < 0 {
                owner = Int32(found)
                table[slot] = owner
                hashes[found] = hash
                views[found] = view
                found &+= 1
            }
            owners[row] = owner
            row &+= 1
        }
        self.table = table
        self.hashes = hashes
        self.views = views
        keyCount = found
        firsts = .allocate(capacity: found + 1)
        labels = .allocate(capacity: max(count, 1))
        places = .allocate(capacity: max(count, 1))
        times = .allocate(capacity: max(count, 1))
        arrange(owners, given)
    }

    /// Puts the labels side by side by key, and each key's by time and then by position.
    private func arrange(_ owners: UnsafePointer<Int32>, _ given: UnsafePointer<Int64>) {
        firsts.initialize(repeating: 0, count: keyCount + 1)
        for row in 0..<count { firsts[Int(owners[row]) + 1] += 1 }
        for key in 0..<keyCount { firsts[key + 1] += firsts[key] }
        let next = UnsafeMutablePointer<Int32>.allocate(capacity: max(keyCount, 1))
        next.update(from: firsts, count: keyCount)
        for row in 0..<count {
            let owner = Int(owners[row])
            labels[Int(next[owner])] = Int32(row)
            next[owner] += 1
        }
        next.deallocate()
        for key in 0..<keyCount {
            var group = UnsafeMutableBufferPointer(
                start: labels + Int(firsts[key]), count: Int(firsts[key + 1] - firsts[key]))
            if group.count > 1 {
                group.sort { (given[Int($0)], $0) < (given[Int($1)], $1) }
            }
        }
        for place in 0..<count {
            times[place] = given[Int(labels[place])]
            places[Int(labels[place])] = Int32(place)
        }
    }

    deinit {
        for pointer in [labels, places, firsts, table] { pointer.deallocate() }
        times.deallocate()
        hashes.deallocate()
        views.deallocate()
    }

    /// The key's number, or -1 when no label has it.
    @inline(__always)
    func find(_ hash: Int64, _ key: UnsafePointer<UInt8>, _ length: Int) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while table[slot] >= 0 {
            let found = Int(table[slot])
            if hashes[found] == hash {
                let view = views[found]
                if ByteView.length(view) == length,
                    memcmp(arena.base + ByteView.start(view), key, length) == 0
                {
                    return found
                }
            }
            slot = (slot &+ 1) & mask
        }
        return -1
    }

    /// The first place of key `key` whose time is not before `time`; the key's end when there is none.
    @inline(__always)
    func place(of key: Int, notBefore time: Int64) -> Int {
        var low = Int(firsts[key])
        var high = Int(firsts[key &+ 1])
        while low < high {
            let middle = (low &+ high) &>> 1
            if times[middle] < time { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// Tells the processor that key `hash` will be looked for soon.
    @inline(__always)
    func slot(_ hash: Int64) -> UnsafeMutablePointer<Int32> {
        table + (Int(truncatingIfNeeded: hash) & mask)
    }
}
