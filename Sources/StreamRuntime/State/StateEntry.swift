import CPlatform
import Glibc

/// A handle to one entry of a state table: its key, its fixed bytes and its blobs.
public struct StateEntry {
    /// What precedes the fixed bytes; after them come the blobs, then the key, padded to whole words.
    struct Header {
        var hash: Int64
        /// Bytes of the whole entry.
        var size: UInt32
        var keyLength: UInt32
        /// The piece of memory the entry lies in; in a snapshot the length of the value.
        var segment: UInt32
        var flags: UInt32
    }

    struct Blob {
        var base: UnsafeMutablePointer<UInt8>?
        var length: UInt32
        var capacity: UInt32
    }

    enum Flag {
        /// Made by `resolve` and not settled.
        static let isNew: UInt32 = 1
        /// Changed since the last snapshot.
        static let dirty: UInt32 = 2
        /// Used since the eviction hand last passed.
        static let used: UInt32 = 4
        /// Removed here, but not yet on disk.
        static let removed: UInt32 = 8
        /// On disk, or in a snapshot on its way there.
        static let persisted: UInt32 = 16
        /// Memory that belongs to nobody any more.
        static let dead: UInt32 = 32
        /// Bits that hold the number of the last snapshot that took the entry.
        static let epochShift: UInt32 = 8
        static let epochMask: UInt32 = 0xFF00
        /// Bits that hold the number of the last eviction that found the entry large and in use; 0 for none.
        static let evictionShift: UInt32 = 16
        static let evictionMask: UInt32 = 0xFF_0000
    }

    var header: UnsafeMutablePointer<Header>?

    /// False for an absent key that `find` looked for.
    @inline(__always) public var exists: Bool { header != nil }

    /// True from the `resolve` that made the entry until `settle`.
    @inline(__always) public var isNew: Bool { header!.pointee.flags & Flag.isNew != 0 }

    /// Says that the step has given the new entry its first value.
    @inline(__always) public func settle() { header!.pointee.flags &= ~Flag.isNew }

    /// The hash of the key.
    @inline(__always) public var hash: Int64 { header!.pointee.hash }

    /// The bytes of the key.
    public var key: UnsafeBufferPointer<UInt8> {
        let length = Int(header!.pointee.keyLength)
        return UnsafeBufferPointer(start: StateEntry.key(of: header!), count: length)
    }

    /// The entry's fixed bytes, 8-byte aligned; written freely by the step that owns the state after
    /// `resolve`, or after `find` and `markChanged`.
    @inline(__always) public var value: UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(header! + 1)
    }

    /// The bytes of blob `index`, valid until it is changed.
    public func blob(_ index: Int, of layout: StateLayout) -> UnsafeBufferPointer<UInt8> {
        let blob = blobs(layout)[index]
        return UnsafeBufferPointer(start: blob.base, count: Int(blob.length))
    }

    /// Asks for blob `index` from memory, for a use that comes soon.
    public func prefetchBlob(_ index: Int, of layout: StateLayout) {
        if let base = blobs(layout)[index].base { millrace_prefetch(base) }
    }

    /// Gives blob `index` `length` bytes, the old ones kept as far as they fit; new ones undefined.
    @discardableResult
    public func resizeBlob(
        _ index: Int, to length: Int, of layout: StateLayout
    ) -> UnsafeMutablePointer<UInt8> {
        let blob = blobs(layout) + index
        let held = Int(blob.pointee.capacity)
        if held < length {
            precondition(length <= Int(UInt32.max), "a blob holds at most 4 GiB")
            let capacity = min(max(length, held * 2, 16), Int(UInt32.max))
            blob.pointee.base = realloc(blob.pointee.base, capacity)!
                .assumingMemoryBound(to: UInt8.self)
            blob.pointee.capacity = UInt32(capacity)
            meter(layout).pointee += capacity - held
        } else if length == 0, held > 256 {
            freeBlob(blob, layout)
        }
        blob.pointee.length = UInt32(length)
        return blob.pointee.base ?? UnsafeMutablePointer<UInt8>(bitPattern: 8)!
    }

    func blobs(_ layout: StateLayout) -> UnsafeMutablePointer<Blob> {
        (value + layout.fixedStride).assumingMemoryBound(to: Blob.self)
    }

    /// Bytes of memory that the blobs have.
    func blobBytes(_ layout: StateLayout) -> Int {
        let blobs = blobs(layout)
        var bytes = 0
        for index in 0..<layout.blobs { bytes += Int(blobs[index].capacity) }
        return bytes
    }

    func freeBlobs(_ layout: StateLayout) {
        for index in 0..<layout.blobs { freeBlob(blobs(layout) + index, layout) }
    }

    private func freeBlob(_ blob: UnsafeMutablePointer<Blob>, _ layout: StateLayout) {
        guard let base = blob.pointee.base else { return }
        Glibc.free(base)
        meter(layout).pointee -= Int(blob.pointee.capacity)
        blob.pointee = Blob(base: nil, length: 0, capacity: 0)
    }

    /// The count of bytes in use that the entry's blobs are part of.
    func meter(_ layout: StateLayout) -> UnsafeMutablePointer<Int> {
        meterSlot(layout).pointee
    }

    func meterSlot(_ layout: StateLayout) -> UnsafeMutablePointer<UnsafeMutablePointer<Int>> {
        UnsafeMutableRawPointer(blobs(layout) + layout.blobs)
            .assumingMemoryBound(to: UnsafeMutablePointer<Int>.self)
    }

    @inline(__always)
    static func key(of header: UnsafeMutablePointer<Header>) -> UnsafeMutablePointer<UInt8> {
        let end = UnsafeMutableRawPointer(header) + Int(header.pointee.size)
        return (end - ((Int(header.pointee.keyLength) &+ 7) & ~7))
            .assumingMemoryBound(to: UInt8.self)
    }

    /// Whether two byte strings of `length` bytes are equal.
    @inline(__always)
    static func equal(
        _ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, _ length: Int
    ) -> Bool {
        let left = UnsafeRawPointer(left)
        let right = UnsafeRawPointer(right)
        if length < 8 {
            var at = 0
            while at < length {
                if left.load(fromByteOffset: at, as: UInt8.self)
                    != right.load(fromByteOffset: at, as: UInt8.self)
                {
                    return false
                }
                at &+= 1
            }
            return true
        }
        var at = 0
        let last = length &- 8
        while at < last {
            if left.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                != right.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            {
                return false
            }
            at &+= 8
        }
        return left.loadUnaligned(fromByteOffset: last, as: UInt64.self)
            == right.loadUnaligned(fromByteOffset: last, as: UInt64.self)
    }
}
