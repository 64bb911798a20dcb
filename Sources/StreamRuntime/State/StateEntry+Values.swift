import Glibc

extension StateEntry {
    /// Appends the entry's value, its fixed bytes and blobs, to `arena`.
    ///
    /// - Returns: where it lies.
    public func appendValue(to arena: ByteArena, _ layout: StateLayout) -> UInt64 {
        var length = layout.fixedBytes
        for blob in 0..<layout.blobs { length += 4 + Int(blobs(layout)[blob].length) }
        arena.reserve(length)
        let start = arena.count
        var at = UnsafeMutableRawPointer(arena.base + start)
        if layout.fixedBytes > 0 { memcpy(at, value, layout.fixedBytes) }
        at += layout.fixedBytes
        for index in 0..<layout.blobs {
            let blob = blobs(layout)[index]
            at.storeBytes(of: blob.length.littleEndian, as: UInt32.self)
            if let base = blob.base { memcpy(at + 4, base, Int(blob.length)) }
            at += 4 + Int(blob.length)
        }
        arena.count = start + length
        return ByteView.pack(start: start, length: length)
    }

    /// Gives the entry a value that `appendValue` wrote.
    ///
    /// - Returns: false when it does not fit the layout.
    public func readValue(_ bytes: UnsafeBufferPointer<UInt8>, _ layout: StateLayout) -> Bool {
        for blob in 0..<layout.blobs { resizeBlob(blob, to: 0, of: layout) }
        return StateRecord.decode(UnsafeRawBufferPointer(bytes), into: self, layout)
    }
}
