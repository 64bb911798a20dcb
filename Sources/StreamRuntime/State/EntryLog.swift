import Glibc

/// The memory of a table's entries: segments that entries are appended to and never reused in place.
///
/// An entry that dies leaves garbage; a segment of nothing but garbage is freed, and one with
/// much of it is emptied by moving the living away. So memory always goes back in whole segments,
/// and the oldest segment holds what was not used for longest.
final class EntryLog {
    typealias Header = StateEntry.Header

    struct Segment {
        var base: UnsafeMutableRawPointer
        var capacity: Int
        var used: Int
        /// Bytes of dead entries.
        var dead: Int
        /// Bytes of dead entries, and of removed ones that a snapshot has taken.
        var garbage: Int
        var dirty: Int
        /// A bit for each 16 bytes: an entry that was changed starts there.
        var changes: UnsafeMutablePointer<UInt64>
    }

    private(set) var segments: UnsafeMutablePointer<Segment>
    private var room: Int
    private var numbersUsed = 0
    private var numbersFree: [Int] = []
    /// The segment entries are appended to, or -1 when the next one opens a new segment.
    private var tail = -1
    /// The segments in use, oldest first.
    private(set) var order: [Int] = []
    /// Bytes of garbage in all segments.
    private(set) var garbage = 0
    private(set) var held = 0
    private let meter: MemoryMeter

    init(meter: MemoryMeter) {
        self.meter = meter
        room = 4
        segments = .allocate(capacity: room)
    }

    deinit {
        releaseAll()
        segments.deallocate()
    }

    /// Memory for an entry of `size` bytes; all but `size` and `segment` of its header is undefined.
    @inline(__always)
    func append(_ size: Int) -> UnsafeMutablePointer<Header> {
        if tail >= 0, segments[tail].capacity &- segments[tail].used >= size {
            return place(size, tail)
        }
        tail = addSegment(atLeast: size)
        return place(size, tail)
    }

    @inline(__always)
    private func place(_ size: Int, _ number: Int) -> UnsafeMutablePointer<Header> {
        let header = (segments[number].base + segments[number].used)
            .assumingMemoryBound(to: Header.self)
        segments[number].used &+= size
        header.pointee.size = UInt32(truncatingIfNeeded: size)
        header.pointee.segment = UInt32(truncatingIfNeeded: number)
        return header
    }

    private func addSegment(atLeast size: Int) -> Int {
        // 4 KiB first, so that a table of a few keys stays small; then up to a huge page.
        let usual = min(LargeMemory.hugePage, max(4096, (held / 2).nextPowerOfTwo))
        let capacity = max(usual, (size + 4095) & ~4095)
        let number: Int
        if let free = numbersFree.popLast() {
            number = free
        } else {
            number = numbersUsed
            numbersUsed += 1
            if number == room {
                let grown = UnsafeMutablePointer<Segment>.allocate(capacity: room * 2)
                memcpy(grown, segments, room * MemoryLayout<Segment>.stride)
                segments.deallocate()
                segments = grown
                room *= 2
            }
        }
        let words = EntryLog.changeWords(capacity)
        segments[number] = Segment(
            base: meter.take(capacity), capacity: capacity, used: 0, dead: 0, garbage: 0, dirty: 0,
            changes: calloc(words, 8)!.assumingMemoryBound(to: UInt64.self))
        held += capacity
        order.append(number)
        return number
    }

    static func changeWords(_ capacity: Int) -> Int { (capacity / 16 + 63) / 64 }

    /// Notes that an entry has changed.
    ///
    /// - Precondition: it was not noted since the last snapshot.
    @inline(__always)
    func noteChange(_ header: UnsafeMutablePointer<Header>) {
        let segment = segments + Int(header.pointee.segment)
        let unit = (UnsafeMutableRawPointer(header) - segment.pointee.base) &>> 4
        segment.pointee.changes[unit &>> 6] |= 1 &<< UInt64(truncatingIfNeeded: unit & 63)
        segment.pointee.dirty &+= 1
    }

    /// Notes that a changed entry is gone or written.
    @inline(__always)
    func forgetChange(_ header: UnsafeMutablePointer<Header>) {
        segments[Int(header.pointee.segment)].dirty &-= 1
    }

    /// Marks an entry's memory as garbage, or (with a negative size) as needed again.
    func addGarbage(_ header: UnsafeMutablePointer<Header>, _ size: Int) {
        segments[Int(header.pointee.segment)].garbage += size
        garbage += size
    }

    /// Marks `bytes` of a segment, of removed entries a snapshot has taken, as garbage.
    func collectable(_ number: Int, _ bytes: Int) {
        segments[number].garbage += bytes
        garbage += bytes
    }

    /// Makes an entry's memory nobody's; frees its segment with the last entry.
    func kill(_ header: UnsafeMutablePointer<Header>) {
        header.pointee.flags = StateEntry.Flag.dead
        let number = Int(header.pointee.segment)
        addGarbage(header, Int(header.pointee.size))
        segments[number].dead += Int(header.pointee.size)
        if segments[number].dead == segments[number].used { release(number) }
    }

    /// Calls `body` for every entry of a segment that is not dead, in the order they were appended.
    @inline(__always)
    func forEach(
        in number: Int, _ body: (UnsafeMutablePointer<Header>) -> Void
    ) {
        let base = segments[number].base
        let used = segments[number].used
        var at = 0
        while at < used {
            let header = (base + at).assumingMemoryBound(to: Header.self)
            at &+= Int(header.pointee.size)
            if header.pointee.flags & StateEntry.Flag.dead == 0 { body(header) }
        }
    }

    /// How many entries `soon` is ahead of `body`.
    private static let ahead = 16

    /// Calls `body` for every entry of a segment that is not dead, in the order they were appended; and
    /// some entries before that `soon`, so that what `body` needs can be asked for from memory.
    @inline(__always)
    func forEach(
        in number: Int, soon: (UnsafeMutablePointer<Header>) -> Void,
        _ body: (UnsafeMutablePointer<Header>) -> Void
    ) {
        let base = segments[number].base
        let used = segments[number].used
        var at = 0
        var scout = 0
        var lead = 0
        while at < used {
            while lead < EntryLog.ahead, scout < used {
                let next = (base + scout).assumingMemoryBound(to: Header.self)
                scout &+= Int(next.pointee.size)
                lead &+= 1
                if next.pointee.flags & StateEntry.Flag.dead == 0 { soon(next) }
            }
            let header = (base + at).assumingMemoryBound(to: Header.self)
            at &+= Int(header.pointee.size)
            lead &-= 1
            if header.pointee.flags & StateEntry.Flag.dead == 0 { body(header) }
        }
    }

    /// Gives a segment's memory back; whatever lives in it must have moved.
    func release(_ number: Int) {
        order.removeAll { $0 == number }
        free(number)
    }

    /// Gives all memory back.
    func releaseAll() {
        for number in order { free(number) }
        order.removeAll()
    }

    private func free(_ number: Int) {
        let segment = segments[number]
        if number == tail { tail = -1 }
        meter.giveBack(segment.base, segment.capacity)
        Glibc.free(segment.changes)
        held -= segment.capacity
        garbage -= segment.garbage
        numbersFree.append(number)
    }

    /// Appends no more to `number`, so that it may be emptied.
    func seal(_ number: Int) {
        if number == tail { tail = -1 }
    }
}

extension Int {
    /// The smallest power of two that is at least this.
    var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
