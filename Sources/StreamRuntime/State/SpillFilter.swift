import CPlatform
import Glibc

/// Says of most keys that are not on disk that they are not, without asking the disk.
///
/// - Shape: blocked Bloom filters, each four times as large as the one before: a key sets seven bits
///   of one 64-byte block. One key in two hundred or so that is not there seems to be.
/// - Source: Putze, Sanders, Singler, Cache-, Hash- and Space-Efficient Bloom Filters, 2007.
final class SpillFilter {
    private struct Level {
        let words: UnsafeMutablePointer<UInt64>
        let blocks: UInt64
        let keysMax: Int
    }

    private var levels: [Level] = []
    private var lastCount = 0
    /// Keys added since the filter was last empty.
    private(set) var added = 0
    private let meter: MemoryMeter

    private static let firstKeys = 4 << 10
    private static let bitsPerKey = 16

    init(meter: MemoryMeter) { self.meter = meter }

    deinit { removeAll() }

    func removeAll() {
        for level in levels {
            LargeMemory.free(level.words, Int(level.blocks) * 64)
            meter.bytes.pointee -= Int(level.blocks) * 64
        }
        levels.removeAll()
        lastCount = 0
        added = 0
    }

    func add(_ hash: Int64) {
        if mayContain(hash) { return }
        if levels.isEmpty || lastCount >= levels[levels.count - 1].keysMax { addLevel() }
        let level = levels[levels.count - 1]
        let mixed = SpillFilter.mixed(hash)
        let block = SpillFilter.block(mixed, level)
        var bits = SpillFilter.bits(mixed)
        for _ in 0..<7 {
            let bit = bits & 511
            block[Int(bit >> 6)] |= 1 << (bit & 63)
            bits >>= 9
        }
        lastCount += 1
        added += 1
    }

    @inline(__always)
    func mayContain(_ hash: Int64) -> Bool {
        let mixed = SpillFilter.mixed(hash)
        let all = SpillFilter.bits(mixed)
        var at = 0
        while at < levels.count {
            let block = SpillFilter.block(mixed, levels[at])
            var bits = all
            var isThere = true
            var turn = 0
            while turn < 7 {
                let bit = bits & 511
                isThere = isThere && block[Int(bit >> 6)] & (1 << (bit & 63)) != 0
                bits >>= 9
                turn &+= 1
            }
            if isThere { return true }
            at &+= 1
        }
        return false
    }

    /// Asks for what `mayContain` and `add` read of a key, for a use that comes soon.
    @inline(__always)
    func prefetch(_ hash: Int64) {
        let mixed = SpillFilter.mixed(hash)
        // The levels before the last three are small enough to be near.
        var at = max(0, levels.count &- 3)
        while at < levels.count {
            millrace_prefetch(SpillFilter.block(mixed, levels[at]))
            at &+= 1
        }
    }

    private func addLevel() {
        let keysMax = levels.last.map { $0.keysMax * 4 } ?? SpillFilter.firstKeys
        let blocks = keysMax * SpillFilter.bitsPerKey / 512
        let words = LargeMemory.allocate(blocks * 64).assumingMemoryBound(to: UInt64.self)
        meter.bytes.pointee += blocks * 64
        levels.append(Level(words: words, blocks: UInt64(blocks), keysMax: keysMax))
        lastCount = 0
    }

    @inline(__always)
    private static func block(_ mixed: UInt64, _ level: Level) -> UnsafeMutablePointer<UInt64> {
        level.words + Int(mixed.multipliedFullWidth(by: level.blocks).high) &* 8
    }

    /// Where a key's bits are in its block, nine bits for each: not those the block was chosen by.
    @inline(__always)
    private static func bits(_ mixed: UInt64) -> UInt64 { (mixed &* 0x9E37_79B9_7F4A_7C15) >> 1 }

    /// Spreads the hash anew: a worker's hashes share their highest bits.
    @inline(__always)
    private static func mixed(_ hash: Int64) -> UInt64 {
        var word = UInt64(bitPattern: hash)
        word = (word ^ (word >> 32)) &* 0xD6E8_FEB8_6659_FD93
        return word ^ (word >> 32)
    }
}
