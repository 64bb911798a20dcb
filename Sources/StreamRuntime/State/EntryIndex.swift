import CPlatform
import Glibc

/// Finds entries by hash: open addressing over words that hold an entry's address and 16 bits of its
/// hash.
final class EntryIndex {
    typealias Header = StateEntry.Header

    /// A slot whose entry went away; probing goes on past it.
    static let gone: UInt64 = 1
    static let addressMask: UInt64 = 0x0000_FFFF_FFFF_FFFF

    private(set) var slots: UnsafeMutablePointer<UInt64>
    /// Slots, a power of two.
    private(set) var capacity: Int
    /// How far a mixed hash is shifted to give a slot.
    private(set) var shift: UInt64
    /// Slots that are not empty, gone ones included.
    private var filled = 0
    private(set) var count = 0
    private let meter: MemoryMeter
    private static let capacityMin = 16

    init(meter: MemoryMeter) {
        self.meter = meter
        capacity = EntryIndex.capacityMin
        shift = 64 - 4
        slots = LargeMemory.allocate(capacity * 8).assumingMemoryBound(to: UInt64.self)
        meter.bytes.pointee += capacity * 8
    }

    deinit {
        LargeMemory.free(slots, capacity * 8)
        meter.bytes.pointee -= capacity * 8
    }

    /// Where probing for a hash starts; multiplied first, so that hashes made of few bits spread too.
    @inline(__always)
    static func start(_ hash: Int64, _ shift: UInt64) -> Int {
        Int(truncatingIfNeeded: (UInt64(bitPattern: hash) &* 0x9E37_79B9_7F4A_7C15) &>> shift)
    }

    @inline(__always)
    static func tag(_ hash: Int64) -> UInt64 {
        (UInt64(bitPattern: hash) &<< 16) & ~addressMask
    }

    @inline(__always)
    static func entry(_ slot: UInt64) -> UnsafeMutablePointer<Header>? {
        UnsafeMutablePointer(bitPattern: UInt(slot & addressMask))
    }

    /// The slot of the entry with this key, or -1.
    func slot(of key: UnsafePointer<UInt8>, _ length: Int, hash: Int64) -> Int {
        let slots = self.slots
        let mask = capacity &- 1
        let tag = EntryIndex.tag(hash)
        var at = EntryIndex.start(hash, shift)
        while true {
            let slot = slots[at]
            if slot == 0 { return -1 }
            if slot & ~EntryIndex.addressMask == tag, slot != EntryIndex.gone,
                let header = EntryIndex.entry(slot), header.pointee.hash == hash,
                Int(header.pointee.keyLength) == length,
                StateEntry.equal(StateEntry.key(of: header), key, length)
            {
                return at
            }
            at = (at &+ 1) & mask
        }
    }

    @inline(__always)
    func entry(at slot: Int) -> UnsafeMutablePointer<Header> { EntryIndex.entry(slots[slot])! }

    /// Adds an entry whose key is not there.
    func insert(_ header: UnsafeMutablePointer<Header>, in log: EntryLog) {
        if (filled &+ 1) &* 4 > capacity &* 3 { rebuild(from: log, except: header) }
        let mask = capacity &- 1
        var at = EntryIndex.start(header.pointee.hash, shift)
        while slots[at] > EntryIndex.gone { at = (at &+ 1) & mask }
        if slots[at] == 0 { filled &+= 1 }
        slots[at] = EntryIndex.tag(header.pointee.hash) | UInt64(UInt(bitPattern: header))
        count &+= 1
    }

    /// The slot that holds this very entry.
    func slot(of header: UnsafeMutablePointer<Header>) -> Int {
        let mask = capacity &- 1
        let wanted = EntryIndex.tag(header.pointee.hash) | UInt64(UInt(bitPattern: header))
        var at = EntryIndex.start(header.pointee.hash, shift)
        while slots[at] != wanted {
            precondition(slots[at] != 0, "an entry is in its index")
            at = (at &+ 1) & mask
        }
        return at
    }

    /// Asks for the slot of an entry, for a use that comes soon.
    @inline(__always)
    func prefetch(_ hash: Int64) { millrace_prefetch(slots + EntryIndex.start(hash, shift)) }

    func remove(_ header: UnsafeMutablePointer<Header>) {
        let at = slot(of: header)
        // Before an empty slot nobody probes on: it may be empty itself.
        if slots[(at &+ 1) & (capacity &- 1)] == 0 {
            slots[at] = 0
            filled &-= 1
        } else {
            slots[at] = EntryIndex.gone
        }
        count &-= 1
    }

    /// Points an entry's slot at the place it moved to.
    func move(_ from: UnsafeMutablePointer<Header>, to: UnsafeMutablePointer<Header>) {
        slots[slot(of: from)] = EntryIndex.tag(to.pointee.hash) | UInt64(UInt(bitPattern: to))
    }

    func removeAll() {
        resize(EntryIndex.capacityMin)
        filled = 0
        count = 0
    }

    /// Gives memory back after most entries have left.
    func shrink(_ log: EntryLog) {
        guard capacity > EntryIndex.capacityMin * 4, (count + 1) * 8 < capacity else { return }
        rebuild(from: log, except: nil)
    }

    private func resize(_ wanted: Int) {
        LargeMemory.free(slots, capacity * 8)
        meter.bytes.pointee += (wanted - capacity) * 8
        capacity = wanted
        shift = UInt64(64 - wanted.trailingZeroBitCount)
        slots = LargeMemory.allocate(wanted * 8).assumingMemoryBound(to: UInt64.self)
    }

    /// Makes the index as large as its entries need, without gone slots.
    ///
    /// Entries are read from the log in the order they lie in memory, so that none is waited for.
    private func rebuild(from log: EntryLog, except newest: UnsafeMutablePointer<Header>?) {
        resize(max(EntryIndex.capacityMin, ((count + 1) * 2).nextPowerOfTwo))
        let slots = self.slots
        let mask = capacity &- 1
        let shift = self.shift
        for number in log.order {
            log.forEach(in: number) { header in
                guard header != newest else { return }
                let hash = header.pointee.hash
                var at = EntryIndex.start(hash, shift)
                while slots[at] != 0 { at = (at &+ 1) & mask }
                slots[at] = EntryIndex.tag(hash) | UInt64(UInt(bitPattern: header))
            }
        }
        filled = count
    }
}
