import Glibc

/// Zeroed memory from the system; large pieces are whole huge pages that go back to the system at
/// once when they are freed, which the C heap does not promise.
enum LargeMemory {
    static let hugePage = 2 << 20

    static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
        guard bytes >= hugePage else { return calloc(1, max(bytes, 1))! }
        let length = roundedUp(bytes)
        let mapped = mmap(
            nil, length + hugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        precondition(mapped != UnsafeMutableRawPointer(bitPattern: -1), "out of memory")
        let address = UInt(bitPattern: mapped)
        let aligned = (address + UInt(hugePage) - 1) & ~UInt(hugePage - 1)
        let head = Int(aligned - address)
        if head > 0 { munmap(mapped, head) }
        if head < hugePage { munmap(mapped + head + length, hugePage - head) }
        madvise(mapped + head, length, MADV_HUGEPAGE)
        return mapped + head
    }

    static func free(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
        if bytes >= hugePage { munmap(memory, roundedUp(bytes)) } else { Glibc.free(memory) }
    }

    private static func roundedUp(_ bytes: Int) -> Int { (bytes + hugePage - 1) & ~(hugePage - 1) }
}

/// Counts the bytes the tables of one store hold, and keeps a few freed pieces for the next need.
final class MemoryMeter {
    /// Bytes held; entries with blobs count on it directly.
    let bytes: UnsafeMutablePointer<Int>
    private var spare: [UnsafeMutableRawPointer] = []
    private static let spareLimit = 4

    init() {
        bytes = .allocate(capacity: 1)
        bytes.initialize(to: 0)
    }

    deinit {
        for memory in spare { LargeMemory.free(memory, LargeMemory.hugePage) }
        bytes.deallocate()
    }

    /// Memory for entries; not zeroed.
    func take(_ size: Int) -> UnsafeMutableRawPointer {
        bytes.pointee += size
        if size == LargeMemory.hugePage, let memory = spare.popLast() { return memory }
        return LargeMemory.allocate(size)
    }

    func giveBack(_ memory: UnsafeMutableRawPointer, _ size: Int) {
        bytes.pointee -= size
        if size == LargeMemory.hugePage, spare.count < MemoryMeter.spareLimit {
            spare.append(memory)
        } else {
            LargeMemory.free(memory, size)
        }
    }
}
