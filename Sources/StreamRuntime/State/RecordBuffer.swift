import Glibc
import Synchronization

/// Copies of entries on their way to disk, in blocks of memory that are used again.
///
/// - Note: filled by one worker, then only read, by whoever writes the snapshot; that is why it may
///   cross threads.
final class RecordBuffer: @unchecked Sendable {
    struct Block {
        let base: UnsafeMutableRawPointer
        let capacity: Int
        var used: Int
    }

    private struct Room {
        var at: UnsafeMutableRawPointer?
        var left: Int
        var count: Int
    }

    private(set) var blocks: [Block] = []
    private let room: UnsafeMutablePointer<Room>
    private let pool: BlockPool

    init(pool: BlockPool) {
        self.pool = pool
        room = .allocate(capacity: 1)
        room.initialize(to: Room(at: nil, left: 0, count: 0))
    }

    deinit {
        for block in blocks { pool.giveBack(block.base, block.capacity) }
        room.deallocate()
    }

    /// Records in the buffer.
    var count: Int { room.pointee.count }

    /// Bytes of all records.
    var bytes: Int { closedBlocks.reduce(0) { $0 + $1.used } }

    /// Memory for a record of `size` bytes, a multiple of 8.
    @inline(__always)
    func append(_ size: Int) -> UnsafeMutableRawPointer {
        if room.pointee.left < size { addBlock(size) }
        let record = room.pointee.at.unsafelyUnwrapped
        room.pointee.at = record + size
        room.pointee.left &-= size
        room.pointee.count &+= 1
        return record
    }

    private func addBlock(_ size: Int) {
        closeBlock()
        let held = blocks.reduce(0) { $0 + $1.capacity }
        let capacity = max(size.nextPowerOfTwo, min(BlockPool.blockBytes, max(4096, held)))
        let base = pool.take(capacity)
        blocks.append(Block(base: base, capacity: capacity, used: 0))
        room.pointee.at = base
        room.pointee.left = capacity
    }

    private func closeBlock() {
        guard let last = blocks.indices.last else { return }
        blocks[last].used = blocks[last].capacity - room.pointee.left
    }

    /// The blocks with what each has in use.
    var closedBlocks: [Block] {
        guard var last = blocks.last else { return [] }
        last.used = last.capacity - room.pointee.left
        return blocks.dropLast() + [last]
    }

    /// Calls `body` with every record, in the order they were added.
    @inline(__always)
    func forEach(_ body: (UnsafeMutablePointer<StateEntry.Header>) -> Void) {
        for block in closedBlocks {
            var at = 0
            while at < block.used {
                let record = (block.base + at).assumingMemoryBound(to: StateEntry.Header.self)
                at &+= Int(record.pointee.size)
                body(record)
            }
        }
    }
}

/// Blocks for snapshots, kept from one checkpoint to the next so that their pages are touched once.
final class BlockPool: Sendable {
    static let blockBytes = LargeMemory.hugePage

    private struct Spare: @unchecked Sendable { var blocks: [UnsafeMutableRawPointer] = [] }
    private let spare = Mutex(Spare())
    private let keptBlocks: Int

    /// A pool that keeps at most `keptBytes` of free blocks.
    init(keptBytes: Int) { keptBlocks = keptBytes / BlockPool.blockBytes }

    deinit {
        spare.withLock { spare in
            for block in spare.blocks { LargeMemory.free(block, BlockPool.blockBytes) }
        }
    }

    func take(_ bytes: Int) -> UnsafeMutableRawPointer {
        if bytes == BlockPool.blockBytes {
            let address = spare.withLock { $0.blocks.popLast().map { UInt(bitPattern: $0) } }
            if let address { return UnsafeMutableRawPointer(bitPattern: address)! }
        }
        return LargeMemory.allocate(bytes)
    }

    func giveBack(_ block: UnsafeMutableRawPointer, _ bytes: Int) {
        if bytes == BlockPool.blockBytes {
            let address = UInt(bitPattern: block)
            let isKept = spare.withLock { spare in
                guard spare.blocks.count < keptBlocks else { return false }
                spare.blocks.append(UnsafeMutableRawPointer(bitPattern: address)!)
                return true
            }
            if isKept { return }
        }
        LargeMemory.free(block, bytes)
    }
}
