import Glibc

/// A handle to one entry of a state table: its key, its fixed bytes and its blobs.
public struct StateEntry {
    struct Header {
        var hash: Int64
        var key: UnsafeMutablePointer<UInt8>
        var keyLength: UInt32
        var flags: UInt32
        // followed by the fixed bytes (8-aligned) and the blobs
    }

    struct Blob {
        var base: UnsafeMutablePointer<UInt8>?
        var length: UInt32
        var capacity: UInt32
    }

    var header: UnsafeMutablePointer<Header>?

    /// False for an absent key that `find` looked for.
    @inline(__always) public var exists: Bool { header != nil }

    /// True from the `resolve` that made the entry until `settle`.
    @inline(__always) public var isNew: Bool { header!.pointee.flags & 1 != 0 }
    @inline(__always) public func settle() { header!.pointee.flags &= ~1 }

    @inline(__always) public var hash: Int64 { header!.pointee.hash }

    public var key: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: header!.pointee.key, count: Int(header!.pointee.keyLength))
    }

    /// The entry's fixed bytes, 8-byte aligned; written freely by the step that owns the state.
    @inline(__always) public var value: UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(header! + 1)
    }

    /// The bytes of blob `index`, valid until it is changed.
    public func blob(_ index: Int, of layout: StateLayout) -> UnsafeBufferPointer<UInt8> {
        let blob = blobs(layout)[index]
        return UnsafeBufferPointer(start: blob.base, count: Int(blob.length))
    }

    /// Gives blob `index` `length` bytes, the old ones kept as far as they fit; new ones undefined.
    @discardableResult
    public func resizeBlob(
        _ index: Int, to length: Int, of layout: StateLayout
    ) -> UnsafeMutablePointer<UInt8> {
        let blob = blobs(layout) + index
        if Int(blob.pointee.capacity) < length {
            let capacity = max(length, Int(blob.pointee.capacity) * 2, 16)
            let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
            if let base = blob.pointee.base {
                memcpy(grown, base, Int(blob.pointee.length))
                base.deallocate()
            }
            blob.pointee.base = grown
            blob.pointee.capacity = UInt32(capacity)
        }
        blob.pointee.length = UInt32(length)
        return blob.pointee.base ?? UnsafeMutablePointer<UInt8>(bitPattern: 8)!
    }

    func blobs(_ layout: StateLayout) -> UnsafeMutablePointer<Blob> {
        (value + (layout.fixedBytes + 7) / 8 * 8).assumingMemoryBound(to: Blob.self)
    }

    func precedes(_ other: StateEntry) -> Bool {
        let mine = UInt64(bitPattern: hash)
        let theirs = UInt64(bitPattern: other.hash)
        return mine != theirs ? mine < theirs : key.lexicographicallyPrecedes(other.key)
    }

    static func make(_ layout: StateLayout, key: [UInt8], hash: Int64) -> StateEntry {
        let fixed = (layout.fixedBytes + 7) / 8 * 8
        let bytes = MemoryLayout<Header>.size + fixed + layout.blobs * MemoryLayout<Blob>.stride
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
        memset(raw, 0, bytes)
        let header = raw.assumingMemoryBound(to: Header.self)
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(key.count, 1))
        copy.update(from: key, count: key.count)
        header.pointee = Header(hash: hash, key: copy, keyLength: UInt32(key.count), flags: 1)
        let entry = StateEntry(header: header)
        memcpy(entry.value, layout.initial, layout.fixedBytes)
        return entry
    }

    func free(_ layout: StateLayout) {
        for blob in 0..<layout.blobs { blobs(layout)[blob].base?.deallocate() }
        header!.pointee.key.deallocate()
        UnsafeMutableRawPointer(header!).deallocate()
    }
}
