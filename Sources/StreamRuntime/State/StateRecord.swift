import Glibc

/// A copy of an entry as it goes to disk.
///
/// - Shape: the entry's header, whose `segment` holds the length of the value; the value (fixed bytes,
///   then of each blob its length in four bytes, little-endian, and its bytes); the key in the last bytes.
enum StateRecord {
    typealias Header = StateEntry.Header

    /// Copies an entry.
    @inline(__always)
    static func append(
        _ header: UnsafeMutablePointer<Header>, _ layout: StateLayout, to records: RecordBuffer
    ) {
        if layout.blobs > 0 {
            appendWithBlobs(header, layout, to: records)
            return
        }
        let size = Int(header.pointee.size)
        let record = records.append(size)
        memcpy(record, header, size)
        record.assumingMemoryBound(to: Header.self).pointee.segment =
            UInt32(truncatingIfNeeded: layout.fixedBytes)
    }

    private static func appendWithBlobs(
        _ header: UnsafeMutablePointer<Header>, _ layout: StateLayout, to records: RecordBuffer
    ) {
        let blobs = StateEntry(header: header).blobs(layout)
        let isRemoved = header.pointee.flags & StateEntry.Flag.removed != 0
        var valueBytes = 0
        if !isRemoved {
            valueBytes = layout.fixedBytes
            for blob in 0..<layout.blobs { valueBytes += 4 + Int(blobs[blob].length) }
        }
        let keyBytes = (Int(header.pointee.keyLength) + 7) & ~7
        let size = MemoryLayout<Header>.size + (valueBytes + 7) & ~7 + keyBytes
        let record = records.append(size).assumingMemoryBound(to: Header.self)
        record.pointee = header.pointee
        record.pointee.size = UInt32(size)
        record.pointee.segment = UInt32(valueBytes)
        memcpy(StateEntry.key(of: record), StateEntry.key(of: header), keyBytes)
        guard !isRemoved else { return }
        var at = UnsafeMutableRawPointer(record + 1)
        memcpy(at, header + 1, layout.fixedBytes)
        at += layout.fixedBytes
        for blob in 0..<layout.blobs {
            let length = blobs[blob].length
            at.storeBytes(of: length.littleEndian, as: UInt32.self)
            if let base = blobs[blob].base { memcpy(at + 4, base, Int(length)) }
            at += 4 + Int(length)
        }
    }

    /// The value of a record, as it is on disk.
    static func value(_ record: UnsafeMutablePointer<Header>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: record + 1, count: Int(record.pointee.segment))
    }

    static func isRemoval(_ record: UnsafeMutablePointer<Header>) -> Bool {
        record.pointee.flags & StateEntry.Flag.removed != 0
    }

    /// Gives an entry the value that was on disk.
    ///
    /// - Returns: false when the value does not fit the layout.
    static func decode(
        _ value: UnsafeRawBufferPointer, into entry: StateEntry, _ layout: StateLayout
    ) -> Bool {
        guard value.count >= layout.fixedBytes else { return false }
        if layout.fixedBytes > 0 { memcpy(entry.value, value.baseAddress!, layout.fixedBytes) }
        var at = layout.fixedBytes
        for blob in 0..<layout.blobs {
            guard value.count - at >= 4 else { return false }
            let length = Int(
                UInt32(littleEndian: value.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
            at += 4
            guard value.count - at >= length else { return false }
            if length > 0 {
                let bytes = entry.resizeBlob(blob, to: length, of: layout)
                memcpy(bytes, value.baseAddress! + at, length)
            }
            at += length
        }
        return at == value.count
    }
}
